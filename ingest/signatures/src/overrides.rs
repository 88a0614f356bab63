//! A source's own settings, laid over its provider's file.

use serde::Deserialize;
use toml::{Table, Value};

use crate::grammar::Grammar;
use crate::scheme::{Scheme, SchemeError};

/// What a provider's file may leave open.
#[derive(Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Setting {
    Header,
    Algorithm,
    Encoding,
    Prefix,
}

/// Every setting a source can make: its name, its place in the provider's file, and what must be open for it.
const SETTINGS: [(&str, &[&str], Option<Setting>); 13] = [
    ("header", &["signature", "from", "header"], Some(Setting::Header)),
    ("algorithm", &["fn"], Some(Setting::Algorithm)),
    ("encoding", &["signature", "encoding"], Some(Setting::Encoding)),
    ("prefix", &["signature", "prefix"], Some(Setting::Prefix)),
    ("id", &["id"], None),
    ("type", &["type"], None),
    ("key", &["key"], None),
    ("reply", &["reply"], None),
    ("when_log_away", &["delivery", "when_log_away"], None),
    ("url", &["settings", "url"], None),
    ("params", &["settings", "params"], None),
    ("topics", &["settings", "topics"], None),
    ("unsigned_handshakes", &["settings", "unsigned_handshakes"], None),
];

/// The provider's table with the source's settings in it.
pub(crate) fn lay_over(scheme: &Scheme, settings: &Table) -> Result<Table, SchemeError> {
    let refuse =
        |key: &str, mend: String| SchemeError::NotOpen { scheme: scheme.name.clone(), key: key.to_owned(), mend };
    let grammar: Grammar = scheme.table.0.clone().try_into().map_err(Box::new)?;
    let mut table = scheme.table.0.clone();
    for (name, value) in settings {
        let Some((_, path, needs)) = SETTINGS.iter().find(|(known, _, _)| known == name) else {
            let known: Vec<&str> = SETTINGS.iter().map(|(known, _, _)| *known).collect();
            return Err(refuse(name, format!("no such setting, there are {}", known.join(", "))));
        };
        if needs.is_some_and(|needed| !grammar.open.contains(&needed)) {
            return Err(refuse(
                name,
                "its file does not leave this open; use provider \"hmac\" or a provider file of your own".to_owned(),
            ));
        }
        insert(&mut table, path, value.clone());
    }
    Ok(table)
}

/// Sets the value at the path, with the tables on the way.
fn insert(table: &mut Table, path: &[&str], value: Value) {
    match path {
        [] => {}
        [last] => {
            table.insert((*last).to_owned(), value);
        }
        [first, rest @ ..] => {
            let inner = table.entry((*first).to_owned()).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}
