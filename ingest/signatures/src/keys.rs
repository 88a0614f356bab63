//! Configured secrets, decoded and keyed once. Nothing here can be printed; the secrets' bytes are overwritten when dropped.

use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use crate::algorithm::Algorithm;
use crate::auth::{Auth, Derivation, SecretEncoding, SecretForm};
use crate::digest::Digest;
use crate::mac::{Mac, Tag};
use crate::public::PublicKey;
use crate::scheme::Scheme;

/// The shortest secret, in bytes after decoding: 128 bits.
pub const MIN_SECRET_BYTES: usize = if cfg!(feature = "sabotage-short-secret") { 0 } else { 16 };

/// The longest secret, in bytes as configured.
pub const MAX_SECRET_BYTES: usize = 4096;

/// The longest key set, in bytes: certificates and sets of public keys are no secrets and longer.
pub const MAX_PUBLIC_BYTES: usize = 65_536;

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
    /// The public name that was configured in front of the secret.
    name: Option<String>,
    secret: Zeroizing<Vec<u8>>,
    proof: Proof,
}

/// What a request is held against.
pub(crate) enum Proof {
    /// Keyed once, cloned per request.
    Mac(Box<Mac>),
    /// The digest of a static secret.
    Digest(Tag),
    /// The secret itself is hashed or keyed per request.
    Secret,
    /// One public key, or a set.
    Public(Vec<PublicKey>),
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
    pub(crate) fn of_a_vector(id: &str, secret: &[u8], scheme: &Scheme) -> Result<Self, KeyError> {
        Self::with_minimum(id, secret, scheme, 1)
    }

    /// The name of the secret, safe to log.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The public name that the provider gives with the secret, where there is one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
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
        let form = scheme.auth.secret();
        let is_public = form
            .is_some_and(|form| matches!(form.form, SecretEncoding::Pem | SecretEncoding::Spki | SecretEncoding::Jwks));
        let secret = if is_public { secret.trim_ascii() } else { secret };
        check_text(id, secret, if is_public { MAX_PUBLIC_BYTES } else { MAX_SECRET_BYTES })?;
        let (name, secret) = split_name(id, secret, form)?;
        let digest = |form, good: &dyn Fn(&str) -> bool| {
            check_form(id, secret, form, good)?;
            Ok((Zeroizing::new(secret.to_vec()), Proof::Digest(Tag::sha256(secret))))
        };
        let (secret, proof) = match &scheme.auth {
            Auth::Mac(signed) | Auth::Hash(signed) | Auth::Sign(signed) | Auth::Jws(signed) => {
                prove(id, secret, &signed.secret, signed.algorithm)?
            }
            Auth::Jwt(jwt) => match jwt.algorithms[0] {
                Algorithm::Mac(_) => (decode(id, secret, &jwt.secret)?, Proof::Secret),
                public => prove(id, secret, &jwt.secret, public)?,
            },
            Auth::Token(_) => digest("visible ASCII text", &|text| text.bytes().all(|b| matches!(b, b' '..=b'~')))?,
            Auth::Basic => digest("`user:password` text", &|text| text.contains(':'))?,
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
        Ok(Self { id: Arc::from(id), name, secret, proof })
    }
}

/// The key's public name and its secret, which are configured in one.
fn split_name<'s>(
    id: &str,
    secret: &'s [u8],
    form: Option<&SecretForm>,
) -> Result<(Option<String>, &'s [u8]), KeyError> {
    let Some(between) = form.and_then(|form| form.name.as_deref()) else { return Ok((None, secret)) };
    let split = std::str::from_utf8(secret).ok().and_then(|text| text.split_once(between));
    let (name, secret) =
        split.filter(|(name, secret)| !name.is_empty() && !secret.is_empty()).ok_or_else(|| KeyError::Undecodable {
            id: id.to_owned(),
            form: "the key's public name and the secret with the provider's separator between them",
        })?;
    Ok((Some(name.to_owned()), secret.as_bytes()))
}

fn prove(
    id: &str,
    secret: &[u8],
    form: &SecretForm,
    algorithm: Algorithm,
) -> Result<(Zeroizing<Vec<u8>>, Proof), KeyError> {
    let Algorithm::Public(public) = algorithm else {
        let secret = decode(id, secret, form)?;
        let proof = match algorithm {
            Algorithm::Mac(function) => Proof::Mac(Box::new(Mac::keyed(function, &secret))),
            _ => Proof::Secret,
        };
        return Ok((secret, proof));
    };
    let text = std::str::from_utf8(secret).unwrap_or_default();
    let (keys, described) = match form.form {
        SecretEncoding::Pem => {
            (PublicKey::pem(text, public).map(|key| vec![key]), "a public key or certificate of this algorithm in PEM")
        }
        SecretEncoding::Spki => {
            let der = decode(id, secret, &SecretForm { form: SecretEncoding::Base64, ..form.clone() })?;
            (PublicKey::spki(&der, public).map(|key| vec![key]), "a public key of this algorithm in base64")
        }
        SecretEncoding::Jwks => (PublicKey::set(text, public), "a JSON Web Key Set with a key of this algorithm"),
        _ => (PublicKey::raw(&decode(id, secret, form)?).map(|key| vec![key]), "a public key of 32 bytes"),
    };
    let keys = keys.ok_or_else(|| KeyError::Undecodable { id: id.to_owned(), form: described })?;
    Ok((Zeroizing::new(secret.to_vec()), Proof::Public(keys)))
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
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Key> {
        self.0.iter()
    }

    #[cfg(test)]
    pub(crate) fn of_a_vector(keys: Vec<Key>) -> Self {
        Self(keys)
    }
}

fn check_id(id: &str) -> Result<(), KeyError> {
    if id.is_empty() || id.len() > MAX_KEY_ID_BYTES || id.chars().any(char::is_control) {
        return Err(KeyError::BadId { id: id.chars().take(MAX_KEY_ID_BYTES).collect() });
    }
    Ok(())
}

fn check_text(id: &str, secret: &[u8], limit: usize) -> Result<(), KeyError> {
    let id = || id.to_owned();
    if secret.iter().all(u8::is_ascii_whitespace) {
        return Err(KeyError::Empty { id: id() });
    }
    if secret.len() > limit {
        return Err(KeyError::TooLong { id: id(), limit });
    }
    if secret.trim_ascii().len() != secret.len() {
        return Err(KeyError::WhiteSpace { id: id() });
    }
    Ok(())
}

fn check_form(id: &str, secret: &[u8], form: &'static str, good: &dyn Fn(&str) -> bool) -> Result<(), KeyError> {
    match std::str::from_utf8(secret) {
        Ok(text) if good(text) => Ok(()),
        _ => Err(KeyError::Undecodable { id: id.to_owned(), form }),
    }
}

/// Providers show secrets in either alphabet, padded or not; what is meant is the same.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

fn decode(id: &str, secret: &[u8], form: &SecretForm) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let undecodable = |form| KeyError::Undecodable { id: id.to_owned(), form };
    let (bare, encoding) = match (secret.strip_prefix(form.prefix.as_bytes()), form.unprefixed) {
        (Some(bare), _) => (bare, form.form),
        (None, Some(unprefixed)) => (secret, unprefixed),
        (None, None) => (secret, form.form),
    };
    let decoded = Zeroizing::new(match encoding {
        SecretEncoding::Base64 => {
            let standard = bare.iter().map(|byte| match byte {
                b'-' => b'+',
                b'_' => b'/',
                other => *other,
            });
            let standard = Zeroizing::new(standard.collect::<Vec<u8>>());
            LENIENT.decode(&*standard).map_err(|_| undecodable("base64"))?
        }
        SecretEncoding::Hex => hex::decode(bare).map_err(|_| undecodable("hex"))?,
        _ => bare.to_vec(),
    });
    Ok(match form.derive {
        None => decoded,
        Some(Derivation::Sha1) => Zeroizing::new(Digest::Sha1.of(&decoded)),
        Some(Derivation::Nfkd) => {
            let text = std::str::from_utf8(&decoded).map_err(|_| undecodable("text in UTF-8"))?;
            Zeroizing::new(text.nfkd().collect::<String>().into_bytes())
        }
    })
}
