//! A charge is booked once and made once for its key, whatever fails in between.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod killed;

use std::collections::BTreeMap;

use hooklog_consumer::Fault;
use hooklog_consumer::testing::{Kit, Sample, Script, event};
use hooklog_ledger::charge::Order;
use hooklog_ledger::payments::Payments;
use hooklog_ledger::sandbox::{Made, Sandbox};
use hooklog_ledger::{BALANCES, Balance, Ledger};
use hooklog_process::shutdown::Shutdown;
use hooklog_schemas::{FaultClass, NextOffset};
use serde_json::json;
use tokio::net::TcpListener;

fn charge(id: &str, customer: &str, amount: i64) -> Sample {
    let body = json!({
        "id": id, "object": "event", "type": "charge.succeeded",
        "data": { "object": { "id": "ch_1", "customer": customer, "amount": amount, "currency": "eur" } },
    });
    event(id).source("stripe").kind("charge.succeeded").json(&body)
}

/// A ledger under test with a payments service on a socket.
fn kit() -> (Kit<Ledger>, Sandbox) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let kit = Kit::new(Ledger::new(Payments::at(&url).unwrap()));
    let sandbox = Sandbox::new();
    let serving = sandbox.clone();
    kit.block_on(async move {
        let listener = TcpListener::from_std(listener).unwrap();
        tokio::spawn(serving.serve(listener, Shutdown::new()));
    });
    (kit, sandbox)
}

fn balance(kit: &Kit<Ledger>, customer: &str) -> Option<Balance> {
    kit.get(BALANCES, &customer.to_owned())
}

fn made(sandbox: &Sandbox) -> BTreeMap<String, Vec<(String, i64)>> {
    let mut made: BTreeMap<String, Vec<(String, i64)>> = BTreeMap::new();
    for Made { order: Order { event, customer, amount, .. }, .. } in sandbox.charges().into_values() {
        made.entry(customer).or_default().push((event, amount));
    }
    made
}

#[test]
fn a_charge_is_booked_and_made_once_however_often_it_comes() {
    let (mut kit, sandbox) = kit();
    for (id, amount) in [("evt_1", 500), ("evt_1", 500), ("evt_2", 700), ("evt_1", 500)] {
        kit.deliver(charge(id, "cus_1", amount));
    }
    kit.deliver(event("evt_3").source("stripe").kind("customer.created"));
    assert_eq!(balance(&kit, "cus_1"), Some(Balance { sum: 1200, count: 2 }));
    assert_eq!(kit.perform(), 2);
    assert_eq!(made(&sandbox)["cus_1"].len(), 2);
    assert!(kit.effects().is_empty() && kit.dead_letters().is_empty());
}

#[test]
fn a_lost_answer_makes_no_second_charge() {
    let (mut kit, sandbox) = kit();
    kit.deliver(charge("evt_1", "cus_1", 500));
    kit.script_perform(Script::LostAnswer);
    kit.script_perform(Script::LostAnswer);
    assert_eq!(kit.perform(), 1);
    let charges = sandbox.charges();
    assert_eq!(charges.len(), 1, "{charges:?}");
    assert_eq!(charges.values().next().unwrap().calls, 3, "the service was asked three times, with one key");
}

#[test]
fn a_crash_between_call_and_record_makes_no_second_charge() {
    let (mut kit, sandbox) = kit();
    kit.deliver(charge("evt_1", "cus_1", 500));
    let id = kit.effects()[0].id();
    kit.perform_and_crash();
    kit.redeliver();
    assert_eq!(kit.effects()[0].id(), id, "the id of an effect is stable");
    kit.perform_and_crash();
    assert_eq!(kit.perform(), 1);
    assert_eq!(made(&sandbox)["cus_1"], [("evt_1".to_owned(), 500)]);
    assert_eq!(balance(&kit, "cus_1"), Some(Balance { sum: 500, count: 1 }));
}

#[test]
fn a_machine_that_dies_loses_a_suffix_and_reads_it_again() {
    let (mut kit, sandbox) = kit();
    kit.deliver(charge("evt_1", "cus_1", 100));
    assert_eq!(kit.sync(), Some(NextOffset(0)), "the offset waits for the charge");
    kit.perform();
    assert_eq!(kit.sync(), Some(NextOffset(1)));
    for id in ["evt_2", "evt_3"] {
        kit.deliver(charge(id, "cus_1", 100));
        kit.perform();
    }
    kit.crash_machine(1);
    assert_eq!(balance(&kit, "cus_1"), Some(Balance { sum: 200, count: 2 }), "evt_2 was written, its call was not");
    kit.read_on().unwrap();
    kit.perform();
    assert_eq!(balance(&kit, "cus_1"), Some(Balance { sum: 300, count: 3 }));
    assert_eq!(made(&sandbox)["cus_1"].len(), 3, "no charge was made under a second key");
}

#[test]
fn a_state_rebuilt_from_the_log_makes_no_charge_again() {
    let (mut kit, sandbox) = kit();
    for (id, amount) in [("evt_1", 500), ("evt_2", 700), ("evt_1", 500)] {
        kit.deliver(charge(id, "cus_1", amount));
    }
    kit.perform();
    kit.deliver(charge("evt_9", "cus_1", 1));
    kit.rebuild(NextOffset(3));
    assert_eq!(balance(&kit, "cus_1"), Some(Balance { sum: 1201, count: 3 }));
    assert_eq!(kit.effects().len(), 1, "only the charge that was not committed is made");
    kit.perform();
    assert_eq!(sandbox.charges().values().map(|made| made.calls).sum::<u64>(), 3);
}

#[test]
fn what_can_not_be_booked_is_set_aside_and_the_next_is_booked() {
    let (mut kit, _) = kit();
    kit.deliver(charge("evt_1", "", 500));
    kit.deliver(charge("evt_2", "cus_1", 0));
    kit.deliver(event("evt_3").source("stripe").kind("charge.succeeded").body("no JSON"));
    kit.deliver(charge("evt_4", "cus_1", i64::MAX));
    kit.deliver(charge("evt_5", "cus_1", 1));
    kit.deliver_raw(Some(b"k"), Some(b"no envelope"));
    kit.deliver_raw(None, None);
    kit.deliver(charge("evt_6", "cus_2", 7));
    let classes: Vec<_> = kit.dead_letters().iter().map(|letter| (letter.origin.offset.0, letter.class)).collect();
    let (permanent, undecodable) = (FaultClass::Permanent, FaultClass::Undecodable);
    let expected = [(0, permanent), (1, permanent), (2, permanent), (4, permanent), (5, undecodable), (6, undecodable)];
    assert_eq!(classes, expected);
    assert_eq!(balance(&kit, "cus_1"), Some(Balance { sum: i64::MAX, count: 1 }), "a refused event changes nothing");
    assert_eq!(balance(&kit, "cus_2"), Some(Balance { sum: 7, count: 1 }));
    kit.crash();
    kit.redeliver();
    assert_eq!(kit.dead_letters().len(), 6, "a dead letter is written once");
}

#[test]
fn a_refused_charge_is_set_aside_and_the_customer_keeps_the_booking() {
    let (mut kit, sandbox) = kit();
    kit.deliver(charge("evt_1", "cus_1", 500));
    kit.script_perform(Script::Fault(Fault::permanent("card declined")));
    assert_eq!(kit.perform(), 0);
    let letters = kit.dead_letters();
    assert_eq!((letters.len(), letters[0].class), (1, FaultClass::Effect));
    assert!(letters[0].message.contains("card declined"));
    assert!(kit.effects().is_empty() && sandbox.charges().is_empty());
    assert_eq!(kit.sync(), Some(NextOffset(1)));
}
