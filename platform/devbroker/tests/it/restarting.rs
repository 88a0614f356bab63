//! What is there again after the broker stopped, was killed, or could not start.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use hooklog_devbroker::{Broker, OpenError, Settings};
use kafka_protocol::messages::{InitProducerIdRequest, MetadataRequest};

use crate::client::{Client, batch, plain};
use crate::grouping::{commit, committed, committing};
use crate::running::{PATIENCE, any_port, run, start};

#[tokio::test]
async fn everything_is_there_again_and_the_ids_are_the_same() {
    let broker = start();
    let cluster_id = broker.cluster_id.clone();
    let mut client = broker.client().await;
    client.create("t", 2, &[("retention.ms", "-1")]).await;
    let producer = client.call(&InitProducerIdRequest::default().with_transactional_id(None), 4).await.producer_id.0;
    for n in 0..3 {
        client.produce("t", batch(producer, 0, n, 10)).await;
    }
    commit(&mut client, &committing("g", None, 2)).await;
    let before = client.call(&MetadataRequest::default().with_topics(None), 12).await;
    let dir = broker.stop().await;
    let settings = Settings::new(dir.path().into(), any_port());
    let broker = run(dir, settings);
    assert_eq!(broker.cluster_id, cluster_id);
    let mut client = broker.client().await;
    let after = client.call(&MetadataRequest::default().with_topics(None), 12).await;
    assert_eq!((&after.topics, &after.cluster_id), (&before.topics, &before.cluster_id));
    assert_eq!(client.fetch("t", 0, 1_000).await.responses[0].partitions[0].high_watermark, 3);
    assert_eq!(committed(&mut client, "g").await, 2);
    assert_eq!(client.produce("t", batch(producer, 0, 2, 10)).await.base_offset, 2, "a repeat");
    assert_eq!(client.produce("t", batch(producer, 0, 9, 10)).await.error_code, 45);
    let next = client.call(&InitProducerIdRequest::default().with_transactional_id(None), 4).await.producer_id.0;
    assert_ne!(next, producer);
}

#[tokio::test]
async fn two_brokers_do_not_share_a_folder_or_a_port() {
    let broker = start();
    let again = Settings::new(broker.dir.path().into(), any_port());
    let Err(OpenError::Locked { holder, .. }) = Broker::open(again) else { panic!("the folder is locked") };
    assert_eq!(holder, format!("process {} on {}", std::process::id(), broker.address));
    let dir = tempfile::tempdir().unwrap();
    let taken = Settings::new(dir.path().into(), broker.address);
    assert!(matches!(Broker::open(taken), Err(OpenError::Bind { address, .. }) if address == broker.address));
    let (address, dir) = (broker.address, broker.stop().await);
    Broker::open(Settings::new(dir.path().into(), address)).expect("folder and port are free again");
}

#[tokio::test]
async fn an_interrupted_deletion_is_finished_and_an_interrupted_creation_is_forgotten() {
    let broker = start();
    let mut client = broker.client().await;
    client.create("t", 1, &[]).await;
    let dir = broker.stop().await;
    std::fs::rename(dir.path().join("topics/t"), dir.path().join("leaving/t")).unwrap();
    std::fs::create_dir(dir.path().join("arriving/half")).unwrap();
    let settings = Settings::new(dir.path().into(), any_port());
    let broker = run(dir, settings);
    assert_eq!(broker.client().await.create("t", 1, &[]).await, 0);
    for folder in ["arriving", "leaving"] {
        assert_eq!(std::fs::read_dir(broker.dir.path().join(folder)).unwrap().count(), 0, "{folder}");
    }
}

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the binary; returns when it says that it is ready.
async fn spawn(dir: &Path) -> (Process, Client) {
    let ready = dir.join("ready.json");
    let _ = std::fs::remove_file(&ready);
    let child = Command::new(env!("CARGO_BIN_EXE_hooklog-devbroker"))
        .args(["--listen", "127.0.0.1:0", "--data-dir"])
        .arg(dir.join("data"))
        .arg("--ready-file")
        .arg(&ready)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let process = Process(child);
    let deadline = Instant::now() + PATIENCE;
    let text = loop {
        match std::fs::read_to_string(&ready) {
            Ok(text) => break text,
            Err(_) => assert!(Instant::now() < deadline, "it never gets ready"),
        }
        tokio::task::yield_now().await;
    };
    let told: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(told["pid"], process.0.id());
    assert!(told["cluster_id"].as_str().is_some_and(|id| id.len() == 22));
    let client = Client::connect(told["bootstrap"].as_str().unwrap().parse().unwrap()).await;
    (process, client)
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let (mut process, mut client) = spawn(dir.path()).await;
    assert_eq!(client.create("t", 1, &[]).await, 0);
    for round in 0..3i64 {
        for n in 0..50 {
            assert_eq!(client.produce("t", plain(100)).await.base_offset, round * 50 + n);
        }
        assert_eq!(commit(&mut client, &committing("g", None, round)).await, 0);
        process.0.kill().unwrap();
        process.0.wait().unwrap();
        (process, client) = spawn(dir.path()).await;
        let high_watermark = client.fetch("t", 0, 1_000).await.responses[0].partitions[0].high_watermark;
        assert_eq!(high_watermark, (round + 1) * 50);
        assert_eq!(committed(&mut client, "g").await, round);
    }
}

#[tokio::test]
async fn a_terminated_broker_ends_well() {
    let dir = tempfile::tempdir().unwrap();
    let (mut process, mut client) = spawn(dir.path()).await;
    assert_eq!(client.create("t", 1, &[]).await, 0);
    let killed = Command::new("kill").args(["-TERM", &process.0.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert!(process.0.wait().unwrap().success());
}
