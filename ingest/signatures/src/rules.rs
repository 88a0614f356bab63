//! What else must hold of a request: the scheme's conditions, and hashes that bind the body or the URL.

use crate::bind::{Bind, Bound, Condition, Expected, When, is_pinned};
use crate::form;
use crate::handshake;
use crate::keys::Key;
use crate::mac::Tag;
use crate::payload::{self, Body};
use crate::place::Place;
use crate::rejection::Rejection;
use crate::render::Parts;
use crate::scheme::Scheme;
use crate::token::Accepted;
use crate::verify::Head;
use crate::whole;

/// What is known of a request when its signature held.
pub(crate) struct Facts<'a> {
    pub(crate) scheme: &'a Scheme,
    pub(crate) head: Head<'a>,
    pub(crate) body: &'a [u8],
    pub(crate) token: Option<&'a Accepted<'a>>,
    pub(crate) key: Option<&'a Key>,
}

/// The conditions that the head alone decides.
pub(crate) fn check_head(scheme: &Scheme, head: Head<'_>) -> Result<(), Rejection> {
    for condition in &scheme.require {
        if matches!(condition.from, Place::Header(_) | Place::Query(_)) && condition.is != Expected::KeyName {
            let text = Parts::new(scheme, head).place(&condition.from)?;
            holds(scheme, condition, text.as_deref(), None)?;
        }
    }
    Ok(())
}

/// Every condition and binding.
pub(crate) fn check(facts: &Facts<'_>) -> Result<(), Rejection> {
    let scheme = facts.scheme;
    // What anybody can have hashed in a handshake is no event, whoever seems to have signed it.
    if scheme.hashes_for_anybody() && handshake::is_hashable(facts.body) {
        return Err(Rejection::Mismatch);
    }
    let is_free = scheme.require.is_empty() && scheme.bind.is_empty() && scheme.settings.topics.is_empty();
    if is_free && scheme.key_url.is_none() {
        return Ok(());
    }
    let body = Body::new(facts.head, facts.body, scheme.payload.as_deref())?;
    facts.key_url(&body)?;
    facts.is_expected(&body)?;
    for condition in &scheme.require {
        let texts = facts.texts(&body, &condition.from)?;
        if texts.is_empty() {
            holds(scheme, condition, None, facts.key)?;
        }
        for text in &texts {
            holds(scheme, condition, Some(text), facts.key)?;
        }
    }
    scheme.bind.iter().try_for_each(|bind| facts.is_bound(&body, bind))
}

impl Scheme {
    /// Where a request says that the certificate of its signature lies, for a scheme whose file names the hosts: https, one
    /// of the hosts, no user, no port. Whoever fetches it must follow no redirect; the keys are then made of what is there.
    ///
    /// # Errors
    /// [`Rejection`] when the request names none, or one elsewhere.
    pub fn key_url(&self, head: Head<'_>, body: &[u8]) -> Result<Option<String>, Rejection> {
        let parsed = Body::new(head, body, self.payload.as_deref())?;
        Facts { scheme: self, head, body, token: None, key: None }.key_url(&parsed)
    }
}

/// Whether all of a handshake's conditions hold.
pub(crate) fn all_hold(
    scheme: &Scheme,
    head: Head<'_>,
    body: &[u8],
    conditions: &[Condition],
) -> Result<bool, Rejection> {
    let facts = Facts { scheme, head, body, token: None, key: None };
    let parsed = Body::new(head, body, scheme.payload.as_deref())?;
    for condition in conditions {
        let texts = facts.texts(&parsed, &condition.from)?;
        let held = match texts.first() {
            None => holds(scheme, condition, None, None),
            Some(_) => texts.iter().try_for_each(|text| holds(scheme, condition, Some(text), None)),
        };
        if held.is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Facts<'_> {
    /// The URL at which the request says its certificate lies, if it is on a pinned host.
    fn key_url(&self, body: &Body<'_>) -> Result<Option<String>, Rejection> {
        let Some(key_url) = &self.scheme.key_url else { return Ok(None) };
        let named = self.texts(body, &key_url.from)?.pop().ok_or(Rejection::Missing)?;
        if is_pinned(&named, &key_url.hosts) { Ok(Some(named)) } else { Err(Rejection::Condition) }
    }

    /// Whether its topic is one that the source lists, if it lists any: a signature that all customers of a provider share tells nobody apart.
    fn is_expected(&self, body: &Body<'_>) -> Result<(), Rejection> {
        let (Some(place), topics) = (&self.scheme.topic, &self.scheme.settings.topics) else { return Ok(()) };
        if topics.is_empty() {
            return Ok(());
        }
        let named = self.texts(body, place)?;
        if !named.is_empty() && named.iter().all(|topic| topics.contains(topic)) {
            return Ok(());
        }
        Err(Rejection::Condition)
    }

    /// The texts at a place: several where a pointer means every element.
    pub(crate) fn texts(&self, body: &Body<'_>, place: &Place) -> Result<Vec<String>, Rejection> {
        let one = |text: Option<&str>| text.map(str::to_owned).into_iter().collect();
        match (place, self.token) {
            (Place::Json(pointer), _) => match payload::texts(body.payload(), pointer) {
                // No batch where one is looked for is nothing there.
                Err(Rejection::Missing) => Ok(Vec::new()),
                texts => texts,
            },
            (Place::Form(name), _) => Ok(one(body.field(name)?)),
            (Place::Claim(pointer), Some(token)) => payload::texts(&token.claims, pointer),
            (Place::Jose(pointer), Some(token)) => payload::texts(&token.jose, pointer),
            (Place::Header(_) | Place::Query(_), _) => {
                Ok(one(Parts::new(self.scheme, self.head).place(place)?.as_deref()))
            }
            _ => Ok(Vec::new()),
        }
    }

    fn is_bound(&self, body: &Body<'_>, bind: &Bind) -> Result<(), Rejection> {
        let text = self.texts(body, &bind.from)?.pop();
        let text = match (bind.when, text) {
            (When::NotForm, _) if form::is_form(self.head.headers) => return Ok(()),
            (When::NotEmpty, None) if self.body.is_empty() => return Ok(()),
            (When::NotEmpty, Some(_)) if self.body.is_empty() => return Err(Rejection::Mismatch),
            (_, Some(text)) => text,
            (_, None) => return Err(Rejection::Missing),
        };
        let matches = |bytes: &[u8]| match (bind.hash, bind.encoding) {
            (Some(digest), Some(encoding)) => encoding
                .decode(&text, digest.bytes())
                .is_some_and(|bound| Tag::of_digest(&digest.of(bytes)).matches(&bound)),
            _ => text.as_bytes() == bytes,
        };
        let held = match bind.of {
            Bound::Body => matches(self.body),
            Bound::Url => {
                let variants = self.scheme.auth.url_variants();
                let urls = whole::urls(self.scheme.settings.url.as_deref(), variants);
                urls.iter().any(|url| url.full(self.head).is_some_and(|full| matches(full.as_bytes())))
            }
        };
        if held { Ok(()) } else { Err(Rejection::Mismatch) }
    }
}

fn holds(scheme: &Scheme, condition: &Condition, text: Option<&str>, key: Option<&Key>) -> Result<(), Rejection> {
    // What is expected may be a token, so all texts are compared alike.
    let same = |expected: &str| {
        text.is_some_and(|text| Tag::sha256(text.as_bytes()).matches(&Tag::sha256(expected.as_bytes())))
    };
    let holds = match &condition.is {
        Expected::Text(expected) => same(expected),
        Expected::Param(name) => scheme.settings.params.get(name).is_some_and(|expected| same(expected)),
        Expected::KeyName => key.and_then(Key::name).is_some_and(same),
        Expected::Present => text.is_some_and(|text| !text.is_empty()),
        Expected::Absent => text.is_none(),
    };
    if holds { Ok(()) } else { Err(Rejection::Condition) }
}
