//! Ids, types and keys: that the scanner reads JSON as `serde_json` does, and what the compiled-in schemes find.

use hooklog_signatures::{IdentifyError, Identity, Locator, Locators, Pointer, identify};
use http::HeaderMap;
use proptest::prelude::*;
use serde_json::Value;

use crate::outside::{head, header_map, scheme};

const NO_HEADERS: [(&str, &str); 0] = [];

fn at(pointer: &str, body: &[u8]) -> Result<Option<String>, IdentifyError> {
    let place = Locator::pointer(pointer).expect("a pointer");
    identify(only_id(&place), head(&HeaderMap::new()), body).map(|found| found.id)
}

/// What the pointer should find, by another reader: scalars as text, everything else as nothing.
fn expected(value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Array(_) | Value::Object(_) => None,
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        other => Some(other.to_string()),
    }
}

/// Every pointer into a value.
fn pointers(value: &Value, prefix: &str, into: &mut Vec<String>) {
    let mut step = |key: &str, inner: &Value| {
        let pointer = format!("{prefix}/{}", key.replace('~', "~0").replace('/', "~1"));
        into.push(pointer.clone());
        pointers(inner, &pointer, into);
    };
    match value {
        Value::Array(items) => items.iter().enumerate().for_each(|(index, inner)| step(&index.to_string(), inner)),
        Value::Object(fields) => fields.iter().for_each(|(key, inner)| step(key, inner)),
        _ => {}
    }
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z0-9\\PC\"\\\\/\n\u{1}é😀]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c~/\"\\\\é😀]{0,3}|[0-2]", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn the_scanner_finds_what_serde_json_finds(value in json(), pretty in any::<bool>()) {
        let body = if pretty { serde_json::to_vec_pretty(&value).unwrap() } else { serde_json::to_vec(&value).unwrap() };
        let mut all = vec!["/not-there".to_owned()];
        pointers(&value, "", &mut all);
        for pointer in all {
            prop_assert_eq!(at(&pointer, &body), Ok(value.pointer(&pointer).and_then(expected)), "{}", pointer);
        }
    }

    #[test]
    fn the_scanner_takes_for_json_what_serde_json_does(
        text in "([\\[\\]{},:]|\"a\"|\"\\\\u00e9\"|\"\\\\ud83d\\\\ude00\"|\"\\\\ud83d\"|-|0|1|1\\.5|1e3|01|true|null|nul| |\n|\"a\":1){0,9}",
    ) {
        let wrapped = format!("{{\"x\":\"there\",\"y\":{text}}}");
        let found = at("/x", wrapped.as_bytes());
        let parsed = serde_json::from_str::<Value>(&wrapped);
        // A number beyond a float's range is JSON all the same; only the other reader cannot hold it.
        prop_assume!(!parsed.as_ref().is_err_and(|error| error.to_string().contains("out of range")));
        let is_json = parsed.is_ok();
        // A second `x` may come out of the generated text's closing brackets: never in this alphabet.
        prop_assert_eq!(found, Ok(is_json.then(|| "there".to_owned())), "{}", wrapped);
    }

    #[test]
    fn the_scanner_does_not_panic(body in prop::collection::vec(any::<u8>(), 0..100)) {
        let _found = at("/a/0", &body);
    }
}

#[test]
fn numbers_keep_their_text_and_escapes_do_not() {
    assert_eq!(at("/a", br#"{"a":1e2}"#), Ok(Some("1e2".to_owned())));
    assert_eq!(at("/a", br#"{"a":-0.10}"#), Ok(Some("-0.10".to_owned())));
    assert_eq!(
        at("/a", br#"{"a":123456789012345678901234567890}"#),
        Ok(Some("123456789012345678901234567890".to_owned()))
    );
    assert_eq!(at("/a", br#"{"a":"\u00e9\n\ud83d\ude00"}"#), Ok(Some("é\n😀".to_owned())));
    assert_eq!(at("/a", br#"{"a":true}"#), Ok(Some("true".to_owned())));
    assert_eq!(at("/0/a~1b~0c", br#"[{"a/b~c":"x"}]"#), Ok(Some("x".to_owned())));
    assert_eq!(at("/00", br#"["x"]"#), Ok(None), "an index has no leading zero");
}

#[test]
fn what_is_no_json_has_no_names() {
    for body in [
        &b""[..],
        b"a=1&b=2",
        b"{\"a\":\"x\"",
        b"{\"a\":\"x\"} x",
        b"{\"a\":\"x\",}",
        b"{\"a\":\"\xff\"}",
        b"\"",
        b"{\"a\":\"x\"}{}",
    ] {
        assert_eq!(at("/a", body), Ok(None), "{body:?}");
    }
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(at("/a", nested(64).as_bytes()), Ok(None));
    assert_eq!(at("/a", nested(65).as_bytes()), Err(IdentifyError::TooDeep { limit: 64 }));
    assert_eq!(at("/a", "[".repeat(1_000_000).as_bytes()), Err(IdentifyError::TooDeep { limit: 64 }));
}

#[test]
fn headers_are_read_once_and_as_text() {
    let github = scheme("github");
    let named = |headers: &[(&str, &[u8])]| identify(github, head(&header_map(headers)), b"");
    let found = named(&[("x-github-delivery", b"d1"), ("x-github-event", b"push")]).unwrap();
    assert_eq!(found, Identity { id: Some("d1".to_owned()), kind: Some("push".to_owned()), key: None });
    assert_eq!(named(&[("x-github-delivery", b"")]).unwrap(), Identity::default());
    let twice = named(&[("x-github-event", b"push"), ("x-github-event", b"ping")]).unwrap_err();
    assert_eq!(twice.label(), "duplicate_header");
    assert_eq!(named(&[("x-github-event", b"p\xffsh")]).unwrap_err().label(), "bad_header");
}

#[test]
fn the_first_place_that_has_a_text_counts() {
    let none = header_map(&NO_HEADERS);
    let key = |name, body: &str| identify(scheme(name), head(&none), body.as_bytes()).unwrap().key;
    assert_eq!(key("stripe", r#"{"data":{"object":{"id":"ch_1","customer":"cus_1"}}}"#).as_deref(), Some("cus_1"));
    assert_eq!(key("stripe", r#"{"data":{"object":{"id":"ch_1","customer":null}}}"#).as_deref(), Some("ch_1"));
    assert_eq!(key("stripe", r#"{"data":{"object":{"id":"cus_1"}}}"#).as_deref(), Some("cus_1"));
    assert_eq!(key("slack", r#"{"event":{"channel":{"id":"C1"}}}"#).as_deref(), Some("C1"));
    assert_eq!(key("slack", r#"{"event":{"item":{"channel":"C2"}}}"#).as_deref(), Some("C2"));
    assert_eq!(key("shopify", r#"{"id":2,"order_id":1}"#).as_deref(), Some("1"));
    assert_eq!(key("github", r#"{"repository":{"id":7},"organization":{"id":8}}"#).as_deref(), Some("7"));
    let both = header_map(&[("x-shopify-webhook-id", "delivery"), ("x-shopify-event-id", "event")]);
    assert_eq!(identify(scheme("shopify"), head(&both), b"{}").unwrap().id.as_deref(), Some("event"));
}

#[test]
fn a_body_hash_can_be_the_id() {
    let place = Locator::BodyHash;
    let found = identify(only_id(&place), head(&HeaderMap::new()), b"").unwrap();
    assert_eq!(found.id.as_deref(), Some("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
}

#[test]
fn a_bad_pointer_says_how_to_write_it() {
    for (text, word) in [("id", "slash"), ("", "slash"), ("/a~", "~0"), ("/a~2", "~0")] {
        assert!(Pointer::parse(text).unwrap_err().to_string().contains(word), "{text:?}");
    }
    assert!(Pointer::parse(&"/a".repeat(33)).is_err());
}

fn only_id(place: &Locator) -> Locators<'_> {
    Locators { id: Some(place), kind: None, key: None, payload: None, token: None }
}
