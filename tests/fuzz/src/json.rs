//! The JSON scanner, held against another reader: what stands at a pointer, repeated keys, and how deep is read.

use std::fmt;

use hooklog_signatures::identify::IdentifyError;
use hooklog_signatures::{Head, Locator, Locators, Pointer, identify};
use http::HeaderMap;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// Pieces of JSON.
pub const WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\"\"",
    "\\",
    "\\\"",
    "\\u0041",
    "\\ud83d\\ude00",
    "\\ud800",
    "null",
    "true",
    "false",
    "0",
    "-0",
    "-1",
    "1e5",
    "1E-5",
    "0.5",
    "{\"a\":1,\"a\":2}",
    "\"a\":",
    "\"\\u0061\":",
    "/a/0/*",
    "/~0/~1",
    "\n",
    "\t",
    "[[[[[[[[",
    "]]]]]]]]",
    "{}",
    "[]",
];

/// The deepest nesting that is read: what the scanner says of itself when it refuses.
const DEEPEST: usize = 64;

/// A text as another reader has it, with every key that it saw.
enum Tree {
    Null,
    Text(String),
    /// A number, `true` or `false`.
    Other(serde_json::Value),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

/// What stands at a pointer.
enum At<'a> {
    Nothing,
    Repeated,
    Scalar(&'a Tree),
}

/// Two lines with pointers, then a JSON text.
pub fn check(input: &[u8]) {
    let mut parts = input.splitn(3, |byte| *byte == b'\n');
    let mut line = || parts.next().and_then(|line| std::str::from_utf8(line).ok());
    let (Some(first), Some(second)) = (line(), line()) else { return };
    let Some(body) = parts.next() else { return };
    let (Ok(first), Ok(second)) = (Pointer::parse(first), Pointer::parse(second)) else { return };
    let locator = |pointer: &Pointer| Locator::pointer(pointer.as_str()).expect("it has just been one");
    let (id, kind) = (locator(&first), locator(&second));
    let locators = Locators { id: Some(&id), kind: Some(&kind), key: None, payload: None, token: None };
    let headers = HeaderMap::new();
    let named = identify(locators, Head { method: "POST", path_and_query: "/in/x", headers: &headers }, body);
    let tree = match serde_json::from_slice::<Tree>(body) {
        Ok(tree) => tree,
        Err(error) => {
            // Of a number that is too large for it, or of a deeper text, the other reader has no opinion.
            let has_opinion =
                !error.to_string().contains("out of range") && !error.to_string().contains("recursion limit");
            let found = matches!(&named, Ok(identity) if identity.id.is_some() || identity.kind.is_some());
            assert!(!(has_opinion && found), "a text that is no JSON ({error}) names an event: {named:?}");
            return;
        }
    };
    let found = [tree.at(&first), tree.at(&second)];
    match named {
        Err(IdentifyError::TooDeep { .. }) => assert!(tree.depth() > DEEPEST, "refused as too deep"),
        Err(IdentifyError::DuplicateKey { .. }) => {
            assert!(found.iter().any(|at| matches!(at, At::Repeated)), "refused for a repeated key");
        }
        Err(other) => panic!("a body can't be the reason for {other}"),
        Ok(identity) => {
            assert!(tree.depth() <= DEEPEST, "{DEEPEST} levels are read, {} were", tree.depth());
            for (text, at) in [identity.id, identity.kind].into_iter().zip(found) {
                at.compare(text.as_deref());
            }
        }
    }
}

impl At<'_> {
    fn compare(&self, text: Option<&str>) {
        match (self, text) {
            (Self::Nothing, None) | (Self::Scalar(Tree::Null | Tree::List(_) | Tree::Object(_)), None) => {}
            // An empty text names nothing.
            (Self::Scalar(Tree::Text(expected)), text) if text.unwrap_or_default() == expected => {}
            (Self::Scalar(Tree::Other(expected)), Some(text)) => {
                assert_eq!(serde_json::from_str::<serde_json::Value>(text).ok().as_ref(), Some(expected));
            }
            (Self::Repeated, _) => panic!("a repeated key on the path was taken: {text:?}"),
            (_, text) => panic!("two readers disagree: one has {text:?}"),
        }
    }
}

impl Tree {
    fn depth(&self) -> usize {
        match self {
            Self::List(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            Self::Object(fields) => 1 + fields.iter().map(|(_, value)| value.depth()).max().unwrap_or(0),
            _ => 0,
        }
    }

    fn at(&self, pointer: &Pointer) -> At<'_> {
        let mut at = self;
        // Once the way has ended, repeats can't be on it.
        for step in pointer.as_str().split('/').skip(1) {
            let key = step.replace("~1", "/").replace("~0", "~");
            let next = match at {
                Self::Object(fields) => {
                    let mut values = fields.iter().filter(|(name, _)| *name == key).map(|(_, value)| value);
                    let first = values.next();
                    if values.next().is_some() {
                        return At::Repeated;
                    }
                    first
                }
                Self::List(items) => index(&key).and_then(|index| items.get(index)),
                _ => None,
            };
            let Some(next) = next else { return At::Nothing };
            at = next;
        }
        At::Scalar(at)
    }
}

/// A step as an array's index: written without a sign and without leading zeros; the star is the first element.
fn index(step: &str) -> Option<usize> {
    let is_plain = step.bytes().all(|byte| byte.is_ascii_digit()) && (step == "0" || !step.starts_with('0'));
    if step == "*" { Some(0) } else { step.parse().ok().filter(|_| is_plain) }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON text")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Other(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Other(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Other(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Other(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Tree, A::Error> {
        let mut object = Vec::new();
        while let Some(field) = fields.next_entry()? {
            object.push(field);
        }
        Ok(Tree::Object(object))
    }
}

/// Texts that say the same in several ways, or say it twice.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "/id\n/type\n{\"id\":\"evt_1\",\"type\":\"charge.succeeded\"}",
        "/data/object/id\n/data/0\n{\"data\":{\"object\":{\"id\":12.50e3}},\"x\":[true,false,null,\"\\u00e9\\n\"]}",
        "/0/id\n/*/type\n[{\"id\":1,\"type\":\"\\ud83d\\ude00\"},{\"id\":2}]",
        "/a~1b/m~0n\n/a\n{\"a/b\":{\"m~n\":\"x\"},\"a\":\"1\",\"a\":\"2\"}",
        "/a/b\n/c\n{\"a\":{\"b\":1,\"b\":2},\"c\":{\"d\":[[[[]]]]}}",
        "/a\n/b\n{\"\\u0061\":1,\"b\":-0.0,\"c\":\"a long enough text to be read eight bytes at a time \\\\ \\\" \"}",
    ];
    let deep = |levels: usize| format!("/0\n/1\n{}1{}", "[".repeat(levels), "]".repeat(levels));
    texts
        .iter()
        .map(|text| text.as_bytes().to_vec())
        .chain([63, 64, 65, 66].map(|levels| deep(levels).into_bytes()))
        .collect()
}
