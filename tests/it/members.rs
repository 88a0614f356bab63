//! Two ledgers share a topic: whoever joins, leaves or dies, every payment is charged once and the state moves with its partitions.

use std::sync::Arc;
use std::time::Duration;

use hooklog_tests::audit::audit;
use hooklog_tests::edge::{Edge, Source};
use hooklog_tests::eventually::eventually;
use hooklog_tests::kafka::Kafka;
use hooklog_tests::ledger::Ledger;
use hooklog_tests::load::Load;
use hooklog_tests::names::unique;
use hooklog_tests::payments::Payments;
use hooklog_tests::rounds::rounds;
use hooklog_tests::webhook::Provider;

use crate::books::{self, Books};

const STOP: Duration = Duration::from_secs(40);

/// Waits for calls of the payment API: the group must work in every constellation.
async fn more_calls(payments: &Payments, more: usize) {
    let goal = payments.calls().len() + more;
    eventually(Duration::from_secs(90), "calls of the payment API", async || {
        let calls = payments.calls().len();
        if calls >= goal { Ok(()) } else { Err(format!("{calls} of {goal}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_come_and_go_and_every_payment_is_charged_once() {
    let kafka = Kafka::shared().await;
    let source = Source::new(&unique("stripe"), Provider::Stripe);
    let payments = books::unreliable_payments();
    let group = books::ledger_group(kafka, &source, &payments).await;
    let (mut first, mut second) =
        (books::static_member(&group, "first"), hooklog_tests::consumer::Consumer::new(group.clone()));
    let edge = Edge::start(kafka.bootstrap(), std::slice::from_ref(&source), "").await;
    let sent = Arc::new(Ledger::default());
    let mut load = Load::new(&edge.address(), &source.name, Provider::Stripe);
    (load.clients, load.pause) = (4, Duration::from_millis(30));
    let load = load.start(Arc::clone(&sent));

    first.start().await;
    for _ in 0..rounds(2, 30) {
        second.start().await;
        more_calls(&payments, 100).await;
        first.kill9();
        first.start().await;
        more_calls(&payments, 100).await;
        // Killed, and not coming back within its session: the first takes everything.
        second.kill9();
        more_calls(&payments, 300).await;
        second.start().await;
        more_calls(&payments, 100).await;
        assert!(second.stop(STOP).await.success());
        more_calls(&payments, 100).await;
    }
    load.stop().await;

    let topic = source.topic();
    kafka.broker().caught_up(&group.group, &topic, Duration::from_secs(120)).await;
    audit(kafka.bootstrap(), &[&topic], &sent).require_clean("members joining and leaving");
    let books = Books::of(kafka.bootstrap(), &topic);
    // The second has left: all state has come back to the first.
    books.require_booked(&first).await;
    books.require_charged(&payments);
    let (calls, charges) = (payments.calls().len(), payments.charges().len());
    eprintln!("members: events={} calls={calls} charges={charges}", books.events());
    assert!(first.stop(STOP).await.success());
}
