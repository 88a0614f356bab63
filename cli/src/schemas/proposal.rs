//! A shape as JSON Schema: what all events had is demanded, what none had is left open.

use serde_json::{Map, Value, json};

use crate::schemas::shape::{Objects, Shape, Strings};

/// The dialect of what is proposed.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// How often a place was seen at least before its values are taken for all there are.
const ENUM_SEEN: u64 = 20;

/// How often each value was seen on average at least.
const ENUM_REPEATS: u64 = 5;

/// The schema of a type of event.
pub(crate) fn schema(title: &str, shape: &Shape, enums: bool) -> Value {
    let mut schema = proposed(shape, enums);
    schema.insert("$schema".to_owned(), DIALECT.into());
    schema.insert("title".to_owned(), title.into());
    let comment = format!("proposed by `hooklog schemas infer` from {} events", shape.seen());
    schema.insert("$comment".to_owned(), comment.into());
    Value::Object(schema)
}

fn proposed(shape: &Shape, enums: bool) -> Map<String, Value> {
    let mut schema = Map::new();
    let mut put = |key: &str, value: Value| schema.insert(key.to_owned(), value);
    let types = types(shape);
    match &types[..] {
        [] => {}
        [one] => drop(put("type", json!(one))),
        several => drop(put("type", json!(several))),
    }
    match shape.strings.format() {
        Some(format) => drop(put("format", json!(format))),
        None if enums && shape.strings.count + shape.nulls == shape.seen() => {
            if let Some(values) = values(&shape.strings, shape.nulls > 0) {
                put("enum", values);
            }
        }
        None => {}
    }
    if let Some(items) = shape.items.as_deref() {
        put("items", Value::Object(proposed(items, enums)));
    }
    schema.extend(members(&shape.objects, enums));
    schema
}

/// The types that were seen, by name. Whole numbers are numbers too.
fn types(shape: &Shape) -> Vec<&'static str> {
    let seen = [
        ("array", shape.arrays > 0),
        ("boolean", shape.booleans > 0),
        ("integer", shape.integers > 0 && shape.fractions == 0),
        ("null", shape.nulls > 0),
        ("number", shape.fractions > 0),
        ("object", shape.objects.count > 0),
        ("string", shape.strings.count > 0),
    ];
    seen.into_iter().filter(|(_, seen)| *seen).map(|(name, _)| name).collect()
}

/// The list of values of a place that had few of them, often.
fn values(strings: &Strings, nullable: bool) -> Option<Value> {
    let values = strings.values()?;
    let distinct = u64::try_from(values.len()).unwrap_or(u64::MAX);
    let is_list = distinct > 0 && strings.count >= ENUM_SEEN.max(distinct.saturating_mul(ENUM_REPEATS));
    let null = nullable.then_some(Value::Null);
    is_list.then(|| values.keys().cloned().map(Value::String).chain(null).collect())
}

fn members(objects: &Objects, enums: bool) -> Map<String, Value> {
    let Some(members) = objects.members().filter(|members| !members.is_empty()) else { return Map::new() };
    let properties: Map<String, Value> =
        members.iter().map(|(name, shape)| (name.clone(), Value::Object(proposed(shape, enums)))).collect();
    let required: Vec<&String> =
        members.iter().filter(|(_, shape)| shape.seen() == objects.count).map(|(name, _)| name).collect();
    let mut schema = Map::from_iter([("properties".to_owned(), Value::Object(properties))]);
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    schema
}

#[cfg(test)]
mod tests {
    use hooklog_ingest::validate::schema::Schema;
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::*;
    use crate::schemas::shape::{Formats, MEMBER_LIMIT, VALUE_LIMIT};

    fn learned(events: &[Value]) -> Shape {
        let (mut shape, formats) = (Shape::default(), Formats::new());
        events.iter().for_each(|event| shape.learn(event, &formats));
        shape
    }

    fn of(events: &[Value], enums: bool) -> Value {
        Value::Object(proposed(&learned(events), enums))
    }

    #[test]
    fn what_is_proposed_for_what_was_seen() {
        for (events, schema) in [
            (json!([]), json!({})),
            (json!([1, 2]), json!({ "type": "integer" })),
            (json!([1, 2.5]), json!({ "type": "number" })),
            (json!([1.0]), json!({ "type": "number" })),
            (json!([null, "x", true]), json!({ "type": ["boolean", "null", "string"] })),
            (json!([[], []]), json!({ "type": "array" })),
            (json!([[1], ["x", null]]), json!({ "type": "array", "items": { "type": ["integer", "null", "string"] } })),
            (json!([{}]), json!({ "type": "object" })),
            (
                json!([{ "b": 1, "a": null }, { "b": 2 }]),
                json!({ "type": "object", "properties": { "a": { "type": "null" }, "b": { "type": "integer" } }, "required": ["b"] }),
            ),
            (
                json!([null, { "a": "x" }]),
                json!({ "type": ["null", "object"], "properties": { "a": { "type": "string" } }, "required": ["a"] }),
            ),
        ] {
            assert_eq!(of(events.as_array().unwrap(), false), schema, "{events}");
        }
    }

    #[test]
    fn a_format_is_proposed_when_every_string_has_it() {
        for (events, format) in [
            (json!(["2026-11-28T12:00:00Z", "2026-11-28T13:00:00+01:00"]), json!("date-time")),
            (json!(["2026-11-28T12:00:00Z", "yesterday"]), Value::Null),
            (json!(["2026-11-28"]), Value::Null),
            (json!(["https://example.com/a?b=c", null]), json!("uri")),
            (json!(["fix:typo", "sha256:00"]), Value::Null),
            (json!(["72d3162e-cc78-11e3-81ab-4c9367dc0958"]), json!("uuid")),
            (json!(["72d3162e-cc78-11e3-81ab-4c9367dc0958", "https://example.com"]), Value::Null),
        ] {
            assert_eq!(of(events.as_array().unwrap(), true)["format"], format, "{events}");
        }
    }

    #[test]
    fn a_list_of_values_is_proposed_for_few_short_strings_seen_often_and_only_if_asked() {
        let often = |values: &[Value], times: usize| vec![values.to_vec(); times].concat();
        let many: Vec<Value> = (0..=VALUE_LIMIT).map(|n| json!(format!("v{n}"))).collect();
        for (events, list) in [
            (often(&[json!("opened"), json!("closed")], 10), json!(["closed", "opened"])),
            (often(&[json!("opened"), Value::Null], 20), json!(["opened", null])),
            (often(&[json!("opened"), json!("closed")], 9), Value::Null),
            (often(&[json!("a"), json!("b"), json!("c"), json!("d"), json!("e")], 4), Value::Null),
            (often(&[json!("opened"), json!(1)], 20), Value::Null),
            (often(&[json!("x".repeat(41))], 20), Value::Null),
            (often(&many, 20), Value::Null),
        ] {
            assert_eq!(of(&events, true)["enum"], list, "{events:?}");
            assert!(of(&events, false).get("enum").is_none());
        }
    }

    #[test]
    fn an_object_with_keys_of_its_own_is_not_listed() {
        let table = |count: usize| Value::Object((0..count).map(|n| (format!("key{n}"), json!(n))).collect());
        assert_eq!(of(&[table(MEMBER_LIMIT)], false)["required"].as_array().unwrap().len(), MEMBER_LIMIT);
        assert_eq!(of(&[table(MEMBER_LIMIT + 1), table(1)], false), json!({ "type": "object" }));
    }

    fn event() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            "[a-c]{0,2}",
            Just("2026-11-28T12:00:00Z".to_owned()),
            Just("https://example.com/a".to_owned()),
            Just("72d3162e-cc78-11e3-81ab-4c9367dc0958".to_owned()),
            ".{0,50}",
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            (-3_i32..3).prop_map(|number| Value::from(f64::from(number))),
            text.prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 48, 6, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..5).prop_map(Value::from),
                btree_map("[a-d~/%$]{1,2}", inner, 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_event_that_taught_is_valid_in_any_order(events in vec(event(), 1..12), repeats in 1_usize..25) {
            let events = vec![events; repeats].concat();
            let shape = learned(&events);
            for enums in [false, true] {
                let proposal = schema("x", &shape, enums);
                let compiled = Schema::compile(&proposal);
                prop_assert!(compiled.is_ok(), "{proposal} is no schema: {compiled:?}");
                for event in &events {
                    let place = compiled.as_ref().ok().and_then(|compiled| compiled.differs(event));
                    prop_assert_eq!(&place, &None, "{} is not valid under {}", event, proposal);
                }
            }
            let backwards: Vec<Value> = events.into_iter().rev().collect();
            prop_assert_eq!(schema("x", &learned(&backwards), true), schema("x", &shape, true));
        }
    }
}
