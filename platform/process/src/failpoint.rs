//! Places where a process can be told to die, as `kill -9` would: the tests prove what a crash there does to the data.
//!
//! They are compiled into every build, so that what is tested is what runs; unarmed, a hit is one relaxed load. The environment
//! variable `HOOKLOG_FAILPOINTS="sdk.after-write=kill@3,edge.acked=kill@1"` arms them at start: the process dies at the third hit of
//! the one, or at the first of the other.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

static ARMED: AtomicBool = AtomicBool::new(false);
static LEFT: OnceLock<Mutex<HashMap<String, u64>>> = OnceLock::new();

/// The variable that [`arm_from_environment`] reads.
pub const VARIABLE: &str = "HOOKLOG_FAILPOINTS";

/// Why a specification was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failpoint {0:?} is not of the form NAME=kill@N with N from 1")]
pub struct FailpointError(String);

/// Dies here if this is the hit that was asked for.
#[inline]
pub fn hit(name: &str) {
    if ARMED.load(Ordering::Relaxed) {
        hit_armed(name);
    }
}

#[cold]
fn hit_armed(name: &str) {
    let Some(left) = LEFT.get() else { return };
    let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(hits) = left.get_mut(name) {
        *hits -= 1;
        if *hits == 0 {
            // No destructor, no flush, no drain: the nearest a process can come to being killed from outside.
            std::process::abort();
        }
    }
}

/// Arms what the environment asks for. Once, at start.
///
/// # Errors
/// [`FailpointError`] when the variable can't be understood: a test that arms nothing would prove nothing.
pub fn arm_from_environment() -> Result<(), FailpointError> {
    match std::env::var(VARIABLE) {
        Ok(spec) => arm(&spec),
        Err(_) => Ok(()),
    }
}

/// Arms what `spec` asks for, see the module.
///
/// # Errors
/// [`FailpointError`] when it can't be understood.
pub fn arm(spec: &str) -> Result<(), FailpointError> {
    let points = parse(spec)?;
    let armed = !points.is_empty();
    let _ = LEFT.set(Mutex::new(points));
    ARMED.store(armed, Ordering::Relaxed);
    Ok(())
}

fn parse(spec: &str) -> Result<HashMap<String, u64>, FailpointError> {
    let point = |text: &str| {
        let (name, hits) = text.split_once("=kill@")?;
        let hits = hits.parse().ok().filter(|&hits: &u64| hits > 0)?;
        (!name.is_empty()).then(|| (name.to_owned(), hits))
    };
    let texts = spec.split(',').map(str::trim).filter(|text| !text.is_empty());
    texts.map(|text| point(text).ok_or_else(|| FailpointError(text.to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_specification_is_read_or_refused() {
        let points = parse("sdk.after-write=kill@3, edge.acked=kill@1").unwrap();
        assert_eq!(points["sdk.after-write"], 3);
        assert_eq!(points["edge.acked"], 1);
        assert!(parse("").unwrap().is_empty());
        for bad in ["x", "x=kill@0", "x=kill@", "=kill@1", "x=panic@1"] {
            assert_eq!(parse(bad), Err(FailpointError(bad.to_owned())), "{bad}");
        }
    }

    #[test]
    fn an_unarmed_hit_does_nothing() {
        hit("sdk.after-write");
    }
}
