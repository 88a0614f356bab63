//! Who really sends when proxies stand in between: what a trusted proxy says of its peer counts, what anybody else says does not.
//!
//! A proxy adds the address of its peer at the right end of the list; all that stands further left is what that peer said. So the list
//! is read from the right, and only as far as the proxies are trusted: the first address that is no trusted proxy's is the client's.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// How many proxies may stand one behind the other.
pub const MOST_HOPS: u8 = 16;

/// Which proxies are trusted, and how they tell.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Forwarded {
    /// The proxies' networks.
    pub trusted: Vec<Proxies>,
    /// How many entries are read at most.
    pub hops: Hops,
    /// Where they tell.
    pub header: Header,
}

/// A network in which every address is a trusted proxy's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Proxies(IpNet);

/// A number of entries, from 1 to [`MOST_HOPS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Hops(u8);

/// The header that proxies add to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
pub enum Header {
    /// `X-Forwarded-For`: addresses, separated by commas.
    #[serde(rename = "x-forwarded-for")]
    XForwardedFor,
    /// `Forwarded`, RFC 7239.
    #[serde(rename = "forwarded")]
    Forwarded,
}

/// Why the proxies can't be trusted so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForwardedError {
    /// It is neither a network nor an address.
    #[error("{0:?} is no network: write one like \"10.0.0.0/8\", or an address")]
    Network(String),
    /// It is everybody.
    #[error("{0:?} is everybody, and everybody could then name an address at will: list the proxies' networks")]
    Everybody(String),
    /// It is too few or too many.
    #[error("{0} hops: from 1 to {MOST_HOPS} can be counted")]
    Hops(u8),
}

impl TryFrom<String> for Proxies {
    type Error = ForwardedError;

    fn try_from(text: String) -> Result<Self, ForwardedError> {
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        match network {
            Err(_) => Err(ForwardedError::Network(text)),
            Ok(network) if network.prefix_len() == 0 => Err(ForwardedError::Everybody(text)),
            Ok(network) => Ok(Self(network)),
        }
    }
}

impl From<Proxies> for String {
    fn from(proxies: Proxies) -> Self {
        proxies.0.to_string()
    }
}

impl TryFrom<u8> for Hops {
    type Error = ForwardedError;

    fn try_from(hops: u8) -> Result<Self, ForwardedError> {
        if (1..=MOST_HOPS).contains(&hops) { Ok(Self(hops)) } else { Err(ForwardedError::Hops(hops)) }
    }
}

impl From<Hops> for u8 {
    fn from(hops: Hops) -> Self {
        hops.0
    }
}

impl Forwarded {
    /// The client's address: the peer's own, unless the peer is a trusted proxy that says more. Nothing if a trusted proxy names no
    /// address, which then is on no list.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        let mut client = peer.to_canonical();
        if !self.trusts(client) {
            return Some(client);
        }
        let lines = headers.get_all(self.header.name()).iter();
        // Lines of one header are one list. Bytes that are no text can only make an entry that is no address.
        let entries = lines.rev().flat_map(|line| line.as_bytes().rsplit(|&byte| byte == b','));
        for entry in entries.take(self.hops.0.into()) {
            client = self.header.address(str::from_utf8(entry).ok()?)?.to_canonical();
            if !self.trusts(client) {
                break;
            }
        }
        Some(client)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|proxies| proxies.0.contains(&address))
    }
}

impl Header {
    fn name(self) -> HeaderName {
        match self {
            Self::XForwardedFor => HeaderName::from_static("x-forwarded-for"),
            Self::Forwarded => http::header::FORWARDED,
        }
    }

    /// The address in one entry of the list.
    fn address(self, entry: &str) -> Option<IpAddr> {
        let entry = entry.trim_matches([' ', '\t']);
        match self {
            Self::XForwardedFor => node(entry),
            Self::Forwarded => element(entry),
        }
    }
}

/// An address as proxies write it: bare or in brackets, with or without a port.
fn node(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    let with_port = || text.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    text.parse().ok().or_else(with_port).or_else(bracketed)
}

/// The one `for` of an element of RFC 7239. All of the element has to be well-formed: it may be the end of a quoted value, into which
/// somebody else wrote a comma and what looks like an element.
fn element(text: &str) -> Option<IpAddr> {
    let mut address = None;
    for pair in text.split(';') {
        let (name, value) = pair.trim_matches([' ', '\t']).split_once('=')?;
        let value = unquoted(value)?;
        if !name.bytes().all(is_token) || name.is_empty() {
            return None;
        }
        if name.eq_ignore_ascii_case("for") && address.replace(node(value)?).is_some() {
            return None;
        }
    }
    address
}

/// A token, or the inside of a quoted text without escapes: no address has any, and to undo them is to be fooled by them.
fn unquoted(value: &str) -> Option<&str> {
    if let Some(inside) = value.strip_prefix('"') {
        return inside.strip_suffix('"').filter(|inside| !inside.contains(['"', '\\']));
    }
    (!value.is_empty() && value.bytes().all(is_token)).then_some(value)
}

/// RFC 9110's token characters.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
