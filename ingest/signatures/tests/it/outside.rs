//! A second implementation of what is tested, written from the RFCs: HMAC by hand, headers by hand.

use hooklog_signatures::{Head, Keys, Rejection, Scheme, UnixMillis, Verified, builtin, verify};
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};

/// Long enough for every scheme, and base64 too.
pub(crate) const SECRET: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub(crate) const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
pub(crate) const NOW_S: &str = "1700000000";
pub(crate) const BODY: &[u8] = br#"{"id":"evt_1","type":"thing.happened","data":{"id":"d1","object":{"id":"o1"}}}"#;

/// RFC 2104 over any hash of the `digest` family.
pub(crate) fn hmac<D: Digest>(block_bytes: usize, key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = vec![0_u8; block_bytes];
    if key.len() > block_bytes {
        let short = D::digest(key);
        block[..short.len()].copy_from_slice(&short);
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let pad = |with: u8| block.iter().map(|byte| byte ^ with).collect::<Vec<u8>>();
    let inner = D::new().chain_update(pad(0x36)).chain_update(message).finalize();
    D::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

pub(crate) fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::<Sha256>(64, key, message)
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    use ::base64::Engine as _;
    ::base64::engine::general_purpose::STANDARD.encode(bytes)
}

pub(crate) fn unbase64(text: &str) -> Vec<u8> {
    use ::base64::Engine as _;
    ::base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
}

pub(crate) fn scheme(name: &str) -> &'static Scheme {
    builtin(name).expect("a compiled-in scheme")
}

pub(crate) fn keys(scheme: &Scheme, secret: &str) -> Keys {
    Keys::new(scheme, [("k1", secret)]).expect("a good secret")
}

pub(crate) fn no_keys(scheme: &Scheme) -> Keys {
    Keys::new::<&str, &str>(scheme, []).expect("a scheme without secrets")
}

pub(crate) fn header_map<V: AsRef<[u8]>>(headers: &[(&str, V)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = name.parse::<HeaderName>().expect("a header name");
        map.append(name, HeaderValue::from_bytes(value.as_ref()).expect("a header value"));
    }
    map
}

/// A scheme of these keys.
pub(crate) fn made(keys: &str) -> Scheme {
    let start = "name = \"acme\"\ntitle = \"Acme\"\nsource = \"https://acme.example\"\nconfidence = \"documented\"\n";
    let keys: Vec<&str> = keys.lines().map(str::trim_start).collect();
    let text = format!("{start}{}", keys.join("\n"));
    Scheme::from_toml(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// A `POST` with these headers.
pub(crate) fn head(headers: &HeaderMap) -> Head<'_> {
    Head { method: "POST", path_and_query: "/in/x", headers }
}

/// The compiled-in schemes that are the usual ones, whose events have samples of their own or are generic.
pub(crate) const USUAL: [&str; 10] =
    ["basic", "bearer", "github", "hmac", "none", "shopify", "slack", "standard-webhooks", "stripe", "svix"];

pub(crate) fn judge(
    scheme: &Scheme,
    keys: &Keys,
    headers: &HeaderMap,
    body: &[u8],
    now: UnixMillis,
) -> Result<Verified, Rejection> {
    verify(scheme, keys, Head { method: "POST", path_and_query: "/in/x", headers }, body, now)
}

/// Whether a request to a compiled-in scheme with [`SECRET`] is believed at [`NOW`].
pub(crate) fn accepts<V: AsRef<[u8]>>(name: &str, headers: &[(&str, V)], body: &[u8]) -> Result<Verified, Rejection> {
    let scheme = scheme(name);
    let secret = if name == "basic" { format!("user:{SECRET}") } else { SECRET.to_owned() };
    let keys = if scheme.is_authenticated() { keys(scheme, &secret) } else { no_keys(scheme) };
    judge(scheme, &keys, &header_map(headers), body, NOW)
}

pub(crate) fn github(body: &[u8]) -> String {
    format!("sha256={}", hex::encode(hmac_sha256(SECRET.as_bytes(), body)))
}

pub(crate) fn stripe(timestamp: &str, body: &[u8]) -> String {
    let signed = [timestamp.as_bytes(), b".", body].concat();
    format!("t={timestamp},v1={}", hex::encode(hmac_sha256(SECRET.as_bytes(), &signed)))
}

pub(crate) fn slack(timestamp: &str, body: &[u8]) -> String {
    let signed = [b"v0:", timestamp.as_bytes(), b":", body].concat();
    format!("v0={}", hex::encode(hmac_sha256(SECRET.as_bytes(), &signed)))
}

pub(crate) fn standard(id: &str, timestamp: &str, body: &[u8]) -> String {
    let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat();
    format!("v1,{}", base64(&hmac_sha256(&unbase64(SECRET), &signed)))
}

/// A scheme's name, the headers, and which of them has the signature.
pub(crate) type Honest = (&'static str, Vec<(&'static str, String)>, &'static str);

/// An honest request to every compiled-in scheme that signs.
pub(crate) fn honest(body: &[u8]) -> Vec<Honest> {
    let now = NOW_S.to_owned();
    vec![
        ("github", vec![("x-hub-signature-256", github(body))], "x-hub-signature-256"),
        ("stripe", vec![("stripe-signature", stripe(NOW_S, body))], "stripe-signature"),
        (
            "shopify",
            vec![("x-shopify-hmac-sha256", base64(&hmac_sha256(SECRET.as_bytes(), body)))],
            "x-shopify-hmac-sha256",
        ),
        (
            "slack",
            vec![("x-slack-request-timestamp", now.clone()), ("x-slack-signature", slack(NOW_S, body))],
            "x-slack-signature",
        ),
        (
            "standard-webhooks",
            vec![
                ("webhook-id", "msg_1".to_owned()),
                ("webhook-timestamp", now.clone()),
                ("webhook-signature", standard("msg_1", NOW_S, body)),
            ],
            "webhook-signature",
        ),
        (
            "svix",
            vec![
                ("svix-id", "msg_1".to_owned()),
                ("svix-timestamp", now),
                ("svix-signature", standard("msg_1", NOW_S, body)),
            ],
            "svix-signature",
        ),
        ("hmac", vec![("x-signature", hex::encode(hmac_sha256(SECRET.as_bytes(), body)))], "x-signature"),
    ]
}

#[test]
fn the_hand_written_hmac_is_rfc_4231s() {
    let tag = hmac_sha256(&[0x0b; 20], b"Hi There");
    assert_eq!(hex::encode(tag), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    let tag = hmac_sha256(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First");
    assert_eq!(hex::encode(tag), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}
