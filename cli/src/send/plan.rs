//! What is sent: events drawn by chance or fixed by an id, some of them again, some of them changed after they were signed.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use hooklog_process::random::Random;
use hooklog_process::secret::Secret;
use hooklog_signatures::{Auth, Key, Locator, Place, Sample, Scheme, UnixMillis, can_sign, sample, sign};
use sha2::{Digest, Sha256};

use crate::failure::Failure;
use crate::home::new_secret;

/// How many events back a duplicate may reach.
const RECENT_LIMIT: usize = 1000;

/// What the user wants of the events.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wishes {
    /// The type; the provider's usual one if not given.
    pub(crate) kind: Option<String>,
    /// The ordering key.
    pub(crate) key: Option<String>,
    /// The one event to send, however often.
    pub(crate) id: Option<String>,
    /// How many of a hundred repeat an earlier event.
    pub(crate) duplicates: u8,
    /// How many of a hundred are changed after they were signed.
    pub(crate) tamper: u8,
}

/// Makes one event after the other; shared by all that send.
pub(crate) struct Plan {
    scheme: &'static Scheme,
    key: Option<Key>,
    /// A key that the receiver does not know, for schemes that do not sign the body.
    strange: Option<Key>,
    wishes: Wishes,
    random: Random,
    recent: Mutex<VecDeque<u64>>,
}

/// One event, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shot {
    /// The event's id.
    pub(crate) id: String,
    /// Its type.
    pub(crate) kind: String,
    /// What order is kept for.
    pub(crate) key: Option<String>,
    /// All headers, the signature's too.
    pub(crate) headers: Vec<(String, String)>,
    /// The body.
    pub(crate) body: Bytes,
    /// Changed after it was signed.
    pub(crate) tampered: bool,
    /// Sent before.
    pub(crate) duplicate: bool,
}

impl Plan {
    /// For one provider and its secret.
    ///
    /// # Errors
    /// [`Failure::Usage`] when the provider can't do what is wished, [`Failure::Config`] when the secret is none of this scheme.
    pub(crate) fn new(
        scheme: &'static Scheme,
        secret: Option<Secret>,
        wishes: Wishes,
        random: Random,
    ) -> Result<Self, Failure> {
        let no = |why: &str| Failure::Usage(format!("provider {:?}: {why}", scheme.name));
        if sample(scheme, wishes.kind.as_deref(), wishes.key.as_deref(), 0).is_none() {
            return Err(no("there is no sample event of this type"));
        }
        if !can_sign(scheme) {
            return Err(no(
                "only the provider itself can sign its requests: the secret here is public, or more than a body and headers is signed",
            ));
        }
        if wishes.id.is_some() && !has_id(scheme) {
            return Err(no("its events have no id of their own, so --id can't fix one"));
        }
        if wishes.tamper > 0 && !scheme.is_authenticated() {
            return Err(no("nothing is signed, so nothing can be tampered with"));
        }
        let key = |id, secret: &[u8]| Key::new(id, secret, scheme).map_err(|error| Failure::Config(error.to_string()));
        let strange = match scheme.auth {
            Auth::Token(_) => Some(key("strange", new_secret(&random).as_bytes())?),
            Auth::Basic => Some(key("strange", format!("hooklog:{}", new_secret(&random)).as_bytes())?),
            _ => None,
        };
        let key = secret.map(|secret| key("send", secret.expose())).transpose()?;
        Ok(Self { scheme, key, strange, wishes, random, recent: Mutex::default() })
    }

    /// The next event, signed at `now_ms` (milliseconds since 1970).
    pub(crate) fn next(&self, now_ms: i64) -> Shot {
        let (seed, duplicate) = self.seed();
        let tampered = self.random.below(100) < u64::from(self.wishes.tamper);
        let kind = self.wishes.kind.as_deref();
        let mut sample = sample(self.scheme, kind, self.wishes.key.as_deref(), seed)
            .expect("a sample of this scheme and type was there when the plan was made");
        if let Some(id) = &self.wishes.id {
            rename(&mut sample, id);
        }
        let key = self.strange.as_ref().filter(|_| tampered).or(self.key.as_ref());
        let signature = sign(self.scheme, key, &sample.id, UnixMillis(now_ms), &sample.body);
        let mut headers = sample.headers;
        for (name, value) in signature {
            headers.retain(|(other, _)| !other.eq_ignore_ascii_case(&name));
            headers.push((name, value));
        }
        if tampered
            && self.strange.is_none()
            && let Some(last) = sample.body.last_mut()
        {
            *last ^= 1;
        }
        Shot {
            id: sample.id,
            kind: sample.kind,
            key: sample.key,
            headers,
            body: sample.body.into(),
            tampered,
            duplicate,
        }
    }

    /// What the event is drawn from, and whether one was before.
    fn seed(&self) -> (u64, bool) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = &self.wishes.id {
            let again = !recent.is_empty();
            recent.resize(1, 0);
            return (seed_of(id), again);
        }
        if !recent.is_empty() && self.random.below(100) < u64::from(self.wishes.duplicates) {
            let which = self.random.below(u64::try_from(recent.len()).unwrap_or(u64::MAX));
            return (recent[usize::try_from(which).unwrap_or(0)], true);
        }
        let seed = self.random.u64();
        if recent.len() == RECENT_LIMIT {
            recent.pop_front();
        }
        recent.push_back(seed);
        (seed, false)
    }
}

/// The same id gives the same event, on every machine.
fn seed_of(id: &str) -> u64 {
    let digest = Sha256::digest(id.as_bytes());
    u64::from_be_bytes(*digest.first_chunk().expect("a SHA-256 has 32 bytes"))
}

/// Gives a sample another id, wherever the provider writes it.
fn rename(sample: &mut Sample, id: &str) {
    let (old, new) = (serde_json::json!(sample.id).to_string(), serde_json::json!(id).to_string());
    if let Ok(body) = std::str::from_utf8(&sample.body) {
        sample.body = body.replace(&old, &new).into_bytes();
    }
    for (_, value) in sample.headers.iter_mut().filter(|(_, value)| *value == sample.id) {
        id.clone_into(value);
    }
    id.clone_into(&mut sample.id);
}

fn has_id(scheme: &Scheme) -> bool {
    scheme.id.as_ref().is_some_and(|id| {
        id.alternatives().iter().any(|place| matches!(place, Locator::At(Place::Header(_) | Place::Json(_))))
    })
}

#[cfg(test)]
mod tests {
    use hooklog_signatures::{Head, Keys, Rejection, builtin, verify};
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::*;

    const NOW_MS: i64 = 1_800_000_000_000;

    fn secret(provider: &str) -> Option<String> {
        match provider {
            "none" => None,
            "basic" => Some("hooklog:0123456789abcdef0123456789abcdef".to_owned()),
            "standard-webhooks" | "svix" => Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()),
            _ => Some("0123456789abcdef0123456789abcdef".to_owned()),
        }
    }

    fn plan(provider: &str, wishes: Wishes) -> Plan {
        let secret = secret(provider).map(|text| Secret::new(text.into_bytes()));
        Plan::new(builtin(provider).unwrap(), secret, wishes, Random::seeded(1)).unwrap_or_else(|f| panic!("{f}"))
    }

    fn verdict(provider: &str, shot: &Shot) -> Result<(), Rejection> {
        let scheme = builtin(provider).unwrap();
        let keys = Keys::new(scheme, secret(provider).map(|text| ("k", text))).unwrap();
        let headers: HeaderMap = shot
            .headers
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap()))
            .collect();
        let head = Head { method: "POST", path_and_query: "/in/x", headers: &headers };
        verify(scheme, &keys, head, &shot.body, UnixMillis(NOW_MS)).map(drop)
    }

    #[test]
    fn every_providers_events_verify_and_tampered_ones_do_not() {
        for provider in
            ["basic", "bearer", "github", "hmac", "none", "shopify", "slack", "standard-webhooks", "stripe", "svix"]
        {
            let good = plan(provider, Wishes::default());
            for _ in 0..20 {
                assert_eq!(verdict(provider, &good.next(NOW_MS)), Ok(()), "{provider}");
            }
            if provider != "none" {
                let bad = plan(provider, Wishes { tamper: 100, ..Wishes::default() }).next(NOW_MS);
                assert!(bad.tampered && verdict(provider, &bad).is_err(), "{provider}");
            }
        }
    }

    #[test]
    fn an_id_is_one_event_byte_for_byte() {
        for provider in ["github", "stripe", "shopify", "slack", "standard-webhooks"] {
            let wishes = Wishes { id: Some("evt_42".to_owned()), ..Wishes::default() };
            let (first, second) = (plan(provider, wishes.clone()).next(NOW_MS), plan(provider, wishes).next(NOW_MS));
            assert_eq!((first.id.as_str(), &first.body), ("evt_42", &second.body), "{provider}");
            assert_eq!(verdict(provider, &first), Ok(()), "{provider}");
            let in_body = std::str::from_utf8(&first.body).unwrap().contains("\"evt_42\"");
            let in_headers = first.headers.iter().any(|(_, value)| value == "evt_42");
            assert!(in_body || in_headers, "{provider}: the id is nowhere");
        }
    }

    #[test]
    fn shares_are_kept() {
        let plan = plan("github", Wishes { duplicates: 20, tamper: 10, ..Wishes::default() });
        let shots: Vec<Shot> = (0..2000).map(|_| plan.next(NOW_MS)).collect();
        let count = |what: fn(&Shot) -> bool| shots.iter().filter(|shot| what(shot)).count();
        assert!((300..500).contains(&count(|shot| shot.duplicate)));
        assert!((130..270).contains(&count(|shot| shot.tampered)));
        let mut ids = std::collections::HashSet::new();
        for shot in &shots {
            assert_eq!(ids.insert(shot.id.clone()), !shot.duplicate, "a duplicate repeats an id, nothing else does");
        }
    }

    #[test]
    fn what_can_not_be_wished_is_refused() {
        let refused = |provider: &str, wishes| {
            let secret = secret(provider).map(|text| Secret::new(text.into_bytes()));
            Plan::new(builtin(provider).unwrap(), secret, wishes, Random::seeded(1)).err().unwrap().to_string()
        };
        assert!(refused("none", Wishes { tamper: 1, ..Wishes::default() }).contains("nothing is signed"));
        let secret = Some(Secret::new(b"short".to_vec()));
        let short = Plan::new(builtin("github").unwrap(), secret, Wishes::default(), Random::seeded(1));
        assert!(short.err().unwrap().to_string().contains("too short"));
    }
}
