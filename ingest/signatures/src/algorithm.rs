//! The names of the signature algorithms, as a provider's `fn` gives them, each for its kind of proof.

use crate::digest::Digest;
use crate::mac::Function;

/// An algorithm and the kind of key it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// A keyed hash under a shared secret.
    Mac(Function),
    /// A plain digest with the secret in the text.
    Hash(Digest),
    /// A signature under a public key.
    Public(Public),
}

/// The public-key signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Public {
    Ed25519,
    /// ECDSA on P-256 with SHA-256, DER.
    P256Der,
    /// The same, both numbers one after the other, as in JOSE.
    P256,
    /// ECDSA on P-521 with SHA-512, both numbers one after the other.
    P521,
    /// RSA, PKCS #1 v1.5.
    RsaPkcs1(Digest),
    /// RSA, PSS with a salt as long as the digest.
    RsaPss(Digest),
}

/// Names for `auth = "mac"`; the short ones are what a source may write.
pub(crate) const MACS: [(&str, Algorithm); 8] = [
    ("hmac-sha256", Algorithm::Mac(Function::HmacSha256)),
    ("hmac-sha1", Algorithm::Mac(Function::HmacSha1)),
    ("hmac-sha384", Algorithm::Mac(Function::HmacSha384)),
    ("hmac-sha512", Algorithm::Mac(Function::HmacSha512)),
    ("hmac-md5", Algorithm::Mac(Function::HmacMd5)),
    ("sha256", Algorithm::Mac(Function::HmacSha256)),
    ("sha1", Algorithm::Mac(Function::HmacSha1)),
    ("sha512", Algorithm::Mac(Function::HmacSha512)),
];

/// Names for `auth = "hash"`.
pub(crate) const HASHES: [(&str, Algorithm); 5] = [
    ("sha256", Algorithm::Hash(Digest::Sha256)),
    ("sha1", Algorithm::Hash(Digest::Sha1)),
    ("sha384", Algorithm::Hash(Digest::Sha384)),
    ("sha512", Algorithm::Hash(Digest::Sha512)),
    ("md5", Algorithm::Hash(Digest::Md5)),
];

/// Names for `auth = "sign"`.
pub(crate) const SIGNATURES: [(&str, Algorithm); 8] = [
    ("ed25519", Algorithm::Public(Public::Ed25519)),
    ("ecdsa-p256-sha256", Algorithm::Public(Public::P256Der)),
    ("rsa-sha256", Algorithm::Public(Public::RsaPkcs1(Digest::Sha256))),
    ("rsa-sha1", Algorithm::Public(Public::RsaPkcs1(Digest::Sha1))),
    ("rsa-sha384", Algorithm::Public(Public::RsaPkcs1(Digest::Sha384))),
    ("rsa-sha512", Algorithm::Public(Public::RsaPkcs1(Digest::Sha512))),
    ("rsa-pss-sha256", Algorithm::Public(Public::RsaPss(Digest::Sha256))),
    ("rsa-pss-sha512", Algorithm::Public(Public::RsaPss(Digest::Sha512))),
];

/// Names for `auth = "jwt"` and `"jws"`: RFC 7518 in lower case.
pub(crate) const TOKENS: [(&str, Algorithm); 11] = [
    ("hs256", Algorithm::Mac(Function::HmacSha256)),
    ("hs384", Algorithm::Mac(Function::HmacSha384)),
    ("hs512", Algorithm::Mac(Function::HmacSha512)),
    ("rs256", Algorithm::Public(Public::RsaPkcs1(Digest::Sha256))),
    ("rs384", Algorithm::Public(Public::RsaPkcs1(Digest::Sha384))),
    ("rs512", Algorithm::Public(Public::RsaPkcs1(Digest::Sha512))),
    ("ps256", Algorithm::Public(Public::RsaPss(Digest::Sha256))),
    ("ps512", Algorithm::Public(Public::RsaPss(Digest::Sha512))),
    ("es256", Algorithm::Public(Public::P256)),
    ("es512", Algorithm::Public(Public::P521)),
    ("eddsa", Algorithm::Public(Public::Ed25519)),
];

/// The algorithm of this name, or the names there are.
pub(crate) fn named(names: &[(&str, Algorithm)], name: &str) -> Result<Algorithm, String> {
    let found = names.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm);
    found.ok_or_else(|| {
        let known: Vec<&str> = names.iter().map(|(known, _)| *known).collect();
        format!("{name:?} is no such function here, there are {}", known.join(", "))
    })
}

impl Algorithm {
    /// What JOSE calls it.
    pub(crate) fn jose(self) -> Option<&'static str> {
        const UPPER: [&str; 11] =
            ["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS512", "ES256", "ES512", "EdDSA"];
        TOKENS.iter().position(|(_, algorithm)| *algorithm == self).map(|place| UPPER[place])
    }

    /// Whether it takes a shared secret.
    pub(crate) fn is_shared(self) -> bool {
        !matches!(self, Self::Public(_))
    }

    /// Whether both take the same kind of key, so that accepting either confuses nothing.
    pub(crate) fn is_kin(self, other: Self) -> bool {
        match (self, other) {
            (Self::Mac(_), Self::Mac(_)) => true,
            (Self::Public(one), Self::Public(other)) => {
                matches!(
                    (one, other),
                    (Public::RsaPkcs1(_), Public::RsaPkcs1(_)) | (Public::RsaPss(_), Public::RsaPss(_))
                ) || one == other
            }
            _ => self == other,
        }
    }

    /// Bytes of its signature, where they are always as many.
    pub(crate) fn signature_bytes(self) -> Option<usize> {
        match self {
            Self::Mac(function) => Some(function.tag_bytes()),
            Self::Hash(digest) => Some(digest.bytes()),
            Self::Public(Public::Ed25519 | Public::P256) => Some(64),
            Self::Public(Public::P521) => Some(132),
            Self::Public(_) => None,
        }
    }
}
