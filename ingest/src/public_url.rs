//! The URL under which a source is known outside: providers that sign it sign what they were given, and what a request says of its
//! host is the sender's word.

use http::Uri;
use http::uri::Scheme;

/// The longest that is taken, in bytes.
pub const LIMIT: usize = 2048;

/// An absolute URL, as it was given to the provider.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicUrl(String);

/// Why a text is no public URL. Does not repeat it: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no public URL: {0}; write the URL that the provider has, like \"https://hooks.example.com/in/shop\"")]
pub struct PublicUrlError(&'static str);

impl PublicUrl {
    /// As it was given, byte for byte.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PublicUrl {
    type Error = PublicUrlError;

    fn try_from(text: String) -> Result<Self, PublicUrlError> {
        problem(&text).map_or(Ok(Self(text)), |problem| Err(PublicUrlError(problem)))
    }
}

impl From<PublicUrl> for String {
    fn from(url: PublicUrl) -> Self {
        url.0
    }
}

fn problem(text: &str) -> Option<&'static str> {
    if text.len() > LIMIT {
        return Some("it is longer than any provider takes");
    }
    if text.contains('#') {
        return Some("a fragment is never sent");
    }
    let Ok(uri) = text.parse::<Uri>() else { return Some("it can't be read") };
    if !matches!(uri.scheme(), Some(scheme) if *scheme == Scheme::HTTPS || *scheme == Scheme::HTTP) {
        return Some("it does not begin with https:// or http://");
    }
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    if authority.contains('@') {
        return Some("it holds a name or a password");
    }
    // A colon after the host promises a port; those inside brackets are an address's.
    let after_host = authority.rsplit_once(']').map_or(authority, |(_, rest)| rest);
    if uri.host().is_none_or(str::is_empty) || (after_host.contains(':') && uri.port_u16().is_none()) {
        return Some("it has no host, or no port after its colon");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absolute_http_url_is_kept_as_it_is_and_anything_else_refused() {
        for fine in [
            "https://hooks.example.com/in/shop",
            "http://localhost:8080/in/shop",
            "https://hooks.example.com",
            "https://Hooks.Example.com:443/a%2Fb/?x=1&y=",
            "https://[2001:db8::1]:8443/in/shop",
            "https://[2001:db8::1]/in/shop",
        ] {
            assert_eq!(PublicUrl::try_from(fine.to_owned()).map(String::from).as_deref(), Ok(fine));
        }
        let long = format!("https://example.com/{}", "x".repeat(LIMIT));
        for wrong in [
            "",
            "/in/shop",
            "hooks.example.com/in/shop",
            "ftp://hooks.example.com/in/shop",
            "https:///in/shop",
            "https://:8080/in/shop",
            "https://example.com:/in/shop",
            "https://example.com:99999/in/shop",
            "https://example.com/in/shop#top",
            "https://example.com/in shop",
            "https://me:canary@example.com/in/shop",
            " https://example.com/",
            long.as_str(),
        ] {
            let error = PublicUrl::try_from(wrong.to_owned()).expect_err(wrong).to_string();
            assert!(error.contains("hooks.example.com/in/shop\"") && !error.contains("canary"), "{wrong}: {error}");
        }
    }
}
