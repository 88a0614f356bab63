//! What the ledger and the payment API must hold, computed from the log alone: the model that a killed consumer has to arrive at.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hooklog_tests::avro;
use hooklog_tests::consumer::{Balance, Consumer, Settings};
use hooklog_tests::edge::Source;
use hooklog_tests::eventually::eventually;
use hooklog_tests::java::{Isolation, read_back};
use hooklog_tests::kafka::Kafka;
use hooklog_tests::names::unique;
use hooklog_tests::payments::{Call, Fault, Payments};
use serde_json::{Value, json};

/// Partitions of the events' topic.
pub(crate) const PARTITIONS: i32 = 4;

/// So that a test sees many retries, and does not wait long for a member that was killed.
const IMPATIENT: [(&str, &str); 4] = [
    ("EFFECTS__DEADLINE", "300ms"),
    ("EFFECTS__FIRST", "10ms"),
    ("EFFECTS__CAP", "200ms"),
    ("MEMBERSHIP__SESSION_TIMEOUT", "6s"),
];

/// Everything that follows from the events in the log, each taken once, in the log's order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Books {
    /// By customer.
    pub(crate) balances: BTreeMap<String, Balance>,
    /// By customer, what the payment API must be asked for, in order.
    pub(crate) orders: BTreeMap<String, Vec<Value>>,
}

impl Books {
    /// Reads the topic with the independent reader.
    pub(crate) fn of(bootstrap: &str, topic: &str) -> Self {
        let mut books = Self::default();
        let mut seen = BTreeSet::new();
        for record in read_back(bootstrap, &[topic], Isolation::ReadUncommitted) {
            let value = record.value.unwrap_or_default();
            let numbered = || avro::decode_numbered(&value).map(|(_, event)| event);
            let Ok(event) = avro::decode(&value).or_else(|_| numbered()) else { continue };
            let charge = serde_json::from_slice::<Value>(&event.body).ok().map(|body| body["data"]["object"].clone());
            let Some((charge, customer, amount)) = charge.and_then(valid) else { continue };
            if seen.insert(event.id.clone()) {
                let balance = books.balances.entry(customer.clone()).or_default();
                balance.sum += amount;
                balance.count += 1;
                let order =
                    json!({"event": event.id, "customer": customer, "amount": amount, "currency": charge["currency"]});
                books.orders.entry(customer).or_default().push(order);
            }
        }
        books
    }

    /// How many events there are.
    pub(crate) fn events(&self) -> usize {
        self.orders.values().map(Vec::len).sum()
    }

    /// Every event was charged once, with its own data, and a customer's events were charged in the order of the log.
    pub(crate) fn require_charged(&self, payments: &Payments) {
        assert_eq!(payments.conflicts(), [], "a key was used for two bodies");
        assert_eq!(payments.charges().len(), self.events(), "one charge for each event");
        let mut charged: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        let mut keys = BTreeSet::new();
        for Call { key, body, fault } in payments.calls() {
            if fault != Some(Fault::Refuse) && keys.insert(key) {
                charged.entry(body["customer"].as_str().unwrap_or("nobody").to_owned()).or_default().push(body);
            }
        }
        for (customer, orders) in &self.orders {
            assert_eq!(charged.get(customer), Some(orders), "charges of {customer}");
        }
    }

    /// The consumer's own command gives these balances.
    pub(crate) async fn require_booked(&self, consumer: &Consumer) {
        let balances = eventually(Duration::from_secs(10), "balances", async || consumer.balances()).await;
        assert_eq!(balances, self.balances);
    }
}

/// A charge that a ledger can book.
fn valid(charge: Value) -> Option<(Value, String, i64)> {
    let customer = charge["customer"].as_str()?.to_owned();
    let amount = charge["amount"].as_i64().filter(|amount| *amount > 0)?;
    charge["currency"].as_str()?;
    Some((charge, customer, amount))
}

/// A payment API that fails in every way, each at its own rhythm.
pub(crate) fn unreliable_payments() -> Payments {
    Payments::start(|call| match call {
        call if call % 17 == 0 => Some(Fault::ChargeAndHang),
        call if call % 13 == 0 => Some(Fault::ChargeAndDrop),
        call if call % 7 == 0 => Some(Fault::Refuse),
        call if call % 5 == 0 => Some(Fault::ChargeSlowly(Duration::from_millis(30))),
        _ => None,
    })
}

/// Makes the topics of a source and of a group of ledgers, and gives the settings of its members.
pub(crate) async fn ledger_group(kafka: &Kafka, source: &Source, payments: &Payments) -> Settings {
    let group = unique("ledger");
    kafka.broker().create_topic(&source.topic(), PARTITIONS).await;
    kafka.broker().create_topic(&format!("hooks.{group}.dlq"), 1).await;
    Settings {
        binary: "ledger",
        bootstrap: kafka.bootstrap().to_owned(),
        group,
        topic: source.topic(),
        arguments: vec!["--payments-url".to_owned(), payments.url().to_owned()],
        overrides: IMPATIENT.map(|(key, value)| (key, value.to_owned())).to_vec(),
    }
}

/// A member with a name that stays: killed and started again, it gets its partitions back at once.
pub(crate) fn static_member(group: &Settings, name: &str) -> Consumer {
    let mut settings = group.clone();
    settings.overrides.push(("MEMBERSHIP__INSTANCE_ID", format!("{}-{name}", group.group)));
    Consumer::new(settings)
}
