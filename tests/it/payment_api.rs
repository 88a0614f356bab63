//! The payment API of the tests charges once per key, whatever goes wrong with the answer.

use std::time::Duration;

use bytes::Bytes;
use hooklog_tests::payments::{Fault, Payments};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

/// The answer's status and body, or `None` when there was no answer within half a second.
async fn charge(payments: &Payments, key: &str, body: &Value) -> Option<(u16, Value)> {
    let client = Client::builder(TokioExecutor::new()).retry_canceled_requests(false).build_http::<Full<Bytes>>();
    let request = Request::post(format!("{}/v1/charges", payments.url())).header("idempotency-key", key);
    let request = request.body(Full::new(Bytes::from(body.to_string()))).expect("a request");
    let answer = tokio::time::timeout(Duration::from_millis(500), client.request(request)).await.ok()?.ok()?;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.ok()?.to_bytes();
    Some((status, serde_json::from_slice(&body).ok()?))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_charged_once_and_answered_always_the_same() {
    let payments = Payments::start(|_| None);
    let body = json!({"amount": 5});
    let first = charge(&payments, "a", &body).await.unwrap();
    assert_eq!(first.0, 200);
    assert_eq!(charge(&payments, "a", &body).await.unwrap(), first);
    assert_ne!(charge(&payments, "b", &body).await.unwrap().1, first.1);
    assert_eq!(payments.calls().len(), 3);
    assert_eq!(payments.charges().into_keys().collect::<Vec<_>>(), ["a", "b"]);
    assert!(payments.conflicts().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_another_body_is_a_conflict() {
    let payments = Payments::start(|_| None);
    charge(&payments, "a", &json!({"amount": 5})).await.unwrap();
    assert_eq!(charge(&payments, "a", &json!({"amount": 6})).await.unwrap().0, 409);
    assert_eq!(payments.conflicts().len(), 1);
    assert_eq!(payments.charges()["a"], json!({"amount": 5}));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_charges_or_not_as_it_says() {
    let slow = Fault::ChargeSlowly(Duration::from_millis(100));
    let script = [Fault::Refuse, Fault::ChargeAndHang, Fault::ChargeAndDrop, slow];
    let payments = Payments::start(move |call| script.get(call as usize - 1).copied());
    let body = json!({"amount": 5});
    assert_eq!(charge(&payments, "refused", &body).await.unwrap().0, 500);
    assert_eq!(charge(&payments, "hung", &body).await, None);
    assert_eq!(charge(&payments, "dropped", &body).await, None);
    assert_eq!(charge(&payments, "slow", &body).await.unwrap().0, 200);
    assert_eq!(charge(&payments, "fine", &body).await.unwrap().0, 200);
    assert_eq!(payments.charges().into_keys().collect::<Vec<_>>(), ["dropped", "fine", "hung", "slow"]);
}
