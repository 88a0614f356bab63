//! Forms and queries, held against another reader: decoded once and strictly, and a repeated field names nothing.

use hooklog_signatures::identify::IdentifyError;
use hooklog_signatures::{Head, Locator, Locators, Place, identify};
use http::{HeaderMap, HeaderValue, header};

/// Pieces of forms.
pub const WORDS: &[&str] =
    &["&", "=", "+", "%", "%2", "%20", "%2B", "%3D", "%26", "%00", "%ff", "%C3%A9", "id", "id=", "&id=", "%69d="];

/// Fields that are read.
const MOST: usize = 1000;

/// What stands in a field.
#[derive(Debug, PartialEq, Eq)]
enum Field {
    Nothing,
    Repeated,
    Text(String),
}

/// A line with a name, a line with a query, then a form.
pub fn check(input: &[u8]) {
    let mut parts = input.splitn(3, |byte| *byte == b'\n');
    let mut line = || parts.next().and_then(|line| std::str::from_utf8(line).ok());
    let (Some(name), Some(query)) = (line(), line()) else { return };
    let Some(body) = parts.next() else { return };
    let (id, kind) = (Locator::At(Place::Form(name.to_owned())), Locator::At(Place::Query(name.to_owned())));
    let locators = Locators { id: Some(&id), kind: Some(&kind), key: None, payload: None, token: None };
    let form = HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, form)]);
    let target = format!("/in/x?{query}");
    let named = identify(locators, Head { method: "POST", path_and_query: &target, headers: &headers }, body);
    let expected = [field(body, name), field(query.as_bytes(), name)];
    match named {
        Err(IdentifyError::DuplicateField { .. }) => assert!(expected.contains(&Field::Repeated), "{expected:?}"),
        Err(other) => panic!("a form can't be the reason for {other}"),
        Ok(identity) => {
            let found = [identity.id, identity.kind].map(|text| text.map_or(Field::Nothing, Field::Text));
            assert_eq!(found, expected);
        }
    }
}

/// The field as another reader has it: backwards, byte by byte.
fn field(form: &[u8], name: &str) -> Field {
    let mut found = Vec::new();
    let pairs: Vec<&[u8]> = form.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).collect();
    if pairs.len() > MOST {
        return Field::Nothing;
    }
    for pair in pairs {
        let mut sides = pair.splitn(2, |byte| *byte == b'=');
        let (key, value) = (sides.next().unwrap_or_default(), sides.next().unwrap_or_default());
        let (Some(key), Some(value)) = (decoded(key), decoded(value)) else { return Field::Nothing };
        if key == name.as_bytes() {
            found.push(value);
        }
    }
    match (found.len(), found.pop()) {
        (1, Some(value)) => match String::from_utf8(value) {
            Ok(text) if !text.is_empty() => Field::Text(text),
            _ => Field::Nothing,
        },
        (0, _) => Field::Nothing,
        _ => Field::Repeated,
    }
}

fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let (mut bytes, mut end) = (Vec::new(), text.len());
    while end > 0 {
        let escape = text.get(end.wrapping_sub(3)..end).filter(|three| three[0] == b'%');
        let digit = |byte: u8| char::from(byte).to_digit(16);
        match escape {
            Some(&[_, high, low]) => {
                bytes.push(u8::try_from(digit(high)? * 16 + digit(low)?).ok()?);
                end -= 3;
            }
            _ if text[end - 1] == b'%' => return None,
            _ => {
                bytes.push(if text[end - 1] == b'+' { b' ' } else { text[end - 1] });
                end -= 1;
            }
        }
    }
    bytes.reverse();
    Some(bytes)
}

/// Forms that say the same in several ways, or say it twice.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "id\nid=1&x=2\nid=a+b%2B&type=push",
        "id\n\nid=1&id=2",
        "id\nid=%C3%A9\n%69d=1&&=&x",
        "a=b\na%3Db=1\na=b=c&a%3Db=d",
        "id\nid=%f\nid=%zz",
        "payload\nsig=0a&payload=\npayload=%7B%22id%22%3A1%7D",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}
