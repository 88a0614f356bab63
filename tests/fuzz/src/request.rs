//! A request as a text that a fuzzer can change: `METHOD target`, header lines, an empty line, the body.

use http::{HeaderMap, HeaderName, HeaderValue};

/// A request out of such a text.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The method as it stands.
    pub method: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// The headers that can be headers; the others are left out, as a server never sees them.
    pub headers: HeaderMap,
    /// What follows the empty line.
    pub body: &'a [u8],
}

impl<'a> Request<'a> {
    /// Reads a text; none if its first line is none. Whatever else it is, it is some request.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (first, mut rest) = line(bytes);
        let (method, target) = std::str::from_utf8(first).ok()?.split_once(' ')?;
        let mut headers = HeaderMap::new();
        while !rest.is_empty() {
            let (header, after) = line(rest);
            rest = after;
            if header.is_empty() {
                break;
            }
            if let Some(colon) = header.iter().position(|byte| *byte == b':')
                && let (Ok(name), Ok(value)) = (
                    HeaderName::from_bytes(&header[..colon]),
                    HeaderValue::from_bytes(header[colon + 1..].trim_ascii()),
                )
                && headers.len() < 64
            {
                headers.append(name, value);
            }
        }
        Some(Self { method, target, headers, body: rest })
    }
}

fn line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    (&bytes[..end], bytes.get(end + 1..).unwrap_or_default())
}

/// The text of a request.
#[must_use]
pub fn text<N: AsRef<str>, V: AsRef<str>>(line: &str, headers: &[(N, V)], body: &[u8]) -> Vec<u8> {
    let headers = headers.iter().map(|(name, value)| format!("{}: {}\n", name.as_ref(), value.as_ref()));
    let head = format!("{line}\n{}\n", headers.collect::<String>());
    [head.as_bytes(), body].concat()
}
