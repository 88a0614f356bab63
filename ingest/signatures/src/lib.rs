//! Who sent it: webhook signatures as data, verified while the body streams in.
//!
//! The data's path through this crate: a provider's TOML file is read by `grammar` into a [`Scheme`]; configured secrets
//! become [`Keys`]; [`Scheme::begin`] reads the request's head and refuses what can be refused without the body; the
//! [`Verifier`] hashes the body as it arrives and gives its verdict; then [`identify()`] finds id, type and ordering key, and
//! [`answer`] a handshake's reply. [`sign()`] and [`sample()`] are the other direction: what a provider would send.
//!
//! Nothing here does I/O or reads a clock; no secret has a printable form; secrets are compared in one place, `mac`.

pub mod scheme;
mod auth;
mod algorithm;
mod bind;
mod settings;
mod grammar;
mod lines;
mod overrides;
pub mod builtin;
pub mod template;
mod encoding;
mod digest;
pub mod window;
mod calendar;
mod mac;
mod public;
pub mod keys;
pub mod verify;
mod signature;
mod render;
mod whole;
mod token;
mod kid;
mod rules;
pub mod explain;
pub mod rejection;
mod form;
mod payload;
pub mod pointer;
pub mod place;
mod scan;
pub mod locator;
pub mod identify;
pub mod handshake;
pub mod sign;
pub mod sample;

#[cfg(test)]
mod vectors;
#[cfg(test)]
mod known_answers;

pub use auth::Auth;
pub use bind::{CertificateRules, HostPattern};
pub use builtin::{builtin, builtin_names, names_like};
pub use encoding::Encoding;
pub use explain::{Explanation, explain};
pub use handshake::{Captured, Handshake, HandshakeAnswer, answer, may_be_unsigned};
pub use identify::{IdentifyError, Identity, Locators, identify};
pub use keys::{Key, KeyError, Keys};
pub use locator::Locator;
pub use mac::Function;
pub use place::Place;
pub use pointer::Pointer;
pub use rejection::Rejection;
pub use sample::{Sample, sample};
pub use scheme::{Confidence, Delivery, Reply, Scheme, SchemeError, WhenLogAway};
pub use sign::{Outgoing, can_sign, sign, sign_request};
pub use verify::{Head, Verified, Verifier, verify};
pub use window::UnixMillis;
