//! YAML as JSON values, anchors and merge keys resolved: what Compose, Prometheus and Grafana read.

use serde_json::Value;

use crate::tree;

/// Reads a file, by its path from the root.
pub(crate) fn read(path: &str) -> Value {
    parse(&tree::read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Parses one document.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    serde_saphyr::from_str(text).map_err(|error| error.to_string())
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
    let value =
        parse("x: &base\n  restart: always\n  read_only: true\nservice:\n  <<: *base\n  replicas: 2\n").unwrap();
    assert_eq!(value["service"], serde_json::json!({ "restart": "always", "read_only": true, "replicas": 2 }));
    assert!(parse("a: [1").is_err());
}
