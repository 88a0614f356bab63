//! Tokens and public keys: the algorithm and the key are the scheme's, and claims bind what was sent.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::Signer as _;
use hooklog_signatures::{Head, Keys, Rejection, Scheme, UnixMillis, identify, verify};
use sha2::{Digest as _, Sha256};

use crate::outside::{BODY, NOW, NOW_S, SECRET, base64, header_map, hmac_sha256, made};

/// A public key whose other half nobody needs.
const RSA_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAu1SU1LfVLPHCozMxH2Mo
4lgOEePzNm0tRgeLezV6ffAt0gunVTLw7onLRnrq0/IzW7yWR7QkrmBL7jTKEn5u
+qKhbwKfBstIs+bMY2Zkp18gnTxKLxoS2tFczGkPLPgizskuemMghRniWaoLcyeh
kd3qqGElvW/VDL5AaWTg0nLVkjRo9z+40RQzuVaE8AkAFmxZzow3x+VJYKdjykkJ
0iT9wCS0DRTXu269V264Vf/3jvredZiKRkgwlL9xNAwxXFg0x/XFw005UWVRIkdg
cKWTjpBP2dPwVZ4WWC+9aGVd+Gyn1o0CLelf4rEjGoXbAAEgAqeGUxrcIlbjXfbc
mwIDAQAB
-----END PUBLIC KEY-----
";

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn hs256(header: &str, claims: &str, secret: &[u8]) -> String {
    let input = format!("{}.{}", b64(header), b64(claims));
    format!("{input}.{}", b64(hmac_sha256(secret, input.as_bytes())))
}

fn scheme() -> Scheme {
    made(
        r#"
        auth = "jwt"
        fn = ["hs256", "hs512"]
        signature = { from = { header = "Authorization" }, prefix = "Bearer " }
        id = { claim = "/jti" }
        require = [{ from = { claim = "/iss" }, equals = "Acme" }]
        bind = [{ from = { claim = "/hash" }, of = "body", hash = "sha256", encoding = "hex" }]
        "#,
    )
}

fn judge(scheme: &Scheme, secret: &str, token: &str, body: &[u8], now: UnixMillis) -> Result<(), Rejection> {
    let keys = Keys::new(scheme, [("k", secret)]).expect("a good secret");
    let headers = header_map(&[("authorization", format!("Bearer {token}"))]);
    verify(scheme, &keys, Head { method: "POST", path_and_query: "/in/x", headers: &headers }, body, now).map(drop)
}

fn claims(exp: i64, more: &str) -> String {
    format!(r#"{{"iss":"Acme","jti":"j1","exp":{exp},"hash":"{}"{more}}}"#, hex::encode(Sha256::digest(BODY)))
}

const SOON: i64 = 1_700_000_060;
const PLAIN: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

#[test]
fn a_tokens_claims_bind_body_and_issuer() {
    let sent =
        |claims: &str, body: &[u8]| judge(&scheme(), SECRET, &hs256(PLAIN, claims, SECRET.as_bytes()), body, NOW);
    assert_eq!(sent(&claims(SOON, ""), BODY), Ok(()));
    assert_eq!(sent(&claims(SOON, ""), b"{}"), Err(Rejection::Mismatch));
    assert_eq!(sent(&claims(SOON, "").replace("Acme", "Evil"), BODY), Err(Rejection::Condition));
    assert_eq!(sent(&claims(SOON, "").replace("\"iss\":\"Acme\",", ""), BODY), Err(Rejection::Condition));
    assert_eq!(sent(r#"{"iss":"Acme","exp":1700000060}"#, BODY), Err(Rejection::Missing), "nothing binds the body");
    assert_eq!(sent(&claims(SOON, r#","iss":"Acme""#), BODY), Err(Rejection::Malformed), "two issuers");
    let headers = header_map(&[("authorization", format!("Bearer {}", hs256(PLAIN, &claims(SOON, ""), b"x")))]);
    let found = identify(&scheme(), Head { method: "POST", path_and_query: "/", headers: &headers }, BODY).unwrap();
    assert_eq!(found.id.as_deref(), Some("j1"));
    assert!(scheme().signs_body() && scheme().signs_id());
}

#[test]
fn a_tokens_times_are_held() {
    let sent = |claims: &str, now_s: i64| {
        judge(&scheme(), SECRET, &hs256(PLAIN, claims, SECRET.as_bytes()), BODY, UnixMillis(now_s * 1000))
    };
    let now_s = NOW.0 / 1000;
    assert_eq!(sent(&claims(now_s, ""), now_s + 59), Ok(()));
    assert_eq!(sent(&claims(now_s, ""), now_s + 60), Err(Rejection::Stale));
    assert_eq!(sent(&claims(now_s, "").replace(&format!("\"exp\":{now_s},"), ""), now_s), Err(Rejection::Missing));
    assert_eq!(sent(&claims(SOON, &format!(",\"nbf\":{}", now_s + 61)), now_s), Err(Rejection::Future));
    assert_eq!(sent(&claims(SOON, &format!(",\"iat\":{}", now_s + 61)), now_s), Err(Rejection::Future));
    assert_eq!(sent(&claims(SOON, &format!(",\"nbf\":{}.5", now_s + 60)), now_s), Ok(()));
    for bad in ["\"soon\"", "-1", "1e10", "true", "99999999999999999999"] {
        let token = claims(SOON, "").replace(&format!("\"exp\":{SOON}"), &format!("\"exp\":{bad}"));
        assert_eq!(sent(&token, now_s), Err(Rejection::Malformed), "{bad}");
    }
}

#[test]
fn a8_the_algorithm_is_the_schemes() {
    let sent = |header: &str| judge(&scheme(), SECRET, &hs256(header, &claims(SOON, ""), SECRET.as_bytes()), BODY, NOW);
    assert_eq!(sent(r#"{"alg":"HS256"}"#), Ok(()));
    for bad in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"HS384"}"#,
        r#"{"alg":"hs256"}"#,
        r#"{"alg":"RS256"}"#,
        r#"{"alg":"HS256","crit":["exp"],"exp":1}"#,
        r#"{"alg":"HS256","crit":[]}"#,
        r#"{"alg":"HS256","b64":false}"#,
        r#"{"typ":"JWT"}"#,
        r#"["HS256"]"#,
    ] {
        assert_eq!(sent(bad), Err(Rejection::Algorithm), "{bad}");
    }
    for bad in [r#"{"alg":"none","alg":"HS256"}"#, "HS256", ""] {
        assert_eq!(sent(bad), Err(Rejection::Malformed), "{bad}");
    }
    // Named one of the accepted, made with another.
    assert_eq!(sent(r#"{"alg":"HS512"}"#), Err(Rejection::Mismatch));
    // Where the key came from is not the token's to say.
    assert_eq!(sent(r#"{"alg":"HS256","jku":"https://evil.example/keys","kid":"../../dev/null"}"#), Ok(()));
    let unsigned = format!("{}.{}.", b64(r#"{"alg":"none"}"#), b64(claims(SOON, "")));
    assert_eq!(judge(&scheme(), SECRET, &unsigned, BODY, NOW), Err(Rejection::Algorithm));
    let good = hs256(PLAIN, &claims(SOON, ""), SECRET.as_bytes());
    for bad in [
        format!("{good}="),
        format!("{good}."),
        format!(".{good}"),
        good.replace('.', ""),
        good[..good.len() - 2].to_owned(),
        String::new(),
    ] {
        assert!(judge(&scheme(), SECRET, &bad, BODY, NOW).is_err(), "{bad}");
    }
}

#[test]
fn a8_a_public_key_is_no_shared_secret() {
    let public = made(
        "auth = \"jwt\"\nfn = \"rs256\"\nsecret = { form = \"pem\" }\nunsigned_body = true\n\
         signature = { from = { header = \"Authorization\" }, prefix = \"Bearer \" }",
    );
    for secret in [RSA_PUBLIC, RSA_PUBLIC.trim_end()] {
        let confused = hs256(PLAIN, &claims(SOON, ""), secret.as_bytes());
        assert_eq!(judge(&public, RSA_PUBLIC, &confused, BODY, NOW), Err(Rejection::Algorithm));
        let lying = hs256(r#"{"alg":"RS256"}"#, &claims(SOON, ""), secret.as_bytes());
        assert_eq!(judge(&public, RSA_PUBLIC, &lying, BODY, NOW), Err(Rejection::Mismatch));
    }
    let mixed =
        "auth = \"jwt\"\nfn = [\"hs256\", \"rs256\"]\nunsigned_body = true\nsignature = { from = { header = \"A\" } }";
    assert!(std::panic::catch_unwind(|| made(mixed)).is_err(), "functions for two kinds of key");
}

#[test]
fn a_set_of_keys_is_searched_by_name() {
    let signer = |seed: u8| ed25519_dalek::SigningKey::from_bytes(&[seed; 32]);
    let jwk = |seed: u8, kid: &str| {
        let x = b64(signer(seed).verifying_key().as_bytes());
        format!(r#"{{"kty":"OKP","crv":"Ed25519","use":"sig","kid":"{kid}","x":"{x}"}}"#)
    };
    let other_kinds = r#"{"kty":"oct","k":"c2VjcmV0"},{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}"#;
    let set = format!(r#"{{"keys":[{},{},{other_kinds}]}}"#, jwk(1, "one"), jwk(2, "two"));
    let scheme = made(
        "auth = \"jwt\"\nfn = \"eddsa\"\nsecret = { form = \"jwks\" }\nunsigned_body = true\n\
         signature = { from = { header = \"Authorization\" }, prefix = \"Bearer \" }",
    );
    let sent = |seed: u8, header: &str| {
        let input = format!("{}.{}", b64(header), b64(claims(SOON, "")));
        let token = format!("{input}.{}", b64(signer(seed).sign(input.as_bytes()).to_bytes()));
        judge(&scheme, &set, &token, BODY, NOW)
    };
    assert_eq!(sent(1, r#"{"alg":"EdDSA","kid":"one"}"#), Ok(()));
    assert_eq!(sent(2, r#"{"alg":"EdDSA","kid":"two"}"#), Ok(()));
    assert_eq!(sent(2, r#"{"alg":"EdDSA","kid":"one"}"#), Err(Rejection::Mismatch));
    assert_eq!(sent(2, r#"{"alg":"EdDSA"}"#), Ok(()));
    assert_eq!(sent(3, r#"{"alg":"EdDSA","kid":"one"}"#), Err(Rejection::Mismatch));
    let keys = Keys::new(&scheme, [("k", &set)]).unwrap();
    let is_unknown = |authorization: &str| {
        let headers = header_map(&[("authorization", authorization)]);
        scheme.names_unknown_key(&keys, Head { method: "POST", path_and_query: "/", headers: &headers }, b"")
    };
    for (header, unknown) in [
        (r#"{"alg":"EdDSA","kid":"three"}"#, true),
        (r#"{"alg":"none","kid":"three"}"#, true),
        (r#"{"alg":"EdDSA","kid":"two"}"#, false),
        (r#"{"alg":"EdDSA"}"#, false),
        (r#"{"alg":"EdDSA","kid":"one","kid":"three"}"#, false),
        ("no JSON", false),
    ] {
        assert_eq!(is_unknown(&format!("Bearer {}.x.y", b64(header))), unknown, "{header}");
    }
    assert!(!is_unknown("Bearer") && !is_unknown("Bearer x") && !is_unknown("Basic a.b.c"));
}

#[test]
fn a_published_key_set_is_one() {
    let with = |more: &str| {
        std::panic::catch_unwind(|| {
            made(&format!(
                "auth = \"jwt\"\nfn = \"eddsa\"\nunsigned_body = true\n{more}\nsignature = {{ from = {{ header = \"Authorization\" }} }}"
            ))
        })
        .is_ok()
    };
    assert!(with("keys_url = \"https://a.example/k\"\nsecret = { form = \"jwks\" }"));
    assert!(!with("keys_url = \"http://a.example/k\"\nsecret = { form = \"jwks\" }"));
    assert!(!with("keys_url = \"https://a.example/k\"\nsecret = { form = \"pem\" }"));
}

#[test]
fn a_detached_jws_signs_what_the_template_says() {
    let scheme = made(
        r#"
        auth = "jws"
        fn = "eddsa"
        secret = { form = "base64" }
        signed = "{method} {path}\n{headers_listed}\n{body}"
        signature = { from = { header = "Tl-Signature" } }
        headers_listed = { from = { jose = "/tl_headers" }, separator = ",", pair = ": ", join = "\n", must = ["X-Time"] }
        time = { from = { header = "X-Time" }, unit = "s", past_s = 300, future_s = 300 }
        "#,
    );
    let signer = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    let keys = Keys::new(&scheme, [("k", base64(signer.verifying_key().as_bytes()))]).unwrap();
    let sent = |jose: &str, body: &[u8]| {
        let signed = [format!("POST /in/x\nX-Time: {NOW_S}\n").as_bytes(), BODY].concat();
        let input = format!("{}.{}", b64(jose), b64(&signed));
        let token = format!("{}..{}", b64(jose), b64(signer.sign(input.as_bytes()).to_bytes()));
        let headers = header_map(&[("tl-signature", token), ("x-time", NOW_S.to_owned())]);
        verify(&scheme, &keys, Head { method: "POST", path_and_query: "/in/x", headers: &headers }, body, NOW).map(drop)
    };
    assert_eq!(sent(r#"{"alg":"EdDSA","tl_headers":"X-Time"}"#, BODY), Ok(()));
    assert_eq!(sent(r#"{"alg":"EdDSA","tl_headers":"X-Time"}"#, b"{}"), Err(Rejection::Mismatch));
    assert_eq!(sent(r#"{"alg":"EdDSA","tl_headers":""}"#, BODY), Err(Rejection::Missing), "the time must be listed");
    assert_eq!(sent(r#"{"alg":"ES512","tl_headers":"X-Time"}"#, BODY), Err(Rejection::Algorithm));
}

#[test]
fn a_certificates_url_is_on_a_pinned_host() {
    let scheme = made(
        r#"
        auth = "sign"
        fn = "rsa-sha256"
        secret = { form = "pem" }
        signed = "{body}"
        signature = { from = { header = "X-Sig" }, encoding = "base64" }
        key_url = { from = { header = "X-Cert" }, hosts = ["api.acme.example", "sns.*.amazonaws.com"] }
        "#,
    );
    let named = |url: &str| {
        scheme.key_url(Head { method: "POST", path_and_query: "/", headers: &header_map(&[("x-cert", url)]) }, b"")
    };
    for good in ["https://api.acme.example/certs/1.pem", "https://sns.eu-west-1.amazonaws.com/Simple-1.pem?x=1"] {
        assert_eq!(named(good), Ok(Some(good.to_owned())));
    }
    for bad in [
        "http://api.acme.example/c",
        "https://api.acme.example",
        "https://api.acme.example:443/c",
        "https://api.acme.example.evil.com/c",
        "https://evil.com/api.acme.example/c",
        "https://api.acme.example@evil.com/c",
        "https://evil.com#@api.acme.example/c",
        "https://evil.com\\@api.acme.example/c",
        "https://API.acme.example/c",
        "https://sns.a.b.amazonaws.com/c",
        "https://sns..amazonaws.com/c",
        "https://snsXamazonaws.com/c",
        "https://api.acme.example/c d",
        "//api.acme.example/c",
    ] {
        assert_eq!(named(bad), Err(Rejection::Condition), "{bad}");
    }
}

/// A certificate made with OpenSSL, and what its key signed of [`BODY`].
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----
MIIDDzCCAfegAwIBAgIUW73n524wscUF7BgNJjEZ4NQjSFMwDQYJKoZIhvcNAQEL
BQAwFjEUMBIGA1UEAwwLc25zLmV4YW1wbGUwIBcNMjYxMTI4MTUxMzQxWhgPMjEy
NjExMDQxNTEzNDFaMBYxFDASBgNVBAMMC3Nucy5leGFtcGxlMIIBIjANBgkqhkiG
9w0BAQEFAAOCAQ8AMIIBCgKCAQEA2tYb0zTaBrSVp6HoSio6kuiG2p2FehemcOnd
LTJSXfS/AhrAcdzzy01z+bE8UZMt2067/gTnb6zjqCnQ20w7tcrsP31+Dn7rvDXV
SMKLGscBBEybHeDt1OhTN+N6gyxXt/jBwcDqn1/1HxqI2n1EBi1SaxCowQbmN9sT
QCD8nr4bx6+O46CHNwLWMs4CIyVC/xepCWcGDCOBPgbFOrfW1XAEziXjFD/ZZwBZ
WPUEDwWU5L1GpPTX57jfMTNzjx1AzXw7Thnzhh5bk+M9UzuqVVhyMqreQmguKM3a
/2hw0ivAchPuCuSvRRHd2KEsaVdHRDbv2YF1nGQxplL65vtXTQIDAQABo1MwUTAd
BgNVHQ4EFgQUtMnLO8EK/LneY7ZbEDGeGB1LXKgwHwYDVR0jBBgwFoAUtMnLO8EK
/LneY7ZbEDGeGB1LXKgwDwYDVR0TAQH/BAUwAwEB/zANBgkqhkiG9w0BAQsFAAOC
AQEAfcHIq5hmU98SxqcOjmi2RhFqNLOqlPG4xUEZ1+ujE43hxh07DNhepEKqq8GR
v9IX27XIiZ+HsrcEUUg4tiYUZXlA1dPd3E31WYF4w0SKy//yfHHLn155lW7F/wCf
6JniOR8KjshmV5vyOcwrH4BdfngqR4Me5jNgra43INx3270iG0aR7V9pEisP50XS
mHQ2gMTiy6KPXbXv/SFvZuD+mcr3dj6tQZhVibWkKc2gym6Uh40fZpVZ0FwLDhOF
9C7a920u4nPQ85uR1ciY6yeuiSjuA2OxFIcKXDjrw0pZad/IX1Zp1YvVUpdMy/KF
J/GZFFmB4dklUyLiNQJ2bldBRQ==
-----END CERTIFICATE-----
";
const RSA_SHA256: &str = "d462mq5EYVWtqvz604ZUVonC0LVSHkEYL8C07XQ7WATanFFyg3upTQPRmbmztnGNNuhodtpAVIt2lgPYKPuSHt+u9MUsoGwyg/UERps3z2+Xz1CexXfbgh9GlSsG9syX6CnZKkD8NwONrzQVT0aVoYfse0DA5EqpsdZqkg+GcevCDrB5JpvSzGHi6r6AWGc2NtmEU/R2YJVOn/In0Fz03kR0a6oGyNQrVVgOPZoYv8z/RHabMY9o07LOvZ8VEIiGgBfxAP8nvjJlTrKDQatFSsrZzKeFAfwoQtmPtek2qUO5ivXL79OXvQM+eB+cTy9WbNRX+Q1unM+zONcfji5tzw==";
const RSA_SHA1: &str = "AM7Rp+46zf/J+8YgmZQiplI4FdHMSyrR/Hpo1vRqeAOaZ57ugOzMn1m3cj8Ae3RKjCZQLZN33Yk5alMKFkmzupzWRiXuJXOatoixnzDQus7qmm4iAHMQTvNDQwReqinppfkklHZN1eq1aASrmuA2pOwHIRsivcX8/goHvmDId3trzVoyqrXXitRUcq8XuQpefwKV5oiNkDWhbXEMTcSBJraRUE+ukUQz+wOqnwcmgvBMk57dqKB+LHyU3RW6GDtayqZRkercr+kSudztX1JzJpRokdCSoWhWP+ryroPu0S8oN8qAcYTvfcFIYShtxCdZd5IT4sjje+O4JZPOXV5GgA==";

#[test]
fn a_certificate_is_a_public_key() {
    let signed = |function: &str, form: &str| {
        made(&format!(
            "auth = \"sign\"\nfn = \"{function}\"\nsecret = {{ form = \"{form}\" }}\nsigned = \"{{body}}\"\n\
             signature = {{ from = {{ header = \"X-Sig\" }}, encoding = \"base64\" }}"
        ))
    };
    let sent = |scheme: &Scheme, signature: &str, body: &[u8]| {
        let keys = Keys::new(scheme, [("k", CERTIFICATE)]).expect("a certificate");
        let headers = header_map(&[("x-sig", signature)]);
        verify(scheme, &keys, Head { method: "POST", path_and_query: "/", headers: &headers }, body, NOW).map(drop)
    };
    let (sha256, sha1) = (signed("rsa-sha256", "pem"), signed("rsa-sha1", "pem"));
    assert_eq!(sent(&sha256, RSA_SHA256, BODY), Ok(()));
    assert_eq!(sent(&sha1, RSA_SHA1, BODY), Ok(()));
    assert_eq!(sent(&sha256, RSA_SHA1, BODY), Err(Rejection::Mismatch));
    assert_eq!(sent(&sha256, RSA_SHA256, b"{}"), Err(Rejection::Mismatch));
    assert_eq!(sent(&signed("rsa-pss-sha256", "pem"), RSA_SHA256, BODY), Err(Rejection::Mismatch));
    let refused = |scheme: &Scheme, secret: &str| Keys::new(scheme, [("k", secret)]).is_err();
    assert!(refused(&signed("ecdsa-p256-sha256", "pem"), CERTIFICATE), "another kind of key");
    assert!(refused(&signed("rsa-sha256", "spki"), CERTIFICATE), "another form");
    assert!(refused(&sha256, &CERTIFICATE.replace("BEGIN CERTIFICATE", "BEGIN PRIVATE KEY")));
}
