//! How to reach the brokers, and which of the client's many properties a user may set.

use std::collections::BTreeMap;

use hooklog_process::secret::{Secret, SecretRef};
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

pub use crate::error::ConfigError;

/// The brokers and how to talk to them. Values of properties are never printed.
#[derive(Debug, Clone)]
pub struct Connection {
    /// `host:port`, several separated by commas.
    pub bootstrap: String,
    /// How this process appears in the brokers' logs and quotas.
    pub client_id: String,
    /// Further properties of the client library, of the families in [`ALLOWED`].
    pub properties: BTreeMap<String, Secret>,
}

/// The value of a property: in plain text, or where the secret lies.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(untagged)]
pub enum Property {
    /// The value itself; refused for properties that hold secrets.
    Plain(String),
    /// `{ file = "/run/secrets/kafka" }` or `{ env = "KAFKA_PASSWORD" }`.
    Secret(SecretRef),
}

/// What a user may set: keys that begin with one of these (those that end in a dot) or are one of them.
pub const ALLOWED: &[&str] = &[
    "security.",
    "sasl.",
    "ssl.",
    "socket.",
    "client.rack",
    "client.dns.lookup",
    "broker.address.family",
    "broker.address.ttl",
    "connections.max.idle.ms",
    "reconnect.backoff.ms",
    "reconnect.backoff.max.ms",
    "enable.ssl.certificate.verification",
    "https.ca.location",
    "https.ca.pem",
];

/// What carries a promise of this system and therefore is not for users to set, with the reason.
const PINNED: &[(&str, &str)] = &[
    ("acks", "an append counts only when all in-sync replicas have it"),
    ("request.required.acks", "an append counts only when all in-sync replicas have it"),
    ("enable.idempotence", "without it a retry can write a record twice or out of order"),
    ("max.in.flight", "more than 5 requests in flight break the order of retries"),
    ("max.in.flight.requests.per.connection", "more than 5 requests in flight break the order of retries"),
    ("partitioner", "the key must lead to the same partition everywhere"),
    ("message.timeout.ms", "use the setting `message_timeout`"),
    ("linger.ms", "use the setting `linger`"),
    ("group.id", "use the setting `group`"),
    ("group.instance.id", "use the setting `instance_id`"),
    ("enable.auto.commit", "offsets are committed when their effects are durable, never before"),
    ("enable.auto.offset.store", "offsets are committed when their effects are durable, never before"),
    ("auto.offset.reset", "a reader that lost its place must stop, not skip"),
    ("isolation.level", "aborted records must not be read"),
    ("bootstrap.servers", "use the setting `bootstrap`"),
    ("metadata.broker.list", "use the setting `bootstrap`"),
    ("client.id", "use the setting `client_id`"),
    ("debug", "set the log filter for `librdkafka` instead"),
];

/// Properties that hold a secret: given by file or environment only.
const SECRETS: &[&str] = &[
    "sasl.password",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.client.credentials.secret",
    "sasl.oauthbearer.assertion.private.key.passphrase",
    "sasl.oauthbearer.assertion.private.key.pem",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.password",
];

impl Connection {
    /// Reads the secrets among the properties and checks all of them.
    ///
    /// # Errors
    /// [`ConfigError`] names the key and what to do.
    pub fn new(bootstrap: &str, client_id: &str, given: &BTreeMap<String, Property>) -> Result<Self, ConfigError> {
        let mut properties = BTreeMap::new();
        for (key, property) in given {
            check_key(key)?;
            let value = match property {
                Property::Plain(_) if SECRETS.contains(&key.as_str()) => {
                    return Err(ConfigError::PlainSecret { key: key.clone() });
                }
                Property::Plain(text) => Secret::new(text.clone().into_bytes()),
                Property::Secret(place) => {
                    place.read().map_err(|cause| ConfigError::Secret { key: key.clone(), cause })?
                }
            };
            properties.insert(key.clone(), value);
        }
        let connection = Self { bootstrap: bootstrap.to_owned(), client_id: client_id.to_owned(), properties };
        connection.client_config()?.create_native_config().map_err(|error| ConfigError::of(&error))?;
        Ok(connection)
    }

    /// A connection without encryption or password.
    #[must_use]
    pub fn plain(bootstrap: &str, client_id: &str) -> Self {
        Self { bootstrap: bootstrap.to_owned(), client_id: client_id.to_owned(), properties: BTreeMap::new() }
    }

    /// The client's properties that every kind of client shares.
    pub(crate) fn client_config(&self) -> Result<ClientConfig, ConfigError> {
        if self.bootstrap.trim().is_empty() {
            return Err(ConfigError::Missing { key: "bootstrap" });
        }
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap)
            .set("client.id", &self.client_id)
            .set("client.software.name", "hooklog")
            .set("client.software.version", env!("CARGO_PKG_VERSION"))
            .set("broker.address.family", "any")
            .set("socket.keepalive.enable", "true")
            .set("socket.nagle.disable", "true")
            .set("socket.timeout.ms", "30000")
            .set("socket.connection.setup.timeout.ms", "10000")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            .set("retry.backoff.ms", "50")
            .set("retry.backoff.max.ms", "1000")
            .set("topic.metadata.refresh.interval.ms", "60000")
            .set("topic.metadata.refresh.fast.interval.ms", "100")
            .set("log.connection.close", "false")
            .set_log_level(RDKafkaLogLevel::Info);
        for (key, value) in &self.properties {
            check_key(key)?;
            let text = std::str::from_utf8(value.expose()).map_err(|_| ConfigError::NotText { key: key.clone() })?;
            config.set(key, text);
        }
        Ok(config)
    }
}

fn check_key(key: &str) -> Result<(), ConfigError> {
    if let Some((_, reason)) = PINNED.iter().find(|(pinned, _)| *pinned == key) {
        return Err(ConfigError::Pinned { key: key.to_owned(), reason });
    }
    let allowed =
        ALLOWED.iter().any(|allowed| if allowed.ends_with('.') { key.starts_with(allowed) } else { key == *allowed });
    if allowed { Ok(()) } else { Err(ConfigError::NotAllowed { key: key.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(properties: &str) -> Result<Connection, ConfigError> {
        Connection::new("kafka:9093", "hooklog-ingest", &toml::from_str(properties).unwrap())
    }

    #[test]
    fn security_properties_pass_and_the_library_knows_them() {
        let connection = connection(
            r#"
            "security.protocol" = "sasl_ssl"
            "sasl.mechanisms" = "SCRAM-SHA-512"
            "sasl.username" = "app"
            "client.rack" = "eu-1a"
            "#,
        )
        .unwrap();
        assert_eq!(connection.client_config().unwrap().get("sasl.mechanisms"), Some("SCRAM-SHA-512"));
    }

    #[test]
    fn what_is_pinned_is_refused_with_the_reason() {
        for (key, _) in PINNED {
            let error = connection(&format!("\"{key}\" = \"1\"")).unwrap_err();
            assert!(matches!(error, ConfigError::Pinned { .. }), "{key}: {error}");
        }
        let error = connection("acks = \"0\"").unwrap_err().to_string();
        assert!(error.contains("acks") && error.contains("replicas"), "{error}");
    }

    #[test]
    fn what_is_unknown_is_refused_with_what_is_allowed() {
        for key in ["batch.size", "plugin.library.paths", "sslx.key", "client.rack.x"] {
            let refused = connection(&format!("\"{key}\" = \"1\""));
            assert!(matches!(refused, Err(ConfigError::NotAllowed { .. })), "{key}");
        }
    }

    #[test]
    fn a_bad_value_is_named_by_its_key_and_never_shown() {
        let error = connection("\"security.protocol\" = \"canary-7\"").unwrap_err().to_string();
        assert!(error.contains("security.protocol") && !error.contains("canary-7"), "{error}");
    }

    #[test]
    fn a_secret_comes_from_a_file_and_never_in_plain_text() {
        let error = connection("\"sasl.password\" = \"hunter2\"").unwrap_err();
        assert!(matches!(error, ConfigError::PlainSecret { .. }));
        assert!(!error.to_string().contains("hunter2"));
        let missing = connection("\"sasl.password\" = { file = \"/nonexistent\" }").unwrap_err();
        assert!(matches!(missing, ConfigError::Secret { .. }));
    }

    #[test]
    fn a_connection_prints_no_value() {
        let mut connection = Connection::plain("a:1", "x");
        connection.properties.insert("sasl.password".to_owned(), Secret::new(b"hunter2".to_vec()));
        assert!(!format!("{connection:?}").contains("hunter2"));
    }
}
