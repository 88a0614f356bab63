//! The bytes that a template says were signed, part by part into a sink.

use std::borrow::Cow;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::HeaderName;

use crate::form;
use crate::locator::{HeaderText, header_text};
use crate::payload::{Body, Values};
use crate::place::Place;
use crate::rejection::Rejection;
use crate::scheme::Scheme;
use crate::settings::Settings;
use crate::template::{Function, Listed, Part, Repeats, Segment, Source};
use crate::verify::Head;
use crate::whole::Url;

/// Headers that a request may list.
const MAX_LISTED: usize = 64;

/// What the parts of a template stand for.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'a> {
    pub(crate) head: Head<'a>,
    pub(crate) settings: &'a Settings,
    /// The public URL, in the variant that is tried.
    pub(crate) url: Option<&'a Url>,
    pub(crate) timestamp: &'a str,
    pub(crate) id: &'a str,
    /// The labelled items beside the signatures.
    pub(crate) items: &'a [(&'a str, &'a str)],
    pub(crate) secret: &'a [u8],
    pub(crate) listed: Option<&'a Listed>,
    /// The form field that holds the signature itself.
    pub(crate) own_field: Option<&'a str>,
    /// The body, if the template needs it.
    pub(crate) body: Option<&'a Body<'a>>,
    /// What the template's pointers found.
    pub(crate) values: Option<&'a Values<'a>>,
    /// What pointers into the token's header found.
    pub(crate) jose: Option<&'a Values<'a>>,
}

type Bytes<'a> = Cow<'a, [u8]>;

/// Feeds the segments' bytes to the sink.
pub(crate) fn render(segments: &[Segment], parts: &Parts<'_>, sink: &mut impl FnMut(&[u8])) -> Result<(), Rejection> {
    for segment in segments {
        match segment {
            Segment::Literal(text) => sink(text.as_bytes()),
            Segment::Part(part) => match (&part.source, part.functions.is_empty()) {
                // The two that every second scheme has are borrowed as they are.
                (Source::Timestamp, true) => sink(parts.timestamp.as_bytes()),
                (Source::Id, true) => sink(parts.id.as_bytes()),
                _ => sink(&parts.part(part)?.ok_or(Rejection::Missing)?),
            },
            Segment::Optional(alternatives) => {
                for alternative in alternatives {
                    if parts.has_all(alternative)? {
                        render(alternative, parts, sink)?;
                        break;
                    }
                }
            }
        }
    }
    Ok(())
}

impl<'a> Parts<'a> {
    /// What every request has.
    pub(crate) fn new(scheme: &'a Scheme, head: Head<'a>) -> Self {
        Self {
            head,
            settings: &scheme.settings,
            url: None,
            timestamp: "",
            id: "",
            items: &[],
            secret: &[],
            listed: None,
            own_field: None,
            body: None,
            values: None,
            jose: None,
        }
    }

    fn has_all(&self, segments: &[Segment]) -> Result<bool, Rejection> {
        for segment in segments {
            if let Segment::Part(part) = segment
                && self.source(&part.source)?.is_none_or(|bytes| bytes.is_empty())
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn part(&self, part: &Part) -> Result<Option<Bytes<'a>>, Rejection> {
        let Some(mut bytes) = self.source(&part.source)? else { return Ok(None) };
        for function in &part.functions {
            bytes = Cow::Owned(apply(*function, &bytes)?);
        }
        Ok(Some(bytes))
    }

    fn source(&self, source: &Source) -> Result<Option<Bytes<'a>>, Rejection> {
        let text = |text: &'a str| Ok(Some(Cow::Borrowed(text.as_bytes())));
        let own = |text: String| Ok(Some(Cow::Owned(text.into_bytes())));
        match source {
            Source::Body => Ok(self.body.map(|body| Cow::Borrowed(body.bytes))),
            Source::Payload => Ok(self.body.map(|body| Cow::Borrowed(body.payload()))),
            Source::Timestamp => text(self.timestamp),
            Source::Id => text(self.id),
            Source::Method => text(self.head.method),
            Source::Path => text(self.path()),
            Source::PathAndQuery => match (self.settings.url.as_ref(), form::query(self.head.path_and_query)) {
                (None, _) => text(self.head.path_and_query),
                (Some(_), None) => text(self.path()),
                (Some(_), Some(query)) => own(format!("{}?{query}", self.path())),
            },
            Source::Url => Ok(self.url.and_then(|url| url.full(self.head)).map(|url| Cow::Owned(url.into_bytes()))),
            Source::UrlBase => {
                Ok(self.url.and_then(|url| url.base.as_ref()).map(|base| Cow::Borrowed(base.as_bytes())))
            }
            Source::At(place) => self.place(place).map(|found| found.map(into_bytes)),
            Source::Param(name) => Ok(self.settings.params.get(name).map(|value| Cow::Borrowed(value.as_bytes()))),
            Source::Secret => Ok(Some(Cow::Borrowed(self.secret))),
            Source::FormSorted(repeats) => self.form_sorted(*repeats),
            Source::QuerySorted => self.query_sorted(),
            Source::HeadersListed => self.headers_listed().map(Some),
            Source::FormPhp => self.form_php(),
        }
    }

    /// The path as the provider knows it.
    fn path(&self) -> &'a str {
        let Some(url) = self.settings.url.as_deref() else {
            let target = self.head.path_and_query;
            return target.split_once('?').map_or(target, |(path, _)| path);
        };
        let after_scheme = url.find("://").map_or(0, |at| at + 3);
        url[after_scheme..].find('/').map_or("/", |at| &url[after_scheme + at..])
    }

    /// The text at a place, if there is one.
    pub(crate) fn place(&self, place: &Place) -> Result<Option<Cow<'a, str>>, Rejection> {
        match place {
            Place::Header(name) => self.header(name).map(|found| found.map(Cow::Borrowed)),
            Place::Query(name) => {
                let fields = form::fields(form::query(self.head.path_and_query).unwrap_or_default().as_bytes())?;
                Ok(form::single(&fields, name)?.map(|value| Cow::Owned(value.to_owned())))
            }
            Place::Form(name) => match self.body {
                Some(body) => Ok(body.field(name)?.map(Cow::Borrowed)),
                None => Ok(None),
            },
            Place::Json(pointer) => Ok(self.values.and_then(|values| values.text(pointer)).map(Cow::Owned)),
            Place::Item(label) => match self.items.iter().filter(|(known, _)| known == label).collect::<Vec<_>>()[..] {
                [] => Ok(None),
                [(_, value)] => Ok(Some(Cow::Borrowed(value))),
                _ => Err(Rejection::Malformed),
            },
            Place::Jose(pointer) => Ok(self.jose.and_then(|values| values.text(pointer)).map(Cow::Owned)),
            Place::Claim(_) => Ok(None),
        }
    }

    fn header(&self, name: &HeaderName) -> Result<Option<&'a str>, Rejection> {
        match header_text(self.head.headers, name) {
            HeaderText::Absent => Ok(None),
            HeaderText::Text(text) => Ok(Some(text)),
            HeaderText::Repeated => Err(Rejection::DuplicateHeader),
            HeaderText::NotText => Err(Rejection::Malformed),
        }
    }

    /// Names and values without anything between them, by name.
    fn form_sorted(&self, repeats: Repeats) -> Result<Option<Bytes<'a>>, Rejection> {
        let Some(fields) = self.body.and_then(|body| body.form.as_ref()) else { return Ok(None) };
        let mut sorted: Vec<&(Vec<u8>, Vec<u8>)> = fields.iter().collect();
        sorted.sort();
        if repeats == Repeats::Unique {
            sorted.dedup();
        }
        if repeats == Repeats::Once && sorted.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(Rejection::Repeated);
        }
        Ok(Some(Cow::Owned(
            sorted.into_iter().flat_map(|(name, value)| [&name[..], &value[..]]).flatten().copied().collect(),
        )))
    }

    fn query_sorted(&self) -> Result<Option<Bytes<'a>>, Rejection> {
        let mut fields = form::fields(form::query(self.head.path_and_query).unwrap_or_default().as_bytes())?;
        fields.sort();
        let pairs: Vec<Vec<u8>> = fields.iter().map(|(name, value)| [name, &b"="[..], value].concat()).collect();
        Ok(Some(Cow::Owned(pairs.join(&b"&"[..]))))
    }

    fn headers_listed(&self) -> Result<Bytes<'a>, Rejection> {
        let Some(listed) = self.listed else { return Err(Rejection::Missing) };
        let names = self.place(&listed.from)?.ok_or(Rejection::Missing)?;
        let mut names: Vec<&str> = names.split(listed.separator.as_str()).map(str::trim).collect();
        if names.len() > MAX_LISTED {
            return Err(Rejection::TooManyItems);
        }
        if listed.must.iter().any(|must| !names.iter().any(|name| name.eq_ignore_ascii_case(must.as_str()))) {
            return Err(Rejection::Missing);
        }
        if listed.sort {
            names.sort_by_key(|name| name.to_ascii_lowercase());
        }
        let one = |name: &str| {
            let header = name.parse::<HeaderName>().map_err(|_| Rejection::Malformed)?;
            let value = self.header(&header)?.unwrap_or_default();
            let name = if listed.lower { name.to_ascii_lowercase() } else { name.to_owned() };
            Ok(if listed.names { format!("{name}{}{value}", listed.pair) } else { value.to_owned() })
        };
        let texts = names.into_iter().map(one).collect::<Result<Vec<_>, _>>()?;
        Ok(Cow::Owned(texts.join(&listed.join).into_bytes()))
    }

    /// PHP's `serialize()` of an array of strings, sorted by name, without the signature.
    fn form_php(&self) -> Result<Option<Bytes<'a>>, Rejection> {
        let Some(fields) = self.body.and_then(|body| body.form.as_ref()) else { return Ok(None) };
        let mut sorted: Vec<&(Vec<u8>, Vec<u8>)> = fields.iter().collect();
        sorted.retain(|(name, _)| Some(name.as_slice()) != self.own_field.map(str::as_bytes));
        sorted.sort();
        if sorted.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(Rejection::Repeated);
        }
        let text = |bytes: &[u8]| [format!("s:{}:\"", bytes.len()).as_bytes(), bytes, b"\";"].concat();
        let inner: Vec<u8> = sorted.iter().flat_map(|(name, value)| [text(name), text(value)]).flatten().collect();
        Ok(Some(Cow::Owned([format!("a:{}:{{", sorted.len()).as_bytes(), &inner, b"}"].concat())))
    }
}

fn into_bytes(text: Cow<'_, str>) -> Bytes<'_> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

fn apply(function: Function, bytes: &[u8]) -> Result<Vec<u8>, Rejection> {
    Ok(match function {
        Function::Digest(digest) => digest.of(bytes),
        Function::Crc32 => crc32(bytes).to_string().into_bytes(),
        Function::Hex => hex::encode(bytes).into_bytes(),
        Function::Base64 => STANDARD.encode(bytes).into_bytes(),
        Function::Base64url => URL_SAFE_NO_PAD.encode(bytes).into_bytes(),
        Function::Lower => bytes.to_ascii_lowercase(),
        Function::Upper => bytes.to_ascii_uppercase(),
        Function::JsonString => {
            let text = std::str::from_utf8(bytes).map_err(|_| Rejection::Malformed)?;
            serde_json::Value::from(text).to_string().into_bytes()
        }
        Function::Percent => percent(bytes),
    })
}

fn percent(bytes: &[u8]) -> Vec<u8> {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'!'..=b'~' => text.push(char::from(*byte)),
            _ => {
                let _infallible = write!(text, "%{byte:02X}");
            }
        }
    }
    text.into_bytes()
}

/// CRC-32 of IEEE 802.3, bit by bit: one small body a request has it.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}
