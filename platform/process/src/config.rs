//! Configuration: `defaults.toml` ← a file ← the environment, checked whole before anything is bound.
//!
//! The defaults are a commented TOML file embedded in the binary; it is the manual, and [`explain`] reads it back.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// The largest configuration file accepted, in bytes.
pub const FILE_LIMIT: u64 = 1024 * 1024;

/// Why a configuration was refused. Each names the key and where it was set.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("the configuration file {path} can't be read: {cause}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The file is empty: a blank file must never mean "defaults for everything".
    #[error("the configuration file {path} is blank: write at least one setting, or give no file")]
    Blank {
        /// The file.
        path: PathBuf,
    },
    /// The file is larger than [`FILE_LIMIT`].
    #[error("the configuration file {path} has more than {FILE_LIMIT} bytes")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file is not TOML.
    #[error("{path}: {cause}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, column and what is wrong.
        cause: Box<toml::de::Error>,
    },
    /// A setting has an unknown name or a value of the wrong kind.
    #[error("{origin}: {cause}")]
    Setting {
        /// The file or environment variable that set it.
        origin: String,
        /// The key and what is wrong.
        cause: Box<toml::de::Error>,
    },
}

/// One setting, as the manual has it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Setting {
    /// The key with its tables: `kafka.linger`.
    pub key: String,
    /// The default, as TOML.
    pub default: String,
    /// What it does.
    pub explanation: String,
}

/// Where a configuration comes from.
pub struct Layers<'a> {
    /// The embedded defaults.
    pub defaults: &'a str,
    /// The user's file.
    pub file: Option<&'a Path>,
    /// What environment variables of this configuration begin with: `HOOKLOG_INGEST` takes `HOOKLOG_INGEST__KAFKA__BOOTSTRAP`.
    pub prefix: &'a str,
}

impl Layers<'_> {
    /// Reads all layers from this process's environment.
    ///
    /// # Errors
    /// [`ConfigError`], naming the key and where it was set.
    pub fn load<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        self.load_with(std::env::vars())
    }

    /// Reads all layers with the given environment.
    ///
    /// # Errors
    /// [`ConfigError`], naming the key and where it was set.
    pub fn load_with<T: DeserializeOwned>(
        &self,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<T, ConfigError> {
        let mut merged: Table =
            self.defaults.parse().expect("embedded defaults are TOML; every binary's tests load them");
        let mut origins = Vec::new();
        if let Some(path) = self.file {
            let table = read(path)?;
            origins.push((path.display().to_string(), table.clone()));
            merge(&mut merged, table);
        }
        let start = format!("{}__", self.prefix);
        let mut variables: Vec<_> = environment.filter(|(name, _)| name.starts_with(&start)).collect();
        variables.sort();
        for (name, text) in variables {
            let table = nested(&name[start.len()..].to_lowercase(), value_of(&text));
            origins.push((name, table.clone()));
            merge(&mut merged, table);
        }
        Value::Table(merged).try_into().map_err(|cause: toml::de::Error| {
            let origin = origins.iter().rev().find(|(_, table)| mentions(table, &cause.to_string()));
            let origin = origin.or(origins.last()).map_or("the defaults", |(origin, _)| origin.as_str());
            ConfigError::Setting { origin: origin.to_owned(), cause: Box::new(cause) }
        })
    }
}

/// The defaults file as a list of settings: a key's explanation is the comment above it.
#[must_use]
pub fn explain(defaults: &str) -> Vec<Setting> {
    let mut settings = Vec::new();
    let (mut section, mut comment) = (String::new(), Vec::new());
    for line in defaults.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix('#') {
            comment.push(text.trim());
        } else if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = format!("{name}.");
            comment.clear();
        } else if let Some((key, default)) = line.split_once('=') {
            let key = format!("{section}{}", key.trim());
            settings.push(Setting { key, default: default.trim().to_owned(), explanation: comment.join(" ") });
            comment.clear();
        } else {
            comment.clear();
        }
    }
    settings
}

fn read(path: &Path) -> Result<Table, ConfigError> {
    let path = path.to_owned();
    let failed = |cause| ConfigError::Read { path: path.clone(), cause };
    if std::fs::metadata(&path).map_err(failed)?.len() > FILE_LIMIT {
        return Err(ConfigError::TooLarge { path });
    }
    let text = std::fs::read_to_string(&path).map_err(failed)?;
    let table: Table =
        text.parse().map_err(|cause| ConfigError::Syntax { path: path.clone(), cause: Box::new(cause) })?;
    if table.is_empty() { Err(ConfigError::Blank { path }) } else { Ok(table) }
}

/// Later layers win; tables are merged, everything else is replaced whole.
fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(existing)), Value::Table(table)) => merge(existing, table),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

fn nested(path: &str, value: Value) -> Table {
    let (head, rest) = path.split_once("__").map_or((path, None), |(head, rest)| (head, Some(rest)));
    let value = rest.map_or(value.clone(), |rest| Value::Table(nested(rest, value)));
    Table::from_iter([(head.to_owned(), value)])
}

/// An environment variable's text as TOML where it is TOML (`8`, `true`, `["a"]`), else as a string.
fn value_of(text: &str) -> Value {
    let parsed = format!("value = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
    parsed.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// Whether a layer sets a key or a value that the error's text speaks of.
fn mentions(table: &Table, error: &str) -> bool {
    table.iter().any(|(key, value)| match value {
        Value::Table(inner) => mentions(inner, error),
        _ => error.contains(key.as_str()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULTS: &str = "# Where to listen.\n# A port of 0 takes a free one.\nlisten = \"127.0.0.1:8080\"\n\n[kafka]\n# The brokers.\nbootstrap = \"127.0.0.1:9092\"\nretries = 3\n";

    #[derive(Debug, PartialEq, Eq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Config {
        listen: String,
        kafka: Kafka,
    }

    #[derive(Debug, PartialEq, Eq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Kafka {
        bootstrap: String,
        retries: u8,
    }

    fn load(file: Option<&str>, environment: &[(&str, &str)]) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        if let Some(text) = file {
            std::fs::write(&path, text).unwrap();
        }
        let layers = Layers { defaults: DEFAULTS, file: file.map(|_| path.as_path()), prefix: "HOOKLOG_TEST" };
        let environment = environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        layers.load_with(environment).map_err(|error| error.to_string())
    }

    #[test]
    fn later_layers_win_key_by_key() {
        let config = load(Some("[kafka]\nretries = 5"), &[("HOOKLOG_TEST__KAFKA__BOOTSTRAP", "b:9092")]).unwrap();
        assert_eq!(
            config,
            Config { listen: "127.0.0.1:8080".to_owned(), kafka: Kafka { bootstrap: "b:9092".to_owned(), retries: 5 } }
        );
    }

    #[test]
    fn an_error_names_the_key_and_where_it_was_set() {
        let error = load(Some("[kafka]\nretrys = 5"), &[]).unwrap_err();
        assert!(error.contains("config.toml") && error.contains("retrys"), "{error}");
        let error = load(None, &[("HOOKLOG_TEST__KAFKA__RETRIES", "many")]).unwrap_err();
        assert!(error.contains("HOOKLOG_TEST__KAFKA__RETRIES") && error.contains("retries"), "{error}");
        let error = load(Some("listen ="), &[]).unwrap_err();
        assert!(error.contains("config.toml") && error.contains("line 1"), "{error}");
    }

    #[test]
    fn a_blank_and_a_missing_file_are_no_defaults() {
        assert!(load(Some("# nothing\n"), &[]).unwrap_err().contains("blank"));
        let layers = Layers { defaults: DEFAULTS, file: Some(Path::new("/nonexistent.toml")), prefix: "X" };
        assert!(matches!(layers.load::<Config>(), Err(ConfigError::Read { .. })));
    }

    #[test]
    fn the_defaults_are_the_manual() {
        let settings = explain(DEFAULTS);
        assert_eq!(settings[0].key, "listen");
        assert_eq!(settings[0].explanation, "Where to listen. A port of 0 takes a free one.");
        assert_eq!((settings[1].key.as_str(), settings[1].default.as_str()), ("kafka.bootstrap", "\"127.0.0.1:9092\""));
        assert_eq!(settings[2].explanation, "");
    }
}
