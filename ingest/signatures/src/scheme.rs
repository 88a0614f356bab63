//! The declarative scheme: everything the edge must know about a provider, checked for contradictions when it is read.

use http::{HeaderName, StatusCode};

use crate::encoding::Encoding;
use crate::handshake::Handshake;
use crate::locator::Locator;
use crate::mac::Function;
use crate::template::Template;
use crate::window::{TimeUnit, Window};
use crate::{grammar, overrides};

/// Items a list-valued signature header may have, whatever their labels; more are refused unread.
pub const MAX_SIGNATURE_ITEMS: usize = 10;

/// How a provider signs, names and delivers its events.
#[derive(Debug, Clone)]
pub struct Scheme {
    /// The name a source's `provider` setting gives: `github`.
    pub name: String,
    /// The name for people: `GitHub`.
    pub title: String,
    /// The page the facts were taken from.
    pub source_link: String,
    /// How good that page is.
    pub confidence: Confidence,
    /// What proves the sender.
    pub auth: Auth,
    /// Where the event's id is.
    pub id: Option<Locator>,
    /// Where the event's type is.
    pub kind: Option<Locator>,
    /// Where the ordering key is; without one the event's id serves.
    pub key: Option<Locator>,
    /// What the provider asks before it sends events.
    pub handshake: Option<Handshake>,
    /// What the provider expects to hear.
    pub reply: Reply,
    /// How the provider delivers.
    pub delivery: Delivery,
    /// The TOML it was read from: what overrides are laid over.
    pub(crate) table: toml::Table,
}

/// Where a provider's facts come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// The provider's documentation.
    Documented,
    /// The provider's own code.
    Sdk,
    /// Somebody else's code or note.
    ThirdParty,
}

/// What proves the sender.
#[derive(Debug, Clone)]
pub enum Auth {
    /// A keyed hash over the body and what the template adds.
    Mac(Box<MacAuth>),
    /// A static secret in a header.
    Token(TokenAuth),
    /// `Authorization: Basic`, RFC 7617; the secret is `user:password`.
    Basic,
    /// Nothing. Everybody who knows the URL is believed.
    None,
}

/// A keyed hash in a header.
#[derive(Debug, Clone)]
pub struct MacAuth {
    pub(crate) function: Function,
    pub(crate) signed: Template,
    pub(crate) header: HeaderName,
    pub(crate) prefix: String,
    pub(crate) encoding: Encoding,
    pub(crate) list: Option<List>,
    pub(crate) secret: SecretForm,
    pub(crate) time: Option<Time>,
    /// The header of the signed id, where the template has one.
    pub(crate) id_header: Option<HeaderName>,
}

/// How a header holds several signatures: `t=1,v1=ab,v1=cd`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct List {
    pub(crate) separator: String,
    pub(crate) pair: String,
    /// The accepted labels, the signer's first; items with others are passed over.
    pub(crate) labels: Vec<String>,
    /// Whether blanks around an item are dropped.
    #[serde(default)]
    pub(crate) trim: bool,
}

/// How a configured secret becomes key bytes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecretForm {
    pub(crate) form: SecretEncoding,
    /// Taken off before decoding, if it is there.
    #[serde(default)]
    pub(crate) prefix: String,
}

/// The encodings of a configured secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SecretEncoding {
    Raw,
    Base64,
    Hex,
}

/// Where the signed timestamp is and how far it may be from now.
#[derive(Debug, Clone)]
pub(crate) struct Time {
    pub(crate) from: TimeFrom,
    pub(crate) unit: TimeUnit,
    pub(crate) window: Window,
}

/// The places of a timestamp.
#[derive(Debug, Clone)]
pub(crate) enum TimeFrom {
    Header(HeaderName),
    /// A labelled item of the signature header.
    Item(String),
}

/// A static secret in a header, after a prefix whose case does not matter (RFC 9110, section 11.1).
#[derive(Debug, Clone)]
pub struct TokenAuth {
    pub(crate) header: HeaderName,
    pub(crate) prefix: String,
}

/// The answer that tells the provider all is well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// A success, 200 unless the provider wants another.
    pub status: StatusCode,
    /// The body, empty unless the provider wants one.
    pub body: String,
    /// The body's media type.
    pub content_type: String,
}

/// How a provider delivers, and what that means when the log is away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// How long the provider waits for an answer, in milliseconds, where that is known.
    pub deadline_ms: Option<u64>,
    /// The provider's retries, in words.
    pub retries: Option<String>,
    /// What to do with an event that the log cannot take now.
    pub when_log_away: WhenLogAway,
}

/// What to do with an event that the log cannot take now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhenLogAway {
    /// Keep it on the local disk: the provider would not send it again.
    #[default]
    Spool,
    /// Answer 503: the provider will send it again.
    Refuse,
}

/// Why a scheme is refused; the text names the key and the mend.
#[derive(Debug, thiserror::Error)]
pub enum SchemeError {
    /// Not TOML, an unknown key, or a value that the key cannot have.
    #[error("the scheme cannot be read: {}", .0.to_string().trim_end())]
    Grammar(#[from] Box<toml::de::Error>),
    /// A key that this kind of scheme needs.
    #[error("`{key}` is missing: {mend}")]
    Missing {
        /// The key's path.
        key: &'static str,
        /// What to write.
        mend: String,
    },
    /// A key whose value cannot stand, alone or beside another key.
    #[error("`{key}` cannot stand: {mend}")]
    Contradiction {
        /// The key's path.
        key: &'static str,
        /// What to change.
        mend: String,
    },
    /// A source sets what its provider does not leave open.
    #[error("`{key}` cannot be set for provider `{scheme}`: {mend}")]
    NotOpen {
        /// The provider.
        scheme: String,
        /// The setting.
        key: String,
        /// What can be done instead.
        mend: String,
    },
}

impl Scheme {
    /// Reads a provider file.
    ///
    /// # Errors
    /// [`SchemeError`] with the line or the key, and the mend.
    pub fn from_toml(text: &str) -> Result<Self, SchemeError> {
        // Read as the grammar first: its errors then point at the line.
        toml::from_str::<grammar::Grammar>(text).map_err(Box::new)?;
        Self::from_table(toml::from_str(text).map_err(Box::new)?)
    }

    /// This scheme with a source's own settings: `id`, `type`, `key`, `reply` and `when_log_away` for every provider;
    /// `header`, `algorithm`, `encoding`, `prefix` where the provider's file leaves them open.
    ///
    /// # Errors
    /// [`SchemeError`] when a setting is unknown, not open, or makes the scheme contradict itself.
    pub fn with_overrides(&self, settings: &toml::Table) -> Result<Self, SchemeError> {
        Self::from_table(overrides::lay_over(self, settings)?)
    }

    fn from_table(table: toml::Table) -> Result<Self, SchemeError> {
        let grammar: grammar::Grammar = table.clone().try_into().map_err(Box::new)?;
        grammar.into_scheme(table)
    }

    /// Whether anything proves the sender. Where not, say so loudly.
    #[must_use]
    pub fn is_authenticated(&self) -> bool {
        !matches!(self.auth, Auth::None)
    }

    /// The header that holds the secret itself, where the scheme sends it along: never to be stored or logged.
    #[must_use]
    pub fn credential_header(&self) -> Option<&HeaderName> {
        match &self.auth {
            Auth::Token(token) => Some(&token.header),
            Auth::Basic => Some(&http::header::AUTHORIZATION),
            Auth::Mac(_) | Auth::None => None,
        }
    }

    /// Whether the body itself is proven, and not only its sender.
    #[must_use]
    pub fn signs_body(&self) -> bool {
        matches!(self.auth, Auth::Mac(_))
    }

    /// Whether the event's id is proven: read from the signed body, or signed beside it. Where not, a replay can wear a
    /// fresh id, so deduplication should look at the body's hash too.
    #[must_use]
    pub fn signs_id(&self) -> bool {
        match (&self.auth, &self.id) {
            (Auth::Mac(mac), Some(id)) => id.alternatives().iter().all(|place| match place {
                Locator::Header(name) => mac.id_header.as_ref() == Some(name),
                Locator::Pointer(_) | Locator::BodyHash => true,
                Locator::FirstOf(_) => false,
            }),
            _ => false,
        }
    }
}
