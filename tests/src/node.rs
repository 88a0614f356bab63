//! One Apache Kafka node: a folder, a configuration, and a Java process that can be killed and started again.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::java;
use crate::processes::Process;

/// A start takes 3 s alone; on a busy machine, after a kill, and three at once, it takes longer.
const START: Duration = Duration::from_secs(90);
const STOP: Duration = Duration::from_secs(30);

/// The first records of the metadata log: the same for every node of one version, so they are made once a machine.
const CHECKPOINT: &str = "00000000000000000000-0000000000.checkpoint";

/// What all nodes of a cluster agree on.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    /// Base64 of 16 bytes.
    pub(crate) id: String,
    /// For each node its client port and its controller port; node ids count from 1.
    pub(crate) ports: Vec<(u16, u16)>,
}

impl Cluster {
    pub(crate) fn random_id() -> String {
        URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>())
    }
}

/// One node, running or not.
pub(crate) struct Node {
    id: usize,
    folder: PathBuf,
    process: Option<Process>,
}

impl Node {
    /// Formats a new node's folder under `root`.
    pub(crate) fn format(id: usize, cluster: &Cluster, root: &Path) -> Self {
        let folder = root.join(format!("node-{id}"));
        let metadata = folder.join("logs/__cluster_metadata-0");
        std::fs::create_dir_all(&metadata).expect("the test's own folder is writable");
        let write = |path: PathBuf, text: &str| std::fs::write(path, text).expect("the test's own folder is writable");
        write(folder.join("server.properties"), &properties(id, cluster, &folder));
        let meta =
            format!("version=1\ncluster.id={}\nnode.id={id}\ndirectory.id={}\n", cluster.id, Cluster::random_id());
        write(folder.join("logs/meta.properties"), &meta);
        std::fs::copy(checkpoint(), metadata.join(CHECKPOINT)).expect("the test's own folder is writable");
        Self { id, folder, process: None }
    }

    /// Starts the process; [`Node::serves`] waits for it.
    pub(crate) fn start(&mut self) {
        let root = self.folder.parent().expect("a node's folder lies in the cluster's");
        let mut command = java::command();
        // A short life: the quick compiler starts a node in two thirds of the time.
        command.args(["-Xms256m", "-Xmx256m", "-XX:+ExitOnOutOfMemoryError", "-XX:-UsePerfData"]);
        command.arg("kafka.Kafka").arg(self.folder.join("server.properties"));
        self.process = Some(Process::start(&format!("kafka-{}", self.id), command, root));
    }

    /// Waits until the node is registered, unfenced and serving.
    pub(crate) async fn serves(&mut self) {
        self.process().logged("Kafka Server started", START).await;
    }

    pub(crate) fn kill9(&mut self) {
        self.process().kill9();
        self.process = None;
    }

    /// Ends it as an operator would; if it does not end in time (with its peers gone it may not), kills it.
    pub(crate) async fn stop(&mut self) {
        self.process().sigterm();
        let ended = tokio::time::timeout(STOP, self.process().exited(2 * STOP)).await;
        if ended.is_err() {
            self.kill9();
        }
        self.process = None;
    }

    pub(crate) fn pause(&mut self) {
        self.process().pause();
    }

    pub(crate) fn resume(&mut self) {
        self.process().resume();
    }

    pub(crate) fn runs(&mut self) -> bool {
        self.process.as_mut().is_some_and(Process::runs)
    }

    fn process(&mut self) -> &mut Process {
        let id = self.id;
        self.process.as_mut().unwrap_or_else(|| panic!("node {id} is down"))
    }
}

/// The configuration: replicated three times where there are three nodes, and quick to notice that a node has gone.
fn properties(id: usize, cluster: &Cluster, folder: &Path) -> String {
    let (client, controller) = cluster.ports[id - 1];
    let voters: Vec<String> =
        cluster.ports.iter().enumerate().map(|(n, (_, port))| format!("{}@127.0.0.1:{port}", n + 1)).collect();
    let (copies, in_sync) = if cluster.ports.len() < 3 { (1, 1) } else { (3, 2) };
    let mut text = format!(
        "process.roles=broker,controller\nnode.id={id}\ncontroller.quorum.voters={}\n\
         listeners=PLAINTEXT://127.0.0.1:{client},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{client}\ncontroller.listener.names=CONTROLLER\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         inter.broker.listener.name=PLAINTEXT\nlog.dirs={}\n",
        voters.join(","),
        folder.join("logs").display()
    );
    for (key, value) in [("default.replication.factor", copies), ("min.insync.replicas", in_sync)] {
        let _ = writeln!(text, "{key}={value}");
    }
    for topic in ["offsets.topic", "transaction.state.log", "share.coordinator.state.topic"] {
        let _ = writeln!(text, "{topic}.replication.factor={copies}\n{topic}.num.partitions=4");
    }
    for topic in ["transaction.state.log", "share.coordinator.state.topic"] {
        let _ = writeln!(text, "{topic}.min.isr={in_sync}");
    }
    text.push_str(
        "auto.create.topics.enable=false\nunclean.leader.election.enable=false\ngroup.initial.rebalance.delay.ms=0\n\
         num.network.threads=2\nnum.io.threads=4\nlog.cleaner.dedupe.buffer.size=4194304\n\
         broker.session.timeout.ms=3000\nbroker.heartbeat.interval.ms=500\n\
         controller.quorum.fetch.timeout.ms=1000\ncontroller.quorum.election.timeout.ms=500\n",
    );
    text
}

/// The checkpoint beside the jars, made by Kafka's own tool when it is not there: one Java start less for every node.
fn checkpoint() -> PathBuf {
    let kept = java::libs().with_file_name("bootstrap.checkpoint");
    if !kept.is_file() {
        let folder = tempfile::tempdir().expect("there is a folder for temporary files");
        let cluster = Cluster { id: Cluster::random_id(), ports: vec![(1, 2)] };
        let config = folder.path().join("server.properties");
        std::fs::write(&config, properties(1, &cluster, folder.path())).expect("the test's own folder is writable");
        let mut tool = java::command();
        tool.args(["kafka.tools.StorageTool", "format", "-t", &cluster.id, "-c"]).arg(&config);
        run(tool);
        // By rename: another test process may be making it too.
        let neighbour = kept.with_extension(std::process::id().to_string());
        let made = folder.path().join("logs/__cluster_metadata-0").join(CHECKPOINT);
        std::fs::copy(made, &neighbour).expect("the folder of the jars is writable");
        std::fs::rename(neighbour, &kept).expect("the folder of the jars is writable");
    }
    kept
}

fn run(mut tool: Command) {
    let output = tool.output().expect("java can be started");
    assert!(output.status.success(), "{:?} failed: {}", tool.get_program(), String::from_utf8_lossy(&output.stderr));
}
