//! Apache Kafka as it ships: one node in KRaft mode, acknowledging from the page cache, in a folder that goes with the bench.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::error::BenchError;
use crate::machine::CpuSeconds;
use crate::process::{PATIENCE, Process};

/// The node's heap.
const HEAP: &str = "512m";

/// What `kafka-server-start.sh` gives the JVM beside the heap.
const JVM: [&str; 4] = ["-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35"];

const NO_JAVA: &str = "install a Java runtime, 17 or later";

/// A running node.
pub struct Broker {
    process: Process,
    address: String,
    version: String,
}

impl Broker {
    /// Formats a node in `folder`, starts it and waits until it answers.
    ///
    /// # Errors
    /// [`BenchError::NoKafka`] when there are no jars; else what the node said.
    pub fn start(folder: &Path) -> Result<Self, BenchError> {
        let jars = jars()?;
        let version = version(&jars)?;
        let (port, controller) = (free_port()?, free_port()?);
        let properties = folder.join("server.properties");
        fs::write(&properties, server_properties(port, controller, &folder.join("logs")))?;
        let class_path = jars.join("*");
        let java = |heap: &str, arguments: &[&str]| {
            let mut java = Command::new("java");
            java.args([&format!("-Xms{heap}"), &format!("-Xmx{heap}")]).args(arguments);
            java
        };
        let format = ["kafka.tools.StorageTool", "format", "-t", "aG9va2xvZy1iZW5jaC0wMQ", "-c"];
        let mut format_command = java("128m", &["-XX:TieredStopAtLevel=1", "-cp"]);
        format_command.arg(&class_path).args(format).arg(&properties);
        Process::start("kafka-format", &mut format_command, folder, NO_JAVA)?.finish(PATIENCE)?;
        let mut command = java(HEAP, &JVM);
        command.arg("-cp").arg(&class_path).arg("kafka.Kafka").arg(&properties);
        let mut process = Process::start("kafka", &mut command, folder, NO_JAVA)?;
        let address = format!("127.0.0.1:{port}");
        let probe: BaseConsumer = client(&address).create()?;
        process.until(|| probe.fetch_metadata(None, Duration::from_millis(500)).ok())?;
        Ok(Self { process, address, version })
    }

    /// Where clients reach it.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Which Kafka it is.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The CPU it used so far.
    ///
    /// # Errors
    /// When it is gone.
    pub fn cpu(&self) -> Result<CpuSeconds, BenchError> {
        self.process.cpu()
    }

    /// Has it fall silent, its connections open: what no connection error tells.
    pub fn pause(&self) {
        self.process.pause();
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.process.resume();
    }
}

/// The configuration of a client that says nothing while its broker starts or stops.
#[must_use]
pub fn client(address: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address).set("log_level", "0");
    config
}

fn jars() -> Result<PathBuf, BenchError> {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/hooklog/kafka/libs");
    Ok(std::env::var_os("HOOKLOG_KAFKA_LIBS").map_or_else(home, PathBuf::from))
}

/// Read from the server's jar: `kafka_2.13-4.4.0.jar`.
fn version(jars: &Path) -> Result<String, BenchError> {
    let missing = || BenchError::NoKafka { folder: jars.to_owned() };
    let entries = fs::read_dir(jars).map_err(|_| missing())?;
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let server = names.filter(|name| name.starts_with("kafka_2.")).max().ok_or_else(missing)?;
    let version = server.trim_end_matches(".jar").rsplit_once('-').map(|(_, version)| version.to_owned());
    version.ok_or_else(missing)
}

fn free_port() -> Result<u16, BenchError> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// What one node needs to be whole by itself, and nothing that makes it faster or safer than it ships.
fn server_properties(port: u16, controller: u16, logs: &Path) -> String {
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
",
        logs.display()
    )
}
