//! The keys that say what proves the sender, for each kind of `auth`.

use super::time::into_time;
use super::{AuthKind, Grammar, Whence, contradiction, missing};
use crate::algorithm::{self, Algorithm};
use crate::auth::{
    Auth, Jwt, List, SecretEncoding, SecretForm, Signature, SignatureFrom, Signed, SignedKind, Time, TimeFrom,
    TokenAuth,
};
use crate::encoding::Encoding;
use crate::locator::Locator;
use crate::place::Place;
use crate::scheme::SchemeError;
use crate::template::{Source, Template};

/// The furthest that `exp` and `nbf` may be overstepped.
const MAX_LEEWAY_S: u16 = 300;

/// What `exp`, `nbf` and `iat` may be overstepped by unless the file says otherwise: clocks differ.
const LEEWAY_S: u16 = 60;

/// Texts of which any may be what is signed: each costs one more hash over every body.
const MAX_TEMPLATES: usize = 4;

/// Refuses a key that this kind of `auth` would not read: a key that is ignored is a promise that is not kept.
fn refuse<T>(value: Option<&T>, key: &'static str, auth: &str) -> Result<(), SchemeError> {
    match value {
        Some(_) => Err(contradiction(key, format!("auth = \"{auth}\" does not read it, take it out"))),
        None => Ok(()),
    }
}

fn refuse_set<T>(values: &[T], key: &'static str, auth: &str) -> Result<(), SchemeError> {
    refuse(values.first(), key, auth)
}

impl Grammar {
    pub(super) fn auth(&mut self) -> Result<Auth, SchemeError> {
        if self.auth != AuthKind::Jwt {
            refuse(self.jwt.as_ref(), "jwt", "mac and the others")?;
        }
        match self.auth {
            AuthKind::Mac => self.signed(SignedKind::Mac, "hmac-sha256", &algorithm::MACS).map(Auth::of),
            AuthKind::Hash => self.signed(SignedKind::Hash, "sha256", &algorithm::HASHES).map(Auth::of),
            AuthKind::Sign => self.signed(SignedKind::Sign, "rsa-sha256", &algorithm::SIGNATURES).map(Auth::of),
            AuthKind::Jws => self.signed(SignedKind::Jws, "rs256", &algorithm::TOKENS).map(Auth::of),
            AuthKind::Jwt => Ok(Auth::Jwt(Box::new(self.jwt()?))),
            AuthKind::Token => Ok(Auth::Token(self.token()?)),
            AuthKind::Basic => self.without_signature("basic").map(|()| Auth::Basic),
            AuthKind::None => self.without_signature("none").map(|()| Auth::None),
        }
    }

    fn algorithms(&self, usual: &str, names: &[(&str, Algorithm)]) -> Result<Vec<Algorithm>, SchemeError> {
        let given =
            self.function.as_ref().ok_or_else(|| missing("fn", &format!("write for example fn = \"{usual}\"")))?;
        let named = |name: &String| algorithm::named(names, name).map_err(|problem| contradiction("fn", problem));
        let algorithms = given.texts().iter().map(named).collect::<Result<Vec<_>, _>>()?;
        match algorithms.split_first() {
            None => Err(contradiction("fn", "name at least one function")),
            Some((first, rest)) if rest.iter().all(|other| first.is_kin(*other)) => Ok(algorithms),
            Some(_) => {
                Err(contradiction("fn", "functions for different kinds of key can't stand together: write two files"))
            }
        }
    }

    fn signed(&mut self, kind: SignedKind, usual: &str, names: &[(&str, Algorithm)]) -> Result<Signed, SchemeError> {
        let algorithms = self.algorithms(usual, names)?;
        let [algorithm] = algorithms[..] else {
            return Err(contradiction("fn", "name one function: only a token says which one it was made with"));
        };
        let templates = self.templates()?;
        let signature = self.signature()?;
        let time = self.time(signature.list.as_ref(), &templates)?;
        let id_header = self.signed_id(&templates)?;
        let listed = self.headers_listed.take();
        let lists = templates.iter().any(|template| template.uses(&Source::HeadersListed));
        if lists != listed.is_some() {
            return Err(contradiction("headers_listed", "it and {headers_listed} in `signed` go together"));
        }
        let is_item = |place: &Place| matches!(place, Place::Item(_));
        let parts = templates.iter().flat_map(Template::parts);
        let keeps_items = parts.into_iter().any(|part| matches!(&part.source, Source::At(place) if is_item(place)))
            || listed.as_ref().is_some_and(|listed| is_item(&listed.from));
        Ok(Signed {
            kind,
            keeps_items,
            algorithm,
            streams_at: streams_at(&templates, &signature, time.as_ref()).filter(|_| self.each.is_none()),
            templates,
            signature,
            secret: self.secret(algorithm)?,
            time,
            id_header,
            listed,
            each: self.each.take(),
            url_variants: std::mem::take(&mut self.url_variants),
        })
    }

    fn templates(&self) -> Result<Vec<Template>, SchemeError> {
        let usual = if self.auth == AuthKind::Hash { "{secret}{body}" } else { "{body}" };
        let texts = self.signed.as_ref().map_or(&[][..], |signed| signed.texts());
        if texts.is_empty() || texts.len() > MAX_TEMPLATES {
            return Err(missing(
                "signed",
                &format!("write for example signed = \"{usual}\", or a list of up to {MAX_TEMPLATES}"),
            ));
        }
        let parse = |text: &String| Template::parse(text).map_err(|problem| contradiction("signed", problem));
        let templates = texts.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        for template in &templates {
            if template.uses(&Source::Secret) != (self.auth == AuthKind::Hash) {
                return Err(contradiction("signed", "{secret} stands in it exactly when auth = \"hash\""));
            }
            if self.auth != AuthKind::Jws
                && template.parts().any(|part| matches!(&part.source, Source::At(Place::Jose(_) | Place::Claim(_))))
            {
                return Err(contradiction("signed", "only a token has {claim:…} and {jose:…}"));
            }
        }
        Ok(templates)
    }

    fn signature(&mut self) -> Result<Signature, SchemeError> {
        let example = "write for example signature = { from = { header = \"X-Signature\" }, encoding = \"hex\" }";
        let table = self.signature.take().ok_or_else(|| missing("signature", example))?;
        let encoding = match (self.auth, table.encoding) {
            (AuthKind::Jws, None) => Encoding::Base64urlNopad,
            (AuthKind::Jws, Some(_)) => {
                return Err(contradiction("signature.encoding", "a JWS has its own, take it out"));
            }
            (_, Some(encoding)) => encoding,
            (_, None) => return Err(missing("signature.encoding", "write \"hex\" or \"base64\"")),
        };
        if let Some(list) = &table.list {
            check_list(list)?;
        }
        let from = match table.from {
            Whence::Place(Place::Item(_) | Place::Claim(_) | Place::Jose(_)) | Whence::Position(_) => {
                return Err(contradiction(
                    "signature.from",
                    "a signature is in a header, the query, a form or the payload",
                ));
            }
            Whence::Place(place) => SignatureFrom::Place(place),
            Whence::Headers(names) if names.is_empty() => {
                return Err(contradiction("signature.from", "name at least one header"));
            }
            Whence::Headers(names) => SignatureFrom::Headers(names),
            Whence::Body => {
                return Err(contradiction("signature.from", "only a token (auth = \"jwt\") is a whole body"));
            }
        };
        let is_header = matches!(from, SignatureFrom::Headers(_) | SignatureFrom::Place(Place::Header(_)));
        if table.multi && !is_header {
            return Err(contradiction("signature.multi", "only headers may come several times"));
        }
        if table.prefix_optional && table.prefix.is_empty() {
            return Err(contradiction("signature.prefix_optional", "there is no `prefix` that it could mean"));
        }
        Ok(Signature {
            from,
            may_repeat: table.multi,
            prefix: table.prefix,
            is_prefix_optional: table.prefix_optional,
            encoding,
            list: table.list,
        })
    }

    fn secret(&mut self, algorithm: Algorithm) -> Result<SecretForm, SchemeError> {
        let form = match self.secret.take() {
            Some(form) => form,
            None if algorithm.is_shared() => SecretForm::RAW,
            None => {
                return Err(missing(
                    "secret",
                    "say how the public key is given, for example secret = { form = \"pem\" }",
                ));
            }
        };
        let for_public = matches!(form.form, SecretEncoding::Pem | SecretEncoding::Spki | SecretEncoding::Jwks);
        let is_raw_key = algorithm == Algorithm::Public(algorithm::Public::Ed25519)
            && matches!(form.form, SecretEncoding::Hex | SecretEncoding::Base64);
        if algorithm.is_shared() == for_public && !is_raw_key {
            let forms = if for_public { "raw, base64 or hex" } else { "pem, spki or jwks" };
            return Err(contradiction("secret.form", format!("this function's key is given as {forms}")));
        }
        if form.unprefixed.is_some() && form.prefix.is_empty() {
            return Err(contradiction("secret.unprefixed", "there is no `prefix` that could be missing"));
        }
        if form.kid.is_some() && form.form != SecretEncoding::Jwks {
            return Err(contradiction("secret.kid", "only a key set (form = \"jwks\") has keys to choose from"));
        }
        if form.name.as_deref() == Some("") {
            return Err(contradiction("secret.name", "write what stands between name and secret, for example \":\""));
        }
        Ok(form)
    }

    /// The header of the id that a template signs.
    fn signed_id(&self, templates: &[Template]) -> Result<Option<http::HeaderName>, SchemeError> {
        let uses = templates.iter().any(|template| template.uses(&Source::Id));
        match (uses, &self.id) {
            (false, _) => Ok(None),
            (true, Some(Locator::At(Place::Header(name)))) => Ok(Some(name.clone())),
            (true, _) => Err(contradiction("id", "`signed` has {id}, so write id = { header = \"…\" }, one header")),
        }
    }

    fn jwt(&mut self) -> Result<Jwt, SchemeError> {
        let algorithms = self.algorithms("hs256", &algorithm::TOKENS)?;
        refuse(self.signed.as_ref(), "signed", "jwt")?;
        refuse(self.each.as_ref(), "each", "jwt")?;
        refuse(self.headers_listed.as_ref(), "headers_listed", "jwt")?;
        let example = "write for example signature = { from = { header = \"Authorization\" }, prefix = \"Bearer \" }";
        let table = self.signature.take().ok_or_else(|| missing("signature", example))?;
        refuse(table.encoding.as_ref(), "signature.encoding", "jwt")?;
        refuse(table.list.as_ref(), "signature.list", "jwt")?;
        let from = match table.from {
            Whence::Place(place @ (Place::Header(_) | Place::Query(_) | Place::Form(_) | Place::Json(_))) => {
                SignatureFrom::Place(place)
            }
            Whence::Body => SignatureFrom::Body,
            _ => {
                return Err(contradiction(
                    "signature.from",
                    "a token is in a header, the query, a form, the payload, or the body",
                ));
            }
        };
        let time = self.time.take().map(into_time).transpose()?;
        if time.as_ref().is_some_and(|time| !matches!(time.from, TimeFrom::Place(Place::Claim(_)))) {
            return Err(contradiction("time.from", "a token's time is a claim: from = { claim = \"/iat\" }"));
        }
        let jwt = self.jwt.take();
        let leeway_s = jwt.as_ref().and_then(|jwt| jwt.leeway_s).unwrap_or(LEEWAY_S);
        if leeway_s > MAX_LEEWAY_S {
            return Err(contradiction("jwt.leeway_s", format!("use at most {MAX_LEEWAY_S} seconds")));
        }
        Ok(Jwt {
            secret: self.secret(algorithms[0])?,
            algorithms,
            from,
            prefix: table.prefix,
            must_expire: jwt.and_then(|jwt| jwt.expires).unwrap_or(true),
            time,
            leeway_s,
            url_variants: std::mem::take(&mut self.url_variants),
        })
    }

    fn token(&mut self) -> Result<TokenAuth, SchemeError> {
        self.without_mac("token")?;
        let example = "write for example signature = { from = { header = \"Authorization\" }, prefix = \"Bearer \" }";
        let table = self.signature.take().ok_or_else(|| missing("signature", example))?;
        refuse(table.encoding.as_ref(), "signature.encoding", "token")?;
        refuse(table.list.as_ref(), "signature.list", "token")?;
        match table.from {
            Whence::Place(from @ (Place::Header(_) | Place::Query(_) | Place::Form(_) | Place::Json(_))) => {
                Ok(TokenAuth { from, prefix: table.prefix })
            }
            _ => Err(contradiction("signature.from", "a token is in a header, the query, a form or the payload")),
        }
    }

    fn without_signature(&self, auth: &str) -> Result<(), SchemeError> {
        refuse(self.signature.as_ref(), "signature", auth)?;
        self.without_mac(auth)
    }

    fn without_mac(&self, auth: &str) -> Result<(), SchemeError> {
        refuse(self.function.as_ref(), "fn", auth)?;
        refuse(self.signed.as_ref(), "signed", auth)?;
        refuse(self.secret.as_ref(), "secret", auth)?;
        refuse(self.time.as_ref(), "time", auth)?;
        refuse(self.each.as_ref(), "each", auth)?;
        refuse(self.headers_listed.as_ref(), "headers_listed", auth)?;
        refuse_set(&self.url_variants, "url_variants", auth)?;
        refuse_set(&self.bind, "bind", auth)?;
        if self.unsigned_body {
            return Err(contradiction("unsigned_body", format!("auth = \"{auth}\" never signs the body, take it out")));
        }
        Ok(())
    }
}

/// Only what needs nothing but the head beside the body, in one order, is hashed as it arrives.
fn streams_at(templates: &[Template], signature: &Signature, time: Option<&Time>) -> Option<usize> {
    let [template] = templates else { return None };
    let is_in_headers = matches!(&signature.from, SignatureFrom::Headers(_) | SignatureFrom::Place(Place::Header(_)));
    let is_timed_in_headers = time.is_none_or(|time| match &time.from {
        TimeFrom::Place(place) => matches!(place, Place::Header(_) | Place::Item(_)),
        TimeFrom::Headers(_) | TimeFrom::Position(_) => true,
    });
    // A signed URL may have variants.
    let has_url = template.uses(&Source::Url) || template.uses(&Source::UrlBase);
    template.streams_at().filter(|_| is_in_headers && is_timed_in_headers && !has_url)
}

fn check_list(list: &List) -> Result<(), SchemeError> {
    if list.separator.is_empty() || list.pair.as_ref().is_some_and(|pair| pair.is_empty() || *pair == list.separator) {
        return Err(contradiction("signature.list", "`separator` and `pair` must be two different texts"));
    }
    if list.pair.is_some() == list.labels.is_empty() {
        return Err(contradiction(
            "signature.list.labels",
            "name at least one accepted label where there is a `pair`, none where not",
        ));
    }
    if list.labels.iter().any(|label| !list.can_hold(label)) {
        return Err(contradiction(
            "signature.list.labels",
            "one with `separator` or `pair` in it, or a trimmed blank, is never found",
        ));
    }
    if list.accepts_any() && list.labels.len() > 1 {
        return Err(contradiction("signature.list.labels", "[\"*\"] accepts every label already"));
    }
    if list.groups.is_some() && list.pair.is_none() {
        return Err(contradiction(
            "signature.list.groups",
            "only items with labels can be told apart in groups, add `pair`",
        ));
    }
    if list.groups.as_ref().is_some_and(|groups| groups.is_empty() || *groups == list.separator) {
        return Err(contradiction("signature.list.groups", "it must differ from `separator`"));
    }
    Ok(())
}
