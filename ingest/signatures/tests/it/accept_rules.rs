//! What is believed and what is not, one test an attack.

use hooklog_signatures::keys::{MAX_KEYS, MIN_SECRET_BYTES};
use hooklog_signatures::{IdentifyError, KeyError, Keys, Rejection, UnixMillis, identify};

use crate::outside::{self as by_hand, BODY, NOW, NOW_S, SECRET, accepts, header_map, judge, keys, scheme};

const NO_HEADERS: [(&str, &str); 0] = [];

#[test]
fn honest_requests_are_believed() {
    for (name, headers, _) in by_hand::honest(BODY) {
        let verified = accepts(name, &headers, BODY).unwrap_or_else(|rejection| panic!("{name}: {rejection}"));
        assert_eq!(verified.key_id.as_deref(), Some("k1"));
        let clocked = !["github", "shopify", "hmac"].contains(&name);
        assert_eq!(verified.timestamp, clocked.then_some(NOW), "{name}");
    }
    let basic = format!("Basic {}", by_hand::base64(format!("user:{SECRET}").as_bytes()));
    assert!(accepts("basic", &[("authorization", &basic)], BODY).is_ok());
    assert!(accepts("bearer", &[("authorization", format!("Bearer {SECRET}"))], BODY).is_ok());
    assert_eq!(accepts("none", &NO_HEADERS, BODY).unwrap().key_id, None);
}

#[test]
fn a1_no_empty_blank_or_short_secret() {
    let refused = |name, secret: &str| Keys::new(scheme(name), [("new", secret)]).err().unwrap();
    for name in ["github", "stripe", "slack", "hmac", "bearer", "standard-webhooks", "basic"] {
        for secret in ["", " ", "\n", "\t \r\n"] {
            assert_eq!(refused(name, secret), KeyError::Empty { id: "new".to_owned() });
        }
        assert_eq!(Keys::new::<&str, &str>(scheme(name), []).err(), Some(KeyError::NoKey { scheme: name.to_owned() }));
    }
    let too_short = KeyError::TooShort { id: "new".to_owned(), minimum: MIN_SECRET_BYTES };
    assert_eq!(refused("github", "fifteen-bytes-x"), too_short);
    assert!(Keys::new(scheme("github"), [("new", "sixteen-bytes-xy")]).is_ok());
    assert!(too_short.to_string().contains("`new`") && too_short.to_string().contains("16"));
    // Bytes count after decoding; of a user and password only the password counts; a bare prefix is nothing.
    assert_eq!(refused("standard-webhooks", "whsec_MTIzNDU2Nzg5MDEyMzQ1"), too_short);
    assert_eq!(refused("standard-webhooks", "whsec_"), too_short);
    assert_eq!(refused("basic", "a-very-long-user-name:short"), too_short);
    assert!(matches!(refused("basic", "sixteen-bytes-xy"), KeyError::Undecodable { .. }));
    assert!(matches!(refused("standard-webhooks", "whsec_not base64 at all!"), KeyError::Undecodable { .. }));
    assert_eq!(refused("github", "sixteen-bytes-xy\n"), KeyError::WhiteSpace { id: "new".to_owned() });
    assert!(matches!(refused("none", SECRET), KeyError::UnusedKey { .. }));
    let too_many = (0..=MAX_KEYS).map(|number| (format!("k{number}"), SECRET));
    assert_eq!(Keys::new(scheme("github"), too_many).err(), Some(KeyError::TooMany { limit: MAX_KEYS }));
    let twice = [("a", SECRET), ("a", SECRET)];
    assert_eq!(Keys::new(scheme("github"), twice).err(), Some(KeyError::DuplicateId { id: "a".to_owned() }));
}

#[test]
fn a2_a_missing_header_is_refused() {
    for (name, headers, _) in by_hand::honest(BODY) {
        for leave_out in 0..headers.len() {
            let mut fewer = headers.clone();
            fewer.remove(leave_out);
            assert_eq!(accepts(name, &fewer, BODY), Err(Rejection::Missing), "{name} without {}", headers[leave_out].0);
        }
    }
    assert_eq!(accepts("basic", &NO_HEADERS, BODY), Err(Rejection::Missing));
    assert_eq!(accepts("bearer", &NO_HEADERS, BODY), Err(Rejection::Missing));
}

#[test]
fn a3_empty_truncated_and_overlong_signatures_are_refused() {
    let id_and_time = [("webhook-id", "msg_1".to_owned()), ("webhook-timestamp", NOW_S.to_owned())];
    let tag = by_hand::unbase64(by_hand::standard("msg_1", NOW_S, BODY).strip_prefix("v1,").unwrap());
    for length in (0..tag.len()).chain([tag.len() + 1, 64, 65, 300]) {
        let mut other = tag.clone();
        other.resize(length, 0);
        let signature = format!("v1,{}", by_hand::base64(&other));
        let headers = [id_and_time.to_vec(), vec![("webhook-signature", signature)]].concat();
        assert_eq!(accepts("standard-webhooks", &headers, BODY), Err(Rejection::Malformed), "{length} bytes");
        let signature = format!("sha256={}", hex::encode(&other));
        assert_eq!(accepts("github", &[("x-hub-signature-256", signature)], BODY), Err(Rejection::Malformed));
    }
    let hex = by_hand::github(BODY);
    for length in 0..hex.len() {
        assert_eq!(accepts("github", &[("x-hub-signature-256", &hex[..length])], BODY), Err(Rejection::Malformed));
    }
}

#[test]
fn a4_static_secrets_are_compared_whole() {
    for token in
        [&SECRET[..SECRET.len() - 1], "x", &format!("{SECRET}x"), &SECRET.to_lowercase(), &format!(" {SECRET}")]
    {
        let bearer = format!("Bearer {token}");
        assert_eq!(accepts("bearer", &[("authorization", bearer)], BODY), Err(Rejection::Mismatch), "{token}");
        let basic = format!("Basic {}", by_hand::base64(format!("user:{token}").as_bytes()));
        assert_eq!(accepts("basic", &[("authorization", basic)], BODY), Err(Rejection::Mismatch), "{token}");
    }
    for bad in ["", "Bearer", "Bearer ", "Basic abc", "Token x", SECRET] {
        assert_eq!(accepts("bearer", &[("authorization", bad)], BODY), Err(Rejection::Malformed), "{bad:?}");
    }
    for bad in ["Basic", "Basic ", "Basic !", "Basic YQ", "Basic YR==", "Bearer YQ=="] {
        assert_eq!(accepts("basic", &[("authorization", bad)], BODY), Err(Rejection::Malformed), "{bad:?}");
    }
}

#[test]
fn a5_only_the_one_canonical_form_is_read() {
    let hex = hex::encode(by_hand::hmac_sha256(SECRET.as_bytes(), BODY));
    let github = |value: String| accepts("github", &[("x-hub-signature-256", value.into_bytes())], BODY);
    assert!(github(format!("sha256={}", hex.to_uppercase())).is_ok(), "hex in either case");
    let bad = [
        hex.clone(),
        format!("SHA256={hex}"),
        format!("sha256={hex} "),
        format!(" sha256={hex}"),
        format!("sha256= {hex}"),
        format!("sha256=0x{hex}"),
        format!("sha256={hex}\t"),
        format!("sha256={hex}é"),
        format!("sha256={}", hex.replace('a', "à")),
        format!("sha256=sha256={hex}"),
    ];
    for value in bad {
        assert_eq!(github(value.clone()), Err(Rejection::Malformed), "{value:?}");
    }
    // A body whose signature has characters that the two base64 alphabets disagree about, and spare bits at its end.
    let body = (0_u32..).map(|n| n.to_string()).find(|text| {
        let tag = by_hand::base64(&by_hand::hmac_sha256(SECRET.as_bytes(), text.as_bytes()));
        tag.contains('+') && tag.contains('/')
    });
    let body = body.unwrap();
    let good = by_hand::base64(&by_hand::hmac_sha256(SECRET.as_bytes(), body.as_bytes()));
    let shopify = |value: &str| accepts("shopify", &[("x-shopify-hmac-sha256", value)], body.as_bytes());
    assert!(shopify(&good).is_ok());
    let unpadded = good.trim_end_matches('=');
    let last = unpadded.chars().last().unwrap();
    let stray = char::from(u8::try_from(last).unwrap() + 1);
    let bad = [
        good.replace('+', "-").replace('/', "_"),
        unpadded.to_owned(),
        format!("{good}="),
        format!("{}{stray}=", &unpadded[..unpadded.len() - 1]),
        format!("{good} "),
        format!(" {good}"),
        good.replace('+', " "),
    ];
    for value in bad {
        assert_eq!(shopify(&value), Err(Rejection::Malformed), "{value:?} beside {good:?}");
    }
}

#[test]
fn a6_repeated_headers_and_long_lists_are_refused() {
    for (name, headers, _) in by_hand::honest(BODY) {
        for twice in 0..headers.len() {
            let mut more = headers.clone();
            more.push(headers[twice].clone());
            assert_eq!(accepts(name, &more, BODY), Err(Rejection::DuplicateHeader), "{name}: {}", headers[twice].0);
        }
    }
    let good = by_hand::stripe(NOW_S, BODY);
    let other = "v1=".to_owned() + &"00".repeat(32);
    let stripe = |value: String| accepts("stripe", &[("stripe-signature", value)], BODY);
    assert!(stripe(good.clone() + &format!(",{other}").repeat(8)).is_ok(), "ten items");
    assert_eq!(stripe(good.clone() + &format!(",{other}").repeat(9)), Err(Rejection::TooManyItems));
    assert_eq!(
        stripe(good.clone() + &",v0=x".repeat(10_000)),
        Err(Rejection::TooManyItems),
        "unknown labels count too"
    );
    assert_eq!(stripe(good.clone() + ","), Err(Rejection::Malformed));
    assert_eq!(stripe(format!("t={NOW_S},{good}")), Err(Rejection::Malformed), "two timestamps");
    let joined = format!("{0}, {0}", by_hand::github(BODY));
    assert_eq!(accepts("github", &[("x-hub-signature-256", joined)], BODY), Err(Rejection::Malformed));
    let twice = [("authorization", format!("Bearer {SECRET}")), ("authorization", format!("Bearer {SECRET}"))];
    assert_eq!(accepts("bearer", &twice, BODY), Err(Rejection::DuplicateHeader));
}

#[test]
fn a7_only_the_configured_scheme_is_read() {
    let sha1 = format!("sha1={}", hex::encode(by_hand::hmac::<sha1::Sha1>(64, SECRET.as_bytes(), BODY)));
    assert_eq!(accepts("github", &[("x-hub-signature", &sha1)], BODY), Err(Rejection::Missing));
    assert_eq!(accepts("github", &[("x-hub-signature-256", &sha1)], BODY), Err(Rejection::Malformed));
    let both = [("x-hub-signature", sha1), ("x-hub-signature-256", "sha256=".to_owned() + &"00".repeat(32))];
    assert_eq!(accepts("github", &both, BODY), Err(Rejection::Mismatch), "a weak signature does not help a wrong one");
    let v0 = by_hand::stripe(NOW_S, BODY).replace("v1=", "v0=");
    assert_eq!(accepts("stripe", &[("stripe-signature", v0)], BODY), Err(Rejection::NoAcceptedLabel));
    for label in ["v1a", "v2", "V1", ""] {
        let signature = by_hand::standard("msg_1", NOW_S, BODY).replace("v1,", &format!("{label},"));
        let headers = [("webhook-id", "msg_1"), ("webhook-timestamp", NOW_S), ("webhook-signature", &signature)];
        assert_eq!(accepts("standard-webhooks", &headers, BODY), Err(Rejection::NoAcceptedLabel), "{label:?}");
    }
    // Names of a neighbour are not read either.
    let names = [("webhook-id", "msg_1"), ("webhook-timestamp", NOW_S)];
    let signature = by_hand::standard("msg_1", NOW_S, BODY);
    let headers = [names.as_slice(), &[("webhook-signature", signature.as_str())]].concat();
    assert_eq!(accepts("svix", &headers, BODY), Err(Rejection::Missing));
}

#[test]
fn a11_the_bytes_of_the_wire_are_signed() {
    let same_json = [&b"\xef\xbb\xbf"[..], BODY].concat();
    let spaced = String::from_utf8_lossy(BODY).replace(':', ": ").into_bytes();
    let ended = [BODY, b"\n"].concat();
    for (name, headers, _) in by_hand::honest(BODY) {
        for body in [&same_json, &spaced, &ended] {
            assert_eq!(accepts(name, &headers, body), Err(Rejection::Mismatch), "{name}");
        }
    }
    // And any bytes can be signed: no text, no JSON, nothing at all.
    for body in [&b""[..], b"\0\xff\xfe", b"a=1&b=%20"] {
        for (name, headers, _) in by_hand::honest(body) {
            assert!(accepts(name, &headers, body).is_ok(), "{name}");
        }
    }
}

#[test]
fn a12_a_repeated_key_on_the_path_has_no_id() {
    let none = header_map(&NO_HEADERS);
    let named = |body: &str| identify(scheme("stripe"), by_hand::head(&none), body.as_bytes());
    let repeated = |pointer: &str| Err(IdentifyError::DuplicateKey { pointer: pointer.to_owned() });
    assert_eq!(named(r#"{"id":"a","id":"b"}"#), repeated("/id"));
    assert_eq!(named(r#"{"id":"a","\u0069d":"b"}"#), repeated("/id"), "the same key in disguise");
    assert_eq!(named(r#"{"data":{},"data":{"object":{"id":"x"}}}"#), repeated("/data/object/customer"));
    assert_eq!(named(r#"{"data":{"object":{"customer":"a","id":1,"id":2}}}"#), repeated("/data/object/id"));
    assert_eq!(named(r#"{"id":"a","x":1,"x":2,"data":{"id":1,"id":2}}"#).unwrap().id.as_deref(), Some("a"), "beside");
    let big = identify(scheme("shopify"), by_hand::head(&none), br#"{"id":820982911946154508}"#).unwrap();
    assert_eq!(big.key.as_deref(), Some("820982911946154508"), "no detour over a float");
    assert_eq!(named("\u{feff}{\"id\":\"a\"}").unwrap().id, None, "a byte order mark is no JSON");
}

#[test]
fn a13_timestamps_are_required_strict_and_held_both_ways() {
    let at = |timestamp: &str, now_ms: i64| {
        let headers = [
            ("x-slack-request-timestamp", timestamp.to_owned()),
            ("x-slack-signature", by_hand::slack(timestamp, BODY)),
        ];
        let slack = scheme("slack");
        judge(slack, &keys(slack, SECRET), &header_map(&headers), BODY, UnixMillis(now_ms))
    };
    let now = NOW.0;
    assert!(at(NOW_S, now + 300_000).is_ok());
    assert_eq!(at(NOW_S, now + 300_001), Err(Rejection::Stale));
    assert!(at(NOW_S, now - 300_000).is_ok());
    assert_eq!(at(NOW_S, now - 300_001), Err(Rejection::Future));
    assert_eq!(at("1700000000000", now), Err(Rejection::Future), "milliseconds where seconds belong");
    assert_eq!(at("0", now), Err(Rejection::Stale));
    for bad in [
        "",
        "-1700000000",
        "+1700000000",
        "1700000000.0",
        "17e8",
        "0x6553f100",
        "99999999999999999999",
        "9223372036854775807",
    ] {
        assert_eq!(at(bad, now), Err(Rejection::Malformed), "{bad:?}");
    }
    let without = by_hand::stripe(NOW_S, BODY).replace(&format!("t={NOW_S},"), "");
    assert_eq!(accepts("stripe", &[("stripe-signature", without)], BODY), Err(Rejection::Missing));
    let later = by_hand::stripe(NOW_S, BODY).replace(NOW_S, "1700000001");
    assert_eq!(accepts("stripe", &[("stripe-signature", later)], BODY), Err(Rejection::Mismatch), "it is signed");
}

#[test]
fn a14_schemes_say_whether_their_id_is_signed() {
    let signs_id = |name| scheme(name).signs_id();
    assert!(["stripe", "slack", "standard-webhooks", "svix", "hmac"].into_iter().all(signs_id));
    assert!(!["github", "shopify", "basic", "bearer", "none"].into_iter().any(signs_id));
}

#[test]
fn a15_ids_and_times_cannot_trade_characters() {
    // Signed as id "a", time "1700000000", body ".…", read as id "a.1700000000"? Not with a dot in the id.
    for id in ["a.1700000000", ".", "a b", "a\tb", "", "é"] {
        let headers = [
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", NOW_S.to_owned()),
            ("webhook-signature", by_hand::standard(id, NOW_S, BODY)),
        ];
        assert_eq!(accepts("standard-webhooks", &headers, BODY), Err(Rejection::Malformed), "{id:?}");
    }
    let headers = [
        ("webhook-id", "a".to_owned()),
        ("webhook-timestamp", format!("{NOW_S}.5")),
        ("webhook-signature", by_hand::standard("a", &format!("{NOW_S}.5"), BODY)),
    ];
    assert_eq!(accepts("standard-webhooks", &headers, BODY), Err(Rejection::Malformed));
}

#[test]
fn a16_only_the_sources_own_secrets_count() {
    let github = scheme("github");
    let headers = header_map(&[("x-hub-signature-256", by_hand::github(BODY))]);
    let others = Keys::new(github, [("a", "another-sources-secret"), ("b", "yet-another-secret-x")]).unwrap();
    assert_eq!(judge(github, &others, &headers, BODY, NOW), Err(Rejection::Mismatch));
    let rotated = Keys::new(github, [("new", "a-secret-of-tomorrow"), ("old", SECRET)]).unwrap();
    assert_eq!(judge(github, &rotated, &headers, BODY, NOW).unwrap().key_id.as_deref(), Some("old"));
    // Keys that were made for another scheme prove nothing.
    let bearer = keys(scheme("bearer"), SECRET);
    assert_eq!(judge(github, &bearer, &headers, BODY, NOW), Err(Rejection::Mismatch));
    let none = Keys::new::<&str, &str>(scheme("none"), []).unwrap();
    assert_eq!(judge(github, &none, &headers, BODY, NOW), Err(Rejection::Mismatch));
}
