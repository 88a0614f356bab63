//! The text forms of a signature: decoded to its exact length, or refused.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};

use crate::mac::{MAX_TAG_BYTES, Tag};

/// How a signature is written. Hex in either case; base64 only in its one canonical form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// Two hexadecimal digits a byte, either case.
    Hex,
    /// RFC 4648 section 4, padded, without stray bits.
    Base64,
    /// RFC 4648 section 5, padded.
    Base64url,
    /// RFC 4648 section 5, without padding.
    Base64urlNopad,
}

/// The decoder asks for whole groups of three bytes, and for room before it looks at the padding.
const DECODE_BYTES: usize = MAX_TAG_BYTES + 2;

impl Encoding {
    /// Decodes a signature of exactly `length` bytes.
    pub(crate) fn decode(self, text: &str, length: usize) -> Option<Tag> {
        let mut buffer = [0_u8; DECODE_BYTES];
        let written = match self {
            Self::Hex => {
                let bytes = text.len() / 2;
                hex::decode_to_slice(text, buffer.get_mut(..bytes)?).ok().map(|()| bytes)
            }
            Self::Base64 => STANDARD.decode_slice(text, &mut buffer).ok(),
            Self::Base64url => URL_SAFE.decode_slice(text, &mut buffer).ok(),
            Self::Base64urlNopad => URL_SAFE_NO_PAD.decode_slice(text, &mut buffer).ok(),
        }?;
        Tag::exact(&buffer[..written], length)
    }

    /// Decodes a signature of at most `limit` bytes.
    pub(crate) fn decode_bytes(self, text: &str, limit: usize) -> Option<Vec<u8>> {
        let bytes = match self {
            Self::Hex => hex::decode(text).ok(),
            Self::Base64 => STANDARD.decode(text).ok(),
            Self::Base64url => URL_SAFE.decode(text).ok(),
            Self::Base64urlNopad => URL_SAFE_NO_PAD.decode(text).ok(),
        };
        bytes.filter(|bytes| bytes.len() <= limit)
    }

    /// Writes a signature; hex in lower case.
    pub(crate) fn encode(self, bytes: &[u8]) -> String {
        match self {
            Self::Hex => hex::encode(bytes),
            Self::Base64 => STANDARD.encode(bytes),
            Self::Base64url => URL_SAFE.encode(bytes),
            Self::Base64urlNopad => URL_SAFE_NO_PAD.encode(bytes),
        }
    }
}
