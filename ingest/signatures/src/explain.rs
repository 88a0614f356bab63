//! Why a request was believed or not, for whoever sets a source up: the step that failed, and the bytes that were signed.

use std::cell::RefCell;

use crate::auth::Auth;
use crate::keys::Keys;
use crate::rejection::Rejection;
use crate::render::Parts;
use crate::rules::{self, Facts};
use crate::scheme::Scheme;
use crate::verify::{Head, Verified, verify};
use crate::whole;
use crate::window::UnixMillis;

/// What stands for the secret in bytes that are shown.
pub(crate) const MASK: &[u8] = b"{secret}";

/// Renderings that are kept: a template and URL each.
pub(crate) const MAX_SHOWN: usize = 8;

/// What became of a request, step by step.
#[derive(Debug)]
pub struct Explanation {
    /// The verdict, the same as [`verify`]'s.
    pub verdict: Result<Verified, Rejection>,
    /// The steps up to the one that failed, or all.
    pub steps: Vec<Step>,
    /// The bytes that were held against the signature, one text for each template and form of the URL. A secret that would be
    /// among them is masked.
    pub signed: Vec<Vec<u8>>,
}

/// One step of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// What was asked.
    pub name: &'static str,
    /// Whether it held, or why not.
    pub outcome: Result<(), Rejection>,
}

/// The verdict with its reasons. For people at a terminal: it costs more than [`verify`], and tells a caller nothing.
#[must_use]
pub fn explain(scheme: &Scheme, keys: &Keys, head: Head<'_>, body: &[u8], now: UnixMillis) -> Explanation {
    let shown = RefCell::new(Vec::new());
    let mut steps = vec![Step { name: "conditions on headers and query", outcome: rules::check_head(scheme, head) }];
    let form = match &scheme.auth {
        Auth::Mac(signed) | Auth::Hash(signed) | Auth::Sign(signed) | Auth::Jws(signed) => {
            whole::check_head(signed, head, now)
        }
        _ => scheme.begin(keys, head, now).map(drop),
    };
    steps.push(Step { name: "a proof in its form, its time near", outcome: form });
    let proven = match &scheme.auth {
        Auth::Mac(_) | Auth::Hash(_) | Auth::Sign(_) | Auth::Jws(_) => {
            whole::trace(scheme, keys, head, body, now, &shown)
        }
        _ => scheme.begin(keys, head, now).and_then(|verifier| verifier.prove(body)),
    };
    let outcome = proven.as_ref().map(drop).map_err(|error| *error);
    steps.push(Step { name: "made with a key of this source", outcome });
    if let Ok(proven) = &proven {
        let facts = Facts { scheme, head, body, token: proven.token.as_ref(), key: proven.key };
        steps.push(Step { name: "conditions and bound hashes", outcome: rules::check(&facts) });
    }
    let last = steps.iter().position(|step| step.outcome.is_err()).map_or(steps.len(), |place| place + 1);
    steps.truncate(last);
    Explanation { verdict: verify(scheme, keys, head, body, now), steps, signed: shown.into_inner() }
}

impl Parts<'_> {
    /// The same with a mask where the secret would be.
    pub(crate) fn masked(&self) -> Self {
        Self { secret: MASK, ..*self }
    }
}
