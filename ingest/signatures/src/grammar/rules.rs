//! What the keys of a provider file may not contradict together.

use super::contradiction;
use crate::auth::{Auth, SecretEncoding, SignatureFrom};
use crate::bind::{Bound, Condition, Expected, When};
use crate::handshake::Reaction;
use crate::locator::Locator;
use crate::place::Place;
use crate::scan::MAX_POINTERS;
use crate::scheme::{Scheme, SchemeError};
use crate::template::{Repeats, Source, Template};

/// Bytes a scheme's name may have.
const MAX_NAME_BYTES: usize = 63;

/// Conditions, bindings or handshakes a file may have.
const MAX_RULES: usize = 8;

pub(super) fn check_name(name: &str) -> Result<(), SchemeError> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.chars().all(good) {
        return Err(contradiction("name", format!("use 1 to {MAX_NAME_BYTES} of a-z, 0-9 and hyphens")));
    }
    Ok(())
}

/// Checks what no single key can know.
pub(super) fn check(scheme: &Scheme) -> Result<(), SchemeError> {
    if [scheme.require.len(), scheme.bind.len(), scheme.handshakes.len()].into_iter().any(|count| count > MAX_RULES) {
        return Err(contradiction(
            "require",
            format!("use at most {MAX_RULES} conditions, bindings and handshakes each"),
        ));
    }
    check_cover(scheme)?;
    check_bind(scheme)?;
    check_params(scheme)?;
    check_places(scheme)?;
    if let Some((key, problem)) = scheme.settings.problem(&scheme.params) {
        return Err(contradiction(key, problem));
    }
    let is_certified = scheme.auth.secret().is_some_and(|secret| secret.form == SecretEncoding::Pem);
    if scheme.key_url.is_some() && !is_certified {
        return Err(contradiction("key_url", "only a public key in PEM has a certificate to point at"));
    }
    if let Some(url) = &scheme.keys_url {
        if !scheme.takes_key_set() {
            return Err(contradiction("keys_url", "only a key set (form = \"jwks\") is published at a URL"));
        }
        if !url.starts_with("https://") {
            return Err(contradiction("keys_url", "write the whole https:// URL of the key set"));
        }
    }
    if !scheme.settings.topics.is_empty() && scheme.topic.is_none() {
        return Err(contradiction("topics", "the provider's file does not say where a topic is (`topic = \"/…\"`)"));
    }
    Ok(())
}

/// A signature that leaves the body out does not protect it: where a provider does that, its file must say so.
fn check_cover(scheme: &Scheme) -> Result<(), SchemeError> {
    let is_bound = scheme.bind.iter().any(|bind| bind.of == Bound::Body);
    let is_covered = match &scheme.auth {
        Auth::Jwt(jwt) => is_bound || jwt.from == SignatureFrom::Body,
        Auth::Token(_) | Auth::Basic | Auth::None => return Ok(()),
        _ => scheme.auth.signed().is_some_and(|signed| {
            signed.each.is_none() && (is_bound || signed.templates.iter().all(Template::covers_body))
        }),
    };
    match (is_covered, scheme.is_body_unsigned) {
        (false, false) => Err(contradiction(
            "signed",
            "add {body}: a signature that leaves the body out does not protect it; where the provider does so, say unsigned_body = true",
        )),
        (true, true) => Err(contradiction("unsigned_body", "the body is signed, take it out")),
        _ => Ok(()),
    }
}

fn check_bind(scheme: &Scheme) -> Result<(), SchemeError> {
    for bind in &scheme.bind {
        if bind.hash.is_some() != bind.encoding.is_some() {
            return Err(contradiction("bind.encoding", "`hash` and `encoding` go together"));
        }
        if bind.of == Bound::Body && bind.hash.is_none() {
            return Err(contradiction("bind.hash", "the body is bound by its hash, for example hash = \"sha256\""));
        }
        let in_all = |source: &Source| {
            scheme.auth.signed().is_some_and(|signed| signed.templates.iter().all(|template| template.uses(source)))
        };
        let is_signed = match (&bind.from, &scheme.auth) {
            (Place::Claim(_), Auth::Jwt(_)) | (Place::Jose(_), Auth::Jwt(_) | Auth::Jws(_)) => true,
            (place @ Place::Query(_), _) => in_all(&Source::Url) || in_all(&Source::At(place.clone())),
            (place, _) => in_all(&Source::At(place.clone())),
        };
        if !is_signed {
            return Err(contradiction("bind.from", "a hash that is not signed itself binds nothing"));
        }
        let sorted = [Repeats::Unique, Repeats::All, Repeats::Once].map(Source::FormSorted);
        if bind.when == When::NotForm && !sorted.iter().any(in_all) {
            return Err(contradiction("bind.when", "\"not-form\" needs a sorted form in `signed`"));
        }
    }
    Ok(())
}

fn check_params(scheme: &Scheme) -> Result<(), SchemeError> {
    let known = |name: &String| match scheme.params.contains_key(name) {
        true => Ok(()),
        false => Err(contradiction(
            "params",
            format!("{name:?} is used but not named: params = {{ {name} = \"what it is\" }}"),
        )),
    };
    let templates = scheme.auth.signed().map_or(&[][..], |signed| &signed.templates);
    for part in templates.iter().flat_map(Template::parts) {
        if let Source::Param(name) = &part.source {
            known(name)?;
        }
    }
    for condition in conditions(scheme) {
        if let Expected::Param(name) = &condition.is {
            known(name)?;
        }
    }
    Ok(())
}

fn conditions(scheme: &Scheme) -> impl Iterator<Item = &Condition> {
    scheme.require.iter().chain(scheme.handshakes.iter().flat_map(|handshake| &handshake.when))
}

/// Claims and token headers are only where there is a token, items only where signed bytes are put together.
fn check_places(scheme: &Scheme) -> Result<(), SchemeError> {
    let has_claims = matches!(scheme.auth, Auth::Jwt(_));
    let has_jose = has_claims || matches!(scheme.auth, Auth::Jws(_));
    let check = |key: &'static str, place: &Place, is_name: bool| match place {
        Place::Item(_) => Err(contradiction(key, "an item can be named in `signed`, `time` and `headers_listed` only")),
        Place::Claim(_) if !has_claims => Err(contradiction(key, "a claim needs auth = \"jwt\"")),
        Place::Jose(_) if is_name => Err(contradiction(key, "a token's header names no event, use a claim")),
        Place::Jose(_) if !has_jose => Err(contradiction(key, "a token's header needs auth = \"jwt\" or \"jws\"")),
        _ => Ok(()),
    };
    for condition in &scheme.require {
        check("require.from", &condition.from, false)?;
        let has_name = scheme.auth.secret().is_some_and(|secret| secret.name.is_some());
        if condition.is == Expected::KeyName && !has_name {
            return Err(contradiction("require.key_name", "keys have a name only with secret = { name = \":\" }"));
        }
    }
    if let Some(topic) = &scheme.topic {
        check("topic", topic, false)?;
    }
    let locators = [("id", &scheme.id), ("type", &scheme.kind), ("key", &scheme.key)];
    for (key, locator) in locators {
        for place in locator.iter().flat_map(|locator| locator.places()) {
            check(key, place, true)?;
        }
    }
    let named = locators.iter().flat_map(|(_, locator)| locator.iter()).flat_map(Locator::places);
    let signed = scheme.auth.signed().map_or(0, |signed| signed.templates.iter().flat_map(Template::parts).count());
    // One scan looks for so many at once; a signature and a time have two more.
    if named.count() > MAX_POINTERS || signed > MAX_POINTERS - 2 {
        return Err(contradiction(
            "id",
            format!("id, type and key name at most {MAX_POINTERS} places, `signed` fewer"),
        ));
    }
    check_handshakes(scheme)
}

fn check_handshakes(scheme: &Scheme) -> Result<(), SchemeError> {
    for handshake in &scheme.handshakes {
        let taken = match &handshake.reaction {
            Reaction::Fixed { capture, .. } => capture.as_ref(),
            Reaction::EchoText { value } | Reaction::EchoJson { value, .. } | Reaction::EchoHeader { value, .. } => {
                Some(value)
            }
            Reaction::Hashed { value, .. } | Reaction::Confirm { url: value, .. } => Some(value),
        };
        let places = handshake.when.iter().map(|condition| &condition.from).chain(taken);
        for place in places {
            if matches!(place, Place::Item(_) | Place::Claim(_) | Place::Jose(_)) {
                return Err(contradiction("handshake", "it looks at headers, the query, forms and the payload only"));
            }
        }
        if matches!(handshake.reaction, Reaction::Hashed { .. }) && !matches!(scheme.auth, Auth::Mac(_)) {
            return Err(contradiction("handshake.hmac", "it needs auth = \"mac\", whose key it is made with"));
        }
    }
    Ok(())
}
