//! The URLs that the edge asks: https, a host, and nothing that two readers could take for two hosts.

use std::fmt;

use http::Uri;
use http::uri::Scheme;

/// The longest that is taken, in bytes.
pub const LIMIT: usize = 2048;

const HTTPS: u16 = 443;

/// An https URL. Shown without its query, which may hold a token.
#[derive(Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct HttpsUrl {
    host: String,
    port: u16,
    target: String,
}

/// Why a text is no such URL. Does not repeat it: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no URL to fetch from: {0}; write the whole of it, like \"https://idp.example.com/.well-known/jwks.json\"")]
pub struct HttpsUrlError(&'static str);

impl HttpsUrl {
    /// The host's name, in lower case.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port: 443 unless written.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Path and query.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Host, and the port if it is not the usual one: what the `host` header says.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.port == HTTPS { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }
}

impl fmt::Display for HttpsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path);
        write!(f, "https://{}{path}", self.authority())
    }
}

impl fmt::Debug for HttpsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for HttpsUrl {
    type Error = HttpsUrlError;

    fn try_from(text: String) -> Result<Self, HttpsUrlError> {
        Self::try_from(text.as_str())
    }
}

impl TryFrom<&str> for HttpsUrl {
    type Error = HttpsUrlError;

    fn try_from(text: &str) -> Result<Self, HttpsUrlError> {
        if text.len() > LIMIT || text.contains('#') {
            return Err(HttpsUrlError("it is too long, or has a fragment, which is never sent"));
        }
        let uri: Uri = text.parse().map_err(|_| HttpsUrlError("it can't be read"))?;
        if uri.scheme() != Some(&Scheme::HTTPS) {
            return Err(HttpsUrlError("it does not begin with https://"));
        }
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        if authority.contains('@') {
            return Err(HttpsUrlError("it holds a name or a password"));
        }
        let host = uri.host().unwrap_or_default();
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
        if host.is_empty() || !host.bytes().all(is_name) {
            return Err(HttpsUrlError("its host is no name"));
        }
        let port = match authority.strip_prefix(host) {
            Some("") => HTTPS,
            _ => uri.port_u16().filter(|port| *port > 0).ok_or(HttpsUrlError("it has no port after its colon"))?,
        };
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        Ok(Self { host: host.to_ascii_lowercase(), port, target: target.to_owned() })
    }
}

impl From<HttpsUrl> for String {
    fn from(url: HttpsUrl) -> Self {
        format!("https://{}{}", url.authority(), url.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_https_url_of_a_named_host_is_taken_and_shown_without_its_query() {
        for (text, whole, shown) in [
            ("https://a.example/k?t=canary", "https://a.example/k?t=canary", "https://a.example/k"),
            ("https://A.example:443", "https://a.example/", "https://a.example/"),
            ("https://a.example:8443/k", "https://a.example:8443/k", "https://a.example:8443/k"),
        ] {
            let url = HttpsUrl::try_from(text).unwrap();
            assert_eq!((String::from(url.clone()).as_str(), url.to_string().as_str()), (whole, shown));
        }
        for wrong in [
            "",
            "/k",
            "a.example/k",
            "http://a.example/k",
            "https:///k",
            "https://a.example:/k",
            "https://a.example:0/k",
            "https://a.example:70000/k",
            "https://me:canary@a.example/k",
            "https://a.example/k#x",
            "https://a.example/k k",
            "https://[::1]/k",
            "https://a_b.example/k",
        ] {
            let error = HttpsUrl::try_from(wrong).expect_err(wrong).to_string();
            assert!(error.contains("idp.example.com") && !error.contains("canary"), "{wrong}: {error}");
        }
    }
}
