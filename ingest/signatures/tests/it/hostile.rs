//! Requests and files made by chance: nothing panics, and nothing that nobody signed is believed.

use hooklog_signatures::{Head, Keys, Scheme, answer, explain, identify, verify};
use proptest::prelude::*;

use crate::outside::{NOW, SECRET, base64, header_map, made};

/// Schemes that look everywhere.
fn schemes() -> Vec<(Scheme, String)> {
    let start = "id = { query = \"id\" }\ntype = [{ form = \"type\" }, \"/type\"]\nkey = { join = [\"/a/*/b\", { header = \"X-Sig\" }], with = \":\" }\n\
        settings = { url = \"https://a.example/hook\", unsigned_handshakes = true }\npayload = { form = \"payload\" }\n";
    let mac = "auth = \"mac\"\nfn = \"hmac-sha256\"\n";
    let greeting = "[[handshake]]\nwhen = [{ from = \"/type\", present = true }]\nvalue = \"/type\"\nunsigned = true\n";
    let raw = |keys: &str| (made(&format!("{start}{mac}{keys}\n{greeting}")), SECRET.to_owned());
    vec![
        raw(
            "signed = [\"{url}[{form_sorted:unique}]{body}\", \"[{query:id}|{json:/a}|{form:type}]{payload}\"]\nurl_variants = [\"port\", \"slash\", \"quote\"]\n\
             signature = { from = { headers = [\"X-Sig\", \"X-Sig-2\"] }, encoding = \"base64\" }",
        ),
        raw(
            "signed = \"{timestamp}{item:e}{body}\"\nsignature = { from = { header = \"X-Sig\" }, encoding = \"hex\", list = { separator = \",\", pair = \"=\", labels = [\"v1\", \"\"], trim = true, groups = \" \" } }\n\
             time = { from = { item = \"t\" }, unit = \"rfc3339\", past_s = 300, future_s = 300 }",
        ),
        raw(
            "signed = \"{timestamp}{headers_listed}{json_string(body)}{hex(md5(query_sorted))}\"\nsignature = { from = { query = \"sig\" }, encoding = \"base64url\" }\n\
             time = { from = { headers = [\"X-Time\", \"Date\"] }, unit = \"http-date\", past_s = 300, future_s = 300 }\n\
             headers_listed = { from = { header = \"X-Sig-2\" }, separator = \",\", pair = \":\", join = \";\", lower = true, sort = true }",
        ),
        raw(
            "signed = \"{json:/a}{json:/b/c}\"\nunsigned_body = true\neach = \"/a/*/b\"\nsignature = { from = \"/sig\", encoding = \"hex\" }",
        ),
        raw(
            "signed = \"{form_php}{percent(path_query)}{crc32(body)}\"\nsignature = { from = { form = \"sig\" }, encoding = \"hex\" }",
        ),
        (
            made(&format!(
                "{start}auth = \"jwt\"\nfn = \"hs256\"\nsignature = {{ from = \"body\" }}\nrequire = [{{ from = {{ claim = \"/a/*/b\" }}, equals = \"1\" }}]"
            )),
            SECRET.to_owned(),
        ),
        (made(&format!("{start}auth = \"token\"\nsignature = {{ from = \"/a/*/b\" }}")), SECRET.to_owned()),
        (
            made(&format!(
                "{start}auth = \"sign\"\nfn = \"ed25519\"\nsigned = \"{{body}}\"\nsecret = {{ form = \"base64\" }}\nsignature = {{ from = {{ header = \"X-Sig\" }}, encoding = \"hex\" }}"
            )),
            base64(ed25519_dalek::SigningKey::from_bytes(&[9; 32]).verifying_key().as_bytes()),
        ),
        (
            made(&format!(
                "{start}auth = \"jws\"\nfn = \"hs256\"\nsigned = \"{{jose:/x}}{{body}}\"\nsignature = {{ from = {{ header = \"X-Sig\" }} }}"
            )),
            SECRET.to_owned(),
        ),
    ]
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,40}",
        "(t=|v1=|e=|,| |=|[0-9a-f]{2}|[0-9a-f]{64}|\\.|\\.\\.|eyJhbGciOiJIUzI1NiJ9|2023-11-14T22:13:20Z){0,12}",
        Just("Tue, 14 Nov 2023 22:13:20 GMT".to_owned()),
    ]
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..60),
        "(\\{\"a\":\\[\\{\"b\":|\"sig\":\"[0-9a-f]{0,4}\"|,|\\}|\\]|\"|:|1|\"type\":\"x\"){0,12}"
            .prop_map(String::into_bytes),
        "(payload=|sig=|type=|%7B|%22|%|&|a|=|\\+){0,16}".prop_map(String::into_bytes),
        "(eyJhbGciOiJIUzI1NiJ9|eyJhIjpbXX0|\\.|[A-Za-z0-9_-]{4}){0,6}".prop_map(String::into_bytes),
    ]
}

proptest! {
    #[test]
    fn no_request_panics_and_none_is_believed(
        values in prop::collection::vec(value(), 5),
        query in "(\\?|&|=|%|%41|id|sig|x|\\+|'){0,12}",
        body in body(),
        is_form in any::<bool>(),
    ) {
        let names = ["x-sig", "x-sig-2", "x-time", "date", "authorization"];
        let mut headers: Vec<(&str, &str)> = names.into_iter().zip(values.iter().map(String::as_str)).collect();
        if is_form {
            headers.push(("content-type", "application/x-www-form-urlencoded; charset=utf-8"));
        }
        let headers = header_map(&headers);
        let target = format!("/in/x{query}");
        let head = Head { method: "POST", path_and_query: &target, headers: &headers };
        for (scheme, secret) in schemes() {
            let keys = Keys::new(&scheme, [("k", &secret)]).unwrap();
            prop_assert!(verify(&scheme, &keys, head, &body, NOW).is_err(), "{:?}", scheme.auth);
            let _explained = explain(&scheme, &keys, head, &body, NOW);
            let _named = identify(&scheme, head, &body);
            let _answered = answer(&scheme, &keys, head, &body, None);
        }
    }

    #[test]
    fn no_file_panics(signed in "([{}\\[\\]|]|body|timestamp|json:/a|hex\\(|\\)|é|a|:){0,12}", more in "[ -~\n]{0,60}") {
        let text = format!("name = \"a\"\ntitle = \"A\"\nsource = \"https://a.example\"\nconfidence = \"documented\"\nauth = \"mac\"\nfn = \"hmac-sha256\"\n\
            signed = '{signed}'\nsignature = {{ from = {{ header = \"X\" }}, encoding = \"hex\" }}\n{more}");
        if let Err(error) = Scheme::from_toml(&text) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
