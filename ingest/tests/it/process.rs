//! The edge as it starts in its process: what changes in its file reaches the sockets, the metrics and `/configz`.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use hooklog_ingest::config::Config;
use hooklog_ingest::reload::{LOOK, Origin};
use hooklog_ingest::run::{Outside, start_from};
use hooklog_process::clock::Clock;
use hooklog_process::hangup::Hangup;
use hooklog_process::metrics::Registry;
use hooklog_process::random::Random;
use hooklog_process::shutdown::Shutdown;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::request::{Answer, PATIENCE, post, read_answer};

/// A broker that nobody can reach, and free ports.
fn settings(folder: &Path, sources: &str) -> String {
    let dir = folder.join("spool");
    format!(
        "listen = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n[kafka]\nbootstrap = \"127.0.0.1:1\"\nappend_deadline = \"100ms\"\n[spool]\ndir = {:?}\nafter = \"50ms\"\n{sources}",
        dir.display().to_string()
    )
}

async fn ask(address: SocketAddr, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    read_answer(&mut stream).await.unwrap()
}

async fn until(address: SocketAddr, request: &[u8], is_so: impl Fn(&Answer) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = ask(address, request).await;
        if is_so(&answer) {
            return;
        }
        assert!(Instant::now() < deadline, "the answer stays {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_puts_the_changed_file_in_use_and_on_show() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("edge.toml");
    std::fs::write(&file, settings(folder.path(), "[sources.first]\nprovider = \"none\"")).unwrap();
    let (hangup, shutdown) = (Hangup::new(), Shutdown::new());
    let outside = Outside {
        clock: Clock::system(),
        random: Random::seeded(1),
        registry: Registry::new(),
        shutdown: shutdown.clone(),
    };
    let origin = Origin { file: Some(file.clone()), hangup: hangup.clone(), filter: None, every: LOOK };
    let running = start_from(Some(origin), Config::load(Some(&file)).unwrap(), &outside).await.unwrap();
    let (ingest, admin) = (running.ingest(), running.admin());
    let (configz, metrics) = (b"GET /configz HTTP/1.1\r\nhost: x\r\n\r\n", b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n");
    let shown = ask(admin, configz).await.body;
    assert!(shown.contains("\"first\"") && !shown.contains("\"second\""), "{shown}");
    assert_eq!(ask(ingest, &post("first", "", b"x")).await.status, 202);

    std::fs::write(&file, settings(folder.path(), "[sources.second]\nprovider = \"none\"")).unwrap();
    hangup.request();
    until(ingest, &post("second", "", b"x"), |answer| answer.status == 202).await;
    assert_eq!(ask(ingest, &post("first", "", b"x")).await.status, 404);
    until(admin, configz, |answer| answer.body.contains("\"second\"") && !answer.body.contains("\"first\"")).await;
    let applied = "hooklog_ingest_config_reload_total{result=\"applied\"} 1";
    until(admin, metrics, |answer| answer.body.contains(applied)).await;

    shutdown.request();
    running.finish().await.unwrap();
}
