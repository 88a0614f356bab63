//! The keyed hashes, and the only comparison of secrets in the crate: constant-time, over arrays of one fixed size.

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// The longest tag: HMAC-SHA-512.
pub(crate) const MAX_TAG_BYTES: usize = 64;

/// The keyed hash functions, RFC 2104.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// HMAC with MD5, 16 bytes: only for a provider that offers nothing better.
    HmacMd5,
    /// HMAC with SHA-1, 20 bytes: still sound as a MAC, only for providers that offer nothing better.
    HmacSha1,
    /// HMAC with SHA-256, 32 bytes.
    HmacSha256,
    /// HMAC with SHA-384, 48 bytes.
    HmacSha384,
    /// HMAC with SHA-512, 64 bytes.
    HmacSha512,
}

impl Function {
    /// Bytes of its tag.
    #[must_use]
    pub fn tag_bytes(self) -> usize {
        match self {
            Self::HmacMd5 => 16,
            Self::HmacSha1 => 20,
            Self::HmacSha256 => 32,
            Self::HmacSha384 => 48,
            Self::HmacSha512 => 64,
        }
    }
}

/// A keyed hash under way; the large ones are boxed, so that the usual ones are cheap to hand on. A keyed but otherwise fresh one is kept per secret and cloned per request, which saves
/// hashing the key's two blocks again.
#[derive(Clone)]
pub(crate) enum Mac {
    Md5(Hmac<Md5>),
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha384(Box<Hmac<Sha384>>),
    Sha512(Box<Hmac<Sha512>>),
}

/// Why keying cannot fail: HMAC hashes a key that is longer than a block.
const ANY_LENGTH: &str = "hmac takes keys of any length";

impl Mac {
    pub(crate) fn keyed(function: Function, key: &[u8]) -> Self {
        match function {
            Function::HmacMd5 => Self::Md5(Hmac::new_from_slice(key).expect(ANY_LENGTH)),
            Function::HmacSha1 => Self::Sha1(Hmac::new_from_slice(key).expect(ANY_LENGTH)),
            Function::HmacSha256 => Self::Sha256(Hmac::new_from_slice(key).expect(ANY_LENGTH)),
            Function::HmacSha384 => Self::Sha384(Box::new(Hmac::new_from_slice(key).expect(ANY_LENGTH))),
            Function::HmacSha512 => Self::Sha512(Box::new(Hmac::new_from_slice(key).expect(ANY_LENGTH))),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5(mac) => mac.update(bytes),
            Self::Sha1(mac) => mac.update(bytes),
            Self::Sha256(mac) => mac.update(bytes),
            Self::Sha384(mac) => mac.update(bytes),
            Self::Sha512(mac) => mac.update(bytes),
        }
    }

    pub(crate) fn finish(self) -> Tag {
        match self {
            Self::Md5(mac) => Tag::padded(&mac.finalize().into_bytes()),
            Self::Sha1(mac) => Tag::padded(&mac.finalize().into_bytes()),
            Self::Sha256(mac) => Tag::padded(&mac.finalize().into_bytes()),
            Self::Sha384(mac) => Tag::padded(&mac.finalize().into_bytes()),
            Self::Sha512(mac) => Tag::padded(&mac.finalize().into_bytes()),
        }
    }
}

/// A signature or digest of known length in an array of one size, the rest zeros.
#[derive(Clone)]
pub(crate) struct Tag {
    bytes: [u8; MAX_TAG_BYTES],
    length: usize,
}

impl Tag {
    /// A received tag: it has exactly the length that its function gives, or there is none.
    pub(crate) fn exact(bytes: &[u8], length: usize) -> Option<Self> {
        let fits =
            if cfg!(feature = "sabotage-prefix-compare") { bytes.len() <= length } else { bytes.len() == length };
        fits.then(|| Self::padded(bytes))
    }

    /// The SHA-256 of a static secret, so that comparing tells nothing about its length or content.
    pub(crate) fn sha256(secret: &[u8]) -> Self {
        Self::padded(&Sha256::digest(secret))
    }

    /// A digest that was made here.
    pub(crate) fn of_digest(digest: &[u8]) -> Self {
        Self::padded(digest)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Whether both are the same, in a time that does not depend on where they differ.
    #[cfg(not(feature = "sabotage-prefix-compare"))]
    pub(crate) fn matches(&self, other: &Self) -> bool {
        use subtle::ConstantTimeEq as _;
        (self.bytes.ct_eq(&other.bytes) & self.length.ct_eq(&other.length)).into()
    }

    /// The mistake of RUSTSEC-2024-0010, on purpose: only the common prefix is compared.
    #[cfg(feature = "sabotage-prefix-compare")]
    pub(crate) fn matches(&self, other: &Self) -> bool {
        let common = self.length.min(other.length);
        self.bytes[..common] == other.bytes[..common]
    }

    fn padded(from: &[u8]) -> Self {
        let mut bytes = [0; MAX_TAG_BYTES];
        bytes[..from.len()].copy_from_slice(from);
        Self { bytes, length: from.len() }
    }
}
