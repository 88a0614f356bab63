//! Whatever kills the ledger, whenever: every payment is charged once, and the balances are what the log says.

use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::time::Duration;

use hooklog_tests::audit::audit;
use hooklog_tests::consumer::Consumer;
use hooklog_tests::edge::{Edge, Source};
use hooklog_tests::kafka::Kafka;
use hooklog_tests::ledger::Ledger;
use hooklog_tests::load::{Load, Running};
use hooklog_tests::names::unique;
use hooklog_tests::payments::Payments;
use hooklog_tests::rounds::rounds;
use hooklog_tests::webhook::Provider;
use rand::Rng;

use crate::books::{self, Books};

/// Every step of a micro-batch and of an outside call.
const STEPS: [&str; 11] = [
    "polled",
    "deduped",
    "handled",
    "emitted",
    "before-write",
    "after-write",
    "after-sync",
    "after-commit",
    "before-perform",
    "after-perform",
    "after-perform-ack",
];
const SIGABRT: i32 = 6;

/// Stripe's events on their way to a ledger whose payment API is unreliable.
struct Shop {
    kafka: &'static Kafka,
    source: Source,
    payments: Payments,
    group: String,
    consumer: Consumer,
    _edge: Edge,
    sent: Arc<Ledger>,
    load: Running,
}

impl Shop {
    /// Opens it: of ten events, one is sent twice.
    async fn open() -> Self {
        let kafka = Kafka::shared().await;
        let source = Source::new(&unique("stripe"), Provider::Stripe);
        let payments = books::unreliable_payments();
        let settings = books::ledger_group(kafka, &source, &payments).await;
        let (group, consumer) = (settings.group.clone(), books::static_member(&settings, "only"));
        let edge = Edge::start(kafka.bootstrap(), std::slice::from_ref(&source), "").await;
        let sent = Arc::new(Ledger::default());
        let mut load = Load::new(&edge.address(), &source.name, Provider::Stripe);
        (load.clients, load.pause, load.repeated_per_cent) = (4, Duration::from_millis(30), 10);
        let load = load.start(Arc::clone(&sent));
        Self { kafka, source, payments, group, consumer, _edge: edge, sent, load }
    }

    /// Lets the ledger finish, and compares everything with the log.
    async fn close(mut self, what: &str) {
        self.load.stop().await;
        self.consumer.start().await;
        let topic = self.source.topic();
        self.kafka.broker().caught_up(&self.group, &topic, Duration::from_secs(120)).await;
        audit(self.kafka.bootstrap(), &[&topic], &self.sent).require_clean(what);
        let books = Books::of(self.kafka.bootstrap(), &topic);
        books.require_booked(&self.consumer).await;
        books.require_charged(&self.payments);
        let (calls, charges) = (self.payments.calls().len(), self.payments.charges().len());
        eprintln!("{what}: events={} calls={calls} charges={charges}", books.events());
        assert!(calls > books.events(), "no call was ever repeated, so nothing was tested");
        assert!(self.consumer.stop(Duration::from_secs(40)).await.success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_dies_at_any_step_charges_once() {
    let mut shop = Shop::open().await;
    for step in STEPS {
        for hit in 1..=rounds(3, 20) {
            shop.consumer.launch(&format!("sdk.{step}=kill@{hit}"));
            let died = shop.consumer.exited(Duration::from_secs(60)).await;
            assert_eq!(died.signal(), Some(SIGABRT), "sdk.{step}: {died}");
        }
    }
    shop.close("ledger killed at its failpoints").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_is_killed_at_any_moment_charges_once() {
    let mut shop = Shop::open().await;
    for round in 0..rounds(30, 500) {
        if round % 3 == 0 {
            shop.consumer.start().await;
        } else {
            shop.consumer.launch("");
        }
        let moment = rand::rng().random_range(0..1_500);
        tokio::time::sleep(Duration::from_millis(moment)).await;
        assert!(shop.consumer.runs());
        shop.consumer.kill9();
    }
    shop.close("ledger killed at random").await;
}
