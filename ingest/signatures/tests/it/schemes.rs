//! Provider files and overrides: what is refused, and that it is said how to mend it.

use hooklog_signatures::{Auth, Locator, Scheme, WhenLogAway, builtin, builtin_names};

use crate::outside::{self as by_hand, BODY, NOW, SECRET, header_map, judge, keys, scheme};

const GOOD: &str = r#"
name = "acme"
title = "Acme"
source = "https://acme.example/webhooks"
confidence = "documented"
auth = "mac"
fn = "hmac-sha256"
signed = "{timestamp}.{body}"
secret = { form = "hex" }
id = { header = "X-Acme-Id" }
type = "/type"
[signature]
from = { header = "X-Acme-Signature" }
encoding = "hex"
list = { separator = ",", pair = "=", labels = ["v1", "v2"], trim = true }
[time]
from = { item = "t" }
unit = "ms"
past_s = 60
future_s = 60
[reply]
status = 204
[delivery]
deadline_ms = 500
when_log_away = "refuse"
"#;

fn refused(change: (&str, &str), words: &[&str]) {
    let text = GOOD.replace(change.0, change.1);
    assert_ne!(text, GOOD, "{change:?} changes nothing");
    let error = Scheme::from_toml(&text).expect_err(change.1).to_string();
    for word in words {
        assert!(error.contains(word), "{error:?} does not say {word:?}");
    }
}

#[test]
fn a_file_says_all_there_is() {
    let scheme = Scheme::from_toml(GOOD).unwrap();
    assert_eq!((scheme.name.as_str(), scheme.title.as_str()), ("acme", "Acme"));
    assert_eq!(scheme.id, Some(Locator::header("x-acme-id").unwrap()));
    assert_eq!(scheme.kind, Some(Locator::pointer("/type").unwrap()));
    assert_eq!((scheme.reply.status.as_u16(), scheme.delivery.deadline_ms), (204, Some(500)));
    assert_eq!(scheme.delivery.when_log_away, WhenLogAway::Refuse);
    assert!(matches!(scheme.auth, Auth::Mac(_)) && scheme.signs_body() && !scheme.signs_id());
}

#[test]
fn unknown_keys_and_values_are_refused_with_their_line() {
    refused(("title =", "titel ="), &["titel", "line 3", "title"]);
    refused(("pair =", "pear ="), &["pear", "line 15", "pair"]);
    refused(("\"hmac-sha256\"", "\"hmac-md4\""), &["hmac-md4", "hmac-sha512", "line 7"]);
    refused(("auth = \"mac\"", "auth = \"magic\""), &["magic", "token", "line 6"]);
    refused(("encoding = \"hex\"", "encoding = \"hexx\""), &["hexx", "base64url-nopad"]);
    refused(("{ header = \"X-Acme-Signature\" }", "{ querry = \"sig\" }"), &["querry", "header"]);
    refused(("\"X-Acme-Signature\"", "\"X Acme\""), &["X Acme", "header name"]);
    refused(("\"/type\"", "\"type\""), &["type", "/pointer"]);
    refused(("\"/type\"", "[]"), &["list 1 to 8"]);
    refused(("\"/type\"", "[[\"/a\"]]"), &["list"]);
    refused(("\"/type\"", "\"/a~2\""), &["~0"]);
    refused(("= \"refuse\"", "= \"drop\""), &["drop", "spool"]);
}

#[test]
fn contradictions_are_refused_with_the_key() {
    refused(("fn = \"hmac-sha256\"\n", ""), &["`fn`", "hmac-sha256"]);
    refused(("{timestamp}.{body}", "{timestamp}"), &["`signed`", "{body}"]);
    refused(("{timestamp}.{body}", "{body}"), &["`time`", "take it out"]);
    refused(("{timestamp}.{body}", "{id}.{timestamp}.{body}{id}{nonce}"), &["`signed`", "{nonce}"]);
    refused(("{ item = \"t\" }", "{ item = \"v1\" }"), &["`time.from`", "label"]);
    refused(("labels = [\"v1\", \"v2\"]", "labels = []"), &["`signature.list.labels`"]);
    for label in ["=v1", "v1,", " v1"] {
        let labels = format!("labels = [{label:?}]");
        refused(("labels = [\"v1\", \"v2\"]", &labels), &["`signature.list.labels`", "never found"]);
    }
    refused(("{ item = \"t\" }", "{ item = \"t=\" }"), &["`time.from`", "never found"]);
    refused(("separator = \",\"", "separator = \"=\""), &["`signature.list`", "different"]);
    refused(("encoding = \"hex\"\n", "encoding = \"hex\"\nprefix_optional = true\n"), &["`signature.prefix_optional`"]);
    refused(
        ("list = { separator = \",\", pair = \"=\", labels = [\"v1\", \"v2\"], trim = true }", ""),
        &["`time.from`"],
    );
    refused(("past_s = 60", "past_s = 0"), &["`time.past_s`", "86400"]);
    refused(("future_s = 60", "future_s = 86401"), &["`time.future_s`"]);
    refused(("status = 204", "status = 500"), &["`reply.status`", "200"]);
    refused(("status = 204", "status = 204\nbody = \"ok\""), &["`reply.body`"]);
    refused(("auth = \"mac\"", "auth = \"basic\""), &["`signature`", "basic"]);
    refused(("auth = \"mac\"", "auth = \"none\""), &["`signature`", "none"]);
    refused(("auth = \"mac\"", "auth = \"token\""), &["`fn`", "token"]);
    refused(("name = \"acme\"", "name = \"Acme Inc\""), &["`name`", "a-z"]);
    let unsigned_id =
        GOOD.replace("{timestamp}.", "{id}.{timestamp}.").replace("{ header = \"X-Acme-Id\" }", "\"/id\"");
    assert!(Scheme::from_toml(&unsigned_id).unwrap_err().to_string().contains("`id`"));
}

#[test]
fn every_builtin_is_there_by_its_name() {
    let names: Vec<_> = builtin_names().collect();
    for name in ["github", "stripe", "shopify", "slack", "standard-webhooks", "svix", "hmac", "basic", "bearer", "none"]
    {
        assert!(names.contains(&name), "{name}");
    }
    assert!(names.is_sorted());
    assert!(names.iter().all(|name| builtin(name).unwrap().name == *name));
    assert!(builtin("GitHub").is_none());
}

#[test]
fn a_source_can_choose_what_its_provider_leaves_open() {
    let settings = toml::toml! {
        header = "X-Acme-Sig"
        algorithm = "hmac-sha512"
        encoding = "base64url-nopad"
        prefix = "v9:"
        id = { header = "X-Acme-Id" }
        type = ["/kind", "/type"]
        key = "/account"
        when_log_away = "refuse"
        reply = { status = 201, body = "ok" }
    };
    let acme = scheme("hmac").with_overrides(&settings).unwrap();
    assert_eq!(acme.key, Some(Locator::pointer("/account").unwrap()));
    assert_eq!((acme.reply.status.as_u16(), acme.reply.body.as_str()), (201, "ok"));
    assert_eq!(acme.delivery.when_log_away, WhenLogAway::Refuse);
    let tag = by_hand::hmac::<sha2::Sha512>(128, SECRET.as_bytes(), BODY);
    let text = by_hand::base64(&tag).replace('+', "-").replace('/', "_");
    let signature = format!("v9:{}", text.trim_end_matches('='));
    let headers = header_map(&[("x-acme-sig", signature)]);
    assert!(judge(&acme, &keys(&acme, SECRET), &headers, BODY, NOW).is_ok());
    let sha1 = scheme("hmac").with_overrides(&toml::toml! { algorithm = "sha1" }).unwrap();
    let tag = by_hand::hmac::<sha1::Sha1>(64, SECRET.as_bytes(), BODY);
    let headers = header_map(&[("x-signature", hex::encode(tag))]);
    assert!(judge(&sha1, &keys(&sha1, SECRET), &headers, BODY, NOW).is_ok());
    let token =
        scheme("bearer").with_overrides(&toml::toml! { header = "X-Gitlab-Token" prefix = "" }.clone()).unwrap();
    assert!(judge(&token, &keys(&token, SECRET), &header_map(&[("x-gitlab-token", SECRET)]), BODY, NOW).is_ok());
}

#[test]
fn a_source_cannot_change_what_is_not_open() {
    let refused = |name, settings: &toml::Table| scheme(name).with_overrides(settings).unwrap_err().to_string();
    let header = toml::toml! { header = "X-Other" };
    assert!(refused("github", &header).contains("`header` cannot be set for provider `github`"));
    assert!(refused("bearer", &toml::toml! { encoding = "hex" }).contains("`encoding`"));
    assert!(refused("hmac", &toml::toml! { heder = "X-Other" }).contains("no such setting"));
    assert!(refused("hmac", &toml::toml! { encoding = "hexx" }).contains("hexx"));
    assert!(
        refused("standard-webhooks", &toml::toml! { id = "/id" }).contains("`id`"),
        "the signed id stays in its header"
    );
    assert!(scheme("github").with_overrides(&toml::toml! { key = "/sender/id" }).is_ok());
}

#[test]
fn times_in_other_units_and_ids_after_the_body_work() {
    let text =
        GOOD.replace("\"ms\"", "\"rfc3339\"").replace("{timestamp}.{body}", "{method} {path}\\n{body}|{timestamp}");
    let acme = Scheme::from_toml(&text).unwrap();
    let time = "2023-11-14T22:13:20Z";
    let signed = [b"POST /in/x\n", BODY, b"|", time.as_bytes()].concat();
    let secret = "000102030405060708090a0b0c0d0e0f";
    let tag = hex::encode(by_hand::hmac_sha256(&hex::decode(secret).unwrap(), &signed));
    let headers = header_map(&[("x-acme-signature", format!("t={time}, v1={}, v2={tag}", "00".repeat(32)))]);
    let verified = judge(&acme, &keys(&acme, secret), &headers, BODY, NOW).unwrap();
    assert_eq!(verified.timestamp, Some(NOW));
}
