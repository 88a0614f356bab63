//! A source's keys that lie at a URL: one key set for all its requests, or the certificate that each request names.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use hooklog_schemas::{SourceName, Timestamp};
use hooklog_signatures::{CertificateRules, Head, Keys, Rejection, Scheme, UnixMillis, Verified, verify};
use tokio::sync::watch;

use crate::fetch::get::{GetError, Got};
use crate::fetch::kept::{Kept, LEAST_FRESH_MS, Made, fresh_ms, landed};
use crate::fetch::url::HttpsUrl;
use crate::fetch::{Fetcher, What, certified};
use crate::outcome::Outcome;
use crate::secret::{Life, no_keys};

/// How often a token that names an unknown key lets the key set be asked for anew, in milliseconds: whoever makes up names makes us ask
/// no more often.
pub const ASK_MS: i64 = 10_000;

/// Certificates of one source that are kept. Past it, those that can't be used go first, then the oldest.
pub const URL_LIMIT: usize = 16;

/// Certificates of one source that are fetched at once. Anybody can name one that is not kept.
pub const FLIGHT_LIMIT: usize = 4;

/// What the key of a set is called in records and logs.
const SET_ID: &str = "keys-url";

/// Where a source's keys lie, and what of them is kept.
pub struct Remote {
    source: SourceName,
    scheme: Scheme,
    place: Place,
}

enum Place {
    Set { url: HttpsUrl, kept: Arc<Kept>, asked_at_ms: Mutex<Option<i64>> },
    Named(Mutex<BTreeMap<String, Arc<Kept>>>),
}

/// What is not there now, and may be when the sender comes again.
const AWAY: Outcome = Outcome::KeysAway;

impl Remote {
    /// The key set at this URL.
    #[must_use]
    pub fn set(source: &SourceName, scheme: &Scheme, url: HttpsUrl) -> Self {
        let place = Place::Set { url, kept: Arc::default(), asked_at_ms: Mutex::default() };
        Self { source: source.clone(), scheme: scheme.clone(), place }
    }

    /// The certificates that requests name.
    #[must_use]
    pub fn named(source: &SourceName, scheme: &Scheme) -> Self {
        Self { source: source.clone(), scheme: scheme.clone(), place: Place::Named(Mutex::default()) }
    }

    /// What a request's head is judged with. Nobody waits here.
    ///
    /// # Errors
    /// [`Outcome::KeysAway`] while the key set is not there.
    pub(crate) fn keys(&self, fetcher: &Fetcher) -> Result<Arc<Keys>, Outcome> {
        match &self.place {
            Place::Set { kept, .. } => kept.usable(fetcher.now_ms()).map(|made| made.keys).ok_or(AWAY),
            Place::Named(_) => Ok(Arc::new(no_keys())),
        }
    }

    /// Whether a head that these keys do not prove may be proven by others, so that the body must be read.
    pub(crate) fn may_prove_later(&self, keys: &Keys, head: Head<'_>, rejection: Rejection) -> bool {
        rejection == Rejection::Mismatch && self.scheme.names_unknown_key(keys, head, b"")
    }

    /// Judges a whole request anew that the keys at hand do not prove, with those that it names.
    ///
    /// # Errors
    /// [`Outcome::KeysAway`] when they can't be had now; the inner one says that the request is not believed.
    pub(crate) async fn prove(
        self: &Arc<Self>,
        fetcher: &Arc<Fetcher>,
        head: Head<'_>,
        body: &[u8],
        now: UnixMillis,
    ) -> Result<Result<Verified, Rejection>, Outcome> {
        let keys = match &self.place {
            Place::Named(_) => match self.scheme.key_url(head, body) {
                Ok(Some(url)) => self.certificate(fetcher, &url).await?,
                Ok(None) => return Ok(Err(Rejection::Missing)),
                Err(rejection) => return Ok(Err(rejection)),
            },
            Place::Set { .. } => {
                let keys = self.keys(fetcher)?;
                if self.scheme.names_unknown_key(&keys, head, body) { self.ask_again(fetcher).await? } else { keys }
            }
        };
        Ok(verify(&self.scheme, &keys, head, body, now))
    }

    /// Asks for the key set if it is time, in the background, and tells whether there is one.
    pub(crate) fn renew(self: &Arc<Self>, fetcher: &Arc<Fetcher>) {
        let Place::Set { url, kept, .. } = &self.place else { return };
        let now_ms = fetcher.now_ms();
        if kept.is_due(now_ms) {
            let _in_background = self.fly(fetcher, What::KeySet, url, kept);
        }
        let is_usable = kept.usable(now_ms).is_some();
        fetcher.metrics.key_set_usable.with_label_values(&[self.source.as_str()]).set(i64::from(is_usable));
    }

    /// Goes on with what an older form of the source has fetched, so far as it is asked for at the same places.
    pub(crate) fn adopt(&self, older: &Self) {
        let remake = |made: &Made| {
            let keys = Keys::new(&self.scheme, [(SET_ID, &made.bytes[..])]).ok()?;
            Some(Made { keys: Arc::new(keys), ..made.clone() })
        };
        match (&self.place, &older.place) {
            (Place::Set { url, kept, .. }, Place::Set { url: old_url, kept: old, .. }) if url == old_url => {
                kept.adopt(old, remake);
            }
            // Another provider's file may ask more of its certificates.
            (Place::Named(all), Place::Named(old)) if self.scheme.is_same(&older.scheme) => {
                let old = old.lock().unwrap_or_else(PoisonError::into_inner).clone();
                *all.lock().unwrap_or_else(PoisonError::into_inner) = old;
            }
            _ => {}
        }
    }

    /// The key set, asked for anew since a request names a key that it lacks: within [`ASK_MS`] once, for all who wait. In between nobody
    /// knows whether there is such a key: a provider that comes again is not turned away by a stranger who made up a name before it.
    async fn ask_again(self: &Arc<Self>, fetcher: &Arc<Fetcher>) -> Result<Arc<Keys>, Outcome> {
        let Place::Set { url, kept, asked_at_ms } = &self.place else { return Err(AWAY) };
        let now_ms = fetcher.now_ms();
        let may_ask = {
            let mut asked = asked_at_ms.lock().unwrap_or_else(PoisonError::into_inner);
            let may = asked.is_none_or(|at_ms| !(0..ASK_MS).contains(&now_ms.saturating_sub(at_ms)));
            if may {
                *asked = Some(now_ms);
            }
            may
        };
        let flight = if may_ask { self.fly(fetcher, What::KeySet, url, kept) } else { kept.flight().ok_or(AWAY)? };
        landed(flight).await;
        if kept.has_just_failed(fetcher.now_ms()) { Err(AWAY) } else { self.keys(fetcher) }
    }

    /// The keys of the certificate at this URL, which the provider's file allows.
    async fn certificate(self: &Arc<Self>, fetcher: &Arc<Fetcher>, text: &str) -> Result<Arc<Keys>, Outcome> {
        let url = HttpsUrl::try_from(text).map_err(|_| Outcome::Unverified(Rejection::Condition))?;
        let kept = self.place_of(text, fetcher.now_ms()).ok_or(AWAY)?;
        let now_ms = fetcher.now_ms();
        let flight = match kept.is_due(now_ms) {
            true => Some(self.fly(fetcher, What::Certificate, &url, &kept)),
            false => kept.flight(),
        };
        // What is old still serves while it is asked for anew.
        if let Some(flight) = flight.filter(|_| kept.usable(now_ms).is_none()) {
            landed(flight).await;
        }
        let made = kept.usable(fetcher.now_ms()).ok_or(AWAY)?;
        let is_alive = made.life.is_alive(Timestamp(fetcher.now_ms()));
        Ok(if is_alive { made.keys } else { Arc::new(no_keys()) })
    }

    /// Where a certificate is kept; none if too many are fetched already.
    fn place_of(&self, url: &str, now_ms: i64) -> Option<Arc<Kept>> {
        let Place::Named(all) = &self.place else { return None };
        let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = all.get(url) {
            return Some(Arc::clone(kept));
        }
        if all.values().filter(|kept| kept.is_flying()).count() >= FLIGHT_LIMIT {
            return None;
        }
        // What anybody named and nobody could use never takes the place of what is in use: it has places of its own.
        while all.len() >= URL_LIMIT + FLIGHT_LIMIT {
            let is_good = |kept: &Kept| kept.usable(now_ms).is_some_and(|made| made.keys.iter().len() > 0);
            let rank = |kept: &Kept| (kept.is_flying(), is_good(kept), kept.fetched_at_ms());
            let first = all.iter().min_by_key(|(_, kept)| rank(kept)).map(|(url, _)| url.clone())?;
            all.remove(&first);
        }
        let kept = Arc::<Kept>::default();
        all.insert(url.to_owned(), Arc::clone(&kept));
        Some(kept)
    }

    fn fly(
        self: &Arc<Self>,
        fetcher: &Arc<Fetcher>,
        what: What,
        url: &HttpsUrl,
        kept: &Arc<Kept>,
    ) -> watch::Receiver<()> {
        kept.fly(fetcher.now_ms(), || {
            let (remote, fetcher, url) = (Arc::clone(self), Arc::clone(fetcher), url.clone());
            async move {
                let source = remote.source.as_str();
                match fetcher.get(source, what, &url).await {
                    Ok(got) => remote.make(&fetcher, what, &url, got).await,
                    Err(error) => {
                        if fetcher.may_tell() {
                            tracing::warn!(source, what = what.label(), %url, %error, "the source's keys can't be fetched");
                        }
                        None
                    }
                }
            }
        })
    }

    /// Makes keys of what was fetched. A key set that is none is a failure: the one before stays in use. A certificate that is not believed
    /// is known as such, for a while.
    async fn make(&self, fetcher: &Fetcher, what: What, url: &HttpsUrl, got: Got) -> Option<Made> {
        let source = self.source.as_str();
        let refused = |error: &dyn std::fmt::Display| {
            fetcher.count(source, what, "unusable");
            if fetcher.may_tell() {
                tracing::error!(source, what = what.label(), %url, %error, "what was fetched can't be used");
            }
        };
        let made = |keys, life, fresh_ms| Made { keys: Arc::new(keys), life, bytes: got.bytes.clone(), fresh_ms };
        let fresh_ms = fresh_ms(got.max_age_s);
        match self.scheme.certificate_rules().filter(|_| what == What::Certificate) {
            None => match Keys::new(&self.scheme, [(SET_ID, &got.bytes[..])]) {
                Ok(keys) => Some(made(keys, Life::default(), fresh_ms)),
                Err(error) => {
                    refused(&error);
                    None
                }
            },
            Some(rules) => match self.certified(fetcher, rules, &got.bytes).await {
                Ok(Ok((keys, life))) => Some(made(keys, life, fresh_ms)),
                Ok(Err(error)) => {
                    refused(&error);
                    Some(made(no_keys(), Life::default(), LEAST_FRESH_MS))
                }
                Err(error) => {
                    refused(&error);
                    None
                }
            },
        }
    }

    async fn certified(
        &self,
        fetcher: &Fetcher,
        rules: CertificateRules<'_>,
        bytes: &[u8],
    ) -> Result<Result<(Keys, Life), certified::CertificateError>, GetError> {
        let trust = fetcher.client.trust().await?;
        Ok(certified::keys(&self.scheme, rules, bytes, &trust.roots, fetcher.now_ms()))
    }
}
