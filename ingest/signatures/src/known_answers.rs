//! Project Wycheproof's known attacks and edge cases, each as a request to a scheme of its algorithm.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue};
use wycheproof::{TestResult, ecdsa, eddsa, mac, rsa_pkcs1_verify, rsa_pss_verify};

use crate::algorithm::Public;
use crate::keys::{Key, Keys};
use crate::public::PublicKey;
use crate::{Head, Scheme, UnixMillis, verify};

fn scheme(auth: &str, function: &str, form: &str) -> Scheme {
    let text = format!(
        "name = \"w\"\ntitle = \"W\"\nsource = \"https://w.example\"\nconfidence = \"documented\"\nauth = \"{auth}\"\nfn = \"{function}\"\n\
         signed = \"{{body}}\"\nsecret = {{ form = \"{form}\" }}\nsignature = {{ from = {{ header = \"x-sig\" }}, encoding = \"hex\" }}\n"
    );
    Scheme::from_toml(&text).unwrap()
}

/// Whether a request with this body and signature is believed; none if the key itself is refused.
fn is_believed(scheme: &Scheme, secret: &str, message: &[u8], signature: &[u8]) -> Option<bool> {
    let keys = Keys::of_a_vector(vec![Key::of_a_vector("w", secret.as_bytes(), scheme).ok()?]);
    let mut headers = HeaderMap::new();
    headers.insert("x-sig", HeaderValue::from_str(&hex::encode(signature)).unwrap());
    let head = Head { method: "POST", path_and_query: "/", headers: &headers };
    Some(verify(scheme, &keys, head, message, UnixMillis(0)).is_ok())
}

/// Cases that were judged, to see that they are not all passed over.
#[derive(Default)]
struct Judged {
    valid: usize,
    invalid: usize,
    faults: Vec<String>,
}

impl Judged {
    fn note(&mut self, case: &str, expected: TestResult, believed: bool) {
        match expected {
            TestResult::Valid => self.valid += 1,
            TestResult::Invalid => self.invalid += 1,
            TestResult::Acceptable => return,
        }
        if believed != (expected == TestResult::Valid) {
            self.faults.push(format!("{case}: {expected:?}, but believed = {believed}"));
        }
    }

    fn check(&self, set: &str, at_least: usize) {
        assert!(self.faults.is_empty(), "{set}:\n{}", self.faults.join("\n"));
        assert!(self.valid > 5 && self.valid + self.invalid >= at_least, "{set}: {} + {}", self.valid, self.invalid);
    }
}

#[test]
fn keyed_hashes() {
    let sets = [
        (mac::TestName::HmacSha1, "hmac-sha1", 160),
        (mac::TestName::HmacSha256, "hmac-sha256", 256),
        (mac::TestName::HmacSha384, "hmac-sha384", 384),
        (mac::TestName::HmacSha512, "hmac-sha512", 512),
    ];
    for (name, function, tag_bits) in sets {
        let (scheme, mut judged) = (scheme("mac", function, "hex"), Judged::default());
        for group in mac::TestSet::load(name).unwrap().test_groups {
            for case in group.tests {
                let case_name = format!("{function} {}", case.tc_id);
                let Some(believed) = is_believed(&scheme, &hex::encode(&*case.key), &case.msg, &case.tag) else {
                    continue;
                };
                // A truncated tag is good for nobody here.
                let expected = if group.tag_size == tag_bits { case.result } else { TestResult::Invalid };
                judged.note(&case_name, expected, believed);
            }
        }
        judged.check(function, 150);
    }
}

#[test]
fn ed25519() {
    let (scheme, mut judged) = (scheme("sign", "ed25519", "hex"), Judged::default());
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap().test_groups {
        for case in group.tests {
            let believed = is_believed(&scheme, &hex::encode(&*group.key.pk), &case.msg, &case.sig);
            judged.note(&format!("ed25519 {}", case.tc_id), case.result, believed.unwrap_or(false));
        }
    }
    judged.check("ed25519", 140);
}

#[test]
fn ecdsa_in_der() {
    let (scheme, mut judged) = (scheme("sign", "ecdsa-p256-sha256", "spki"), Judged::default());
    for group in ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256).unwrap().test_groups {
        let key = STANDARD.encode(&*group.der);
        for case in group.tests {
            let believed = is_believed(&scheme, &key, &case.msg, &case.sig).expect("a good key");
            judged.note(&format!("ecdsa-p256-sha256 {}", case.tc_id), case.result, believed);
        }
    }
    judged.check("ecdsa-p256-sha256", 400);
}

#[test]
fn ecdsa_as_tokens_have_it() {
    let sets = [
        (ecdsa::TestName::EcdsaSecp256r1Sha256P1363, Public::P256),
        (ecdsa::TestName::EcdsaSecp521r1Sha512P1363, Public::P521),
    ];
    for (name, algorithm) in sets {
        let mut judged = Judged::default();
        for group in ecdsa::TestSet::load(name).unwrap().test_groups {
            let key = PublicKey::spki(&group.der, algorithm).expect("a good key");
            for case in group.tests {
                let believed = key.verifies(algorithm, &case.msg, &case.sig);
                judged.note(&format!("{algorithm:?} {}", case.tc_id), case.result, believed);
            }
        }
        judged.check("ecdsa p1363", 200);
    }
}

#[test]
fn rsa() {
    use rsa_pkcs1_verify::TestName::{Rsa2048Sha256, Rsa2048Sha384, Rsa2048Sha512, Rsa3072Sha256, Rsa4096Sha512};
    let sets = [
        (Rsa2048Sha256, "rsa-sha256"),
        (Rsa2048Sha384, "rsa-sha384"),
        (Rsa2048Sha512, "rsa-sha512"),
        (Rsa3072Sha256, "rsa-sha256"),
        (Rsa4096Sha512, "rsa-sha512"),
    ];
    for (name, function) in sets {
        let (scheme, mut judged) = (scheme("sign", function, "spki"), Judged::default());
        for group in rsa_pkcs1_verify::TestSet::load(name).unwrap().test_groups {
            let key = STANDARD.encode(&*group.der);
            for case in group.tests {
                let believed = is_believed(&scheme, &key, &case.msg, &case.sig).unwrap_or(false);
                judged.note(&format!("{function} {}", case.tc_id), case.result, believed);
            }
        }
        judged.check(function, 200);
    }
}

#[test]
fn rsa_pss() {
    let sets = [
        (rsa_pss_verify::TestName::RsaPss2048Sha256Mgf1SaltLen32, "rsa-pss-sha256"),
        (rsa_pss_verify::TestName::RsaPss4096Sha512Mgf1SaltLen64, "rsa-pss-sha512"),
    ];
    for (name, function) in sets {
        let (scheme, mut judged) = (scheme("sign", function, "spki"), Judged::default());
        for group in rsa_pss_verify::TestSet::load(name).unwrap().test_groups {
            let key = STANDARD.encode(&*group.der);
            for case in group.tests {
                let believed = is_believed(&scheme, &key, &case.msg, &case.sig).unwrap_or(false);
                judged.note(&format!("{function} {}", case.tc_id), case.result, believed);
            }
        }
        judged.check(function, 60);
    }
}

/// Keys that are none: a small group's point, the wrong curve, a short modulus, a private key, another kind.
#[test]
fn keys_that_are_none_are_refused() {
    let refused = |function: &str, form: &str, secret: &str| {
        assert!(
            Key::new("k", secret.as_bytes(), &scheme("sign", function, form)).is_err(),
            "{function} {form} {secret}"
        );
    };
    refused("ed25519", "hex", &"00".repeat(32));
    refused("ed25519", "hex", &format!("01{}", "00".repeat(31)));
    refused("ed25519", "hex", &"11".repeat(31));
    refused("rsa-sha256", "pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----");
    refused("rsa-sha256", "pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----");
    refused("rsa-sha256", "jwks", r#"{"keys":[]}"#);
    refused("rsa-sha256", "jwks", r#"{"keys":[{"kty":"RSA","n":"sXch","e":"AQAB"}]}"#);
    refused("ecdsa-p256-sha256", "spki", "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
}
