//! The edge's configuration, as `defaults.toml` explains it; what the types can't check is checked by [`crate::source`].

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use hooklog_kafka::{Compression, Property};
use hooklog_process::config::{ConfigError, Layers};
use hooklog_process::logging::Format;
use hooklog_process::quantity::{ByteSize, Span};
use hooklog_schemas::TopicName;
use hooklog_schemas::id::NameError;
use hooklog_signatures::WhenLogAway;
use serde::{Deserialize, Serialize};

use crate::fetch::url::HttpsUrl;
use crate::forwarded::Forwarded;
use crate::public_url::PublicUrl;
pub use crate::secret::SecretConfig;
use crate::spool::Settings;
use crate::spool::usage;
use crate::validate::Mode;

/// The embedded defaults; `hooklog config` prints them as the manual.
pub const DEFAULTS: &str = include_str!("../defaults.toml");

/// What environment variables that set something begin with.
pub const PREFIX: &str = "HOOKLOG_INGEST";

/// Everything that can be set.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where providers reach the edge.
    pub listen: SocketAddr,
    /// Where probes and scrapes reach it.
    pub admin: SocketAddr,
    /// Threads that serve requests; 0 means one for each core but one, which the log's client needs.
    pub threads: usize,
    /// A folder of provider files of one's own; empty for none.
    pub providers: PathBuf,
    /// How long a shutdown waits for requests in flight.
    pub drain: Span,
    /// With which certificate, if any.
    pub tls: Tls,
    /// Which proxies are believed.
    pub forwarded: Forwarded,
    /// How the edge asks others.
    pub fetch: Fetch,
    /// How log lines look.
    pub log: Log,
    /// How the brokers are reached.
    pub kafka: Kafka,
    /// Where records wait while the log is away.
    pub spool: Spool,
    /// Where requests are kept whose signature did not hold.
    pub quarantine: Quarantine,
    /// What is too much.
    pub limits: Limits,
    /// What is too long.
    pub timeouts: Timeouts,
    /// Who may send, by the name in the path.
    #[serde(default)]
    pub sources: BTreeMap<String, SourceConfig>,
}

/// The files of TLS; an empty path is none.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate, and those that lead to its authority.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The authorities of the certificates that clients must have.
    pub client_ca: PathBuf,
}

/// How the edge asks others: for keys that lie at a URL, and to confirm subscriptions.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Fetch {
    /// The authorities that are believed; the system's if empty.
    pub ca: PathBuf,
    /// How long one answer may take, from the name to the last byte.
    pub deadline: Span,
    /// The largest answer.
    pub max_bytes: ByteSize,
    /// Where a host is reached, if not under its own name, as `HOST:PORT`.
    pub via: BTreeMap<String, String>,
}

/// How log lines look.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// For people or for machines.
    pub format: Format,
    /// Which lines.
    pub filter: String,
}

/// How the brokers are reached.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Kafka {
    /// The brokers to ask first.
    pub bootstrap: String,
    /// How long a request waits for the acknowledgement.
    pub append_deadline: Span,
    /// How long records are collected for one request.
    pub linger: Span,
    /// How records are compressed.
    pub compression: Compression,
    /// Memory for records on their way.
    pub queue: ByteSize,
    /// A schema registry's URL, or nothing.
    pub registry: String,
    /// Further properties of the client library; those that hold a secret name a file or a variable.
    pub properties: BTreeMap<String, Property>,
}

/// Where records wait while the log is away.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Spool {
    /// Its folder; empty for none.
    pub dir: PathBuf,
    /// How long a request waits for the log before its record is spooled.
    pub after: Span,
    /// Bytes in all.
    pub max_bytes: ByteSize,
    /// Bytes of one source.
    pub max_source_bytes: ByteSize,
    /// Records in all.
    pub max_records: u64,
    /// How old the oldest record may be before no more are taken.
    pub max_age: Span,
    /// What is kept free on its device.
    #[serde(deserialize_with = "reserve")]
    pub reserve: ByteSize,
    /// Whether it is opened although records are damaged or missing.
    pub accept_damage: bool,
}

/// What is too much.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Open connections in all.
    pub connections: usize,
    /// Open connections from one address.
    pub connections_per_address: usize,
    /// Requests in flight in all.
    pub requests: usize,
    /// Bodies in memory in all.
    pub body_bytes: ByteSize,
    /// The largest body of a source that sets none of its own.
    pub max_body: ByteSize,
    /// The largest body that is held to a schema, of a source that sets none of its own.
    pub schema_bytes: ByteSize,
    /// A request's headers in all.
    pub headers: ByteSize,
    /// How many headers a request may have.
    pub header_count: usize,
    /// The longest request target.
    pub uri: ByteSize,
    /// Ids of stored events that are remembered for sources with `duplicates`.
    pub duplicate_ids: usize,
}

/// What is too long.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Timeouts {
    /// From the connection to its first byte.
    pub first_byte: Span,
    /// From a request's first byte to the end of its headers.
    pub headers: Span,
    /// The longest a body may take.
    pub body: Span,
    /// How long a body may be slower than `body_rate`.
    pub body_grace: Span,
    /// The lowest lasting rate of a body, a second.
    pub body_rate: ByteSize,
    /// How long a client may leave an answer unread.
    pub write: Span,
    /// How long a connection may be open without a request.
    pub idle: Span,
    /// How old a connection may become; its tenth more or less, by chance.
    pub age: Span,
    /// What a client is told to wait at least.
    pub retry_after: Span,
}

/// One source: who may send to `/in/<name>`, how that is proven, and where the events go.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// The provider's scheme by name: `github`, `stripe`, `hmac`, …
    pub provider: String,
    /// The secrets that verify, all of them live at once: two while one replaces the other.
    #[serde(default)]
    pub secrets: Vec<SecretConfig>,
    /// Where its provider's key set lies, in place of secrets; what the provider's file says if not given.
    pub keys_url: Option<HttpsUrl>,
    /// The topic; `hooks.<source>` if not given.
    pub topic: Option<String>,
    /// The largest body; `limits.max_body` if not given.
    pub max_body: Option<ByteSize>,
    /// Requests a second; no limit if not given.
    pub rate: Option<u32>,
    /// Addresses and networks that may send; all if empty.
    #[serde(default)]
    pub allow: Vec<ipnet::IpNet>,
    /// The URL that the provider has, for those that sign it; never told by a request.
    pub public_url: Option<PublicUrl>,
    /// Media types that are taken; all if empty.
    #[serde(default)]
    pub media_types: Vec<String>,
    /// What its bodies have to look like; they are not looked at if not given.
    pub schema: Option<SchemaConfig>,
    /// What to do when the log is away; the provider's default if not given.
    pub when_log_away: Option<WhenLogAway>,
    /// How long a copy of a stored event is answered without storing it again; not at all if not given.
    pub duplicates: Option<Span>,
    /// What differs from the provider's scheme, in its grammar: header, prefix, id, type, key, reply, …
    #[serde(default)]
    pub scheme: toml::Table,
}

/// The schemas of a source's bodies.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SchemaConfig {
    /// Their folder: `<type of event>.json` for one type, `default.json` for all others.
    pub dir: PathBuf,
    /// What becomes of a body that differs.
    pub mode: Mode,
    /// The largest body that is looked at; `limits.schema_bytes` if not given.
    pub max_bytes: Option<ByteSize>,
}

/// Where requests are kept whose signature did not hold.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Quarantine {
    /// The topic; empty for none.
    pub topic: String,
    /// Requests a second of one source.
    pub rate: u32,
    /// The largest body.
    pub max_body: ByteSize,
}

impl Quarantine {
    /// The topic, if there is one.
    ///
    /// # Errors
    /// [`NameError`] when it is none that Kafka takes.
    pub fn topic(&self) -> Result<Option<TopicName>, NameError> {
        (!self.topic.is_empty()).then(|| TopicName::parse(&self.topic)).transpose()
    }
}

impl Spool {
    /// The settings of the spool, if there is to be one.
    #[must_use]
    pub fn settings(&self) -> Option<Settings> {
        let limits =
            usage::Limits { bytes: self.max_bytes.0, records: self.max_records, source_bytes: self.max_source_bytes.0 };
        (!self.dir.as_os_str().is_empty()).then(|| Settings {
            dir: self.dir.clone(),
            limits,
            max_age_ms: i64::try_from(self.max_age.0.as_millis()).unwrap_or(i64::MAX),
            reserve_bytes: self.reserve.0,
            accept_damage: self.accept_damage,
        })
    }
}

impl Config {
    /// Reads the defaults, the file and the environment.
    ///
    /// # Errors
    /// [`ConfigError`], naming the key and where it was set.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        Layers { defaults: DEFAULTS, file, prefix: PREFIX }.load()
    }

    /// The defaults alone, without a source.
    ///
    /// # Errors
    /// [`ConfigError`] when the embedded defaults are broken, which a test excludes.
    pub fn defaults() -> Result<Self, ConfigError> {
        Layers { defaults: DEFAULTS, file: None, prefix: PREFIX }.load_with(std::iter::empty())
    }
}

/// What the spool's store writes of itself when it is opened anew on a device without room.
const LEAST_RESERVE: ByteSize = ByteSize(1 << 20);

fn reserve<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
    let reserve = ByteSize::deserialize(deserializer)?;
    if reserve.0 < LEAST_RESERVE.0 {
        return Err(serde::de::Error::custom(format_args!(
            "a reserve of {reserve} is too small to open a spool in whose device is full: {LEAST_RESERVE} is the least"
        )));
    }
    Ok(reserve)
}
