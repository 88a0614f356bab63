//! The TOML of a provider file: its keys, read into a scheme.

mod signing;
mod time;
mod handshake;
mod rules;

use std::collections::BTreeMap;

use http::StatusCode;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use crate::auth::{List, SecretForm, UrlVariant};
use crate::bind::{Bind, Condition, KeyUrl};
use crate::encoding::Encoding;
use crate::locator::Locator;
use crate::overrides::Setting;
use crate::place::{Place, PlaceError};
use crate::pointer::Pointer;
use crate::scheme::{Confidence, Delivery, Origin, Reply, Scheme, SchemeError, WhenLogAway};
use crate::settings::Settings;
use crate::template::Listed;
use crate::window::TimeUnit;

/// Every key that a provider file may have.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grammar {
    name: String,
    title: String,
    source: String,
    confidence: Confidence,
    auth: AuthKind,
    #[serde(rename = "fn")]
    function: Option<OneOrMore>,
    signed: Option<OneOrMore>,
    #[serde(default)]
    unsigned_body: bool,
    signature: Option<SignatureTable>,
    secret: Option<SecretForm>,
    time: Option<TimeTable>,
    headers_listed: Option<Listed>,
    payload: Option<PayloadTable>,
    each: Option<Pointer>,
    #[serde(default)]
    url_variants: Vec<UrlVariant>,
    jwt: Option<JwtTable>,
    #[serde(default)]
    require: Vec<Condition>,
    #[serde(default)]
    bind: Vec<Bind>,
    key_url: Option<KeyUrl>,
    keys_url: Option<String>,
    /// Where the topic is that a source may list.
    topic: Option<Place>,
    /// The parameters a source must set, and what they mean.
    #[serde(default)]
    params: BTreeMap<String, String>,
    #[serde(default)]
    settings: Settings,
    id: Option<Locator>,
    #[serde(rename = "type")]
    kind: Option<Locator>,
    key: Option<Locator>,
    #[serde(default)]
    handshake: Vec<handshake::HandshakeTable>,
    #[serde(default)]
    reply: ReplyTable,
    #[serde(default)]
    delivery: DeliveryTable,
    /// Settings that a source may choose for itself.
    #[serde(default)]
    pub(crate) open: Vec<Setting>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum AuthKind {
    Mac,
    Hash,
    Sign,
    Jws,
    Jwt,
    Token,
    Basic,
    None,
}

/// A text, or a list of texts.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn texts(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::More(texts) => texts,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureTable {
    from: Whence,
    #[serde(default)]
    multi: bool,
    #[serde(default)]
    prefix: String,
    #[serde(default)]
    prefix_optional: bool,
    encoding: Option<Encoding>,
    list: Option<List>,
}

/// A place, or what only signatures and times may name.
enum Whence {
    Place(Place),
    Headers(Vec<http::HeaderName>),
    Position(usize),
    Body,
}

impl<'de> Deserialize<'de> for Whence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = toml::Value::deserialize(deserializer)?;
        let table = value.as_table().filter(|table| table.len() == 1);
        if let Some(toml::Value::Array(names)) = table.and_then(|table| table.get("headers")) {
            let name = |value: &toml::Value| {
                let text = value.as_str().unwrap_or_default();
                text.parse().map_err(|_| D::Error::custom(PlaceError::Header(text.to_owned())))
            };
            return names.iter().map(name).collect::<Result<_, _>>().map(Self::Headers);
        }
        if let Some(position) = table.and_then(|table| table.get("position")) {
            let position = position.as_integer().and_then(|position| usize::try_from(position).ok());
            return position.map(Self::Position).ok_or_else(|| D::Error::custom("`position` counts items from 0"));
        }
        match value.as_str() {
            Some("body") => Ok(Self::Body),
            _ => Place::try_from(value).map(Self::Place).map_err(D::Error::custom),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TimeTable {
    from: Whence,
    unit: TimeUnit,
    past_s: u32,
    future_s: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PayloadTable {
    form: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JwtTable {
    expires: Option<bool>,
    leeway_s: Option<u16>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct ReplyTable {
    status: Option<u16>,
    body: Option<String>,
    content_type: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct DeliveryTable {
    deadline_ms: Option<u64>,
    retries: Option<String>,
    #[serde(default)]
    when_log_away: WhenLogAway,
}

fn missing(key: &'static str, mend: &str) -> SchemeError {
    SchemeError::Missing { key, mend: mend.to_owned() }
}

fn contradiction(key: &'static str, mend: impl Into<String>) -> SchemeError {
    SchemeError::Contradiction { key, mend: mend.into() }
}

impl Grammar {
    pub(crate) fn into_scheme(mut self, table: toml::Table) -> Result<Scheme, SchemeError> {
        rules::check_name(&self.name)?;
        let auth = self.auth()?;
        let handshakes = std::mem::take(&mut self.handshake);
        let handshakes =
            handshakes.into_iter().map(handshake::HandshakeTable::into_handshake).collect::<Result<_, _>>()?;
        let scheme = Scheme {
            reply: reply(self.reply)?,
            name: self.name,
            title: self.title,
            source_link: self.source,
            confidence: self.confidence,
            auth,
            id: self.id,
            kind: self.kind,
            key: self.key,
            handshakes,
            delivery: Delivery {
                deadline_ms: self.delivery.deadline_ms,
                retries: self.delivery.retries,
                when_log_away: self.delivery.when_log_away,
            },
            require: self.require,
            bind: self.bind,
            payload: self.payload.map(|payload| payload.form),
            key_url: self.key_url,
            keys_url: self.keys_url,
            topic: self.topic,
            params: self.params,
            settings: self.settings,
            is_body_unsigned: self.unsigned_body,
            table: Origin(table),
        };
        rules::check(&scheme)?;
        Ok(scheme)
    }
}

fn reply(table: ReplyTable) -> Result<Reply, SchemeError> {
    let status = StatusCode::from_u16(table.status.unwrap_or(200)).ok().filter(StatusCode::is_success);
    let status = status.ok_or_else(|| contradiction("reply.status", "use a success, 200 to 299"))?;
    let body = table.body.unwrap_or_default();
    if status == StatusCode::NO_CONTENT && !body.is_empty() {
        return Err(contradiction("reply.body", "a 204 has no body, use another status or take the body out"));
    }
    let content_type = table.content_type.unwrap_or_else(|| "text/plain; charset=utf-8".to_owned());
    if http::HeaderValue::from_str(&content_type).is_err() {
        return Err(contradiction(
            "reply.content_type",
            "it is no header value, write for example \"application/json\"",
        ));
    }
    Ok(Reply { status, body, content_type })
}
