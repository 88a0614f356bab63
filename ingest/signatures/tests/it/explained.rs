//! What whoever sets a source up is told: the step that failed and the bytes that were signed, never a secret.

use hooklog_signatures::{Explanation, Head, Keys, Rejection, Scheme, UnixMillis, explain, verify};

use crate::outside::{BODY, NOW, NOW_S, SECRET, header_map, hmac_sha256, made, scheme, stripe};

fn told(scheme: &Scheme, headers: &[(&str, &str)], body: &[u8], now: UnixMillis) -> Explanation {
    let keys = Keys::new(scheme, [("k", SECRET)]).expect("a good secret");
    let headers = header_map(headers);
    let head = Head { method: "POST", path_and_query: "/in/x", headers: &headers };
    let explanation = explain(scheme, &keys, head, body, now);
    assert_eq!(explanation.verdict, verify(scheme, &keys, head, body, now), "one verdict");
    assert_eq!(explanation.verdict.is_ok(), explanation.steps.iter().all(|step| step.outcome.is_ok()));
    assert!(!explanation.signed.iter().any(|bytes| bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes())));
    explanation
}

/// The last step and why it failed.
fn failed(explanation: &Explanation) -> (&'static str, Rejection) {
    let last = explanation.steps.last().expect("there is a first step");
    (last.name, last.outcome.expect_err("the last step failed"))
}

#[test]
fn the_bytes_of_a_streamed_scheme_are_shown() {
    let good = stripe(NOW_S, BODY);
    let headers = [("stripe-signature", good.as_str())];
    let signed = [NOW_S.as_bytes(), b".", BODY].concat();
    let believed = told(scheme("stripe"), &headers, BODY, NOW);
    assert_eq!((believed.signed.as_slice(), believed.steps.len()), ([signed.clone()].as_slice(), 4));
    let changed = told(scheme("stripe"), &headers, b"{}", NOW);
    assert_eq!(failed(&changed), ("made with a key of this source", Rejection::Mismatch));
    assert_eq!(changed.signed, [[NOW_S.as_bytes(), b".{}"].concat()]);
    let stale = told(scheme("stripe"), &headers, BODY, UnixMillis(NOW.0 + 301_000));
    assert_eq!(failed(&stale), ("a proof in its form, its time near", Rejection::Stale));
    assert_eq!(stale.signed, [signed], "what was signed is shown all the same");
    assert_eq!(failed(&told(scheme("stripe"), &[], BODY, NOW)).1, Rejection::Missing);
}

#[test]
fn a_secret_among_the_signed_bytes_is_masked() {
    let hash = made(
        "auth = \"hash\"\nfn = \"sha256\"\nsigned = [\"{secret}{body}\", \"{body}{secret}\"]\n\
         signature = { from = { header = \"X-Sig\" }, encoding = \"hex\" }",
    );
    let explained = told(&hash, &[("x-sig", &"00".repeat(32))], b"{}", NOW);
    assert_eq!(explained.signed, [b"{secret}{}".to_vec(), b"{}{secret}".to_vec()]);
}

#[test]
fn conditions_and_static_secrets_are_told_apart() {
    let tag = hex::encode(hmac_sha256(SECRET.as_bytes(), BODY));
    let conditional = made(
        "auth = \"mac\"\nfn = \"hmac-sha256\"\nsigned = \"{body}\"\nsignature = { from = { header = \"X-Sig\" }, encoding = \"hex\" }\n\
         require = [{ from = { header = \"X-Version\" }, equals = \"1\" }, { from = \"/type\", equals = \"thing.happened\" }]",
    );
    let sent = |version: &str, body: &[u8], tag: &str| {
        told(&conditional, &[("x-sig", tag), ("x-version", version)], body, NOW)
    };
    assert!(sent("1", BODY, &tag).verdict.is_ok());
    assert_eq!(failed(&sent("2", BODY, &tag)), ("conditions on headers and query", Rejection::Condition));
    let other = hex::encode(hmac_sha256(SECRET.as_bytes(), b"{\"type\":1}"));
    assert_eq!(failed(&sent("1", b"{\"type\":1}", &other)), ("conditions and bound hashes", Rejection::Condition));
    let bearer = format!("Bearer {SECRET}x");
    let token = told(scheme("bearer"), &[("authorization", &bearer)], BODY, NOW);
    assert_eq!((failed(&token).1, token.signed.len()), (Rejection::Mismatch, 0));
}
