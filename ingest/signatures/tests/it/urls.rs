//! Schemes that sign the URL, its query or a form: what they sign is configured or read from raw bytes, never guessed.

use hooklog_signatures::{Head, Keys, Rejection, Scheme, verify};
use sha2::{Digest as _, Sha256};

use crate::outside::{BODY, NOW, SECRET, base64, header_map, hmac, hmac_sha256, made};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn with(scheme: &Scheme, settings: &toml::Table) -> Scheme {
    scheme.with_overrides(settings).expect("good settings")
}

fn judge(scheme: &Scheme, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<(), Rejection> {
    let keys = Keys::new(scheme, [("k", SECRET)]).expect("a good secret");
    let headers = header_map(headers);
    verify(scheme, &keys, Head { method: "POST", path_and_query: target, headers: &headers }, body, NOW).map(drop)
}

fn sha1(text: &str) -> String {
    base64(&hmac::<sha1::Sha1>(64, SECRET.as_bytes(), text.as_bytes()))
}

fn twilio() -> Scheme {
    made(
        r#"
        auth = "mac"
        fn = "hmac-sha1"
        signed = "{url}[{form_sorted:unique}]"
        signature = { from = { header = "X-Sig" }, encoding = "base64" }
        url_variants = ["port", "quote"]
        bind = [{ from = { query = "bodySHA256" }, of = "body", hash = "sha256", encoding = "hex", when = "not-form" }]
        "#,
    )
}

#[test]
fn the_url_is_the_configured_one_and_never_the_hosts() {
    let scheme = with(&twilio(), &toml::toml! { url = "https://a.example/hook" });
    let tag = sha1("https://a.example/hook?x=1Digits1234");
    let evil = [("host", "evil.example"), ("x-forwarded-host", "evil.example"), FORM, ("x-sig", &tag)];
    assert_eq!(judge(&scheme, "/in/x?x=1", &evil, b"Digits=1234"), Ok(()));
    let evil_tag = sha1("https://evil.example/in/x?x=1Digits1234");
    let evil = [("host", "evil.example"), FORM, ("x-sig", &evil_tag)];
    assert_eq!(judge(&scheme, "/in/x?x=1", &evil, b"Digits=1234"), Err(Rejection::Mismatch));
    assert_eq!(judge(&scheme, "/in/x?x=2", &[FORM, ("x-sig", &tag)], b"Digits=1234"), Err(Rejection::Mismatch));
    // Not configured: nothing is believed, and a source is refused with the mend.
    assert!(judge(&twilio(), "/in/x?x=1", &[FORM, ("x-sig", &tag)], b"Digits=1234").is_err());
    let refused = twilio().with_overrides(&toml::Table::new()).unwrap_err().to_string();
    assert!(refused.contains("`url`") && refused.contains("https://"), "{refused}");
    for bad in
        ["a.example/x", "https://", "https:///x", "https://a.example/x?y=1", "https://a.example/ x", "ftp://a.example"]
    {
        let settings = toml::Table::from_iter([("url".to_owned(), bad.into())]);
        assert!(twilio().with_overrides(&settings).unwrap_err().to_string().contains("`url`"), "{bad}");
    }
}

#[test]
fn the_urls_variants_are_tried_and_no_others() {
    let scheme = with(&twilio(), &toml::toml! { url = "https://user:pw@a.example/hook" });
    let sent = |url: &str| judge(&scheme, "/in/x?q=it's", &[FORM, ("x-sig", &sha1(url))], b"");
    assert_eq!(sent("https://user:pw@a.example/hook?q=it's"), Ok(()));
    assert_eq!(sent("https://user:pw@a.example:443/hook?q=it's"), Ok(()));
    assert_eq!(sent("https://user:pw@a.example/hook?q=it%27s"), Ok(()));
    for bad in [
        "http://user:pw@a.example/hook?q=it's",
        "https://a.example/hook?q=it's",
        "https://user:pw@a.example:8443/hook?q=it's",
        "https://user:pw@a.example/hook/?q=it's",
    ] {
        assert_eq!(sent(bad), Err(Rejection::Mismatch), "{bad}");
    }
    let ported = with(&twilio(), &toml::toml! { url = "https://a.example:8443/hook" });
    assert_eq!(judge(&ported, "/in/x", &[FORM, ("x-sig", &sha1("https://a.example/hook"))], b""), Ok(()));
    let slashed = made(
        r#"
        auth = "mac"
        fn = "hmac-sha1"
        signed = "{body}{url}"
        signature = { from = { header = "X-Sig" }, encoding = "base64" }
        url_variants = ["slash"]
        settings = { url = "https://a.example/hook/" }
        "#,
    );
    for url in ["https://a.example/hook", "https://a.example/hook/"] {
        assert_eq!(judge(&slashed, "/in/x", &[("x-sig", &sha1(&format!("hi{url}")))], b"hi"), Ok(()), "{url}");
    }
}

#[test]
fn forms_are_sorted_by_bytes_and_decoded_once() {
    let scheme = |repeats: &str| {
        made(&format!(
            r#"
            auth = "mac"
            fn = "hmac-sha1"
            signed = "{{url_base}}{{form_sorted:{repeats}}}"
            signature = {{ from = {{ header = "X-Sig" }}, encoding = "base64" }}
            settings = {{ url = "https://a.example/h" }}
            "#
        ))
    };
    let sent = |repeats: &str, body: &[u8], signed: &str| {
        judge(
            &scheme(repeats),
            "/in/x?ignored=1",
            &[FORM, ("x-sig", &sha1(&format!("https://a.example/h{signed}")))],
            body,
        )
    };
    assert_eq!(sent("unique", b"b=2&a=1&B=3&a=0&a=1", "B3a0a1b2"), Ok(()));
    assert_eq!(sent("all", b"b=2&a=1&B=3&a=0&a=1", "B3a0a1a1b2"), Ok(()));
    assert_eq!(sent("once", b"b=%2B+%C3%A9&a=%2525", "a%25b+ é"), Ok(()));
    assert_eq!(sent("once", b"a=1&a=1", "a1"), Err(Rejection::Repeated));
    assert_eq!(sent("all", b"a=%zz", "a%zz"), Err(Rejection::Malformed));
}

#[test]
fn a_body_that_is_no_form_is_bound_by_its_hash() {
    let scheme = with(&twilio(), &toml::toml! { url = "https://a.example/hook" });
    let hash = hex::encode(Sha256::digest(BODY));
    let target = format!("/in/x?bodySHA256={hash}");
    let tag = sha1(&format!("https://a.example/hook?bodySHA256={hash}"));
    let json = [("content-type", "application/json"), ("x-sig", tag.as_str())];
    assert_eq!(judge(&scheme, &target, &json, BODY), Ok(()));
    assert_eq!(judge(&scheme, &target, &json, b"{}"), Err(Rejection::Mismatch));
    // A signature over the URL alone is good for nothing beside a body that nobody bound.
    let bare = [("content-type", "application/json"), ("x-sig", &sha1("https://a.example/hook"))];
    assert_eq!(judge(&scheme, "/in/x", &bare, BODY), Err(Rejection::Missing));
    let twice = format!("{target}&bodySHA256={hash}");
    let twice_tag = sha1(&format!("https://a.example/hook?bodySHA256={hash}&bodySHA256={hash}"));
    assert_eq!(judge(&scheme, &twice, &[("x-sig", &twice_tag)], BODY), Err(Rejection::Repeated));
}

#[test]
fn queries_groups_and_parameters_are_signed_as_the_template_says() {
    let scheme = made(
        r#"
        auth = "mac"
        fn = "hmac-sha256"
        signed = "[id:{lower(query:data.id)};][request-id:{header:X-Request-Id};]hook:{param:hook};"
        unsigned_body = true
        signature = { from = { header = "X-Sig" }, encoding = "hex" }
        params = { hook = "the hook's id" }
        "#,
    );
    assert!(scheme.with_overrides(&toml::Table::new()).unwrap_err().to_string().contains("the hook's id"));
    assert!(scheme.with_overrides(&toml::toml! { params = { hok = "7" } }).unwrap_err().to_string().contains("hok"));
    let printed = format!("{:?}", with(&scheme, &toml::toml! { params = { hook = "a-token-perhaps" } }));
    assert!(printed.contains("hook") && !printed.contains("a-token-perhaps"), "a parameter may be a token");
    let scheme = with(&scheme, &toml::toml! { params = { hook = "7" } });
    let sent = |target: &str, headers: &[(&str, &str)], signed: &str| {
        let tag = hex::encode(hmac_sha256(SECRET.as_bytes(), signed.as_bytes()));
        judge(&scheme, target, &[headers, &[("x-sig", &tag)]].concat(), BODY)
    };
    assert_eq!(sent("/x?data.id=AB%2B", &[("x-request-id", "r")], "id:ab+;request-id:r;hook:7;"), Ok(()));
    assert_eq!(sent("/x", &[("x-request-id", "r")], "request-id:r;hook:7;"), Ok(()));
    assert_eq!(sent("/x?data.id=", &[], "hook:7;"), Ok(()), "an empty text is as good as none");
    assert_eq!(sent("/x", &[], "id:;request-id:;hook:7;"), Err(Rejection::Mismatch));
    assert_eq!(sent("/x?data.id=a&data.id=b", &[], "hook:7;"), Err(Rejection::Repeated));
}

#[test]
fn the_signature_may_be_in_the_query() {
    let scheme = made(
        "auth = \"mac\"\nfn = \"hmac-sha256\"\nsigned = \"{body}\"\nsignature = { from = { query = \"sig\" }, encoding = \"hex\" }",
    );
    let tag = hex::encode(hmac_sha256(SECRET.as_bytes(), BODY));
    assert_eq!(judge(&scheme, &format!("/in/x?sig={tag}&a=1"), &[], BODY), Ok(()));
    assert_eq!(judge(&scheme, &format!("/in/x?sig={tag}&sig={tag}"), &[], BODY), Err(Rejection::Repeated));
    assert_eq!(judge(&scheme, "/in/x?sig=", &[], BODY), Err(Rejection::Malformed));
    assert_eq!(judge(&scheme, "/in/x", &[("sig", &tag)], BODY), Err(Rejection::Missing));
}
