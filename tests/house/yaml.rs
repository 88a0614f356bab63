//! YAML as JSON values, anchors and merge keys resolved: what Compose, Prometheus and Grafana read.

use serde_json::{Map, Value};
use yaml_rust2::{Yaml, YamlLoader};

use crate::tree;

/// The key whose mapping is merged into the one it stands in.
const MERGE: &str = "<<";

/// Reads a file, by its path from the root.
pub(crate) fn read(path: &str) -> Value {
    parse(&tree::read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Parses one document.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    let documents = YamlLoader::load_from_str(text).map_err(|error| error.to_string())?;
    match documents.as_slice() {
        [document] => json(document),
        _ => Err(format!("{} documents, there must be one", documents.len())),
    }
}

fn json(yaml: &Yaml) -> Result<Value, String> {
    Ok(match yaml {
        Yaml::Null => Value::Null,
        Yaml::Boolean(is) => Value::from(*is),
        Yaml::Integer(number) => Value::from(*number),
        Yaml::Real(text) => text.parse().map_or_else(|_| Value::from(text.as_str()), |number: f64| Value::from(number)),
        Yaml::String(text) => Value::from(text.as_str()),
        Yaml::Array(items) => Value::Array(items.iter().map(json).collect::<Result<_, _>>()?),
        Yaml::Hash(_) => Value::Object(mapping(yaml)?),
        Yaml::Alias(_) | Yaml::BadValue => return Err("an alias names no anchor".to_owned()),
    })
}

/// A mapping's own entries over those that are merged into it.
fn mapping(yaml: &Yaml) -> Result<Map<String, Value>, String> {
    let (mut own, mut merged) = (Map::new(), Map::new());
    for (key, value) in yaml.as_hash().ok_or("only a mapping can be merged")? {
        match key.as_str() {
            Some(MERGE) => merged = mapping(value)?,
            Some(key) => drop(own.insert(key.to_owned(), json(value)?)),
            None => return Err(format!("the key {key:?} is no text")),
        }
    }
    merged.extend(own);
    Ok(merged)
}

/// A list's strings; a lone string is a list of one, as Compose has it.
pub(crate) fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::String(text) => vec![text.clone()],
        Value::Number(number) => vec![number.to_string()],
        _ => Vec::new(),
    }
}

/// The entries of the mapping under this key; none if it is not there.
pub(crate) fn entries<'a>(value: &'a Value, key: &str) -> Vec<(&'a String, &'a Value)> {
    value.get(key).and_then(Value::as_object).map(|map| map.iter().collect()).unwrap_or_default()
}

/// The items of the list under this key; none if it is not there.
pub(crate) fn items<'a>(value: &'a Value, key: &str) -> Vec<&'a Value> {
    value.get(key).and_then(Value::as_array).map(|list| list.iter().collect()).unwrap_or_default()
}

#[test]
fn merge_keys_and_numbers_are_read_as_compose_reads_them() {
    let text =
        "x: &base\n  restart: always\n  read_only: true\nservice:\n  restart: \"no\"\n  <<: *base\n  share: 0.5\n";
    let value = parse(text).unwrap();
    assert_eq!(value["service"], serde_json::json!({ "restart": "no", "read_only": true, "share": 0.5 }));
    for wrong in ["a: [1", "a: *nowhere", "<<: 1", "a: 1\n---\nb: 2"] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}
