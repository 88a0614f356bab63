//! Public keys and the signatures made with their other half.

use base64::Engine as _;
use ed25519_dalek::VerifyingKey as Ed25519;
use p256::ecdsa::signature::Verifier as _;
use p256::pkcs8::DecodePublicKey as _;
use rsa::pkcs1v15;
use rsa::traits::PublicKeyParts as _;
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};
use x509_cert::der::{DecodePem as _, Encode as _};

use crate::algorithm::Public as Algorithm;
use crate::digest::Digest;

/// The shortest RSA modulus, in bits.
const MIN_RSA_BITS: usize = 2048;

/// Keys that a set may have.
const MAX_SET: usize = 32;

/// A public key and what a key set calls it.
pub(crate) struct PublicKey {
    pub(crate) kid: Option<String>,
    key: Material,
}

enum Material {
    Ed25519(Box<Ed25519>),
    P256(Box<p256::ecdsa::VerifyingKey>),
    P521(Box<p521::ecdsa::VerifyingKey>),
    Rsa(Box<rsa::PublicKey>),
}

impl PublicKey {
    /// A raw ed25519 key.
    pub(crate) fn raw(bytes: &[u8]) -> Option<Self> {
        let key = Ed25519::from_bytes(bytes.try_into().ok()?).ok().filter(|key| !key.is_weak())?;
        Some(Self { kid: None, key: Material::Ed25519(Box::new(key)) })
    }

    /// A key or certificate in PEM.
    pub(crate) fn pem(text: &str, algorithm: Algorithm) -> Option<Self> {
        if text.contains("BEGIN CERTIFICATE") {
            let certificate = x509_cert::Certificate::from_pem(text).ok()?;
            return Self::spki(&certificate.tbs_certificate().subject_public_key_info().to_der().ok()?, algorithm);
        }
        let body: String = text.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
        if !text.contains("-----BEGIN PUBLIC KEY-----") {
            return None;
        }
        Self::spki(&base64::engine::general_purpose::STANDARD.decode(body).ok()?, algorithm)
    }

    /// A SubjectPublicKeyInfo of the algorithm's kind.
    pub(crate) fn spki(der: &[u8], algorithm: Algorithm) -> Option<Self> {
        let key = match algorithm {
            Algorithm::Ed25519 => {
                let raw =
                    der.strip_prefix(&[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00])?;
                return Self::raw(raw);
            }
            Algorithm::P256 | Algorithm::P256Der => {
                Material::P256(Box::new(p256::ecdsa::VerifyingKey::from_public_key_der(der).ok()?))
            }
            Algorithm::P521 => Material::P521(Box::new(p521::ecdsa::VerifyingKey::from_public_key_der(der).ok()?)),
            Algorithm::RsaPkcs1(_) | Algorithm::RsaPss(_) => rsa_key(rsa::PublicKey::from_public_key_der(der).ok()?)?,
        };
        Some(Self { kid: None, key })
    }

    /// Every key of the algorithm's kind in a JSON Web Key Set; none if it is no set or has no such key.
    pub(crate) fn set(text: &str, algorithm: Algorithm) -> Option<Vec<Self>> {
        let set: serde_json::Value = serde_json::from_str(text).ok()?;
        let keys = set.get("keys")?.as_array()?;
        if keys.len() > MAX_SET {
            return None;
        }
        let found: Vec<Self> = keys.iter().filter_map(|key| jwk(key, algorithm)).collect();
        (!found.is_empty()).then_some(found)
    }

    /// Whether the signature is this key's over the message.
    pub(crate) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.check(algorithm, message, signature).is_some()
    }

    fn check(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> Option<()> {
        match (algorithm, &self.key) {
            (Algorithm::Ed25519, Material::Ed25519(key)) => {
                let signature = ed25519_dalek::Signature::from_bytes(signature.try_into().ok()?);
                key.verify_strict(message, &signature).ok()
            }
            (Algorithm::P256Der, Material::P256(key)) => {
                key.verify(message, &p256::ecdsa::Signature::from_der(signature).ok()?).ok()
            }
            (Algorithm::P256, Material::P256(key)) => {
                key.verify(message, &p256::ecdsa::Signature::from_slice(signature).ok()?).ok()
            }
            (Algorithm::P521, Material::P521(key)) => {
                key.verify(message, &p521::ecdsa::Signature::from_slice(signature).ok()?).ok()
            }
            (Algorithm::RsaPkcs1(digest), Material::Rsa(key)) => pkcs1(key, digest, message, signature),
            (Algorithm::RsaPss(digest), Material::Rsa(key)) => pss(key, digest, message, signature),
            _ => None,
        }
    }
}

fn rsa_key(key: rsa::PublicKey) -> Option<Material> {
    (key.n_bits_precision() as usize >= MIN_RSA_BITS).then(|| Material::Rsa(Box::new(key)))
}

fn pkcs1(key: &rsa::PublicKey, digest: Digest, message: &[u8], signature: &[u8]) -> Option<()> {
    let signature = pkcs1v15::Signature::try_from(signature).ok()?;
    let key = key.clone();
    match digest {
        Digest::Sha1 => pkcs1v15::VerifyingKey::<Sha1>::new(key).verify(message, &signature),
        Digest::Sha256 => pkcs1v15::VerifyingKey::<Sha256>::new(key).verify(message, &signature),
        Digest::Sha384 => pkcs1v15::VerifyingKey::<Sha384>::new(key).verify(message, &signature),
        Digest::Sha512 => pkcs1v15::VerifyingKey::<Sha512>::new(key).verify(message, &signature),
        Digest::Md5 => return None,
    }
    .ok()
}

fn pss(key: &rsa::PublicKey, digest: Digest, message: &[u8], signature: &[u8]) -> Option<()> {
    let signature = rsa::pss::Signature::try_from(signature).ok()?;
    let key = key.clone();
    match digest {
        Digest::Sha256 => rsa::pss::VerifyingKey::<Sha256>::new(key).verify(message, &signature),
        Digest::Sha512 => rsa::pss::VerifyingKey::<Sha512>::new(key).verify(message, &signature),
        _ => return None,
    }
    .ok()
}

/// One key of a set, if it is of the algorithm's kind and not meant for anything else.
fn jwk(key: &serde_json::Value, algorithm: Algorithm) -> Option<PublicKey> {
    let text = |name: &str| key.get(name).and_then(serde_json::Value::as_str);
    let bytes = |name: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text(name)?).ok();
    if text("use").is_some_and(|purpose| purpose != "sig") {
        return None;
    }
    let point = |length: usize| {
        let (x, y) = (bytes("x")?, bytes("y")?);
        (x.len() == length && y.len() == length).then(|| [&[4], &x[..], &y[..]].concat())
    };
    let material = match (algorithm, text("kty")?, text("crv")) {
        (Algorithm::Ed25519, "OKP", Some("Ed25519")) => {
            return Some(PublicKey { kid: text("kid").map(str::to_owned), ..PublicKey::raw(&bytes("x")?)? });
        }
        (Algorithm::P256 | Algorithm::P256Der, "EC", Some("P-256")) => {
            Material::P256(Box::new(p256::ecdsa::VerifyingKey::from_sec1_bytes(&point(32)?).ok()?))
        }
        (Algorithm::P521, "EC", Some("P-521")) => {
            Material::P521(Box::new(p521::ecdsa::VerifyingKey::from_sec1_bytes(&point(66)?).ok()?))
        }
        (Algorithm::RsaPkcs1(_) | Algorithm::RsaPss(_), "RSA", None) => {
            let number = |name: &str| Some(rsa::BoxedUint::from_be_slice_vartime(&bytes(name)?));
            rsa_key(rsa::PublicKey::new(number("n")?, number("e")?).ok()?)?
        }
        _ => return None,
    };
    Some(PublicKey { kid: text("kid").map(str::to_owned), key: material })
}
