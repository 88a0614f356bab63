//! What one URL held when it was asked last, and the one fetch that renews it.
//!
//! ```text
//!   nothing ── a fetch ──▶ fresh ── its age ──▶ old ── KEEP ──▶ nothing
//!      ▲                     ▲                  │  it is used while it is asked for anew, and a failure changes nothing
//!      └── failed: not asked again for RETRY ───┘
//! ```
//!
//! Ages are wall time, as those who publish keys say them; a clock that was set back makes what is kept old.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use hooklog_signatures::Keys;
use tokio::sync::watch;

use crate::secret::Life;

/// How long what was fetched is fresh, where nobody says it, in milliseconds: an hour.
pub const FRESH_MS: i64 = 3_600_000;

/// The least it is fresh, whatever is said: a minute.
pub const LEAST_FRESH_MS: i64 = 60_000;

/// The longest it is fresh, whatever is said: a day. A key that was withdrawn is believed no longer than that and [`KEEP_MS`].
pub const LONGEST_FRESH_MS: i64 = 86_400_000;

/// How long the last good one is used after it was fresh, while nobody gives a newer: a day.
pub const KEEP_MS: i64 = 86_400_000;

/// How long a failure is remembered: nobody is asked more often than that.
pub const RETRY_MS: i64 = 5_000;

/// What was made of what a URL holds.
#[derive(Clone)]
pub(crate) struct Made {
    /// Ready to verify with; none where what is there can't be believed.
    pub(crate) keys: Arc<Keys>,
    /// When they are believed.
    pub(crate) life: Life,
    /// As it was fetched.
    pub(crate) bytes: bytes::Bytes,
    /// For how long it is fresh, in milliseconds.
    pub(crate) fresh_ms: i64,
}

/// One URL's.
#[derive(Default)]
pub(crate) struct Kept(Mutex<State>);

#[derive(Default, Clone)]
struct State {
    held: Option<(Made, i64)>,
    failed_at_ms: Option<i64>,
    /// Its sender is dropped when the fetch has ended.
    flight: Option<watch::Receiver<()>>,
}

/// Whether so much time has passed since then, or the clock was set back.
fn is_over(since_ms: i64, span_ms: i64, now_ms: i64) -> bool {
    !(0..span_ms).contains(&now_ms.saturating_sub(since_ms))
}

impl Kept {
    fn with<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What can be used now, fresh or not.
    pub(crate) fn usable(&self, now_ms: i64) -> Option<Made> {
        self.with(|state| {
            let (made, at_ms) = state.held.as_ref()?;
            (!is_over(*at_ms, made.fresh_ms.saturating_add(KEEP_MS), now_ms)).then(|| made.clone())
        })
    }

    /// Whether it is to be asked for: it is not there or no longer fresh, and the last failure was a while ago.
    pub(crate) fn is_due(&self, now_ms: i64) -> bool {
        self.with(|state| {
            let is_fresh = state.held.as_ref().is_some_and(|(made, at_ms)| !is_over(*at_ms, made.fresh_ms, now_ms));
            !is_fresh && !state.has_just_failed(now_ms)
        })
    }

    /// Whether the last fetch failed just now.
    pub(crate) fn has_just_failed(&self, now_ms: i64) -> bool {
        self.with(|state| state.has_just_failed(now_ms))
    }

    /// Whether it is being asked for.
    pub(crate) fn is_flying(&self) -> bool {
        self.flight().is_some()
    }

    /// The fetch that is under way.
    pub(crate) fn flight(&self) -> Option<watch::Receiver<()>> {
        self.with(|state| state.flight())
    }

    /// When it was fetched, in milliseconds since 1970, if ever.
    pub(crate) fn fetched_at_ms(&self) -> Option<i64> {
        self.with(|state| state.held.as_ref().map(|(_, at_ms)| *at_ms))
    }

    /// Joins the fetch that is under way, or begins one with `work`, which goes on whoever waits for it: what is returned ends with it.
    pub(crate) fn fly<F>(self: &Arc<Self>, now_ms: i64, work: impl FnOnce() -> F) -> watch::Receiver<()>
    where
        F: Future<Output = Option<Made>> + Send + 'static,
    {
        self.with(|state| {
            if let Some(flight) = state.flight() {
                return flight;
            }
            let (ends, flight) = watch::channel(());
            state.flight = Some(flight.clone());
            let (kept, work) = (Arc::clone(self), work());
            tokio::spawn(async move {
                let made = work.await;
                kept.with(|state| match made {
                    Some(made) => (state.held, state.failed_at_ms) = (Some((made, now_ms)), None),
                    None => state.failed_at_ms = Some(now_ms),
                });
                drop(ends);
            });
            flight
        })
    }

    /// Goes on with what another has, made anew by `make`.
    pub(crate) fn adopt(&self, older: &Self, make: impl FnOnce(&Made) -> Option<Made>) {
        let State { held, .. } = older.with(|state| state.clone());
        let held = held.and_then(|(made, at_ms)| Some((make(&made)?, at_ms)));
        self.with(|state| {
            if state.held.is_none() {
                state.held = held;
            }
        });
    }
}

impl State {
    fn has_just_failed(&self, now_ms: i64) -> bool {
        self.failed_at_ms.is_some_and(|at_ms| !is_over(at_ms, RETRY_MS, now_ms))
    }

    fn flight(&self) -> Option<watch::Receiver<()>> {
        self.flight.clone().filter(|flight| flight.has_changed().is_ok())
    }
}

/// Waits until a fetch has ended.
pub(crate) async fn landed(mut flight: watch::Receiver<()>) {
    // An error is the end: nothing is ever sent.
    let _ = flight.changed().await;
}

/// For how long an answer is fresh, in milliseconds, from what it says.
pub(crate) fn fresh_ms(max_age_s: Option<u64>) -> i64 {
    let said = max_age_s.map(|seconds| i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000));
    said.unwrap_or(FRESH_MS).clamp(LEAST_FRESH_MS, LONGEST_FRESH_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::no_keys;

    fn made(fresh_ms: i64) -> Option<Made> {
        Some(Made { keys: Arc::new(no_keys()), life: Life::default(), bytes: bytes::Bytes::new(), fresh_ms })
    }

    #[test]
    fn an_age_has_its_bounds() {
        let ages =
            [(None, FRESH_MS), (Some(0), LEAST_FRESH_MS), (Some(120), 120_000), (Some(u64::MAX), LONGEST_FRESH_MS)];
        for (said, fresh) in ages {
            assert_eq!(fresh_ms(said), fresh, "{said:?}");
        }
    }

    #[tokio::test]
    async fn what_is_kept_is_fresh_then_old_then_gone_and_a_clock_set_back_makes_it_old() {
        let kept = Arc::<Kept>::default();
        assert!(kept.is_due(0) && kept.usable(0).is_none());
        landed(kept.fly(0, || async { made(100) })).await;
        for (now_ms, is_due, is_usable) in [
            (0, false, true),
            (99, false, true),
            (100, true, true),
            (KEEP_MS + 99, true, true),
            (KEEP_MS + 100, true, false),
            (-1, true, false),
        ] {
            assert_eq!((kept.is_due(now_ms), kept.usable(now_ms).is_some()), (is_due, is_usable), "at {now_ms}");
        }
        landed(kept.fly(100, || async { None })).await;
        assert!(kept.usable(101).is_some() && !kept.is_due(101), "a failure changes nothing, and is remembered");
        assert!(kept.is_due(100 + RETRY_MS));
    }

    #[tokio::test]
    async fn a_fetch_that_breaks_down_does_not_bar_the_next() {
        let kept = Arc::<Kept>::default();
        let nothing = made(0).filter(|made| made.fresh_ms > 0);
        landed(kept.fly(0, || async { Some(nothing.expect("nothing, on purpose")) })).await;
        assert!(!kept.is_flying());
        landed(kept.fly(0, || async { made(100) })).await;
        assert!(kept.usable(1).is_some());
    }
}
