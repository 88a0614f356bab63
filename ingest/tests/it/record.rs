//! What is stored: the body byte for byte, the headers without credentials, id, type and key, CloudEvents headers.

use bytes::Bytes;
use hooklog_kafka::testing::MemoryLog;
use hooklog_schemas::codec::{ENVELOPE_SCHEMA, SchemaId, decode};
use hooklog_schemas::confluent::Schemas;
use hooklog_schemas::{Envelope, Frame, Timestamp};
use sha2::{Digest, Sha256};

use crate::request::{exchange, github, post, signed};
use crate::server::{NOW, Server, start, start_framed};

fn only_envelope(server: &Server) -> Envelope {
    let records = server.records();
    assert_eq!(records.len(), 1);
    decode(records[0].value.as_ref().unwrap()).unwrap()
}

#[tokio::test]
async fn the_record_is_the_request() {
    let server = start("").await;
    let body = b"{ \"repository\" : {\"id\":1296269}, \"odd\": \"\xff\x00\" }\r\n";
    let request = [&b"POST /in/github HTTP/1.1\r\nX-Odd: caf\xe9\r\nAuthorization: Bearer canary-token\r\nCookie: canary=cookie\r\n"[..],
        &github(body)[b"POST /in/github HTTP/1.1\r\n".len()..]].concat();
    assert_eq!(exchange(&server, &request).await.status, 200);
    let envelope = only_envelope(&server);
    assert_eq!(envelope.body, Bytes::from_static(body));
    assert_eq!(envelope.body_sha256, <[u8; 32]>::from(Sha256::digest(body)));
    assert_eq!(envelope.id.as_str(), "72d3162e-cc78-11e3-81ab-4c9367dc0958");
    assert_eq!(envelope.source.as_str(), "github");
    assert_eq!(envelope.scheme, "github:a");
    assert_eq!(envelope.received_at, Timestamp(NOW * 1000));
    assert_eq!(envelope.content_type.as_deref(), Some("application/json"));
    let header = |name: &str| envelope.headers.get(name);
    assert_eq!(header("x-odd"), Some(&b"caf\xe9"[..]));
    assert!(header("x-hub-signature-256").is_some());
    assert_eq!((header("authorization"), header("cookie")), (None, None));
    let stored = format!("{:?}", server.records());
    assert!(!stored.contains("canary"), "a credential entered the record");
}

#[tokio::test]
async fn the_records_headers_are_cloudevents() {
    let server = start("").await;
    exchange(&server, &github(br#"{"repository":{"id":1296269}}"#)).await;
    let records = server.records();
    let header = |name: &str| records[0].headers.get(name).map(|value| String::from_utf8(value.to_vec()).unwrap());
    assert_eq!(header("ce_id").as_deref(), Some("72d3162e-cc78-11e3-81ab-4c9367dc0958"));
    assert_eq!(header("ce_source").as_deref(), Some("/in/github"));
    assert_eq!(header("ce_specversion").as_deref(), Some("1.0"));
    assert_eq!(header("hooklog-dedupe-id").as_deref(), Some("github:72d3162e-cc78-11e3-81ab-4c9367dc0958"));
    assert!(header("traceparent").is_some_and(|trace| trace.len() == 55));
    // Not said twice: the key and the time are the record's own.
    assert_eq!(records[0].key.as_deref(), Some(&b"1296269"[..]));
    assert_eq!(records[0].timestamp, Timestamp(NOW * 1000));
    assert_eq!((header("ce_partitionkey"), header("ce_time")), (None, None));
}

#[tokio::test]
async fn a_record_says_how_far_it_is_proven_where_its_body_is_not() {
    let sources = "[sources.github]\nprovider = \"github\"\nsecrets = [$SECRET]\n[sources.bearer]\nprovider = \"bearer\"\n\
        secrets = [$SECRET]\n[sources.anybody]\nprovider = \"none\"";
    let server = start(sources).await;
    for (request, proven) in [
        (github(b"{}"), None),
        (signed("bearer", "bearer", "1", b"{}"), Some("sender")),
        (post("anybody", "", b"{}"), Some("nothing")),
    ] {
        let answer = exchange(&server, &request).await;
        let topic = answer.header("hooklog-position").unwrap().split('/').next().unwrap().to_owned();
        let record = server.records().into_iter().find(|record| record.position.topic.as_str() == topic).unwrap();
        let header = record.headers.get("hooklog-verified").map(|value| String::from_utf8(value.to_vec()).unwrap());
        assert_eq!(header.as_deref(), proven, "{topic}");
    }
}

#[tokio::test]
async fn without_an_id_the_content_is_the_id_and_the_key() {
    let server = start("[sources.anybody]\nprovider = \"none\"").await;
    exchange(&server, &post("anybody", "", b"hello")).await;
    let envelope = only_envelope(&server);
    assert_eq!(envelope.id.as_str(), "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    assert_eq!(envelope.key.as_str(), envelope.id.as_str());
    assert_eq!(envelope.kind.as_str(), "event");
}

#[tokio::test]
async fn a_bearer_token_never_enters_the_record() {
    let server = start("[sources.bearer]\nprovider = \"bearer\"\nsecrets = [$SECRET]").await;
    assert_eq!(exchange(&server, &signed("bearer", "bearer", "1", b"{}")).await.status, 200);
    assert!(!format!("{:?}", server.records()).contains(crate::server::SECRET));
}

#[tokio::test]
async fn a_body_in_many_pieces_is_the_same_body() {
    let server = start("").await;
    let body: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
    let whole = github(&body);
    let split = whole.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8(whole[..split].to_vec()).unwrap();
    let head = head.replace(&format!("content-length: {}", body.len()), "transfer-encoding: chunked");
    let mut chunked = head.into_bytes();
    for piece in body.chunks(7001) {
        chunked.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        chunked.extend_from_slice(piece);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    assert_eq!(exchange(&server, &chunked).await.status, 200);
    assert_eq!(only_envelope(&server).body, Bytes::from(body));
}

#[tokio::test]
async fn with_a_registry_the_record_carries_its_number() {
    let server = start_framed("", MemoryLog::new(), Frame::Registry(SchemaId(7))).await;
    assert_eq!(exchange(&server, &github(b"{}")).await.status, 200);
    let value = server.records()[0].value.clone().unwrap();
    assert_eq!(value[..5], [0, 0, 0, 0, 7]);
    let mut schemas = Schemas::default();
    schemas.learn(SchemaId(7), ENVELOPE_SCHEMA).unwrap();
    assert_eq!(schemas.decode(&value).unwrap().body, Bytes::from_static(b"{}"));
}
