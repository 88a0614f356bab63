//! A source's secrets: where each is, from when on and until when it is believed, and which of them are alive now.

use std::path::PathBuf;

use hooklog_process::secret::{Secret, SecretError, SecretRef};
use hooklog_schemas::Timestamp;
use hooklog_signatures::{KeyError, Keys, Scheme, builtin};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The last moment that can be written, in milliseconds since 1970: the end of the year 9999. More is most likely milliseconds that
/// were taken for seconds.
const LAST_MS: i64 = 253_402_300_799_999;

/// One secret and the name it is known by in logs, metrics and records.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Table", into = "Table")]
pub struct SecretConfig {
    /// Its name: a date, a version. Not secret.
    pub id: String,
    /// Where it is.
    pub at: SecretRef,
    /// When it is believed.
    pub life: Life,
    /// Whether its provider tells it in a handshake: its file may be missing until then.
    pub captured: bool,
}

/// From when on and until when a secret is believed, both ends included; without end where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Life {
    /// The first moment.
    pub not_before: Option<Timestamp>,
    /// The last moment.
    pub not_after: Option<Timestamp>,
}

/// Why an entry of `secrets` can't be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// It says nothing or two things of where the secret is.
    #[error("secret {id:?}: say where it is by one of `file` and `env`")]
    Place {
        /// The secret's name.
        id: String,
    },
    /// What a handshake tells can be kept in a file only.
    #[error("secret {id:?}: captured = true needs `file`, where the secret is written once its provider tells it")]
    Captured {
        /// The secret's name.
        id: String,
    },
    /// A moment that is none.
    #[error(
        "secret {id:?}: {key} = {given} is no point in time: write it with its zone (\"2026-12-31T00:00:00Z\") or as UNIX seconds"
    )]
    Moment {
        /// The secret's name.
        id: String,
        /// `not_before` or `not_after`.
        key: &'static str,
        /// As given.
        given: String,
    },
    /// It ends before it begins.
    #[error("secret {id:?} would never be believed: its not_after lies before its not_before")]
    Never {
        /// The secret's name.
        id: String,
    },
}

/// An entry of `secrets` as it is written.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Table {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    env: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<toml::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_after: Option<toml::Value>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    captured: bool,
}

impl TryFrom<Table> for SecretConfig {
    type Error = EntryError;

    fn try_from(table: Table) -> Result<Self, EntryError> {
        let id = table.id;
        let at = match (table.file, table.env) {
            (Some(file), None) => SecretRef::File(file),
            (None, Some(_)) if table.captured => return Err(EntryError::Captured { id }),
            (None, Some(name)) => SecretRef::Env(name),
            _ => return Err(EntryError::Place { id }),
        };
        let moment = |key, written: Option<toml::Value>| {
            let wrong = |written: &toml::Value| EntryError::Moment { id: id.clone(), key, given: written.to_string() };
            written.map(|written| moment(&written).ok_or_else(|| wrong(&written))).transpose()
        };
        let (not_before, not_after) = (moment("not_before", table.not_before)?, moment("not_after", table.not_after)?);
        if let (Some(first), Some(last)) = (not_before, not_after)
            && last < first
        {
            return Err(EntryError::Never { id });
        }
        Ok(Self { id, at, life: Life { not_before, not_after }, captured: table.captured })
    }
}

impl From<SecretConfig> for Table {
    fn from(secret: SecretConfig) -> Self {
        let (file, env) = match secret.at {
            SecretRef::File(file) => (Some(file), None),
            SecretRef::Env(name) => (None, Some(name)),
        };
        let written = |moment: Option<Timestamp>| moment.map(|moment| toml::Value::String(moment.rfc3339()));
        let Life { not_before, not_after } = secret.life;
        let (not_before, not_after) = (written(not_before), written(not_after));
        Self { id: secret.id, file, env, not_before, not_after, captured: secret.captured }
    }
}

/// RFC 3339 as text or as TOML's own kind of value, or UNIX seconds. A time without a zone is none: whose noon would it be?
fn moment(written: &toml::Value) -> Option<Timestamp> {
    let ms = match written {
        toml::Value::Integer(seconds) => seconds.checked_mul(1000)?,
        toml::Value::String(text) => rfc3339_ms(text)?,
        toml::Value::Datetime(datetime) => rfc3339_ms(&datetime.to_string())?,
        _ => return None,
    };
    (0..=LAST_MS).contains(&ms).then_some(Timestamp(ms))
}

fn rfc3339_ms(text: &str) -> Option<i64> {
    let parsed = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(parsed.unix_timestamp_nanos().div_euclid(1_000_000)).ok()
}

impl Life {
    /// Whether the secret is believed at `now`.
    #[must_use]
    pub fn is_alive(&self, now: Timestamp) -> bool {
        self.not_before.is_none_or(|first| first <= now) && self.not_after.is_none_or(|last| now <= last)
    }

    /// The first moment after `now` at which that changes.
    #[must_use]
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let ends = self.not_after.map(|last| Timestamp(last.0.saturating_add(1)));
        [self.not_before, ends].into_iter().flatten().filter(|&change| change > now).min()
    }
}

/// The secrets of one source, fetched: those that are believed, and those that will be or were.
pub struct Ring {
    held: Vec<Held>,
    /// One of them is still to be told by its provider.
    is_awaiting: bool,
}

struct Held {
    id: String,
    life: Life,
    secret: Secret,
}

/// Why a secret could not be fetched.
#[derive(Debug, thiserror::Error)]
#[error("secret {id:?}: {cause}")]
pub struct FetchError {
    id: String,
    cause: SecretError,
}

impl Ring {
    /// Fetches every secret, whether it is believed now or not. One that its provider is to tell may be missing.
    ///
    /// # Errors
    /// [`FetchError`] about the first that is not there or can be read by everybody.
    pub fn fetch(configured: &[SecretConfig]) -> Result<Self, FetchError> {
        let mut ring = Self { held: Vec::with_capacity(configured.len()), is_awaiting: false };
        for secret in configured {
            match secret.at.read() {
                Ok(fetched) => ring.held.push(Held { id: secret.id.clone(), life: secret.life, secret: fetched }),
                Err(cause) if secret.captured && is_missing(&cause) => ring.is_awaiting = true,
                Err(cause) => return Err(FetchError { id: secret.id.clone(), cause }),
            }
        }
        Ok(ring)
    }

    /// Whether a secret is still to be told by its provider.
    #[must_use]
    pub const fn is_awaiting(&self) -> bool {
        self.is_awaiting
    }

    /// The keys of all of them: what can't be used is found before its time comes.
    ///
    /// # Errors
    /// [`KeyError`] about the first that can't be used.
    pub fn keys(&self, scheme: &Scheme) -> Result<Keys, KeyError> {
        if self.held.is_empty() && self.is_awaiting {
            return Ok(no_keys());
        }
        Keys::new(scheme, self.held.iter().map(|held| (held.id.as_str(), held.secret.expose())))
    }

    /// The keys of those that are believed at `now`. There may be none: then nothing holds, whatever is signed.
    #[must_use]
    pub fn keys_at(&self, scheme: &Scheme, now: Timestamp) -> Keys {
        let alive = self.held.iter().filter(|held| held.life.is_alive(now));
        let keys = Keys::new(scheme, alive.map(|held| (held.id.as_str(), held.secret.expose())));
        keys.unwrap_or_else(|_| no_keys())
    }

    /// The names of those that are believed at `now`, in the order of the configuration.
    #[must_use]
    pub fn alive(&self, now: Timestamp) -> Vec<&str> {
        self.held.iter().filter(|held| held.life.is_alive(now)).map(|held| held.id.as_str()).collect()
    }

    /// The first moment after `now` at which one begins or ends to be believed.
    #[must_use]
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        self.held.iter().filter_map(|held| held.life.next_change(now)).min()
    }

    /// Whether another ring holds the same secrets for the same time under the same names.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let same = |(one, two): (&Held, &Held)| {
            one.id == two.id && one.life == two.life && one.secret.expose() == two.secret.expose()
        };
        self.is_awaiting == other.is_awaiting
            && self.held.len() == other.held.len()
            && self.held.iter().zip(&other.held).all(same)
    }
}

fn is_missing(error: &SecretError) -> bool {
    matches!(error, SecretError::File { cause, .. } if cause.kind() == std::io::ErrorKind::NotFound)
}

/// A set without a key, which no signature and no token is found in.
pub(crate) fn no_keys() -> Keys {
    let open = builtin("none").expect("the provider that reads no secret is built in; a test asks for every provider");
    Keys::new(open, std::iter::empty::<(&str, &[u8])>()).expect("a scheme that reads no secret takes none")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> Result<SecretConfig, String> {
        toml::from_str::<toml::Table>(text).unwrap().try_into().map_err(|error: toml::de::Error| error.to_string())
    }

    #[test]
    fn moments_are_read_as_text_as_tomls_own_and_as_seconds() {
        for (written, ms) in [
            ("\"2026-11-28T00:00:00Z\"", 1_795_824_000_000),
            ("2026-11-28T00:00:00Z", 1_795_824_000_000),
            ("2026-11-28T01:00:00.5+01:00", 1_795_824_000_500),
            ("\"2026-11-28T01:00:00+01:00\"", 1_795_824_000_000),
            ("1795824000", 1_795_824_000_000),
            ("0", 0),
        ] {
            let secret = entry(&format!("id = \"a\"\nenv = \"A\"\nnot_before = {written}")).unwrap();
            assert_eq!(secret.life.not_before, Some(Timestamp(ms)), "{written}");
            let shown = serde_json::to_value(&secret).unwrap();
            assert_eq!(serde_json::from_value::<SecretConfig>(shown).unwrap(), secret, "{written}");
        }
    }

    #[test]
    fn a_wrong_entry_is_named_with_its_mend() {
        for (text, words) in [
            ("id = \"a\"", &["\"a\"", "`file`", "`env`"][..]),
            ("id = \"a\"\nenv = \"A\"\nfile = \"a\"", &["one of `file` and `env`"]),
            ("id = \"a\"\nenv = \"A\"\nnot_befor = 1", &["not_befor", "not_before"]),
            ("id = \"a\"\nenv = \"A\"\nnot_after = \"tomorrow\"", &["not_after", "tomorrow", "2026-12-31T00:00:00Z"]),
            ("id = \"a\"\nenv = \"A\"\nnot_after = 2026-11-28", &["2026-11-28", "zone"]),
            ("id = \"a\"\nenv = \"A\"\nnot_after = 2026-11-28T00:00:00", &["zone"]),
            ("id = \"a\"\nenv = \"A\"\nnot_after = 1795824000000", &["1795824000000", "UNIX seconds"]),
            ("id = \"a\"\nenv = \"A\"\nnot_after = -1", &["-1"]),
            ("id = \"a\"\nenv = \"A\"\nnot_after = true", &["true"]),
            ("id = \"a\"\nenv = \"A\"\nnot_before = 2\nnot_after = 1", &["\"a\"", "never"]),
            ("id = \"a\"\nenv = \"A\"\ncaptured = true", &["\"a\"", "needs `file`"]),
        ] {
            let error = entry(text).unwrap_err();
            assert!(words.iter().all(|word| error.contains(word)), "{text} gave: {error}");
        }
    }

    #[test]
    fn a_life_has_both_its_ends_and_tells_when_it_changes() {
        let life = |first: Option<i64>, last: Option<i64>| Life {
            not_before: first.map(Timestamp),
            not_after: last.map(Timestamp),
        };
        for (life, now, is_alive, next) in [
            (life(None, None), 5, true, None),
            (life(Some(5), None), 4, false, Some(5)),
            (life(Some(5), None), 5, true, None),
            (life(None, Some(5)), 5, true, Some(6)),
            (life(None, Some(5)), 6, false, None),
            (life(Some(5), Some(5)), 4, false, Some(5)),
            (life(Some(5), Some(5)), 5, true, Some(6)),
            (life(Some(5), Some(9)), 10, false, None),
        ] {
            assert_eq!(life.is_alive(Timestamp(now)), is_alive, "{life:?} at {now}");
            assert_eq!(life.next_change(Timestamp(now)), next.map(Timestamp), "{life:?} at {now}");
        }
    }
}
