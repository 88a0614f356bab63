//! The keys of a `[[handshake]]`.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue, Method, StatusCode};
use serde::Deserialize;

use super::contradiction;
use crate::bind::{Condition, HostPattern};
use crate::encoding::Encoding;
use crate::handshake::{Handshake, Hashed, Reaction, TEXT};
use crate::place::Place;
use crate::scheme::SchemeError;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HandshakeTable {
    method: Option<String>,
    #[serde(default)]
    when: Vec<Condition>,
    value: Option<Place>,
    field: Option<String>,
    header: Option<String>,
    hmac: Option<HashedTable>,
    status: Option<u16>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    unsigned: bool,
    body: Option<String>,
    content_type: Option<String>,
    capture: Option<Place>,
    confirm: Option<Place>,
    #[serde(default)]
    hosts: Vec<HostPattern>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HashedTable {
    field: String,
    encoding: Encoding,
    #[serde(default)]
    prefix: String,
}

impl HandshakeTable {
    pub(super) fn into_handshake(self) -> Result<Handshake, SchemeError> {
        let method = match self.method.as_deref() {
            None | Some("POST") => Method::POST,
            Some("GET") => Method::GET,
            Some("HEAD") => Method::HEAD,
            Some("OPTIONS") => Method::OPTIONS,
            Some(_) => return Err(contradiction("handshake.method", "use POST, GET, HEAD or OPTIONS")),
        };
        if method == Method::POST && self.when.is_empty() {
            return Err(contradiction("handshake.when", "a POST needs a condition that tells it from an event"));
        }
        let status = StatusCode::from_u16(self.status.unwrap_or(200)).ok().filter(StatusCode::is_success);
        let status = status.ok_or_else(|| contradiction("handshake.status", "use a success, 200 to 299"))?;
        let headers = self.headers.iter().map(|(name, value)| header(name, value)).collect::<Result<_, _>>()?;
        let reaction = self.reaction()?;
        Ok(Handshake { method, when: self.when, reaction, status, headers, is_unsigned: self.unsigned })
    }

    fn reaction(&self) -> Result<Reaction, SchemeError> {
        if self.confirm.is_some() == self.hosts.is_empty() {
            return Err(contradiction(
                "handshake.hosts",
                "name the hosts that `confirm` may be on; nothing else reads them",
            ));
        }
        if self.value.is_none() && (self.field.is_some() || self.header.is_some() || self.hmac.is_some()) {
            return Err(contradiction("handshake.value", "say where the value is that comes back"));
        }
        if self.body.is_some() && (self.value.is_some() || self.confirm.is_some()) {
            return Err(contradiction("handshake.body", "an answer is fixed or gives a value back, keep one of both"));
        }
        if self.content_type.is_some() && self.body.is_none() {
            return Err(contradiction("handshake.content_type", "only a fixed `body` has one to choose"));
        }
        if self.field.is_some() && self.header.is_some() {
            return Err(contradiction(
                "handshake.field",
                "a value comes back as a field or in a header, keep one of both",
            ));
        }
        let given = [self.value.is_some(), self.capture.is_some() && self.value.is_none(), self.confirm.is_some()];
        if given.into_iter().filter(|given| *given).count() > 1 {
            return Err(contradiction(
                "handshake.confirm",
                "a handshake confirms, captures or gives a value back, one of these",
            ));
        }
        if self.confirm.is_some() && self.unsigned {
            return Err(contradiction(
                "handshake.confirm",
                "a URL that nobody signed is never fetched, take `unsigned` out",
            ));
        }
        if let Some(place) = &self.confirm {
            return Ok(Reaction::Confirm { url: place.clone(), hosts: self.hosts.clone() });
        }
        let header = self.header.as_deref().map(|name| name.parse::<HeaderName>()).transpose();
        let header = header.map_err(|_| contradiction("handshake.header", "it is no header name"))?;
        let hashed = self.hmac.as_ref();
        let hashed = hashed.map(|hashed| Hashed {
            field: hashed.field.clone(),
            encoding: hashed.encoding,
            prefix: hashed.prefix.clone(),
        });
        Ok(match (&self.value, header, hashed) {
            (None, _, _) => {
                let content_type = self.content_type.as_deref().unwrap_or(TEXT).parse();
                let content_type =
                    content_type.map_err(|_| contradiction("handshake.content_type", "it is no header value"))?;
                Reaction::Fixed {
                    body: self.body.clone().unwrap_or_default(),
                    content_type,
                    capture: self.capture.clone(),
                }
            }
            (Some(value), Some(header), None) => {
                Reaction::EchoHeader { value: value.clone(), header, is_captured: self.capture.is_some() }
            }
            (Some(value), None, Some(hashed)) => {
                Reaction::Hashed { value: value.clone(), field: self.field.clone(), hashed }
            }
            (Some(_), Some(_), Some(_)) => {
                return Err(contradiction("handshake.hmac", "it comes back in a JSON object, take `header` out"));
            }
            (Some(value), None, None) => match &self.field {
                Some(field) => Reaction::EchoJson { value: value.clone(), field: field.clone() },
                None => Reaction::EchoText { value: value.clone() },
            },
        })
    }
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), SchemeError> {
    match (name.parse(), value.parse()) {
        (Ok(name), Ok(value)) => Ok((name, value)),
        _ => Err(contradiction("handshake.headers", format!("{name:?} = {value:?} is no header"))),
    }
}
