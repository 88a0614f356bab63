//! Challenges: which body is one, and what may come back.

use hooklog_signatures::handshake::{MAX_CHALLENGE_BYTES, MAX_HANDSHAKE_BODY_BYTES};
use hooklog_signatures::{HandshakeAnswer, Head, Scheme, sign};

use crate::outside::{NOW, SECRET, header_map, judge, keys, scheme};

/// The answer to a signed `POST`.
fn answer(scheme: &Scheme, body: &[u8]) -> Option<HandshakeAnswer> {
    let keys = keys(scheme, SECRET);
    let headers = header_map(
        &sign(scheme, keys.iter().next(), "id", NOW, body)
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect::<Vec<_>>(),
    );
    let proof = judge(scheme, &keys, &headers, body, NOW).expect("signed just now");
    let head = Head { method: "POST", path_and_query: "/in/x", headers: &headers };
    hooklog_signatures::answer(scheme, &keys, head, body, Some(&proof))
}

fn slack(challenge: &str) -> String {
    format!(r#"{{"token":"Jhj5dZrVaK7ZwHHjRyZWjbDl","challenge":"{challenge}","type":"url_verification"}}"#)
}

#[test]
fn slacks_challenge_comes_back_as_json() {
    let challenge = "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P";
    let answer = answer(scheme("slack"), slack(challenge).as_bytes()).unwrap();
    assert_eq!(answer.content_type, "application/json");
    assert_eq!(answer.body, format!(r#"{{"challenge":"{challenge}"}}"#));
}

#[test]
fn without_a_field_the_text_comes_back() {
    let text = include_str!("../../providers/slack.toml").replace("field = \"challenge\"\n", "");
    let plain = Scheme::from_toml(&text).unwrap();
    let answer = answer(&plain, slack("abc").as_bytes()).unwrap();
    assert_eq!((answer.content_type.to_str().unwrap(), answer.body.as_str()), ("text/plain; charset=utf-8", "abc"));
}

#[test]
fn an_event_is_no_challenge() {
    let slack_scheme = scheme("slack");
    assert_eq!(answer(slack_scheme, br#"{"type":"event_callback","challenge":"abc"}"#), None);
    assert_eq!(answer(slack_scheme, br#"{"type":"url_verification"}"#), None);
    assert_eq!(answer(slack_scheme, br#"{"type":"url_verification","challenge":{"a":1}}"#), None);
    assert_eq!(answer(slack_scheme, br#"{"type":"url_verification","challenge":"a","challenge":"b"}"#), None);
    assert_eq!(answer(slack_scheme, b"type=url_verification&challenge=abc"), None);
    assert_eq!(answer(scheme("github"), slack("abc").as_bytes()), None, "a provider without a handshake");
}

#[test]
fn a19_nothing_harmful_is_mirrored() {
    let slack_scheme = scheme("slack");
    for bad in ["", "<script>", "a\\nb", "é", "\\u0000", "a\\\"b", "'", "&amp;", "a;b"] {
        assert_eq!(answer(slack_scheme, slack(bad).as_bytes()), None, "{bad:?}");
    }
    assert!(answer(slack_scheme, slack(&"a".repeat(MAX_CHALLENGE_BYTES)).as_bytes()).is_some());
    assert_eq!(answer(slack_scheme, slack(&"a".repeat(MAX_CHALLENGE_BYTES + 1)).as_bytes()), None);
    let padded = format!("{}{}", slack("abc"), " ".repeat(MAX_HANDSHAKE_BODY_BYTES));
    assert_eq!(answer(slack_scheme, padded.as_bytes()), None);
}
