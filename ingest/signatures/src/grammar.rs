//! The TOML of a provider file, and the contradictions that it may not have.

use std::time::Duration;

use http::{HeaderName, StatusCode};
use serde::Deserialize;

use crate::encoding::Encoding;
use crate::handshake::Handshake;
use crate::locator::{self, Locator};
use crate::mac::Function;
use crate::overrides::Setting;
use crate::scheme::{
    Auth, Confidence, Delivery, List, MacAuth, Reply, Scheme, SchemeError, SecretEncoding, SecretForm, Time, TimeFrom,
    TokenAuth, WhenLogAway,
};
use crate::template::Template;
use crate::window::{TimeUnit, Window};

/// The furthest a tolerance may reach, one day: beyond that a timestamp protects nothing.
const MAX_TOLERANCE_S: u32 = 86_400;

/// Bytes a scheme's name may have.
const MAX_NAME_BYTES: usize = 63;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grammar {
    name: String,
    title: String,
    source: String,
    confidence: Confidence,
    auth: AuthKind,
    #[serde(rename = "fn")]
    function: Option<Function>,
    signed: Option<String>,
    signature: Option<Signature>,
    secret: Option<SecretForm>,
    time: Option<TimeTable>,
    id: Option<Locator>,
    #[serde(rename = "type")]
    kind: Option<Locator>,
    key: Option<Locator>,
    handshake: Option<Handshake>,
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
    Token,
    Basic,
    None,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    from: SignatureFrom,
    #[serde(default)]
    prefix: String,
    encoding: Option<Encoding>,
    list: Option<List>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum SignatureFrom {
    #[serde(deserialize_with = "locator::header_name")]
    Header(HeaderName),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TimeTable {
    from: TimeFromTable,
    unit: TimeUnit,
    past_s: u32,
    future_s: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum TimeFromTable {
    #[serde(deserialize_with = "locator::header_name")]
    Header(HeaderName),
    Item(String),
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

/// Refuses a key that this kind of `auth` would not read: a key that is ignored is a promise that is not kept.
fn refuse<T>(value: Option<&T>, key: &'static str, auth: &str) -> Result<(), SchemeError> {
    match value {
        Some(_) => Err(contradiction(key, format!("auth = \"{auth}\" does not read it, take it out"))),
        None => Ok(()),
    }
}

impl Grammar {
    pub(crate) fn into_scheme(mut self, table: toml::Table) -> Result<Scheme, SchemeError> {
        check_name(&self.name)?;
        let auth = match self.auth {
            AuthKind::Mac => Auth::Mac(Box::new(self.mac()?)),
            AuthKind::Token => Auth::Token(self.token()?),
            AuthKind::Basic => self.without_signature("basic").map(|()| Auth::Basic)?,
            AuthKind::None => self.without_signature("none").map(|()| Auth::None)?,
        };
        let reply = reply(self.reply)?;
        Ok(Scheme {
            name: self.name,
            title: self.title,
            source_link: self.source,
            confidence: self.confidence,
            auth,
            id: self.id,
            kind: self.kind,
            key: self.key,
            handshake: self.handshake,
            reply,
            delivery: Delivery {
                deadline_ms: self.delivery.deadline_ms,
                retries: self.delivery.retries,
                when_log_away: self.delivery.when_log_away,
            },
            table,
        })
    }

    fn mac(&mut self) -> Result<MacAuth, SchemeError> {
        let function = self.function.ok_or_else(|| missing("fn", "write for example fn = \"hmac-sha256\""))?;
        let signed =
            self.signed.as_deref().ok_or_else(|| missing("signed", "write for example signed = \"{body}\""))?;
        let signed = Template::parse(signed).map_err(|problem| contradiction("signed", problem))?;
        let signature = self.signature.take().ok_or_else(|| {
            missing(
                "signature",
                "write for example signature = { from = { header = \"X-Signature\" }, encoding = \"hex\" }",
            )
        })?;
        let encoding =
            signature.encoding.ok_or_else(|| missing("signature.encoding", "write \"hex\" or \"base64\""))?;
        if let Some(list) = &signature.list {
            check_list(list)?;
            if !signature.prefix.is_empty() {
                return Err(contradiction(
                    "signature.prefix",
                    "a list's labels stand where a prefix would, keep one of both",
                ));
            }
        }
        let time = time(self.time.take(), signature.list.as_ref(), &signed)?;
        let id_header = self.signed_id(&signed)?;
        let SignatureFrom::Header(header) = signature.from;
        Ok(MacAuth {
            function,
            signed,
            header,
            prefix: signature.prefix,
            encoding,
            list: signature.list,
            secret: self.secret.take().unwrap_or(SecretForm { form: SecretEncoding::Raw, prefix: String::new() }),
            time,
            id_header,
        })
    }

    /// The header of the id that the template signs.
    fn signed_id(&self, signed: &Template) -> Result<Option<HeaderName>, SchemeError> {
        match (signed.uses_id(), &self.id) {
            (false, _) => Ok(None),
            (true, Some(Locator::Header(name))) => Ok(Some(name.clone())),
            (true, _) => Err(contradiction("id", "`signed` has {id}, so write id = { header = \"…\" }, one header")),
        }
    }

    fn token(&mut self) -> Result<TokenAuth, SchemeError> {
        self.without_mac("token")?;
        let signature = self.signature.take().ok_or_else(|| {
            missing(
                "signature",
                "write for example signature = { from = { header = \"Authorization\" }, prefix = \"Bearer \" }",
            )
        })?;
        refuse(signature.encoding.as_ref(), "signature.encoding", "token")?;
        refuse(signature.list.as_ref(), "signature.list", "token")?;
        let SignatureFrom::Header(header) = signature.from;
        Ok(TokenAuth { header, prefix: signature.prefix })
    }

    fn without_signature(&self, auth: &str) -> Result<(), SchemeError> {
        refuse(self.signature.as_ref(), "signature", auth)?;
        self.without_mac(auth)
    }

    fn without_mac(&self, auth: &str) -> Result<(), SchemeError> {
        refuse(self.function.as_ref(), "fn", auth)?;
        refuse(self.signed.as_ref(), "signed", auth)?;
        refuse(self.secret.as_ref(), "secret", auth)?;
        refuse(self.time.as_ref(), "time", auth)
    }
}

fn check_name(name: &str) -> Result<(), SchemeError> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.chars().all(good) {
        return Err(contradiction("name", format!("use 1 to {MAX_NAME_BYTES} of a-z, 0-9 and hyphens")));
    }
    Ok(())
}

fn check_list(list: &List) -> Result<(), SchemeError> {
    if list.separator.is_empty() || list.pair.is_empty() || list.separator == list.pair {
        return Err(contradiction("signature.list", "`separator` and `pair` must be two different texts"));
    }
    if list.labels.is_empty() {
        return Err(contradiction("signature.list.labels", "name at least one accepted label"));
    }
    Ok(())
}

fn time(table: Option<TimeTable>, list: Option<&List>, signed: &Template) -> Result<Option<Time>, SchemeError> {
    let table = match (table, signed.uses_timestamp()) {
        (None, false) => return Ok(None),
        (None, true) => return Err(missing("time", "`signed` has {timestamp}, so say where it is and its unit")),
        (Some(_), false) => {
            return Err(contradiction("time", "a timestamp that is not in `signed` protects nothing, take it out"));
        }
        (Some(table), true) => table,
    };
    let from = match table.from {
        TimeFromTable::Header(name) => TimeFrom::Header(name),
        TimeFromTable::Item(label) => match list {
            Some(list) if !list.labels.contains(&label) => TimeFrom::Item(label),
            Some(_) => return Err(contradiction("time.from", "its label is also a signature's label, use two labels")),
            None => return Err(contradiction("time.from", "an item needs a `signature.list` that it is an item of")),
        },
    };
    for (key, seconds) in [("time.past_s", table.past_s), ("time.future_s", table.future_s)] {
        if seconds == 0 || seconds > MAX_TOLERANCE_S {
            return Err(contradiction(key, format!("use 1 to {MAX_TOLERANCE_S} seconds")));
        }
    }
    let window = Window {
        past: Duration::from_secs(u64::from(table.past_s)),
        future: Duration::from_secs(u64::from(table.future_s)),
    };
    Ok(Some(Time { from, unit: table.unit, window }))
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
