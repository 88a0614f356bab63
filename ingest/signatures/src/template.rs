//! What is signed, at byte level: literals, parts of the request, functions over them, and groups that may be left out.

use http::HeaderName;

use crate::digest::Digest;
use crate::place::Place;

/// Functions that may stand around one part.
const MAX_FUNCTIONS: usize = 4;

/// The signed bytes of a request, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(pub(crate) Vec<Segment>);

/// A stretch of the signed bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    Literal(String),
    Part(Part),
    /// The first alternative whose parts are all there, or nothing.
    Optional(Vec<Vec<Segment>>),
}

/// A part of the request with the functions around it, the innermost first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) source: Source,
    pub(crate) functions: Vec<Function>,
}

/// Where a part's bytes are from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Body,
    Payload,
    Timestamp,
    Id,
    Method,
    Path,
    PathAndQuery,
    Url,
    UrlBase,
    At(Place),
    Param(String),
    Secret,
    FormSorted(Repeats),
    QuerySorted,
    HeadersListed,
    FormPhp,
}

/// What becomes of a form's repeated names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeats {
    /// Values sorted, each once.
    Unique,
    /// Values sorted, all of them.
    All,
    /// None is repeated, or the request is refused.
    Once,
}

/// What is done to a part's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Digest(Digest),
    Crc32,
    Hex,
    Base64,
    Base64url,
    Lower,
    Upper,
    JsonString,
    Percent,
}

impl Template {
    /// Parses `v0:{timestamp}:{body}`; the error says what to change.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { rest: text };
        let segments = parser.segments(false)?;
        if segments.is_empty() { Err("an empty text can't be signed".to_owned()) } else { Ok(Self(segments)) }
    }

    /// Every part, those of all alternatives too.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Part> {
        let mut parts = Vec::new();
        collect(&self.0, &mut parts);
        parts.into_iter()
    }

    pub(crate) fn uses(&self, source: &Source) -> bool {
        self.parts().any(|part| part.source == *source)
    }

    /// Whether the whole body is under the signature. A part of a group counts, which is left out only where the request has
    /// no such thing; a checksum does not: bodies with a wanted CRC are made in no time.
    pub(crate) fn covers_body(&self) -> bool {
        self.parts().any(|part| {
            let whole = matches!(part.source, Source::Body | Source::Payload | Source::FormSorted(_) | Source::FormPhp);
            whole && !part.functions.contains(&Function::Crc32)
        })
    }

    /// Where the bare `{body}` stands, if the body can be hashed as it arrives: nothing else may need it.
    pub(crate) fn streams_at(&self) -> Option<usize> {
        let bare = |segment: &Segment| matches!(segment, Segment::Part(part) if part.source == Source::Body && part.functions.is_empty());
        let at = self.0.iter().position(bare)?;
        let mut parts = Vec::new();
        collect(&self.0[..at], &mut parts);
        collect(&self.0[at + 1..], &mut parts);
        parts.iter().all(|part| !part.needs_body()).then_some(at)
    }

    /// Whether the character would let a signed id end early: the dot, which every delimiting scheme uses, blanks and
    /// controls, and the punctuation of this template's literals.
    pub(crate) fn delimits(&self, c: char) -> bool {
        let literal = |segment: &Segment| matches!(segment, Segment::Literal(text) if text.contains(c));
        c == '.' || c.is_whitespace() || c.is_control() || (c.is_ascii_punctuation() && self.0.iter().any(literal))
    }
}

impl Part {
    fn needs_body(&self) -> bool {
        match &self.source {
            Source::Body | Source::Payload | Source::FormSorted(_) | Source::FormPhp => true,
            Source::At(place) => place.is_in_body(),
            _ => false,
        }
    }
}

fn collect<'a>(segments: &'a [Segment], parts: &mut Vec<&'a Part>) {
    for segment in segments {
        match segment {
            Segment::Literal(_) => {}
            Segment::Part(part) => parts.push(part),
            Segment::Optional(alternatives) => alternatives.iter().for_each(|inner| collect(inner, parts)),
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    /// Reads segments up to the end, or inside a group up to `|` or `]`, which stay.
    fn segments(&mut self, in_group: bool) -> Result<Vec<Segment>, String> {
        let (mut segments, mut literal) = (Vec::new(), String::new());
        while let Some(c) = self.rest.chars().next() {
            let doubled = "{}[]".contains(c) && self.rest[1..].starts_with(c);
            if doubled {
                literal.push(c);
                self.rest = &self.rest[2..];
                continue;
            }
            match c {
                '|' | ']' if in_group => break,
                '{' => {
                    push_literal(&mut segments, &mut literal);
                    segments.push(Segment::Part(self.part()?));
                }
                '[' if in_group => return Err("a group can't stand in a group, write [a|b] instead".to_owned()),
                '[' => {
                    push_literal(&mut segments, &mut literal);
                    segments.push(Segment::Optional(self.group()?));
                }
                ']' => return Err("a ] without its [: write ]] for the bracket itself".to_owned()),
                _ => {
                    literal.push(c);
                    self.rest = &self.rest[c.len_utf8()..];
                }
            }
        }
        push_literal(&mut segments, &mut literal);
        Ok(segments)
    }

    fn group(&mut self) -> Result<Vec<Vec<Segment>>, String> {
        let mut alternatives = Vec::new();
        loop {
            self.rest = &self.rest[1..];
            let inner = self.segments(true)?;
            if !inner.iter().any(|segment| matches!(segment, Segment::Part(_))) {
                return Err("a group [...] needs a part that may be absent, or it would always be there".to_owned());
            }
            alternatives.push(inner);
            match self.rest.chars().next() {
                Some(']') => break,
                Some(_) => {}
                None => return Err("close the bracket of its last group".to_owned()),
            }
        }
        self.rest = &self.rest[1..];
        Ok(alternatives)
    }

    fn part(&mut self) -> Result<Part, String> {
        let (inside, rest) = self.rest[1..].split_once('}').ok_or("close the brace of its last part")?;
        self.rest = rest;
        let (mut functions, mut name) = (Vec::new(), inside);
        while let Some((function, argument)) = name.split_once('(') {
            let argument = argument.strip_suffix(')').ok_or_else(|| format!("close the bracket of {{{inside}}}"))?;
            functions.insert(0, named_function(function)?);
            name = argument;
        }
        if functions.len() > MAX_FUNCTIONS {
            return Err(format!("use at most {MAX_FUNCTIONS} functions around {{{name}}}"));
        }
        Ok(Part { source: named_source(name)?, functions })
    }
}

fn push_literal(segments: &mut Vec<Segment>, literal: &mut String) {
    if !literal.is_empty() {
        segments.push(Segment::Literal(std::mem::take(literal)));
    }
}

const PARTS: &str = "{body}, {payload}, {timestamp}, {id}, {method}, {path}, {path_query}, {url}, {url_base}, {header:X}, {query:x}, \
    {form:x}, {json:/x}, {item:x}, {claim:/x}, {jose:/x}, {param:x}, {secret}, {form_sorted:unique}, {form_sorted:all}, \
    {form_sorted:once}, {query_sorted}, {headers_listed}, {form_php}";

fn named_source(name: &str) -> Result<Source, String> {
    Ok(match name {
        "body" => Source::Body,
        "payload" => Source::Payload,
        "timestamp" => Source::Timestamp,
        "id" => Source::Id,
        "method" => Source::Method,
        "path" => Source::Path,
        "path_query" => Source::PathAndQuery,
        "url" => Source::Url,
        "url_base" => Source::UrlBase,
        "secret" => Source::Secret,
        "form_sorted:unique" => Source::FormSorted(Repeats::Unique),
        "form_sorted:all" => Source::FormSorted(Repeats::All),
        "form_sorted:once" => Source::FormSorted(Repeats::Once),
        "query_sorted" => Source::QuerySorted,
        "headers_listed" => Source::HeadersListed,
        "form_php" => Source::FormPhp,
        other => match other.split_once(':') {
            Some(("param", name)) if !name.is_empty() => Source::Param(name.to_owned()),
            Some(("json", pointer)) => Source::At(Place::Json(pointer.parse().map_err(|error| format!("{error}"))?)),
            Some((kind @ ("header" | "query" | "form" | "item" | "claim" | "jose"), name)) => {
                Source::At(Place::named(kind, name).map_err(|error| error.to_string())?)
            }
            _ => return Err(format!("{{{other}}} is no part, there are {PARTS}")),
        },
    })
}

fn named_function(name: &str) -> Result<Function, String> {
    Ok(match name {
        "md5" => Function::Digest(Digest::Md5),
        "sha1" => Function::Digest(Digest::Sha1),
        "sha256" => Function::Digest(Digest::Sha256),
        "sha512" => Function::Digest(Digest::Sha512),
        "crc32" => Function::Crc32,
        "hex" => Function::Hex,
        "base64" => Function::Base64,
        "base64url" => Function::Base64url,
        "lower" => Function::Lower,
        "upper" => Function::Upper,
        "json_string" => Function::JsonString,
        "percent" => Function::Percent,
        other => {
            return Err(format!(
                "{other}(…) is no function, there are md5, sha1, sha256, sha512, crc32, hex, base64, base64url, lower, upper, json_string, percent"
            ));
        }
    })
}

/// The headers whose names another header lists.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listed {
    /// Where the list is.
    pub(crate) from: Place,
    /// Between the names.
    pub(crate) separator: String,
    /// Between a name and its value.
    #[serde(default)]
    pub(crate) pair: String,
    /// Between the headers.
    pub(crate) join: String,
    /// Names in lower case, or as listed.
    #[serde(default)]
    pub(crate) lower: bool,
    /// By name, or as listed.
    #[serde(default)]
    pub(crate) sort: bool,
    /// Names and values, or values only.
    #[serde(default = "yes")]
    pub(crate) names: bool,
    /// What must be listed.
    #[serde(default, deserialize_with = "crate::place::header_names")]
    pub(crate) must: Vec<HeaderName>,
}

fn yes() -> bool {
    true
}
