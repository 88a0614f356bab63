//! A crowd that holds connections and never finishes what it began: each is cut at its own deadline, and the honest go on meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hooklog_tests::audit::audit;
use hooklog_tests::edge::{Edge, Source};
use hooklog_tests::kafka::Kafka;
use hooklog_tests::ledger::Ledger;
use hooklog_tests::load::Load;
use hooklog_tests::names::unique;
use hooklog_tests::rounds::rounds;
use hooklog_tests::webhook::Provider;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// What the deadlines may be late on a machine that is busy with the crowd itself.
const LATE: Duration = Duration::from_secs(15);

/// How somebody keeps a connection, and how long the edge bears it by its own settings.
#[derive(Debug, Clone, Copy)]
struct Habit {
    /// Sent at once.
    begins: &'static str,
    /// Sent every second after it.
    goes_on: &'static str,
    /// The latest end.
    borne: Duration,
}

const HABITS: [Habit; 4] = [
    // Says nothing: timeouts.first_byte.
    Habit { begins: "", goes_on: "", borne: Duration::from_secs(5) },
    // A byte of a header each second: timeouts.headers.
    Habit { begins: "POST /in/SOURCE HTTP/1.1\r\nhost: x\r\nx-slow: ", goes_on: "a", borne: Duration::from_secs(10) },
    // A body that does not come: timeouts.body_grace.
    Habit { begins: "POST /in/SOURCE HTTP/1.1\r\nhost: x\r\nSIGNED", goes_on: "", borne: Duration::from_secs(5) },
    // A body of a byte a second: the same, since it is slower than timeouts.body_rate.
    Habit { begins: "POST /in/SOURCE HTTP/1.1\r\nhost: x\r\nSIGNED", goes_on: "a", borne: Duration::from_secs(5) },
];

/// Keeps a connection until the edge ends it. Returns how long that took, and the status, 0 for none.
async fn keep(address: String, source: String, habit: Habit) -> std::io::Result<(Duration, u16)> {
    let stream = TcpStream::connect(&address).await?;
    let since = Instant::now();
    let (mut reading, mut writing) = stream.into_split();
    // Well formed, so that the edge can't refuse it unread: who has signed it comes out at its end.
    let signed = format!(
        "x-github-event: push\r\nx-hub-signature-256: sha256={}\r\ncontent-length: 4000\r\n\r\n",
        "0".repeat(64)
    );
    let begins = habit.begins.replace("SOURCE", &source).replace("SIGNED", &signed);
    writing.write_all(begins.as_bytes()).await?;
    let mut answer = Vec::new();
    let reads = async { reading.read_to_end(&mut answer).await };
    let writes = async {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if writing.write_all(habit.goes_on.as_bytes()).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        // A reset is an end too.
        _ = reads => {}
        () = writes => {}
    }
    let status = std::str::from_utf8(&answer).ok().and_then(|text| text.get(9..12)?.parse().ok());
    Ok((since.elapsed(), status.unwrap_or(0)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_of_slow_clients_is_cut_and_turns_nobody_else_away() {
    let crowd = rounds(1_000, 5_000);
    let kafka = Kafka::shared().await;
    let source = Source::new(&unique("github"), Provider::GitHub);
    kafka.broker().create_topic(&source.topic(), 4).await;
    let settings = "[limits]\nconnections = 8000\nconnections_per_address = 8000\nrequests = 8000";
    let edge = Edge::start(kafka.bootstrap(), std::slice::from_ref(&source), settings).await;
    let ledger = Arc::new(Ledger::default());
    let load = Load::new(&edge.address(), &source.name, Provider::GitHub).start(Arc::clone(&ledger));
    let mut kept = JoinSet::new();
    for n in 0..crowd {
        let habit = HABITS[n as usize % HABITS.len()];
        let (address, source) = (edge.address(), source.name.clone());
        kept.spawn(async move { (habit, keep(address, source, habit).await) });
    }
    let ends = kept.join_all().await;
    load.stop().await;

    let wrong: Vec<String> = ends
        .iter()
        .filter(|(habit, end)| match end {
            Ok((lasted, status)) => *lasted > habit.borne + LATE || !matches!(status, 0 | 408),
            Err(_) => true,
        })
        .map(|(habit, end)| format!("{habit:?}: {end:?}"))
        .collect();
    assert!(wrong.is_empty(), "{} of {crowd}: {:?}", wrong.len(), wrong.first());
    audit(kafka.bootstrap(), &[&source.topic()], &ledger).require_clean("a crowd of slow clients");
    let (_, outcomes) = ledger.read();
    let turned_away = outcomes.iter().filter(|outcome| !matches!(outcome.status, Some(200 | 202 | 401))).count();
    assert_eq!(turned_away, 0, "of {} honest requests", outcomes.len());
}
