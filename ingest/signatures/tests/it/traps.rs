//! The traps of real providers, one test each: what goes wrong when a scheme is read a little differently.

use hooklog_signatures::{Head, Keys, Rejection, Scheme, UnixMillis, Verified, verify};

use crate::outside::{BODY, NOW, NOW_S, SECRET, base64, header_map, hmac, hmac_sha256, made, unbase64};

/// The verdict on a `POST` at [`NOW`].
fn post(scheme: &Scheme, secret: &str, headers: &[(&str, String)], body: &[u8]) -> Result<Verified, Rejection> {
    at(scheme, secret, headers, body, NOW)
}

fn at(
    scheme: &Scheme,
    secret: &str,
    headers: &[(&str, String)],
    body: &[u8],
    now: UnixMillis,
) -> Result<Verified, Rejection> {
    let keys = Keys::new(scheme, [("k", secret)]).expect("a good secret");
    let headers = header_map(headers);
    verify(scheme, &keys, Head { method: "POST", path_and_query: "/in/x?a=1", headers: &headers }, body, now)
}

fn body_mac(key: &[u8]) -> Vec<(&'static str, String)> {
    vec![("x-sig", hex::encode(hmac_sha256(key, BODY)))]
}

const BODY_MAC: &str = r#"
    auth = "mac"
    fn = "hmac-sha256"
    signed = "{body}"
    signature = { from = { header = "X-Sig" }, encoding = "hex" }
"#;

fn with_secret(form: &str) -> Scheme {
    made(&format!("{BODY_MAC}secret = {form}"))
}

#[test]
fn a_secret_that_looks_encoded_is_what_its_file_says() {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let bare = secret.strip_prefix("whsec_").unwrap();
    let raw = with_secret(r#"{ form = "raw" }"#);
    let prefixed = with_secret(r#"{ form = "base64", prefix = "whsec_" }"#);
    assert!(post(&raw, secret, &body_mac(secret.as_bytes()), BODY).is_ok());
    assert!(post(&raw, secret, &body_mac(bare.as_bytes()), BODY).is_err());
    assert!(post(&prefixed, secret, &body_mac(&unbase64(bare)), BODY).is_ok());
    assert!(post(&prefixed, secret, &body_mac(secret.as_bytes()), BODY).is_err());
    // Decoded with the prefix, as it is without.
    let either = with_secret(r#"{ form = "base64", prefix = "whsec_", unprefixed = "raw" }"#);
    assert!(post(&either, secret, &body_mac(&unbase64(bare)), BODY).is_ok());
    assert!(post(&either, bare, &body_mac(bare.as_bytes()), BODY).is_ok());
    let hex_text = hex::encode(SECRET);
    assert!(post(&with_secret(r#"{ form = "hex" }"#), &hex_text, &body_mac(SECRET.as_bytes()), BODY).is_ok());
    // Either alphabet, padded or not: it is the same key.
    let key = [0xfb_u8; 17];
    for shown in [base64(&key), base64(&key).replace('+', "-"), base64(&key).trim_end_matches('=').to_owned()] {
        assert!(post(&with_secret(r#"{ form = "base64" }"#), &shown, &body_mac(&key), BODY).is_ok(), "{shown}");
    }
}

#[test]
fn milliseconds_are_not_seconds_and_the_headers_text_is_signed() {
    let timed = |unit: &str| {
        made(&format!(
            r#"
            auth = "mac"
            fn = "hmac-sha256"
            signed = "{{timestamp}}.{{body}}"
            signature = {{ from = {{ header = "X-Sig" }}, encoding = "hex" }}
            time = {{ from = {{ header = "X-Time" }}, unit = "{unit}", past_s = 300, future_s = 300 }}
            "#
        ))
    };
    let sent = |time: &str| {
        let signed = [time.as_bytes(), b".", BODY].concat();
        vec![("x-time", time.to_owned()), ("x-sig", hex::encode(hmac_sha256(SECRET.as_bytes(), &signed)))]
    };
    let ms = format!("{NOW_S}000");
    assert!(post(&timed("ms"), SECRET, &sent(&ms), BODY).is_ok());
    assert_eq!(post(&timed("s"), SECRET, &sent(&ms), BODY), Err(Rejection::Future));
    assert_eq!(post(&timed("ms"), SECRET, &sent(NOW_S), BODY), Err(Rejection::Stale));
    // A leading zero is the same moment in other bytes, and the bytes are signed.
    let padded = format!("0{NOW_S}");
    assert!(post(&timed("s"), SECRET, &sent(&padded), BODY).is_ok());
    let mut swapped = sent(&padded);
    NOW_S.clone_into(&mut swapped[0].1);
    assert_eq!(post(&timed("s"), SECRET, &swapped, BODY), Err(Rejection::Mismatch));
    let date = "Tue, 14 Nov 2023 22:13:20 GMT";
    assert!(post(&timed("http-date"), SECRET, &sent(date), BODY).is_ok());
    assert_eq!(post(&timed("http-date"), SECRET, &sent(NOW_S), BODY), Err(Rejection::Malformed));
}

#[test]
fn a_clock_in_the_payload_is_held_both_ways() {
    let scheme = made(&format!("{BODY_MAC}time = {{ from = \"/at\", unit = \"ms\", past_s = 60, future_s = 60 }}"));
    let sent = |at: &str| {
        let body = format!(r#"{{"at":{at}}}"#);
        let headers = vec![("x-sig", hex::encode(hmac_sha256(SECRET.as_bytes(), body.as_bytes())))];
        post(&scheme, SECRET, &headers, body.as_bytes())
    };
    assert!(sent("1700000000000").is_ok());
    assert_eq!(sent("1700000000000").unwrap().timestamp, Some(NOW));
    assert_eq!(sent("1699999939000"), Err(Rejection::Stale));
    assert_eq!(sent("1700000061000"), Err(Rejection::Future));
    assert_eq!(sent("null"), Err(Rejection::Missing));
    assert_eq!(sent(r#"1700000000000,"at":1"#), Err(Rejection::Malformed));
}

const LIST: &str = r#"
    auth = "mac"
    fn = "hmac-sha256"
    signed = "{timestamp}:{body}"
    time = { from = { item = "ts" }, unit = "s", past_s = 5, future_s = 5 }
    signature = { from = { header = "X-Sig" }, encoding = "hex", list = { separator = ";", pair = "=", labels = ["h1"] } }
"#;

fn h1(secret: &str) -> String {
    hex::encode(hmac_sha256(secret.as_bytes(), &[NOW_S.as_bytes(), b":", BODY].concat()))
}

#[test]
fn any_of_several_signatures_counts_and_tolerance_is_the_providers() {
    let scheme = made(LIST);
    let (good, other) = (h1(SECRET), h1("another-secret-of-32-characters!"));
    let sent = |items: String| post(&scheme, SECRET, &[("x-sig", format!("ts={NOW_S};{items}"))], BODY);
    assert!(sent(format!("h1={good};h1={other}")).is_ok());
    assert!(sent(format!("h1={other};h1={good}")).is_ok());
    assert!(sent(format!("h0={other};h1={good}")).is_ok(), "an unknown label is passed over");
    assert_eq!(sent(format!("h0={good}")), Err(Rejection::NoAcceptedLabel), "a downgrade");
    let headers = [("x-sig", format!("ts={NOW_S};h1={good}"))];
    let later = |seconds: i64| at(&scheme, SECRET, &headers, BODY, UnixMillis(NOW.0 + seconds * 1000));
    assert!(later(5).is_ok() && later(-5).is_ok());
    assert_eq!((later(6), later(-6)), (Err(Rejection::Stale), Err(Rejection::Future)));
}

#[test]
fn several_headers_and_repeated_ones_are_read_only_where_the_file_says_so() {
    let mac = |secret: &str| base64(&hmac_sha256(secret.as_bytes(), BODY));
    let (good, other) = (mac(SECRET), mac("another-secret-of-32-characters!"));
    let two = made(
        r#"
        auth = "mac"
        fn = "hmac-sha256"
        signed = "{body}"
        signature = { from = { headers = ["X-Primary", "X-Secondary"] }, encoding = "base64" }
        "#,
    );
    for headers in
        [vec![("x-primary", &good)], vec![("x-secondary", &good)], vec![("x-primary", &other), ("x-secondary", &good)]]
    {
        let headers: Vec<(&str, String)> = headers.into_iter().map(|(name, value)| (name, value.clone())).collect();
        assert!(post(&two, SECRET, &headers, BODY).is_ok(), "{headers:?}");
    }
    assert_eq!(post(&two, SECRET, &[], BODY), Err(Rejection::Missing));
    let twice = [("x-primary", good.clone()), ("x-primary", good.clone())];
    assert_eq!(post(&two, SECRET, &twice, BODY), Err(Rejection::DuplicateHeader));
    let multi = made(
        r#"
        auth = "mac"
        fn = "hmac-sha256"
        signed = "{body}"
        signature = { from = { header = "X-Primary" }, multi = true, prefix = "sha256=", prefix_optional = true, encoding = "base64" }
        "#,
    );
    assert!(
        post(&multi, SECRET, &[("x-primary", other.clone()), ("x-primary", format!("sha256={good}"))], BODY).is_ok()
    );
    let many: Vec<(&str, String)> =
        std::iter::repeat_n(("x-primary", other), 10).chain([("x-primary", good)]).collect();
    assert_eq!(post(&multi, SECRET, &many, BODY), Err(Rejection::TooManyItems));
}

#[test]
fn the_same_header_is_another_scheme_elsewhere() {
    let sha1 = made(&BODY_MAC.replace("hmac-sha256", "hmac-sha1"));
    let sha1_tag = vec![("x-sig", hex::encode(hmac::<sha1::Sha1>(64, SECRET.as_bytes(), BODY)))];
    assert!(post(&sha1, SECRET, &sha1_tag, BODY).is_ok());
    assert_eq!(post(&sha1, SECRET, &body_mac(SECRET.as_bytes()), BODY), Err(Rejection::Malformed));
    assert_eq!(post(&with_secret(r#"{ form = "raw" }"#), SECRET, &sha1_tag, BODY), Err(Rejection::Malformed));
}

#[test]
fn prefixes_may_have_blanks_and_blanks_may_follow_commas() {
    let tag = hex::encode(hmac_sha256(SECRET.as_bytes(), BODY));
    let blank = made(&BODY_MAC.replace("encoding", "prefix = \"sha256 \", encoding"));
    assert!(post(&blank, SECRET, &[("x-sig", format!("sha256 {tag}"))], BODY).is_ok());
    assert_eq!(post(&blank, SECRET, &[("x-sig", format!("sha256={tag}"))], BODY), Err(Rejection::Malformed));
    let list = |trim: bool| {
        made(
            &LIST
                .replace("separator = \";\"", &format!("separator = \",\", trim = {trim}"))
                .replace("s = 5", "s = 300"),
        )
    };
    let spaced = [("x-sig", format!("ts={NOW_S}, h1={}", h1(SECRET)))];
    assert!(post(&list(true), SECRET, &spaced, BODY).is_ok());
    assert_eq!(post(&list(false), SECRET, &spaced, BODY), Err(Rejection::NoAcceptedLabel));
    let groups = made(&LIST.replace("separator = \";\"", "separator = \",\", groups = \" \""));
    let group = |time: &str, tag: &str| format!("ts={time},h1={tag}");
    let other = "00".repeat(32);
    let both = |second: &str| vec![("x-sig", format!("{} {}", group(NOW_S, &other), group(second, &h1(SECRET))))];
    assert!(post(&groups, SECRET, &both(NOW_S), BODY).is_ok());
    assert_eq!(post(&groups, SECRET, &both("1700000001"), BODY), Err(Rejection::Malformed), "two times");
}

#[test]
fn positions_and_bare_items_are_signatures_where_the_file_says_so() {
    let positional = made(
        r#"
        auth = "mac"
        fn = "hmac-sha256"
        signed = "{timestamp}:{body}"
        time = { from = { position = 0 }, unit = "s", past_s = 300, future_s = 300 }
        signature = { from = { header = "X-Sig" }, encoding = "hex", list = { separator = "," } }
        "#,
    );
    let other = "00".repeat(32);
    assert!(post(&positional, SECRET, &[("x-sig", format!("{NOW_S},{other},{}", h1(SECRET)))], BODY).is_ok());
    assert_eq!(post(&positional, SECRET, &[("x-sig", NOW_S.to_owned())], BODY), Err(Rejection::NoAcceptedLabel));
    let bare = made(&LIST.replace("[\"h1\"]", "[\"\"]"));
    assert!(post(&bare, SECRET, &[("x-sig", format!("ts={NOW_S};{}", h1(SECRET)))], BODY).is_ok());
}

#[test]
fn trailing_bytes_are_signed() {
    let scheme = with_secret(r#"{ form = "raw" }"#);
    for end in ["\r\n", "\n", " ", "\u{feff}"] {
        let body = [BODY, end.as_bytes()].concat();
        let headers = vec![("x-sig", hex::encode(hmac_sha256(SECRET.as_bytes(), &body)))];
        assert!(post(&scheme, SECRET, &headers, &body).is_ok());
        assert_eq!(post(&scheme, SECRET, &headers, BODY), Err(Rejection::Mismatch), "{end:?} was trimmed");
    }
}

#[test]
fn numbers_are_signed_as_they_are_written() {
    let scheme = made(
        r#"
        auth = "mac"
        fn = "hmac-sha256"
        signed = "{json:/n}|{json:/o}"
        unsigned_body = true
        signature = { from = "/sig", encoding = "hex" }
        "#,
    );
    for (number, object) in [("1.0", "{ \"b\":1e2}"), ("123456789012345678901", "[]"), ("1E5", "{}")] {
        let tag = hex::encode(hmac_sha256(SECRET.as_bytes(), format!("{number}|{object}").as_bytes()));
        let body = format!(r#"{{"n":{number},"o":{object},"sig":"{tag}"}}"#);
        assert!(post(&scheme, SECRET, &[], body.as_bytes()).is_ok(), "{number}");
    }
    assert!(!scheme.signs_body() && !scheme.signs_id());
}

#[test]
fn a_plain_digest_is_refused_beside_a_better_signature() {
    let scheme = made(
        r#"
        auth = "hash"
        fn = "sha256"
        signed = "{secret}{body}"
        signature = { from = { header = "X-Sig" }, encoding = "hex" }
        [[require]]
        from = { header = "X-Sig-V3" }
        absent = true
        "#,
    );
    let tag = hex::encode(<sha2::Sha256 as sha2::Digest>::digest([SECRET.as_bytes(), BODY].concat()));
    let plain = vec![("x-sig", tag.clone())];
    assert!(post(&scheme, SECRET, &plain, BODY).is_ok());
    assert_eq!(post(&scheme, SECRET, &plain, b"{}"), Err(Rejection::Mismatch));
    let both = [("x-sig", tag), ("x-sig-v3", "x".to_owned())];
    assert_eq!(post(&scheme, SECRET, &both, BODY), Err(Rejection::Condition));
}

#[test]
fn every_element_of_a_batch_counts() {
    let scheme = made(
        r#"
        auth = "mac"
        fn = "hmac-sha256"
        signed = "{json:/ref}:[{json:/old}]:{json:/amount/value}"
        unsigned_body = true
        each = "/items/*/item"
        secret = { form = "hex" }
        signature = { from = "/hmac", encoding = "base64" }
        "#,
    );
    let secret = hex::encode(SECRET);
    let item = |reference: &str, amount: u32| {
        let tag = base64(&hmac_sha256(SECRET.as_bytes(), format!("{reference}::{amount}").as_bytes()));
        format!(r#"{{"item":{{"ref":"{reference}","old":"","amount":{{"value":{amount}}},"hmac":"{tag}"}}}}"#)
    };
    let sent = |items: &[String]| {
        post(&scheme, &secret, &[], format!(r#"{{"items":[{}]}}"#, items.join(",")).as_bytes()).map(drop)
    };
    assert_eq!(sent(&[item("a", 1)]), Ok(()));
    assert_eq!(sent(&[item("a", 1), item("b", 2)]), Ok(()));
    assert_eq!(sent(&[item("a", 1), item("b", 2).replace("\"value\":2", "\"value\":3")]), Err(Rejection::Mismatch));
    assert_eq!(
        sent(&[item("a", 1), r#"{"item":{"ref":"b"}}"#.to_owned()]),
        Err(Rejection::Missing),
        "one is not signed"
    );
    assert_eq!(sent(&[]), Err(Rejection::Missing), "nothing is signed");
    assert_eq!(sent(&vec![item("a", 1); 101]), Err(Rejection::TooManyItems));
    assert_eq!(post(&scheme, &secret, &[], b"{}").map(drop), Err(Rejection::Missing));
}

#[test]
fn a_token_in_a_batch_stands_in_every_element() {
    let scheme = made("auth = \"token\"\nsignature = { from = \"/value/*/state\" }");
    let sent = |body: &str| post(&scheme, SECRET, &[], body.as_bytes()).map(drop);
    let one = format!(r#"{{"state":"{SECRET}"}}"#);
    assert_eq!(sent(&format!(r#"{{"value":[{one},{one}]}}"#)), Ok(()));
    assert_eq!(sent(&format!(r#"{{"value":[{one},{{"state":"x"}}]}}"#)), Err(Rejection::Mismatch));
    assert_eq!(sent(&format!(r#"{{"value":[{one},{{}}]}}"#)), Err(Rejection::Missing));
    assert_eq!(sent(r#"{"value":[]}"#), Err(Rejection::Missing));
    assert_eq!(sent(&one), Err(Rejection::Missing));
}

#[test]
fn a_keys_public_name_chooses_it_and_cannot_be_swapped() {
    let scheme = made(
        r#"
        auth = "mac"
        fn = "hmac-sha1"
        signed = "{form:payload}"
        unsigned_body = true
        secret = { form = "raw", name = ":", derive = "sha1" }
        signature = { from = { form = "sig" }, encoding = "hex", list = { separator = "&", pair = "|", labels = ["*"] } }
        "#,
    );
    let key = <sha1::Sha1 as sha2::Digest>::digest(SECRET);
    let tag = hex::encode(hmac::<sha1::Sha1>(64, &key, b"aGk=\n"));
    let sent = |names: &[&str]| {
        let pairs: Vec<String> = names.iter().map(|name| format!("{name}%7C{tag}")).collect();
        let body = format!("sig={}&payload=aGk%3D%0A", pairs.join("%26"));
        let form = [("content-type", "application/x-www-form-urlencoded".to_owned())];
        post(&scheme, &format!("public:{SECRET}"), &form, body.as_bytes()).map(drop)
    };
    assert_eq!(sent(&["public"]), Ok(()));
    assert_eq!(sent(&["other", "public"]), Ok(()));
    assert_eq!(sent(&["other"]), Err(Rejection::Mismatch));
    assert!(Keys::new(&scheme, [("k", SECRET)]).is_err(), "no name in front");
}

#[test]
fn hex_has_either_case_and_listed_headers_the_case_that_is_signed() {
    let scheme = made(
        r#"
        auth = "mac"
        fn = "hmac-sha256"
        signed = "{method}\n{path_query}\n{headers_listed}\n{body}"
        signature = { from = { header = "X-Sig" }, encoding = "hex" }
        time = { from = { header = "X-Time" }, unit = "s", past_s = 30, future_s = 30 }
        headers_listed = { from = { header = "X-Signed" }, separator = ",", pair = ":", join = ";", lower = true, sort = true, must = ["X-Time"] }
        "#,
    );
    let sent = |listed: &str, canonical: &str| {
        let signed = [b"POST\n/in/x?a=1\n", canonical.as_bytes(), b"\n", BODY].concat();
        let tag = hex::encode(hmac_sha256(SECRET.as_bytes(), &signed)).to_uppercase();
        let headers =
            [("x-sig", tag), ("x-time", NOW_S.to_owned()), ("x-signed", listed.to_owned()), ("x-a", "One".to_owned())];
        post(&scheme, SECRET, &headers, BODY).map(drop)
    };
    assert_eq!(sent("X-Time,X-A", &format!("x-a:One;x-time:{NOW_S}")), Ok(()));
    assert_eq!(sent("X-A", "x-a:One"), Err(Rejection::Missing), "the time must be listed");
    assert_eq!(sent("X-Time,X-A", &format!("x-time:{NOW_S};x-a:One")), Err(Rejection::Mismatch));
}

#[test]
fn a_signed_form_field_is_not_the_body() {
    let scheme = made(
        r#"
        auth = "mac"
        fn = "hmac-sha256"
        signed = "{payload}"
        payload = { form = "payload" }
        signature = { from = { header = "X-Sig" }, encoding = "hex" }
        "#,
    );
    let tag = |bytes: &[u8]| hex::encode(hmac_sha256(SECRET.as_bytes(), bytes));
    let form = |body: &str, signed: &[u8]| {
        let headers = [("content-type", "application/x-www-form-urlencoded".to_owned()), ("x-sig", tag(signed))];
        post(&scheme, SECRET, &headers, body.as_bytes()).map(drop)
    };
    assert_eq!(form("payload=%7B%22a%22%3A+1%7D", br#"{"a": 1}"#), Ok(()));
    assert_eq!(form("payload=%7B%7D", b"payload=%7B%7D"), Err(Rejection::Mismatch));
    assert_eq!(form("payload=1&payload=2", b"1"), Err(Rejection::Repeated));
    assert_eq!(form("other=1", b""), Err(Rejection::Missing));
    assert!(post(&scheme, SECRET, &[("x-sig", tag(BODY))], BODY).is_ok(), "a body that is no form is the payload");
}
