//! The declarative scheme: everything the edge must know about a provider, checked for contradictions when it is read.

use std::collections::BTreeMap;
use std::fmt;

use http::{HeaderName, StatusCode};

use crate::auth::{Auth, SecretEncoding};
use crate::bind::{Bind, Bound, CertificateRules, Condition, KeyUrl};
use crate::handshake::{Handshake, Reaction};
use crate::locator::Locator;
use crate::place::Place;
use crate::settings::Settings;
use crate::template::{Source, Template};
use crate::{grammar, lines, overrides};

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
    pub handshakes: Vec<Handshake>,
    /// What the provider expects to hear.
    pub reply: Reply,
    /// How the provider delivers.
    pub delivery: Delivery,
    /// What else must hold of a request.
    pub(crate) require: Vec<Condition>,
    /// What is bound by its hash.
    pub(crate) bind: Vec<Bind>,
    /// The form field that holds the payload.
    pub(crate) payload: Option<String>,
    /// Where a request says that its certificate lies.
    pub(crate) key_url: Option<KeyUrl>,
    /// Where the provider publishes its key set, for all its customers alike.
    pub keys_url: Option<String>,
    /// Where the topic is that a source may list.
    pub(crate) topic: Option<Place>,
    /// The parameters that a source must set, and what they mean.
    pub(crate) params: BTreeMap<String, String>,
    /// What the source sets.
    pub(crate) settings: Settings,
    /// The file says itself that not the whole body is proven.
    pub(crate) is_body_unsigned: bool,
    /// The TOML it was read from: what overrides are laid over.
    pub(crate) table: Origin,
}

/// The TOML of a scheme. A source's parameters are in it, which may be tokens, so it is not printed.
#[derive(Clone)]
pub(crate) struct Origin(pub(crate) toml::Table);

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Origin(…)")
    }
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
    /// One of the others, and where it is.
    #[error("line {line}: {error}")]
    At {
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        error: Box<SchemeError>,
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
    /// A source lacks what its provider's scheme needs.
    #[error("`{key}` must be set for provider `{scheme}`: {mend}")]
    NotSet {
        /// The provider.
        scheme: String,
        /// The setting.
        key: String,
        /// What to write.
        mend: String,
    },
}

impl SchemeError {
    /// The key's path.
    fn key(&self) -> Option<&str> {
        match self {
            Self::Missing { key, .. } | Self::Contradiction { key, .. } => Some(key),
            _ => None,
        }
    }
}

impl Scheme {
    /// Reads a provider file.
    ///
    /// # Errors
    /// [`SchemeError`] with the line or the key, and the mend.
    pub fn from_toml(text: &str) -> Result<Self, SchemeError> {
        // Read as the grammar first: its errors then point at the line.
        toml::from_str::<grammar::Grammar>(text).map_err(Box::new)?;
        Self::from_table(toml::from_str(text).map_err(Box::new)?).map_err(|error| match (&error, error.key()) {
            (SchemeError::Contradiction { .. }, Some(key)) => match lines::of_key(text, key) {
                Some(line) => SchemeError::At { line, error: Box::new(error) },
                None => error,
            },
            _ => error,
        })
    }

    /// This scheme with a source's own settings: `id`, `type`, `key`, `reply`, `when_log_away`, `url`, `params`, `topics` and
    /// `unsigned_handshakes` for every provider; `header`, `algorithm`, `encoding`, `prefix` where the provider's file leaves
    /// them open.
    ///
    /// # Errors
    /// [`SchemeError`] when a setting is unknown, not open, missing, or makes the scheme contradict itself.
    pub fn with_overrides(&self, settings: &toml::Table) -> Result<Self, SchemeError> {
        let scheme = Self::from_table(overrides::lay_over(self, settings)?)?;
        scheme.settings.check(&scheme)?;
        Ok(scheme)
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

    /// Whether the URL as the provider has it must be known.
    #[must_use]
    pub fn needs_url(&self) -> bool {
        let templates = self.auth.signed().map_or(&[][..], |signed| &signed.templates);
        let signs = |template: &Template| template.uses(&Source::Url) || template.uses(&Source::UrlBase);
        templates.iter().any(signs) || self.bind.iter().any(|bind| bind.of == Bound::Url)
    }

    /// The parameters that a source must set: name and meaning.
    pub fn params(&self) -> impl Iterator<Item = (&str, &str)> {
        self.params.iter().map(|(name, meaning)| (name.as_str(), meaning.as_str()))
    }

    /// The header that holds the secret itself, where the scheme sends it along: never to be stored or logged.
    #[must_use]
    pub fn credential_header(&self) -> Option<&HeaderName> {
        match &self.auth {
            Auth::Token(token) => match &token.from {
                Place::Header(name) => Some(name),
                _ => None,
            },
            Auth::Basic => Some(&http::header::AUTHORIZATION),
            _ => None,
        }
    }

    /// Whether another was read from the same text, settings included.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.table.0 == other.table.0
    }

    /// Whether the secret is a set of public keys, as providers publish it at a URL.
    #[must_use]
    pub fn takes_key_set(&self) -> bool {
        self.auth.secret().is_some_and(|secret| secret.form == SecretEncoding::Jwks)
    }

    /// What is asked of the certificate that a request names; none where requests name none.
    #[must_use]
    pub fn certificate_rules(&self) -> Option<CertificateRules<'_>> {
        self.key_url.as_ref().map(|url| CertificateRules { names: &url.names, chain: url.chain })
    }

    /// Whether the body itself is proven, and not only its sender.
    #[must_use]
    pub fn signs_body(&self) -> bool {
        match &self.auth {
            Auth::Mac(_) | Auth::Hash(_) | Auth::Sign(_) | Auth::Jws(_) | Auth::Jwt(_) => !self.is_body_unsigned,
            Auth::Token(_) | Auth::Basic | Auth::None => false,
        }
    }

    /// Whether a handshake hands out keyed hashes without a signature.
    pub(crate) fn hashes_for_anybody(&self) -> bool {
        let is_one =
            |handshake: &Handshake| handshake.is_unsigned && matches!(handshake.reaction, Reaction::Hashed { .. });
        self.handshakes.iter().any(is_one)
    }

    /// Whether the event's id is proven: read from the signed body, or signed beside it. Where not, a replay can wear a
    /// fresh id, so deduplication should look at the body's hash too.
    #[must_use]
    pub fn signs_id(&self) -> bool {
        let header = self.auth.signed().and_then(|signed| signed.id_header.as_ref());
        let signed = |place: &Locator| match place {
            Locator::At(Place::Header(name)) => header == Some(name),
            Locator::At(Place::Json(_) | Place::Form(_)) | Locator::BodyHash => self.signs_body(),
            Locator::At(Place::Claim(_)) => true,
            _ => false,
        };
        self.id.as_ref().is_some_and(|id| id.alternatives().iter().all(signed))
    }
}
