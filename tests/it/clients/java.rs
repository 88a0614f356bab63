//! What Apache Kafka's own client sees, by the suite in `tests/java`.

use std::path::{Path, PathBuf};
use std::process::Command;

use hooklog_tests::java::LIBS_VARIABLE;
use hooklog_tests::kafka::Kafka;

use super::broker;

/// Runs the suite; fails with everything it said.
async fn agrees(bootstrap: &str, transactions: &'static str) {
    let usual = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/hooklog/kafka/libs");
    let libs = std::env::var_os(LIBS_VARIABLE).map_or_else(usual, PathBuf::from);
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut java = Command::new("java");
    java.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dkafka.loglevel=error"])
        .arg(format!("-Dlog4j2.configurationFile={}", here.join("kafka/log4j2.properties").display()))
        .arg("-cp")
        .arg(format!("{}/*", libs.display()))
        .arg(here.join("java/ClientSuite.java"))
        .args([bootstrap, "--transactions", transactions]);
    let output = tokio::task::spawn_blocking(move || java.output()).await.unwrap().expect("java can be started");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.lines().filter(|line| line.starts_with("ok ")).count(), 12, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_java_client_finds_the_dev_broker_in_order() {
    let broker = broker::start().await;
    agrees(broker.bootstrap(), "refused").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_java_client_finds_real_kafka_in_order() {
    agrees(Kafka::shared().await.bootstrap(), "ok").await;
}
