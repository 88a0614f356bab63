//! Kafka vanishes under load: webhooks are taken all the same, and all of them are in Kafka in their order once it is back, whatever
//! happens to the edge meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hooklog_tests::audit::audit;
use hooklog_tests::checker::Verdict;
use hooklog_tests::edge::{Edge, Source, Tuning};
use hooklog_tests::eventually::eventually;
use hooklog_tests::kafka::{Kafka, NodeId};
use hooklog_tests::ledger::Ledger;
use hooklog_tests::load::{Load, Running};
use hooklog_tests::names::unique;
use hooklog_tests::rounds::rounds;
use hooklog_tests::webhook::Provider;

const PARTITIONS: i32 = 8;
const NODE: NodeId = NodeId(1);

/// How long a spool may take to be drained.
const DRAIN: Duration = Duration::from_secs(120);

/// Records that may be in flight in one edge at a time: each sender has one.
const IN_FLIGHT: usize = 16;

/// One broker that can be taken away, an edge before it, senders, and what they wrote down.
struct Scene {
    kafka: Kafka,
    edge: Edge,
    source: Source,
    ledger: Arc<Ledger>,
    load: Running,
}

impl Scene {
    async fn new() -> Self {
        Self::tuned(Tuning::default()).await
    }

    async fn tuned(tuning: Tuning<'_>) -> Self {
        let kafka = Kafka::one().await;
        let source = Source::new(&unique("github"), Provider::GitHub);
        kafka.broker().create_topic(&source.topic(), PARTITIONS).await;
        let edge = Edge::start_tuned(kafka.bootstrap(), std::slice::from_ref(&source), tuning).await;
        let ledger = Arc::new(Ledger::default());
        let load = Load::new(&edge.address(), &source.name, Provider::GitHub).start(Arc::clone(&ledger));
        Self { kafka, edge, source, ledger, load }
    }

    /// Lets the senders end, waits until all is in Kafka, and has it judged.
    async fn judged(self) -> (Verdict, Arc<Ledger>) {
        self.load.stop().await;
        self.edge.drained(DRAIN).await;
        (audit(self.kafka.bootstrap(), &[&self.source.topic()], &self.ledger), self.ledger)
    }
}

/// How the tries ended, by status: none is a try without an answer.
fn statuses(ledger: &Ledger, wanted: Option<u16>) -> usize {
    ledger.read().1.iter().filter(|outcome| outcome.status == wanted).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn while_kafka_is_down_webhooks_are_taken_and_none_is_lost_doubled_or_overtaken() {
    let mut scene = Scene::new().await;
    for _ in 0..rounds(2, 10) {
        scene.ledger.more_acked(200).await;
        scene.kafka.kill9(NODE);
        let down = Instant::now();
        let longest = Duration::from_secs(u64::from(rounds(8, 60)));
        while down.elapsed() < longest {
            scene.ledger.more_acked(100).await;
        }
        scene.kafka.start(NODE).await;
        scene.edge.drained(DRAIN).await;
    }
    scene.ledger.more_acked(200).await;
    let (verdict, ledger) = scene.judged().await;
    verdict.require_clean("Kafka down, the spool takes over");
    let (logged, spooled, refused) =
        (statuses(&ledger, Some(200)), statuses(&ledger, Some(202)), statuses(&ledger, Some(503)));
    eprintln!("answers: 200={logged} 202={spooled} 503={refused} none={}", statuses(&ledger, None));
    assert!(logged > 300 && spooled > 300, "200: {logged}, 202: {spooled}");
    assert_eq!((refused, statuses(&ledger, None)), (0, 0), "nobody was turned away");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_kafka_is_noticed_within_the_edges_own_deadline() {
    let mut scene = Scene::new().await;
    scene.ledger.more_acked(200).await;
    // Alive, its connections open, and without a word: what no connection error tells.
    scene.kafka.pause(NODE);
    scene.edge.spools(200.0).await;
    scene.kafka.resume(NODE);
    let (verdict, ledger) = scene.judged().await;
    verdict.require_clean("Kafka silent");
    let slowest = ledger.read().1.iter().map(|outcome| outcome.latency_us).max().unwrap_or(0);
    assert!(slowest < 2_000_000, "the slowest answer took {slowest} us");
    assert_eq!(statuses(&ledger, Some(503)), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_that_dies_while_it_spools_has_lost_nothing_it_acknowledged() {
    let mut scene = Scene::new().await;
    let mut kills = 0;
    scene.ledger.more_acked(100).await;
    scene.kafka.pause(NODE);
    for step in ["spool-batch", "spool-synced", "spooled"] {
        for hit in (0..rounds(3, 20)).map(|round| 1 + round * 5) {
            scene.edge.kill9();
            scene.edge.launch(&format!("edge.{step}=kill@{hit}"));
            let died = scene.edge.exited(Duration::from_secs(60)).await;
            assert!(!died.success(), "edge.{step}: {died}");
            kills += 2;
        }
    }
    for _ in 0..rounds(5, 300) {
        scene.edge.restart().await;
        scene.ledger.more_acked(20).await;
        scene.edge.kill9();
        kills += 1;
    }
    scene.edge.restart().await;
    scene.kafka.resume(NODE);
    scene.ledger.more_acked(100).await;
    let (verdict, _) = scene.judged().await;
    verdict.allowing_copies(kills * IN_FLIGHT).require_clean("edge killed while it spools");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_that_dies_while_it_drains_has_lost_nothing_it_acknowledged() {
    let mut scene = Scene::new().await;
    let mut kills = 0;
    for step in ["drain-read", "drain-produced", "drain-acked", "drain-trimmed"] {
        for hit in (0..rounds(2, 20)).map(|round| 1 + round * 3) {
            scene.ledger.more_acked(20).await;
            scene.kafka.pause(NODE);
            scene.edge.spools(100.0).await;
            scene.edge.kill9();
            scene.kafka.resume(NODE);
            scene.edge.launch(&format!("edge.{step}=kill@{hit}"));
            let died = scene.edge.exited(Duration::from_secs(60)).await;
            assert!(!died.success(), "edge.{step}: {died}");
            scene.edge.restart().await;
            scene.edge.drained(DRAIN).await;
            kills += 2;
        }
    }
    let (verdict, _) = scene.judged().await;
    // A window of the drain is in flight too.
    verdict.allowing_copies(kills * (IN_FLIGHT + 8 * 512)).require_clean("edge killed while it drains");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_edge_leaves_its_spool_to_the_next() {
    let mut scene = Scene::new().await;
    for _ in 0..rounds(2, 20) {
        scene.ledger.more_acked(100).await;
        scene.kafka.pause(NODE);
        scene.edge.spools(100.0).await;
        let asked = Instant::now();
        assert!(scene.edge.stop(Duration::from_secs(40)).await.success());
        assert!(asked.elapsed() < Duration::from_secs(30), "{:?}", asked.elapsed());
        scene.kafka.resume(NODE);
        scene.edge.restart().await;
        scene.edge.drained(DRAIN).await;
    }
    let (verdict, _) = scene.judged().await;
    verdict.allowing_copies(IN_FLIGHT * 2).require_clean("edge stopped while Kafka is away");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_spool_turns_away_and_loses_nothing() {
    let mut scene = Scene::tuned(Tuning { spool: "max_records = 300", ..Tuning::default() }).await;
    scene.ledger.more_acked(100).await;
    scene.kafka.pause(NODE);
    scene.edge.spools(300.0).await;
    eventually(Duration::from_secs(30), "refusals", async || match statuses(&scene.ledger, Some(503)) {
        0..100 => Err("too few"),
        _ => Ok(()),
    })
    .await;
    scene.kafka.resume(NODE);
    scene.ledger.more_acked(100).await;
    let (verdict, _) = scene.judged().await;
    verdict.require_clean("the spool is full");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_refuses_a_write_turns_away_until_the_spool_was_read_again() {
    let mut scene = Scene::tuned(Tuning { spool: "reserve = \"1MiB\"", ..Tuning::default() }).await;
    scene.ledger.more_acked(100).await;
    assert!(scene.edge.stop(Duration::from_secs(40)).await.success());
    // The log of writes reaches this size within seconds, and the device says no.
    scene.edge.restart_within(4096).await;
    scene.kafka.pause(NODE);
    eventually(Duration::from_secs(60), "a failed write", async || {
        let failed = scene.edge.metric("hooklog_ingest_requests_total", "outcome=\"spool_failed\"").await;
        match failed {
            Ok(failed) if failed > 0.0 => Ok(()),
            other => Err(other),
        }
    })
    .await;
    // Opened anew, it has a new log of writes, and takes records again without a restart.
    let spooled = scene.edge.spooled().await;
    scene.ledger.more_acked(100).await;
    scene.kafka.resume(NODE);
    let (verdict, ledger) = scene.judged().await;
    verdict.allowing_copies(IN_FLIGHT * 16).require_clean("the disk refuses writes");
    eprintln!("spooled at the failure: {spooled:?}; 503: {}", statuses(&ledger, Some(503)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_full_turns_away_and_takes_records_again_once_it_has_room() {
    let mut scene = Scene::tuned(Tuning { spool: "reserve = \"1MiB\"", ..Tuning::default() }).await;
    scene.ledger.more_acked(100).await;
    assert!(scene.edge.stop(Duration::from_secs(40)).await.success());
    scene.edge.restart_on_device(8).await;
    for _ in 0..rounds(2, 10) {
        scene.ledger.more_acked(100).await;
        let turned_away = statuses(&scene.ledger, Some(503));
        scene.kafka.pause(NODE);
        // It takes a moment until what was drained before is room again.
        eventually(Duration::from_secs(90), "a full device", async || {
            let (more, spooled) = (statuses(&scene.ledger, Some(503)) - turned_away, scene.edge.spooled().await);
            if more >= 100 && spooled.as_ref().is_ok_and(|&held| held > 100.0) { Ok(()) } else { Err((more, spooled)) }
        })
        .await;
        // Without a restart.
        scene.kafka.resume(NODE);
        scene.edge.drained(DRAIN).await;
    }
    scene.ledger.more_acked(100).await;
    let (verdict, ledger) = scene.judged().await;
    verdict.allowing_copies(IN_FLIGHT * 16).require_clean("the device is full");
    eprintln!("answers: 202={} 503={}", statuses(&ledger, Some(202)), statuses(&ledger, Some(503)));
}
