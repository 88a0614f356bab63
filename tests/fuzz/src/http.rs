//! Any bytes on a connection to a real edge: it survives them, answers within its contract, and counts what it answers.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use hooklog_ingest::config::{Config, DEFAULTS, PREFIX};
use hooklog_ingest::edge::{Edge, Parts};
use hooklog_ingest::listen::{Door, serve};
use hooklog_ingest::outcome::Outcome;
use hooklog_ingest::source::Sources;
use hooklog_kafka::testing::MemoryLog;
use hooklog_process::clock::Clock;
use hooklog_process::config::Layers;
use hooklog_process::metrics::Registry;
use hooklog_process::random::Random;
use hooklog_process::shutdown::Shutdown;
use hooklog_schemas::Frame;
use hooklog_signatures::{Key, UnixMillis, builtin, sign};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use crate::answers::statuses;

/// Pieces of requests.
pub const WORDS: &[&str] = &[
    "POST /in/github HTTP/1.1\r\n",
    "POST /in/open HTTP/1.1\r\n",
    "GET /in/meta?hub.challenge=1 HTTP/1.1\r\n",
    "HEAD ",
    "OPTIONS * HTTP/1.1\r\n",
    "HTTP/1.0\r\n",
    "\r\n",
    "\r\n\r\n",
    "host: edge\r\n",
    "content-length: 0\r\n",
    "content-length: 3\r\n",
    "content-length: 99999999999\r\n",
    "transfer-encoding: chunked\r\n",
    "0\r\n\r\n",
    "3\r\nabc\r\n",
    "ffffffffffffffff\r\n",
    "expect: 100-continue\r\n",
    "connection: close\r\n",
    "connection: keep-alive\r\n",
    "connection: upgrade\r\nupgrade: websocket\r\n",
    "content-type: application/json\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "http://edge/in/open",
    "x-hub-signature-256: sha256=",
    "traceparent: 00-",
    "\t",
    "\0",
];

const SECRET: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const NOW_MS: i64 = 1_700_000_000_000;

/// How long an exchange may last: everything that the edge waits for is there.
const PATIENCE: Duration = Duration::from_secs(1);

/// Exchanges of one edge; a log in memory only grows, so there is a new one then.
const EXCHANGES: u32 = 2000;

/// A status that the edge may answer.
static CONTRACT: LazyLock<BTreeSet<u16>> =
    LazyLock::new(|| Outcome::all().iter().map(|outcome| outcome.status().as_u16()).collect());

thread_local! {
    static STAGE: RefCell<Option<Stage>> = const { RefCell::new(None) };
}

/// An edge that serves on this thread, whenever the thread waits for it.
struct Stage {
    runtime: Runtime,
    address: SocketAddr,
    registry: Registry,
    exchanges: u32,
}

/// How requests ended so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counted {
    /// All.
    ended: u64,
    /// Those that an answer may not have reached: the client was gone, or what it spoke was no HTTP/1.1.
    maybe_unanswered: u64,
}

/// The bytes are sent as they are, then no more; the answers are read to their end.
pub fn check(input: &[u8]) {
    STAGE.with_borrow_mut(|stage| {
        let stage = match stage {
            Some(stage) if stage.exchanges < EXCHANGES => stage,
            stage => stage.insert(Stage::open()),
        };
        let before = stage.counted();
        let answers = stage.exchange(input);
        let after = stage.counted();
        let statuses =
            statuses(&answers).unwrap_or_else(|| panic!("no answers: {:?}", String::from_utf8_lossy(&answers)));
        for status in &statuses {
            assert!(CONTRACT.contains(status), "{status} is no answer of the contract");
        }
        let answered = u64::try_from(statuses.len()).unwrap_or(u64::MAX);
        let ended = after.ended - before.ended;
        let maybe_unanswered = after.maybe_unanswered - before.maybe_unanswered;
        assert!(answered <= ended, "{answered} answers, {ended} outcomes");
        assert!(
            ended <= answered + maybe_unanswered,
            "{ended} outcomes, {answered} answers, {maybe_unanswered} excused"
        );
    });
}

impl Stage {
    fn open() -> Self {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().expect("a runtime can be built");
        let registry = Registry::new();
        let address = runtime.block_on(start(registry.clone()));
        Self { runtime, address, registry, exchanges: 0 }
    }

    fn exchange(&mut self, input: &[u8]) -> Vec<u8> {
        self.exchanges += 1;
        let mut answers = Vec::new();
        let exchange = async {
            let mut stream = TcpStream::connect(self.address).await.expect("the edge takes connections");
            // A port that is closed so can be taken again at once: the fuzzer needs a million of them.
            stream.set_zero_linger().expect("a socket of ours can be set");
            // The edge may close before it has read everything, and reset what it has not read: that is no answer, and no fault.
            let _reset = stream.write_all(input).await;
            let _reset = stream.shutdown().await;
            let _reset = stream.read_to_end(&mut answers).await;
        };
        let ended = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, exchange).await });
        assert!(ended.is_ok(), "the edge still waits after {PATIENCE:?}");
        answers
    }

    fn counted(&self) -> Counted {
        let mut counted = Counted { ended: 0, maybe_unanswered: 0 };
        for family in self.registry.gather().iter().filter(|family| family.name() == "hooklog_ingest_requests_total") {
            for metric in family.get_metric() {
                let count = metric.get_counter().get_value() as u64;
                counted.ended += count;
                let is_excused =
                    |label: &str| label == "not_http" || label == "client_gone" || label == "headers_too_large";
                if metric.get_label().iter().any(|label| is_excused(label.value())) {
                    counted.maybe_unanswered += count;
                }
            }
        }
        counted
    }
}

async fn start(registry: Registry) -> SocketAddr {
    let config = config();
    let log = MemoryLog::new();
    let sources = Sources::build(&config).expect("these sources can be built");
    for source in sources.iter() {
        let _same = log.clone().with_topic(&source.topic, NonZeroU32::MIN);
    }
    let parts = Parts {
        sources,
        log: Arc::new(log),
        spool: None,
        frame: Frame::SingleObject,
        clock: Clock::manual(NOW_MS).0,
        random: Random::seeded(1),
        registry,
        shutdown: Shutdown::new(),
    };
    let edge = Edge::new(&config, parts).expect("an edge of these parts can be built");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port can be bound");
    let address = listener.local_addr().expect("a bound socket has an address");
    tokio::spawn(async move { serve(Door::new(listener, None), edge, &config).await });
    address
}

fn config() -> Config {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (secret, file) = (folder.path().join("secret"), folder.path().join("edge.toml"));
    std::fs::write(&secret, SECRET).expect("a secret can be written");
    let closed = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&secret, closed).expect("a file of ours can be closed to others");
    let secrets = format!("secrets = [{{ id = \"a\", file = {:?} }}]", secret.display().to_string());
    let text = format!(
        "[limits]\nmax_body = \"64KiB\"\n[sources.github]\nprovider = \"github\"\n{secrets}\n[sources.stripe]\nprovider = \"stripe\"\n{secrets}\n[sources.open]\nprovider = \"none\"\n[sources.open.scheme]\nkey = \"/id\"\n"
    );
    std::fs::write(&file, text).expect("a configuration can be written");
    let config = Layers { defaults: DEFAULTS, file: Some(&file), prefix: PREFIX }.load_with(std::iter::empty());
    let config: Config = config.expect("this configuration is one");
    // The secret is read here, while its folder is there.
    Sources::build(&config).expect("these sources can be built");
    // It is read again for every edge, so the folder stays as long as the process.
    let _kept = folder.keep();
    config
}

/// Requests that are taken and that are not, alone and one behind the other.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let body = br#"{"id":1,"repository":{"id":2}}"#;
    let signed = |provider: &str| {
        let scheme = builtin(provider).expect("a provider of ours");
        let key = Key::new("a", SECRET.as_bytes(), scheme).expect("a good secret");
        let headers = sign(scheme, &key, "evt_1", UnixMillis(NOW_MS), body);
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head =
            format!("POST /in/{provider} HTTP/1.1\r\nhost: edge\r\n{headers}content-length: {}\r\n\r\n", body.len());
        [head.as_bytes(), body].concat()
    };
    let plain = [
        "POST /in/open HTTP/1.1\r\nhost: edge\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "POST /in/open HTTP/1.1\r\nhost: edge\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\nabc",
        "POST /in/open HTTP/1.1\r\nhost: edge\r\ncontent-length: 20\r\n\r\nabc",
        "GET /in/open HTTP/1.1\r\nhost: edge\r\n\r\n",
        "HEAD /in/nobody HTTP/1.1\r\nhost: edge\r\n\r\nPOST /in/open HTTP/1.1\r\ncontent-length: 0\r\n\r\n",
        "POST /in/open HTTP/1.0\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nhost: edge\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}",
    ];
    let mut seeds: Vec<Vec<u8>> = plain.iter().map(|text| text.as_bytes().to_vec()).collect();
    seeds.extend([signed("github"), signed("stripe"), [signed("github"), signed("stripe"), signed("github")].concat()]);
    seeds
}
