//! Configured secrets, decoded and keyed once. Nothing here can be printed; the secrets' bytes are overwritten when dropped.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::mac::{Mac, Tag};
use crate::scheme::{Auth, Scheme, SecretEncoding, SecretForm};

/// The shortest secret, in bytes after decoding: 128 bits.
pub const MIN_SECRET_BYTES: usize = 16;

/// The longest secret, in bytes as configured.
pub const MAX_SECRET_BYTES: usize = 4096;

/// Secrets of one source that are alive at the same time. Each costs one more hash over every body.
pub const MAX_KEYS: usize = 8;

/// Bytes a key's id may have.
pub const MAX_KEY_ID_BYTES: usize = 64;

/// Why a configured secret is refused. The text names the key and the mend, never the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The key's own id is unusable.
    #[error("key id {id:?} is unusable: use 1 to {MAX_KEY_ID_BYTES} bytes without control characters")]
    BadId {
        /// The id, shortened.
        id: String,
    },
    /// Nothing, or nothing but blanks.
    #[error("secret of key `{id}` is empty: set it, or choose provider \"none\" if everybody may send")]
    Empty {
        /// The key.
        id: String,
    },
    /// A secret that could be guessed.
    #[error("secret of key `{id}` is too short: use at least {minimum} bytes, as random as possible")]
    TooShort {
        /// The key.
        id: String,
        /// Bytes needed, after decoding; of a `user:password` the password counts.
        minimum: usize,
    },
    /// A secret that is more likely a wrong file.
    #[error("secret of key `{id}` is longer than {limit} bytes: check that it is the right file")]
    TooLong {
        /// The key.
        id: String,
        /// Bytes allowed, as configured.
        limit: usize,
    },
    /// Blanks or line ends around the secret, most often from a file.
    #[error("secret of key `{id}` has white space at an end: take it out, no provider gives such a secret")]
    WhiteSpace {
        /// The key.
        id: String,
    },
    /// The secret is not in the form the provider gives it in.
    #[error("secret of key `{id}` is not {form}: copy it again as the provider shows it")]
    Undecodable {
        /// The key.
        id: String,
        /// The form it should have.
        form: &'static str,
    },
    /// Two keys with one id.
    #[error("key id `{id}` is given twice: give every secret its own id")]
    DuplicateId {
        /// The id.
        id: String,
    },
    /// A scheme that needs a secret has none.
    #[error("provider `{scheme}` has no secret: configure one, or choose provider \"none\" if everybody may send")]
    NoKey {
        /// The scheme.
        scheme: String,
    },
    /// A scheme that reads no secret has one.
    #[error("provider `{scheme}` reads no secret: take the secrets out or choose another provider")]
    UnusedKey {
        /// The scheme.
        scheme: String,
    },
    /// More secrets than are hashed per request.
    #[error("there are more than {limit} secrets: take the retired ones out")]
    TooMany {
        /// Keys allowed.
        limit: usize,
    },
}

/// One secret, ready for use.
pub struct Key {
    id: Arc<str>,
    secret: Zeroizing<Vec<u8>>,
    proof: Proof,
}

/// What a request is held against.
pub(crate) enum Proof {
    /// Keyed once, cloned per request.
    Mac(Box<Mac>),
    /// The digest of a static secret.
    Digest(Tag),
}

impl Key {
    /// A key from a secret as it is configured, for one scheme.
    ///
    /// # Errors
    /// [`KeyError`] when the secret is empty, short, long, or not in the scheme's form.
    pub fn new(id: &str, secret: &[u8], scheme: &Scheme) -> Result<Self, KeyError> {
        Self::with_minimum(id, secret, scheme, MIN_SECRET_BYTES)
    }

    /// Published vectors have short secrets.
    #[cfg(test)]
    pub(crate) fn of_a_vector(secret: &[u8], scheme: &Scheme) -> Result<Self, KeyError> {
        Self::with_minimum("vector", secret, scheme, 1)
    }

    /// The name of the secret, safe to log.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn shared_id(&self) -> Arc<str> {
        Arc::clone(&self.id)
    }

    pub(crate) fn proof(&self) -> &Proof {
        &self.proof
    }

    pub(crate) fn secret(&self) -> &[u8] {
        &self.secret
    }

    fn with_minimum(id: &str, secret: &[u8], scheme: &Scheme, minimum: usize) -> Result<Self, KeyError> {
        check_id(id)?;
        check_text(id, secret)?;
        let (secret, proof) = match &scheme.auth {
            Auth::Mac(mac) => {
                let secret = decode(id, secret, &mac.secret)?;
                let proof = Proof::Mac(Box::new(Mac::keyed(mac.function, &secret)));
                (secret, proof)
            }
            Auth::Token(_) => {
                check_form(id, secret, "visible ASCII text", |text| text.bytes().all(|b| matches!(b, b' '..=b'~')))?;
                (Zeroizing::new(secret.to_vec()), Proof::Digest(Tag::sha256(secret)))
            }
            Auth::Basic => {
                check_form(id, secret, "`user:password` text", |text| text.contains(':'))?;
                (Zeroizing::new(secret.to_vec()), Proof::Digest(Tag::sha256(secret)))
            }
            Auth::None => return Err(KeyError::UnusedKey { scheme: scheme.name.clone() }),
        };
        // The user's name is no secret, so it does not count.
        let user_bytes = match scheme.auth {
            Auth::Basic => secret.iter().position(|&byte| byte == b':').map_or(0, |colon| colon + 1),
            _ => 0,
        };
        if secret.len() - user_bytes < minimum {
            return Err(KeyError::TooShort { id: id.to_owned(), minimum });
        }
        Ok(Self { id: Arc::from(id), secret, proof })
    }
}

/// The secrets of one source that are alive: a request signed with any of them is believed.
pub struct Keys(Vec<Key>);

impl Keys {
    /// The keys of a source, from pairs of id and secret as configured. None for a scheme without authentication, one or
    /// more for every other.
    ///
    /// # Errors
    /// [`KeyError`] about the first bad key, a repeated id, or a wrong number of keys.
    pub fn new<I, S>(scheme: &Scheme, secrets: impl IntoIterator<Item = (I, S)>) -> Result<Self, KeyError>
    where
        I: AsRef<str>,
        S: AsRef<[u8]>,
    {
        let mut keys: Vec<Key> = Vec::new();
        for (id, secret) in secrets {
            let key = Key::new(id.as_ref(), secret.as_ref(), scheme)?;
            if keys.iter().any(|other| other.id == key.id) {
                return Err(KeyError::DuplicateId { id: key.id.to_string() });
            }
            if keys.len() == MAX_KEYS {
                return Err(KeyError::TooMany { limit: MAX_KEYS });
            }
            keys.push(key);
        }
        if keys.is_empty() && scheme.is_authenticated() {
            return Err(KeyError::NoKey { scheme: scheme.name.clone() });
        }
        Ok(Self(keys))
    }

    /// The keys, in the order they were configured.
    pub fn iter(&self) -> impl Iterator<Item = &Key> {
        self.0.iter()
    }

    #[cfg(test)]
    pub(crate) fn of_a_vector(key: Key) -> Self {
        Self(vec![key])
    }
}

fn check_id(id: &str) -> Result<(), KeyError> {
    if id.is_empty() || id.len() > MAX_KEY_ID_BYTES || id.chars().any(char::is_control) {
        return Err(KeyError::BadId { id: id.chars().take(MAX_KEY_ID_BYTES).collect() });
    }
    Ok(())
}

fn check_text(id: &str, secret: &[u8]) -> Result<(), KeyError> {
    let id = || id.to_owned();
    if secret.iter().all(u8::is_ascii_whitespace) {
        return Err(KeyError::Empty { id: id() });
    }
    if secret.len() > MAX_SECRET_BYTES {
        return Err(KeyError::TooLong { id: id(), limit: MAX_SECRET_BYTES });
    }
    if secret.trim_ascii().len() != secret.len() {
        return Err(KeyError::WhiteSpace { id: id() });
    }
    Ok(())
}

fn check_form(id: &str, secret: &[u8], form: &'static str, good: impl Fn(&str) -> bool) -> Result<(), KeyError> {
    match std::str::from_utf8(secret) {
        Ok(text) if good(text) => Ok(()),
        _ => Err(KeyError::Undecodable { id: id.to_owned(), form }),
    }
}

fn decode(id: &str, secret: &[u8], form: &SecretForm) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let bare = secret.strip_prefix(form.prefix.as_bytes()).unwrap_or(secret);
    let undecodable = |form| KeyError::Undecodable { id: id.to_owned(), form };
    let decoded = match form.form {
        SecretEncoding::Raw => bare.to_vec(),
        SecretEncoding::Base64 => STANDARD.decode(bare).map_err(|_| undecodable("base64"))?,
        SecretEncoding::Hex => hex::decode(bare).map_err(|_| undecodable("hex"))?,
    };
    Ok(Zeroizing::new(decoded))
}
