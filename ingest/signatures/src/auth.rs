//! What proves a sender: the kinds of proof and what each needs to know.

use http::HeaderName;

use crate::algorithm::Algorithm;
use crate::encoding::Encoding;
use crate::place::Place;
use crate::pointer::Pointer;
use crate::template::{Listed, Template};
use crate::window::{TimeUnit, Window};

/// What proves the sender.
#[derive(Debug, Clone)]
pub enum Auth {
    /// A keyed hash over what the template says.
    Mac(Box<Signed>),
    /// A plain digest over a text that has the secret in it.
    Hash(Box<Signed>),
    /// A public-key signature.
    Sign(Box<Signed>),
    /// A detached JSON web signature.
    Jws(Box<Signed>),
    /// A JSON web token whose claims bind the request.
    Jwt(Box<Jwt>),
    /// A static secret somewhere in the request.
    Token(TokenAuth),
    /// `Authorization: Basic`, RFC 7617; the secret is `user:password`.
    Basic,
    /// Nothing. Everybody who knows the URL is believed.
    None,
}

impl Auth {
    /// The kind of proof by the signed thing's kind.
    pub(crate) fn of(signed: Signed) -> Self {
        let kind = signed.kind;
        let signed = Box::new(signed);
        match kind {
            SignedKind::Mac => Self::Mac(signed),
            SignedKind::Hash => Self::Hash(signed),
            SignedKind::Sign => Self::Sign(signed),
            SignedKind::Jws => Self::Jws(signed),
        }
    }

    pub(crate) fn signed(&self) -> Option<&Signed> {
        match self {
            Self::Mac(signed) | Self::Hash(signed) | Self::Sign(signed) | Self::Jws(signed) => Some(signed),
            _ => None,
        }
    }

    /// How the signed URL may differ from the configured one.
    pub(crate) fn url_variants(&self) -> &[UrlVariant] {
        match self {
            Self::Jwt(jwt) => &jwt.url_variants,
            _ => self.signed().map_or(&[], |signed| &signed.url_variants),
        }
    }

    /// The form of the secret, where that can differ.
    pub(crate) fn secret(&self) -> Option<&SecretForm> {
        match self {
            Self::Jwt(jwt) => Some(&jwt.secret),
            _ => self.signed().map(|signed| &signed.secret),
        }
    }
}

/// A signature over bytes of the request.
#[derive(Debug, Clone)]
pub struct Signed {
    pub(crate) kind: SignedKind,
    pub(crate) algorithm: Algorithm,
    /// What is signed; any of them may fit.
    pub(crate) templates: Vec<Template>,
    /// Labelled items beside signatures and time are looked at.
    pub(crate) keeps_items: bool,
    /// Where the body stands in the one template, if it can be hashed as it arrives.
    pub(crate) streams_at: Option<usize>,
    pub(crate) signature: Signature,
    pub(crate) secret: SecretForm,
    pub(crate) time: Option<Time>,
    /// The header of the signed id, where the template has one.
    pub(crate) id_header: Option<HeaderName>,
    pub(crate) listed: Option<Listed>,
    /// The batch whose elements are each signed.
    pub(crate) each: Option<Pointer>,
    /// How the signed URL may differ from the configured one.
    pub(crate) url_variants: Vec<UrlVariant>,
}

/// What the signature is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignedKind {
    Mac,
    Hash,
    Sign,
    Jws,
}

/// Where a signature is and how it is written.
#[derive(Debug, Clone)]
pub(crate) struct Signature {
    pub(crate) from: SignatureFrom,
    pub(crate) may_repeat: bool,
    pub(crate) prefix: String,
    pub(crate) is_prefix_optional: bool,
    pub(crate) encoding: Encoding,
    pub(crate) list: Option<List>,
}

/// The places of a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SignatureFrom {
    Place(Place),
    /// Any of these headers.
    Headers(Vec<HeaderName>),
    /// The whole body is the token.
    Body,
}

/// How a header holds several signatures: `t=1,v1=ab,v1=cd`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct List {
    pub(crate) separator: String,
    /// Between label and value; without one items are told apart by position.
    pub(crate) pair: Option<String>,
    /// The accepted labels, the signer's first; items with others are passed over.
    #[serde(default)]
    pub(crate) labels: Vec<String>,
    /// Whether blanks around an item are dropped.
    #[serde(default)]
    pub(crate) trim: bool,
    /// Between whole lists.
    pub(crate) groups: Option<String>,
}

impl List {
    /// Whether an item can have this label once the list has been taken apart.
    pub(crate) fn can_hold(&self, label: &str) -> bool {
        let cuts = [Some(&self.separator), self.pair.as_ref(), self.groups.as_ref()];
        let is_cut = cuts.into_iter().flatten().any(|text| !text.is_empty() && label.contains(text.as_str()));
        let is_trimmed = self.trim && label.starts_with(' ');
        !is_cut && !is_trimmed
    }

    /// Whether items of this label are signatures.
    pub(crate) fn accepts(&self, label: &str) -> bool {
        self.accepts_any() || self.labels.iter().any(|accepted| accepted == label)
    }

    /// Whether the label is not one of a few but the sender's choice.
    pub(crate) fn accepts_any(&self) -> bool {
        self.labels.first().is_some_and(|accepted| accepted == "*")
    }
}

/// How a configured secret becomes a key.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecretForm {
    #[serde(default)]
    pub(crate) form: SecretEncoding,
    /// Taken off before decoding, if it is there.
    #[serde(default)]
    pub(crate) prefix: String,
    /// The form of a secret without the prefix, where that differs.
    pub(crate) unprefixed: Option<SecretEncoding>,
    /// What else is done to the secret.
    pub(crate) derive: Option<Derivation>,
    /// Between the key's public name and the secret.
    pub(crate) name: Option<String>,
    /// Where a request says which key of a set it means.
    pub(crate) kid: Option<Place>,
}

impl SecretForm {
    pub(crate) const RAW: Self = Self {
        form: SecretEncoding::Raw,
        prefix: String::new(),
        unprefixed: None,
        derive: None,
        name: None,
        kid: None,
    };
}

/// The encodings of a configured secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SecretEncoding {
    #[default]
    Raw,
    Base64,
    Hex,
    Pem,
    Spki,
    Jwks,
}

/// What a secret goes through before it is a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Derivation {
    /// Its SHA-1 is the key.
    Sha1,
    /// Its text is normalised to Unicode's form KD.
    Nfkd,
}

/// How the URL that was signed may differ from the configured one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum UrlVariant {
    Port,
    Slash,
    Quote,
}

/// Where the signed timestamp is and how far it may be from now.
#[derive(Debug, Clone)]
pub(crate) struct Time {
    pub(crate) from: TimeFrom,
    pub(crate) unit: TimeUnit,
    pub(crate) window: Window,
}

/// The places of a timestamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TimeFrom {
    Place(Place),
    /// The first of these headers that is there.
    Headers(Vec<HeaderName>),
    /// An item of a list without labels.
    Position(usize),
}

/// A JSON web token, whose claims bind the request.
#[derive(Debug, Clone)]
pub struct Jwt {
    /// The accepted algorithms, all for one kind of key.
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) from: SignatureFrom,
    pub(crate) prefix: String,
    pub(crate) secret: SecretForm,
    pub(crate) time: Option<Time>,
    /// The token must say when it expires.
    pub(crate) must_expire: bool,
    pub(crate) leeway_s: u16,
    pub(crate) url_variants: Vec<UrlVariant>,
}

/// A static secret at a place, after a prefix whose case does not matter (RFC 9110, section 11.1).
#[derive(Debug, Clone)]
pub struct TokenAuth {
    pub(crate) from: Place,
    pub(crate) prefix: String,
}
