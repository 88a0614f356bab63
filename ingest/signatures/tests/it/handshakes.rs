//! Challenges: which body is one, and what may come back.

use hooklog_signatures::handshake::{MAX_CHALLENGE_BYTES, MAX_HANDSHAKE_BODY_BYTES};
use hooklog_signatures::{HandshakeAnswer, Head, Scheme, may_be_unsigned, sign};

use crate::outside::{BODY, NOW, SECRET, header_map, hmac_sha256, judge, keys, made, no_keys, scheme};

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

/// The answer to a request without proof.
fn unsigned(
    scheme: &Scheme,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Option<HandshakeAnswer> {
    let keys = if scheme.is_authenticated() { keys(scheme, SECRET) } else { no_keys(scheme) };
    let headers = header_map(headers);
    let head = Head { method, path_and_query: target, headers: &headers };
    let answer = hooklog_signatures::answer(scheme, &keys, head, body, None);
    assert!(answer.is_none() || may_be_unsigned(scheme, head));
    answer
}

fn get(scheme: &Scheme, target: &str) -> Option<String> {
    unsigned(scheme, "GET", target, &[], b"").map(|answer| answer.body)
}

const MAC: &str = "auth = \"mac\"\nfn = \"hmac-sha256\"\nsigned = \"{body}\"\nsignature = { from = { header = \"X-Sig\" }, encoding = \"hex\" }\n";

fn with(handshake: &str, settings: &str) -> Scheme {
    made(&format!(
        "{MAC}params = {{ verify_token = \"what was typed in there\" }}\n{settings}\n[[handshake]]\n{handshake}"
    ))
}

const ASKED_FOR: &str = "settings = { unsigned_handshakes = true }";

#[test]
fn a_query_is_echoed_to_who_knows_the_verify_token() {
    let echo = "method = \"GET\"\nunsigned = true\nvalue = { query = \"hub.challenge\" }\n\
        when = [{ from = { query = \"hub.mode\" }, equals = \"subscribe\" }, { from = { query = \"hub.verify_token\" }, param = \"verify_token\" }]\n";
    let token = "settings = { params = { verify_token = \"open sesame\" } }";
    let (text, json) = (with(echo, token), with(&format!("{echo}field = \"hub.challenge\""), token));
    let asked = "/in/x?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=open+sesame";
    assert_eq!(get(&text, asked).as_deref(), Some("1158201444"));
    assert_eq!(get(&json, asked).as_deref(), Some(r#"{"hub.challenge":"1158201444"}"#));
    for wrong in ["open+sesam", "", "open%2Bsesame"] {
        assert_eq!(get(&text, &asked.replace("open+sesame", wrong)), None, "{wrong}");
    }
    assert_eq!(get(&text, &asked.replace("subscribe", "unsubscribe")), None);
    assert_eq!(get(&text, &format!("{asked}&hub.challenge=2")), None, "two challenges");
    assert_eq!(get(&with(echo, ""), asked), None, "a token that is not set is nobody's");
    assert_eq!(unsigned(&text, "POST", asked, &[], b""), None, "another method");
}

#[test]
fn an_unsigned_echo_is_off_until_the_source_asks_for_it() {
    let echo = "unsigned = true\nvalue = { query = \"validationToken\" }\nwhen = [{ from = { query = \"validationToken\" }, present = true }]";
    let target = "/in/x?validationToken=Validation%3A+Testing+client+application+Request-Id%3A+9f-1";
    assert_eq!(unsigned(&with(echo, ""), "POST", target, &[], b""), None);
    let answer = unsigned(&with(echo, ASKED_FOR), "POST", target, &[], b"").unwrap();
    assert_eq!(answer.body, "Validation: Testing client application Request-Id: 9f-1");
    assert_eq!(answer.content_type, "text/plain; charset=utf-8");
    let harmful = "/in/x?validationToken=%3Cscript%3E";
    assert_eq!(unsigned(&with(echo, ASKED_FOR), "POST", harmful, &[], b""), None);
}

#[test]
fn a_keyed_hash_is_handed_out_for_words_only_and_words_are_no_events() {
    let crc = "method = \"GET\"\nunsigned = true\nvalue = { query = \"crc_token\" }\nwhen = [{ from = { query = \"crc_token\" }, present = true }]\n\
        hmac = { field = \"response_token\", encoding = \"base64\", prefix = \"sha256=\" }";
    let scheme = with(crc, ASKED_FOR);
    let made = crate::outside::base64(&hmac_sha256(SECRET.as_bytes(), b"MmNh_Zj-Q"));
    let expected = format!(r#"{{"response_token":"sha256={made}"}}"#);
    assert_eq!(get(&scheme, "/in/x?crc_token=MmNh_Zj-Q"), Some(expected));
    for bad in ["%7B%22id%22%3A1%7D", "a.b", "v0%3A1%3Ax", "a+b", "", &"a".repeat(129)] {
        assert_eq!(get(&scheme, &format!("/in/x?crc_token={bad}")), None, "{bad}");
    }
    // The other half of the rule: what anybody could have had hashed is believed from nobody.
    let signed = |body: &[u8]| {
        let headers = header_map(&[("x-sig", hex::encode(hmac_sha256(SECRET.as_bytes(), body)))]);
        judge(&scheme, &keys(&scheme, SECRET), &headers, body, NOW)
    };
    assert!(signed(BODY).is_ok());
    assert!(signed(b"MmNh_Zj-Q").is_err());
}

#[test]
fn a_signed_word_comes_back_with_its_keyed_hash() {
    let scheme = with(
        "when = [{ from = \"/event\", equals = \"endpoint.url_validation\" }]\nvalue = \"/payload/plainToken\"\nfield = \"plainToken\"\n\
        hmac = { field = \"encryptedToken\", encoding = \"hex\" }",
        "",
    );
    let body = br#"{"event":"endpoint.url_validation","payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"}}"#;
    let made = hex::encode(hmac_sha256(SECRET.as_bytes(), b"qgg8vlvZRS6UYooatFL8Aw"));
    let expected = format!(r#"{{"encryptedToken":"{made}","plainToken":"qgg8vlvZRS6UYooatFL8Aw"}}"#);
    assert_eq!(answer(&scheme, body).unwrap().body, expected);
    assert_eq!(unsigned(&scheme, "POST", "/in/x", &[], body), None, "nobody signed it");
    assert!(
        judge(
            &scheme,
            &keys(&scheme, SECRET),
            &header_map(&[("x-sig", hex::encode(hmac_sha256(SECRET.as_bytes(), b"word")))]),
            b"word",
            NOW
        )
        .is_ok()
    );
}

#[test]
fn a_secret_that_arrives_is_echoed_once_and_handed_over() {
    let scheme = with(
        "unsigned = true\nwhen = [{ from = { header = \"X-Hook-Secret\" }, present = true }]\nvalue = { header = \"X-Hook-Secret\" }\n\
        header = \"X-Hook-Secret\"\ncapture = { header = \"X-Hook-Secret\" }",
        ASKED_FOR,
    );
    let answer =
        unsigned(&scheme, "POST", "/in/x", &[("x-hook-secret", "b537207f20cbfa02357cf448134da559")], b"{}").unwrap();
    assert_eq!(
        answer.headers,
        [("x-hook-secret".parse().unwrap(), "b537207f20cbfa02357cf448134da559".parse().unwrap())]
    );
    assert_eq!(answer.captured.as_ref().unwrap().expose(), "b537207f20cbfa02357cf448134da559");
    assert!(!format!("{:?}", answer.captured).contains("b537"), "no printable form");
    let told = with(
        "unsigned = true\nwhen = [{ from = \"/verification_token\", present = true }]\ncapture = \"/verification_token\"",
        ASKED_FOR,
    );
    let answer = unsigned(&told, "POST", "/in/x", &[], br#"{"verification_token":"secret_abc"}"#).unwrap();
    assert_eq!((answer.body.as_str(), answer.captured.unwrap().expose()), ("", "secret_abc"));
}

#[test]
fn headers_answer_headers_and_statuses_answer_alone() {
    let options = with(
        "method = \"OPTIONS\"\nunsigned = true\nvalue = { header = \"WebHook-Request-Origin\" }\nheader = \"WebHook-Allowed-Origin\"\n\
        headers = { WebHook-Allowed-Rate = \"*\" }\nwhen = [{ from = { header = \"WebHook-Request-Origin\" }, present = true }]",
        ASKED_FOR,
    );
    let allowed =
        unsigned(&options, "OPTIONS", "/in/x", &[("webhook-request-origin", "eventgrid.azure.net")], b"").unwrap();
    let headers: Vec<(&str, &str)> = allowed.headers.iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect();
    assert_eq!(headers, [("webhook-allowed-rate", "*"), ("webhook-allowed-origin", "eventgrid.azure.net")]);
    let head = with("method = \"HEAD\"\nunsigned = true", "");
    assert_eq!(unsigned(&head, "HEAD", "/in/x", &[], b"").unwrap().status, 200, "a status reveals nothing");
    assert_eq!(unsigned(&head, "GET", "/in/x", &[], b""), None);
    let okta = with(
        "method = \"GET\"\nunsigned = true\nvalue = { header = \"X-Okta-Verification-Challenge\" }\nfield = \"verification\"\n\
        when = [{ from = { header = \"X-Okta-Verification-Challenge\" }, present = true }]",
        ASKED_FOR,
    );
    let answer_json = unsigned(&okta, "GET", "/in/x", &[("x-okta-verification-challenge", "abc")], b"").unwrap();
    assert_eq!(
        (answer_json.content_type.to_str().unwrap(), answer_json.body.as_str()),
        ("application/json", r#"{"verification":"abc"}"#)
    );
    let ping = with("when = [{ from = \"/type\", equals = \"0\" }]\nstatus = 204", "");
    let pong = answer(&ping, br#"{"version":1,"type":0}"#).unwrap();
    assert_eq!((pong.status.as_u16(), pong.body.as_str()), (204, ""));
    assert_eq!(answer(&ping, br#"{"version":1,"type":1}"#), None);
    let fixed = with(
        "when = [{ from = \"/type\", equals = \"1\" }]\nbody = \"{\\\"type\\\":1}\"\ncontent_type = \"application/json\"",
        "",
    );
    assert_eq!(answer(&fixed, br#"{"type":1}"#).unwrap().body, r#"{"type":1}"#);
}

#[test]
fn a_batch_of_one_challenge_is_one() {
    let grid = made(
        "auth = \"none\"\nsettings = { unsigned_handshakes = true }\n[[handshake]]\nunsigned = true\nvalue = \"/0/data/validationCode\"\n\
        field = \"validationResponse\"\nwhen = [{ from = { header = \"aeg-event-type\" }, equals = \"SubscriptionValidation\" }]",
    );
    let body = br#"[{"id":"1","eventType":"Microsoft.EventGrid.SubscriptionValidationEvent","data":{"validationCode":"512d38b6-c7b8"}}]"#;
    let answer = unsigned(&grid, "POST", "/in/x", &[("aeg-event-type", "SubscriptionValidation")], body).unwrap();
    assert_eq!(answer.body, r#"{"validationResponse":"512d38b6-c7b8"}"#);
}

#[test]
fn a10_a_url_is_confirmed_only_when_signed_pinned_and_of_the_named_topic() {
    let confirm = "when = [{ from = \"/Type\", equals = \"SubscriptionConfirmation\" }, { from = \"/TopicArn\", param = \"verify_token\" }]\n\
        confirm = \"/SubscribeURL\"\nhosts = [\"sns.*.amazonaws.com\"]";
    let scheme = with(confirm, "settings = { params = { verify_token = \"arn:aws:sns:eu-west-1:1:t\" } }");
    let body = |topic: &str, url: &str| {
        format!(r#"{{"Type":"SubscriptionConfirmation","TopicArn":"{topic}","SubscribeURL":"{url}"}}"#)
    };
    let topic = "arn:aws:sns:eu-west-1:1:t";
    let url =
        "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:eu-west-1:1:t&Token=ab";
    assert_eq!(answer(&scheme, body(topic, url).as_bytes()).unwrap().confirm.as_deref(), Some(url));
    for (topic, url) in [
        ("arn:aws:sns:eu-west-1:2:evil", url),
        (topic, "https://169.254.169.254/latest"),
        (topic, "http://sns.eu-west-1.amazonaws.com/"),
        (topic, "https://sns.eu-west-1.amazonaws.com@evil.com/"),
        (topic, "https://evil.com/sns.eu-west-1.amazonaws.com"),
    ] {
        assert_eq!(answer(&scheme, body(topic, url).as_bytes()), None, "{topic} {url}");
    }
    assert_eq!(unsigned(&scheme, "POST", "/in/x", &[], body(topic, url).as_bytes()), None);
}

#[test]
fn handshakes_that_cannot_stand_are_refused_with_the_key() {
    let refused = |handshake: &str, key: &str| {
        let text = format!(
            "name = \"a\"\ntitle = \"A\"\nsource = \"https://a.example\"\nconfidence = \"documented\"\n{MAC}[[handshake]]\n{handshake}"
        );
        let error = Scheme::from_toml(&text).unwrap_err().to_string();
        assert!(error.contains(key), "{handshake}: {error}");
    };
    refused("value = \"/a\"", "`handshake.when`");
    refused("method = \"PUT\"", "`handshake.method`");
    refused("method = \"GET\"\nfield = \"a\"", "`handshake.value`");
    refused("method = \"GET\"\nvalue = \"/a\"\nfield = \"a\"\nheader = \"b\"", "`handshake.field`");
    refused("method = \"GET\"\nconfirm = \"/a\"", "`handshake.hosts`");
    refused("method = \"GET\"\nconfirm = \"/a\"\nhosts = [\"a.example\"]\nunsigned = true", "`handshake.confirm`");
    refused("method = \"GET\"\nconfirm = \"/a\"\nhosts = [\"*.com\"]", "the last two labels");
    refused("method = \"GET\"\nvalue = \"/a\"\nbody = \"b\"", "`handshake.body`");
    refused("method = \"GET\"\nstatus = 302", "`handshake.status`");
    refused("when = [{ from = { query = \"t\" }, param = \"t\" }]", "`params`");
    refused("when = [{ from = \"/a\", equals = \"b\", present = true }]", "one of `equals`");
    refused("when = [{ from = { item = \"t\" }, present = true }]", "`handshake`");
}
