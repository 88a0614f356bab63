//! A body that is there: its form, the JSON in it, and the texts at the scheme's pointers, each found in one pass.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::form::{self, Fields};
use crate::pointer::Pointer;
use crate::rejection::Rejection;
use crate::scan::{self, Fault, token_text};
use crate::verify::Head;

/// Elements a batch may have, where each is looked at.
pub(crate) const MAX_ELEMENTS: usize = 100;

/// A body and what is in it.
pub(crate) struct Body<'a> {
    pub(crate) bytes: &'a [u8],
    /// The fields, if it is a form.
    pub(crate) form: Option<Fields>,
    payload: Cow<'a, [u8]>,
}

impl<'a> Body<'a> {
    /// Takes a body apart; `field` is the form field that holds the payload.
    pub(crate) fn new(head: Head<'_>, bytes: &'a [u8], field: Option<&str>) -> Result<Self, Rejection> {
        let form = if form::is_form(head.headers) { Some(form::fields(bytes)?) } else { None };
        let payload = match (&form, field) {
            (Some(fields), Some(field)) => match form::single(fields, field)? {
                Some(text) => Cow::Owned(text.as_bytes().to_vec()),
                None => return Err(Rejection::Missing),
            },
            _ => Cow::Borrowed(bytes),
        };
        Ok(Self { bytes, form, payload })
    }

    /// The JSON text that pointers read.
    pub(crate) fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// A form's field.
    pub(crate) fn field(&self, name: &str) -> Result<Option<&str>, Rejection> {
        self.form.as_ref().map_or(Ok(None), |fields| form::single(fields, name))
    }
}

/// The values at some pointers of one JSON text.
pub(crate) struct Values<'a> {
    found: Vec<(&'a Pointer, Option<&'a str>)>,
}

impl<'a> Values<'a> {
    /// Finds them in one pass. A text that is no JSON has none; one that two readers could read in two ways is refused.
    pub(crate) fn find(json: &'a [u8], pointers: Vec<&'a Pointer>) -> Result<Self, Rejection> {
        if pointers.is_empty() {
            return Ok(Self { found: Vec::new() });
        }
        let tokens = match scan::scan_values(json, &pointers) {
            Ok(tokens) => tokens,
            Err(Fault::NotJson) => vec![None; pointers.len()],
            Err(Fault::TooDeep | Fault::Duplicate(_)) => return Err(Rejection::Malformed),
        };
        Ok(Self { found: pointers.into_iter().zip(tokens).collect() })
    }

    /// The text of a value: decoded if it is a string, as written otherwise.
    pub(crate) fn text(&self, pointer: &Pointer) -> Option<String> {
        let (_, token) = self.found.iter().find(|(known, _)| *known == pointer)?;
        token_text((*token)?)
    }
}

/// The value at a pointer, as it is written.
pub(crate) fn value<'a>(json: &'a [u8], pointer: &Pointer) -> Result<Option<&'a str>, Rejection> {
    match scan::scan_values(json, &[pointer]) {
        Ok(tokens) => Ok(tokens.first().copied().flatten()),
        Err(_) => Err(Rejection::Malformed),
    }
}

/// The elements of the array at a pointer (or of the whole text), as they are written.
pub(crate) fn elements<'a>(json: &'a [u8], array: Option<&Pointer>) -> Result<Vec<&'a str>, Rejection> {
    let text = match array {
        Some(pointer) => value(json, pointer)?.ok_or(Rejection::Missing)?,
        None => std::str::from_utf8(json).map_err(|_| Rejection::Malformed)?,
    };
    let elements: Vec<&'a RawValue> = serde_json::from_str(text).map_err(|_| Rejection::Malformed)?;
    match elements.len() {
        0 => Err(Rejection::Missing),
        1..=MAX_ELEMENTS => Ok(elements.into_iter().map(RawValue::get).collect()),
        _ => Err(Rejection::TooManyItems),
    }
}

/// The text at a pointer in every element of the batch that it passes through; one of them without it refuses all.
pub(crate) fn texts(json: &[u8], pointer: &Pointer) -> Result<Vec<String>, Rejection> {
    let Some((array, rest)) = pointer.batch() else {
        let values = Values::find(json, vec![pointer])?;
        return Ok(values.text(pointer).into_iter().collect());
    };
    let one = |element: &&str| match &rest {
        Some(rest) => texts(element.as_bytes(), rest)
            .and_then(|found| if found.is_empty() { Err(Rejection::Missing) } else { Ok(found) }),
        None => token_text(element).map(|text| vec![text]).ok_or(Rejection::Malformed),
    };
    let found = elements(json, array.as_ref())?.iter().map(one).collect::<Result<Vec<_>, _>>()?;
    Ok(found.into_iter().flatten().collect())
}
