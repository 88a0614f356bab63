//! What a source sets for its provider's scheme: the public URL, parameters, and whether unsigned handshakes are answered.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

use crate::scheme::{Scheme, SchemeError};

/// Bytes that a parameter may have.
const MAX_PARAM_BYTES: usize = 1024;

/// A source's settings.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The URL as the provider has it, without query.
    pub(crate) url: Option<String>,
    /// Values of the parameters the provider's file names.
    #[serde(default)]
    pub(crate) params: BTreeMap<String, String>,
    /// The topics that are expected; all where there is none.
    #[serde(default)]
    pub(crate) topics: Vec<String>,
    /// Whether handshakes without signature are answered.
    #[serde(default)]
    pub(crate) unsigned_handshakes: bool,
}

/// Parameters may be tokens, so only their names have a printable form.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.params.keys().collect();
        f.debug_struct("Settings")
            .field("url", &self.url)
            .field("params", &names)
            .field("topics", &self.topics)
            .field("unsigned_handshakes", &self.unsigned_handshakes)
            .finish()
    }
}

impl Settings {
    /// Whether a source has set all that the scheme needs.
    pub(crate) fn check(&self, scheme: &Scheme) -> Result<(), SchemeError> {
        let not_set =
            |key: &str, mend: String| SchemeError::NotSet { scheme: scheme.name.clone(), key: key.to_owned(), mend };
        if self.url.is_none() && scheme.needs_url() {
            return Err(not_set(
                "url",
                "it signs the URL, so write the one it has, with path and without query, like \"https://hooks.example.com/in/name\""
                    .to_owned(),
            ));
        }
        for (name, meaning) in scheme.params() {
            if !self.params.contains_key(name) {
                return Err(not_set("params", format!("write params = {{ {name} = \"…\" }}: {meaning}")));
            }
        }
        Ok(())
    }

    /// Whether what is set can stand at all.
    pub(crate) fn problem(&self, known: &BTreeMap<String, String>) -> Option<(&'static str, String)> {
        if let Some(url) = &self.url {
            let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
            let good =
                |rest: &str| !rest.is_empty() && !rest.starts_with('/') && rest.bytes().all(|b| b.is_ascii_graphic());
            if !host.is_some_and(good) || url.contains(['?', '#']) {
                return Some((
                    "url",
                    format!(
                        "{url:?} is none: write scheme, host and path without query, like \"https://hooks.example.com/in/name\""
                    ),
                ));
            }
        }
        for (name, value) in &self.params {
            if !known.contains_key(name) {
                let known: Vec<&str> = known.keys().map(String::as_str).collect();
                return Some((
                    "params",
                    format!("the provider's file has no parameter {name:?}, it has: {}", known.join(", ")),
                ));
            }
            if value.is_empty() || value.len() > MAX_PARAM_BYTES {
                return Some(("params", format!("{name:?} is empty or has more than {MAX_PARAM_BYTES} bytes")));
            }
        }
        None
    }
}
