//! What is signed here is believed here, and is what a second implementation signs; samples are named as asked.

use hooklog_signatures::{Key, Keys, Scheme, builtin_names, can_sign, identify, sample, sign};
use proptest::prelude::*;
use std::collections::HashSet;

use crate::outside::{self as by_hand, BODY, NOW, SECRET, header_map, judge, keys, scheme};

fn secret(scheme: &Scheme) -> String {
    if scheme.name == "basic" { format!("user:{SECRET}") } else { SECRET.to_owned() }
}

#[test]
fn signatures_are_those_of_the_second_implementation() {
    for (name, expected, signature) in by_hand::honest(BODY) {
        let key = Key::new("k1", SECRET.as_bytes(), scheme(name)).unwrap();
        let made = sign(scheme(name), &key, "msg_1", NOW, BODY);
        let value = |headers: &[(&str, String)]| headers.iter().find(|(name, _)| *name == signature).unwrap().1.clone();
        let made: Vec<(&str, String)> = made.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        assert_eq!(value(&made), value(&expected), "{name}");
    }
}

#[test]
fn without_a_key_nothing_is_signed() {
    assert_eq!(sign(scheme("none"), None, "id", NOW, BODY), []);
    assert_eq!(sign(scheme("github"), None, "id", NOW, BODY), [("x-github-delivery".to_owned(), "id".to_owned())]);
}

#[test]
fn github_sends_what_github_sends() {
    let key = Key::new("k1", SECRET.as_bytes(), scheme("github")).unwrap();
    let sample = sample(scheme("github"), None, Some("42"), 7).unwrap();
    let mut names: Vec<String> = sample.headers.iter().map(|(name, _)| name.clone()).collect();
    names.extend(sign(scheme("github"), &key, &sample.id, NOW, &sample.body).into_iter().map(|(name, _)| name));
    names.sort();
    assert_eq!(names, ["content-type", "x-github-delivery", "x-github-event", "x-hub-signature-256"]);
    let body: serde_json::Value = serde_json::from_slice(&sample.body).unwrap();
    assert_eq!(body["repository"]["id"], 42);
}

#[test]
fn stripes_sample_is_a_charge_of_the_customer() {
    let sample = sample(scheme("stripe"), None, Some("cus_42"), 7).unwrap();
    let body: serde_json::Value = serde_json::from_slice(&sample.body).unwrap();
    assert_eq!((sample.kind.as_str(), sample.key.as_deref()), ("charge.succeeded", Some("cus_42")));
    assert_eq!(body["id"].as_str(), Some(sample.id.as_str()));
    assert!(sample.id.starts_with("evt_") && body["data"]["object"]["id"].as_str().unwrap().starts_with("ch_"));
    assert_eq!(body["data"]["object"]["customer"], "cus_42");
    assert!(body["data"]["object"]["amount"].is_u64() && body["data"]["object"]["currency"] == "eur");
}

#[test]
fn seeds_decide_everything() {
    for name in by_hand::USUAL {
        let made = |seed| sample(scheme(name), None, None, seed).unwrap();
        assert_eq!(made(1), made(1));
        let ids: HashSet<String> = (0..500).map(|seed| made(seed).id).collect();
        assert_eq!(ids.len(), 500, "{name}");
    }
}

proptest! {
    #[test]
    fn a_signed_sample_is_believed_and_named_as_asked(
        seed in any::<u64>(),
        kind in prop::option::of("[a-z]{1,9}[./][a-z]{1,9}"),
        key in prop::option::of("[1-9][0-9]{0,9}|[a-z]{2,4}_[A-Za-z0-9]{1,12}"),
    ) {
        for name in by_hand::USUAL {
            let scheme = scheme(name);
            let sample = sample(scheme, kind.as_deref(), key.as_deref(), seed).unwrap();
            let keys = if name == "none" {
                by_hand::no_keys(scheme)
            } else {
                keys(scheme, &secret(scheme))
            };
            let signed = sign(scheme, keys.iter().next(), &sample.id, NOW, &sample.body);
            let all: Vec<(&str, &str)> =
                sample.headers.iter().chain(&signed).map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let headers = header_map(&all);
            prop_assert!(judge(scheme, &keys, &headers, &sample.body, NOW).is_ok(), "{}", name);
            let found = identify(scheme, by_hand::head(&headers), &sample.body).unwrap();
            prop_assert_eq!(found.id.as_ref(), Some(&sample.id), "{}", name);
            prop_assert_eq!(found.kind.as_ref(), Some(&sample.kind), "{}", name);
            prop_assert_eq!(&found.key, &sample.key, "{}", name);
            if let (Some(kind), Some(asked)) = (&found.kind, &kind) {
                prop_assert_eq!(kind, asked);
            }
            prop_assert!(key.is_none() || scheme.key.is_none() || found.key == key);
        }
    }
}

#[test]
fn whatever_can_be_signed_here_is_believed() {
    let candidates = [SECRET.to_owned(), hex::encode(SECRET), format!("user:{SECRET}")];
    let mut signed = 0;
    for name in builtin_names().filter(|name| can_sign(scheme(name))) {
        let scheme = scheme(name);
        let Some(keys) = candidates.iter().find_map(|secret| Keys::new(scheme, [("k1", secret)]).ok()) else {
            continue;
        };
        let Some(sample) = sample(scheme, None, None, 7) else { continue };
        let made = sign(scheme, keys.iter().next(), &sample.id, NOW, &sample.body);
        let all: Vec<(&str, &str)> =
            made.iter().chain(&sample.headers).map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let mut headers = header_map(&all[..made.len()]);
        for (name, value) in header_map(&all[made.len()..]) {
            headers.entry(name.expect("samples repeat no header")).or_insert(value);
        }
        assert!(judge(scheme, &keys, &headers, &sample.body, NOW).is_ok(), "{name}");
        assert!(judge(scheme, &keys, &headers, b"{}", NOW).is_err() || !scheme.signs_body(), "{name}");
        signed += 1;
    }
    assert!(signed >= 9, "{signed}");
}
