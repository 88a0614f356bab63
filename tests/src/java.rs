//! Java: how it is started, and the independent reader, which is Apache Kafka's own client.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// Names the folder of Kafka's jars.
pub const LIBS_VARIABLE: &str = "HOOKLOG_KAFKA_LIBS";

/// One record, as the Java client gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it was read.
    pub topic: String,
    /// Of the topic, from 0.
    pub partition: i32,
    /// In the partition.
    pub offset: i64,
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// The key's bytes.
    pub key: Option<Vec<u8>>,
    /// The value's bytes.
    pub value: Option<Vec<u8>>,
    /// In their order; a name may come twice.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Record {
    /// The first header of the name, as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let (_, value) = self.headers.iter().find(|(known, _)| known == name)?;
        String::from_utf8(value.clone()).ok()
    }
}

/// Whether records of unfinished and failed transactions are read too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Everything that is in the log.
    ReadUncommitted,
    /// What a careful consumer sees.
    ReadCommitted,
}

/// Every record of every partition of the topics, from the beginning to the end as it is now, ordered by partition and offset.
///
/// # Panics
/// When Java, the jars or the broker are not there.
#[must_use]
pub fn read_back(bootstrap: &str, topics: &[&str], isolation: Isolation) -> Vec<Record> {
    let mut reader = command();
    // The classes before the jars, whose folder is the class path that `command` sets.
    reader.arg("-Xmx512m").arg("-Dkafka.loglevel=error").arg("ReadBack").arg(bootstrap).args(topics);
    if isolation == Isolation::ReadCommitted {
        reader.arg("--read-committed");
    }
    let output = reader.stdin(Stdio::null()).output().expect("java can be started");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "reading {topics:?} back from {bootstrap} failed: {complaint}");
    let lines = output.stdout.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let mut records: Vec<Record> = lines.map(record).collect();
    records.sort_by(|a, b| (&a.topic, a.partition, a.offset).cmp(&(&b.topic, b.partition, b.offset)));
    records
}

#[derive(Deserialize)]
struct Line {
    topic: String,
    partition: i32,
    offset: i64,
    timestamp: i64,
    key_b64: Option<String>,
    value_b64: Option<String>,
    headers: Vec<(String, String)>,
}

fn record(line: &[u8]) -> Record {
    let line: Line = serde_json::from_slice(line).expect("the reader writes one JSON object a line");
    let bytes = |text: String| STANDARD.decode(text).expect("the reader writes base64");
    let headers = line.headers.into_iter().map(|(name, value)| (name, bytes(value))).collect();
    let (key, value) = (line.key_b64.map(bytes), line.value_b64.map(bytes));
    Record {
        topic: line.topic,
        partition: line.partition,
        offset: line.offset,
        timestamp: line.timestamp,
        key,
        value,
        headers,
    }
}

/// A `java` with Kafka's jars and our reader on its class path, quick to start.
pub(crate) fn command() -> Command {
    let mut command = Command::new("java");
    command.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]);
    command.arg(format!("-Dlog4j2.configurationFile={}", here().join("kafka/log4j2.properties").display()));
    command.arg("-cp").arg(format!("{}/*:{}", libs().display(), classes().display()));
    command
}

/// The folder of Kafka's jars.
pub(crate) fn libs() -> PathBuf {
    let usual = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/hooklog/kafka/libs");
    let libs = std::env::var_os(LIBS_VARIABLE).map_or_else(usual, PathBuf::from);
    assert!(
        libs.is_dir(),
        "no jars in {}: fetch them with `make kafka`, or name their folder in {LIBS_VARIABLE}",
        libs.display()
    );
    libs
}

/// The reader, compiled once for each state of its source.
fn classes() -> PathBuf {
    let source = here().join("java/ReadBack.java");
    let text = std::fs::read(&source).expect("the reader's source is part of the tests");
    let classes = libs().with_file_name(format!("classes-{}", &hex::encode(Sha256::digest(&text))[..12]));
    if !classes.is_dir() {
        let parent = libs().parent().expect("the jars' folder is not the root").to_owned();
        let fresh = tempfile::tempdir_in(parent).expect("the folder of the jars is writable");
        let mut compiler = Command::new("javac");
        compiler.arg("-cp").arg(format!("{}/*", libs().display())).arg("-d").arg(fresh.path()).arg(&source);
        let output = compiler.output().expect("javac can be started: the tests need a JDK, 17 or newer");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // By rename; when another test was first, its classes are as good.
        let _ = std::fs::rename(fresh.path(), &classes);
    }
    classes
}

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
