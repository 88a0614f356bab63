//! `application/x-www-form-urlencoded`: bodies and queries, decoded once and strictly from their bytes.

use http::{HeaderMap, header};

use crate::rejection::Rejection;

/// Fields a form or query may have.
pub(crate) const MAX_FIELDS: usize = 1000;

/// Decoded names and values, in the order they came.
pub(crate) type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// Whether the headers say that the body is a form.
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// Decodes every field.
pub(crate) fn fields(text: &[u8]) -> Result<Fields, Rejection> {
    let mut fields = Vec::new();
    for pair in text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        if fields.len() == MAX_FIELDS {
            return Err(Rejection::TooManyItems);
        }
        let equals = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        let value = pair.get(equals + 1..).unwrap_or_default();
        fields.push((decoded(&pair[..equals])?, decoded(value)?));
    }
    Ok(fields)
}

/// The value of a name; two would let two readers take one each.
pub(crate) fn single<'a>(fields: &'a [(Vec<u8>, Vec<u8>)], name: &str) -> Result<Option<&'a str>, Rejection> {
    let mut values = fields.iter().filter(|(key, _)| key == name.as_bytes()).map(|(_, value)| value);
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(Rejection::Repeated),
        (Some(value), None) => std::str::from_utf8(value).map(Some).map_err(|_| Rejection::Malformed),
    }
}

/// The query's text, without its question mark.
pub(crate) fn query(path_and_query: &str) -> Option<&str> {
    path_and_query.split_once('?').map(|(_, query)| query)
}

fn decoded(text: &[u8]) -> Result<Vec<u8>, Rejection> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = tail;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let (digits, tail) = tail.split_at_checked(2).ok_or(Rejection::Malformed)?;
                let mut byte = [0];
                hex::decode_to_slice(digits, &mut byte).map_err(|_| Rejection::Malformed)?;
                bytes.extend(byte);
                rest = tail;
            }
            plain => bytes.push(*plain),
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_decoded_once() {
        let all = fields(b"a=1&b=%2B+%2525&&c&=d&a=%C3%A9").unwrap();
        let texts: Vec<_> = all.iter().map(|(k, v)| (String::from_utf8_lossy(k), String::from_utf8_lossy(v))).collect();
        assert_eq!(
            texts,
            [("a", "1"), ("b", "+ %25"), ("c", ""), ("", "d"), ("a", "é")].map(|(k, v)| (k.into(), v.into()))
        );
        assert_eq!(single(&all, "b"), Ok(Some("+ %25")));
        assert_eq!(single(&all, "x"), Ok(None));
        assert_eq!(single(&all, "a"), Err(Rejection::Repeated));
        for bad in ["%", "a=%4", "a=%zz", "a=%-1"] {
            assert_eq!(fields(bad.as_bytes()), Err(Rejection::Malformed), "{bad}");
        }
        assert_eq!(fields("a&".repeat(MAX_FIELDS + 1).as_bytes()), Err(Rejection::TooManyItems));
        assert_eq!(single(&fields(b"a=%ff").unwrap(), "a"), Err(Rejection::Malformed));
    }
}
