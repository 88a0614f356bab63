//! Events as providers send them, made from a seed: the same seed gives the same event.

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::locator::Locator;
use crate::place::Place;
use crate::pointer::Pointer;
use crate::scheme::Scheme;

/// An event to send. The headers lack what [`sign`](crate::sign()) gives: signature, timestamp and id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Content type, and the event's type and key where the provider has them in headers.
    pub headers: Vec<(String, String)>,
    /// The payload.
    pub body: Vec<u8>,
    /// The event's id, to be given to [`sign`](crate::sign()).
    pub id: String,
    /// The event's type.
    pub kind: String,
    /// The ordering key, where the scheme has one.
    pub key: Option<String>,
}

/// What a generated text looks like.
#[derive(Clone, Copy)]
enum Form {
    /// A prefix and so many letters and digits.
    Prefixed(&'static str, usize),
    /// A UUID of version 4.
    Uuid,
    /// A positive number.
    Number,
}

/// A real-shaped payload and what varies in it.
struct Model {
    payload: &'static str,
    kind: &'static str,
    id: Form,
    key: Form,
    /// What else an event has of its own.
    fills: &'static [(&'static str, Form)],
}

const GITHUB: Model = Model {
    payload: include_str!("../samples/github.json"),
    kind: "push",
    id: Form::Uuid,
    key: Form::Number,
    fills: &[],
};

const STRIPE: Model = Model {
    payload: include_str!("../samples/stripe.json"),
    kind: "charge.succeeded",
    id: Form::Prefixed("evt_", 24),
    key: Form::Prefixed("cus_", 14),
    fills: &[
        ("/data/object/id", Form::Prefixed("ch_", 24)),
        ("/data/object/payment_intent", Form::Prefixed("pi_", 24)),
        ("/data/object/amount", Form::Number),
        ("/request/idempotency_key", Form::Uuid),
    ],
};

const SHOPIFY: Model = Model {
    payload: include_str!("../samples/shopify.json"),
    kind: "orders/create",
    id: Form::Uuid,
    key: Form::Number,
    fills: &[("/order_number", Form::Number)],
};

const SLACK: Model = Model {
    payload: include_str!("../samples/slack.json"),
    kind: "message",
    id: Form::Prefixed("Ev", 10),
    key: Form::Prefixed("C", 10),
    fills: &[],
};

const STANDARD: Model = Model {
    payload: include_str!("../samples/standard.json"),
    kind: "user.created",
    id: Form::Prefixed("msg_", 24),
    key: Form::Prefixed("usr_", 14),
    fills: &[],
};

/// An event of this scheme, of its usual type and with a generated key unless they are given. None when the scheme wants
/// a type or key where no payload can have it: two pointers of which one leads through the other's scalar.
#[must_use]
pub fn sample(scheme: &Scheme, kind: Option<&str>, key: Option<&str>, seed: u64) -> Option<Sample> {
    let model = match scheme.name.as_str() {
        "github" => GITHUB,
        "stripe" => STRIPE,
        "shopify" => SHOPIFY,
        "slack" => SLACK,
        _ => STANDARD,
    };
    let mut draft = Draft {
        payload: serde_json::from_str(model.payload).ok()?,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
    };
    for (pointer, form) in model.fills {
        draft.set_pointer(&Pointer::parse(pointer).ok()?, &form.text(seed, pointer))?;
    }
    let id = model.id.text(seed, "id");
    let kind = kind.unwrap_or(model.kind).to_owned();
    let key = scheme.key.is_some().then(|| key.map_or_else(|| model.key.text(seed, "key"), str::to_owned));
    if let Some(place) = scheme.id.as_ref().filter(|place| place.first_header().is_none()) {
        draft.set(place, &id)?;
    }
    if let Some(place) = &scheme.kind {
        draft.set(place, &kind)?;
    }
    if let (Some(place), Some(key)) = (&scheme.key, &key) {
        draft.set(place, key)?;
    }
    Some(Sample { headers: draft.headers, body: draft.payload.to_string().into_bytes(), id, kind, key })
}

impl Form {
    /// A text of this form that only the seed and the purpose decide.
    fn text(self, seed: u64, purpose: &str) -> String {
        const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let bytes: [u8; 32] = Sha256::new().chain_update(seed.to_be_bytes()).chain_update(purpose).finalize().into();
        match self {
            Self::Prefixed(prefix, length) => {
                let letters = bytes.iter().take(length).map(|&byte| char::from(ALPHABET[usize::from(byte) % 62]));
                prefix.chars().chain(letters).collect()
            }
            Self::Uuid => {
                let mut hex = hex::encode(&bytes[..16]);
                hex.replace_range(12..13, "4");
                hex.replace_range(16..17, "a");
                format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
            }
            Self::Number => {
                let number = bytes.iter().take(4).fold(0_u64, |sum, &byte| sum << 8 | u64::from(byte));
                (number % 900_000 + 100_000).to_string()
            }
        }
    }
}

/// A payload being filled in.
struct Draft {
    payload: Value,
    headers: Vec<(String, String)>,
}

impl Draft {
    /// Puts a text where the locator will find it: where the payload has a scalar already, else at the first place.
    fn set(&mut self, place: &Locator, text: &str) -> Option<()> {
        let places: Vec<&Place> = place.places().collect();
        let there = places.iter().find(|place| match place {
            Place::Json(pointer) => self.payload.pointer(pointer.as_str()).is_some_and(|value| !value.is_object()),
            _ => false,
        });
        match (place.first_header(), there.or(places.first())) {
            (Some(name), _) => self.headers.push((name.to_string(), text.to_owned())),
            (None, Some(Place::Json(pointer))) => self.set_pointer(pointer, text)?,
            (None, _) => {}
        }
        Some(())
    }

    /// Sets a scalar, with the objects on the way; where a number stood, a number stays if the text is one.
    fn set_pointer(&mut self, pointer: &Pointer, text: &str) -> Option<()> {
        let (last, steps) = pointer.segments().split_last()?;
        let mut at = &mut self.payload;
        for step in steps {
            at = match at {
                Value::Array(items) => items.get_mut(step.index?)?,
                Value::Object(fields) => fields.entry(step.key.as_str()).or_insert_with(|| Value::Object(Map::new())),
                _ => return None,
            };
        }
        let slot = match at {
            Value::Array(items) => items.get_mut(last.index?)?,
            Value::Object(fields) => fields.entry(last.key.as_str()).or_insert(Value::Null),
            _ => return None,
        };
        let number = if slot.is_number() { text.parse::<u64>().ok() } else { None };
        *slot = number.map_or_else(|| Value::String(text.to_owned()), Value::from);
        Some(())
    }
}
