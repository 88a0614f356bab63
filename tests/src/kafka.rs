//! Real Apache Kafka on this machine: one node or three, which can be killed, paused and started again.

use std::path::Path;

use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::broker::Broker;
use crate::node::{Cluster, Node};
use crate::ports;

/// A cluster. Dropping it kills it and removes its data.
pub struct Kafka {
    nodes: Vec<Node>,
    bootstrap: String,
    folder: TempDir,
}

/// A node of a cluster, counted from 1 as Kafka does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeId(pub usize);

impl Kafka {
    /// One node that all tests of this process share: for tests that do not harm it. It ends with the process.
    pub async fn shared() -> &'static Kafka {
        static SHARED: OnceCell<Kafka> = OnceCell::const_new();
        SHARED.get_or_init(Kafka::one).await
    }

    /// One node.
    pub async fn one() -> Kafka {
        Self::with_nodes(1).await
    }

    /// Three nodes; topics have three copies, of which two must be in sync.
    pub async fn three() -> Kafka {
        Self::with_nodes(3).await
    }

    async fn with_nodes(count: usize) -> Kafka {
        let folder =
            tempfile::Builder::new().prefix("hooklog-kafka-").tempdir().expect("there is a folder for temporary files");
        let ports: Vec<(u16, u16)> = (0..count).map(|_| (ports::free(), ports::free())).collect();
        let bootstrap: Vec<String> = ports.iter().map(|(client, _)| format!("127.0.0.1:{client}")).collect();
        let cluster = Cluster { id: Cluster::random_id(), ports };
        let mut nodes: Vec<Node> = (1..=count).map(|id| Node::format(id, &cluster, folder.path())).collect();
        nodes.iter_mut().for_each(Node::start);
        for node in &mut nodes {
            node.serves().await;
        }
        Kafka { nodes, bootstrap: bootstrap.join(","), folder }
    }

    /// All nodes' addresses, as clients take them.
    #[must_use]
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Where its nodes keep their data and their logs.
    #[must_use]
    pub fn data(&self) -> &Path {
        self.folder.path()
    }

    /// What can be asked of it from outside.
    #[must_use]
    pub fn broker(&self) -> Broker {
        Broker::at(&self.bootstrap)
    }

    /// All its nodes.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeId> {
        (1..=self.nodes.len()).map(NodeId).collect()
    }

    /// Whether the node's process is there.
    pub fn runs(&mut self, node: NodeId) -> bool {
        self.node(node).runs()
    }

    /// Ends a node's process at once.
    pub fn kill9(&mut self, node: NodeId) {
        self.node(node).kill9();
    }

    /// Ends a node as an operator would.
    pub async fn stop(&mut self, node: NodeId) {
        self.node(node).stop().await;
    }

    /// Starts a node that is down, on its old data, and waits until it serves.
    pub async fn start(&mut self, node: NodeId) {
        self.node(node).start();
        self.node(node).serves().await;
    }

    /// Starts all nodes that are down together, as after a power cut, and waits until they serve.
    pub async fn start_all(&mut self) {
        let down: Vec<&mut Node> = self.nodes.iter_mut().filter_map(|node| (!node.runs()).then_some(node)).collect();
        for node in down {
            node.start();
        }
        for node in &mut self.nodes {
            node.serves().await;
        }
    }

    /// Stops a node in its tracks: its sockets stay open, nobody answers.
    pub fn pause(&mut self, node: NodeId) {
        self.node(node).pause();
    }

    /// Lets a paused node go on.
    pub fn resume(&mut self, node: NodeId) {
        self.node(node).resume();
    }

    fn node(&mut self, NodeId(id): NodeId) -> &mut Node {
        &mut self.nodes[id - 1]
    }
}
