//! An edge whose configuration is read again while it serves, from real files that a test edits.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hooklog_ingest::config::Config;
use hooklog_ingest::reload::{Means, Origin, Reloader};
use hooklog_process::hangup::Hangup;
use hooklog_process::shown::Shown;
use hooklog_schemas::TopicName;

use crate::request::PATIENCE;
use crate::server::{Server, start};

pub(crate) struct Live {
    pub(crate) server: Server,
    pub(crate) hangup: Hangup,
    pub(crate) shown: Shown,
    /// Topics that were made ready, or why they can't be.
    pub(crate) topics: Arc<Mutex<Result<Vec<TopicName>, String>>>,
}

/// An edge that looks at its files all the time.
pub(crate) async fn live(settings: &str) -> Live {
    looking_every(Duration::from_millis(5), settings).await
}

pub(crate) async fn looking_every(every: Duration, settings: &str) -> Live {
    let server = start(settings).await;
    let (hangup, shown) = (Hangup::new(), Shown::default());
    let topics = Arc::new(Mutex::new(Ok(Vec::new())));
    let (made, log) = (Arc::clone(&topics), server.log.clone());
    let means = Means {
        origin: Some(Origin {
            file: Some(server.folder().join("edge.toml")),
            hangup: hangup.clone(),
            filter: None,
            every,
        }),
        shown: shown.clone(),
        prepare: Box::new(move |new| {
            let mut made = made.lock().unwrap();
            let done = made.as_mut().map_err(|why: &mut String| why.clone()).map(|made| {
                for topic in &new {
                    let _same = log.clone().with_topic(topic, std::num::NonZeroU32::MIN);
                }
                made.extend(new);
            });
            Box::pin(std::future::ready(done))
        }),
    };
    let config = Config::load(Some(&server.folder().join("edge.toml"))).unwrap();
    let reloader = Reloader::new(Arc::clone(&server.edge), config, means);
    tokio::spawn(reloader.run(server.shutdown.clone()));
    Live { server, hangup, shown, topics }
}

impl Live {
    /// Writes a secret into a file of its own, and returns the entry that names it.
    pub(crate) fn secret(&self, id: &str, text: &str) -> String {
        let path = self.file(id);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        format!("{{ id = {id:?}, file = {:?} }}", path.display().to_string())
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.server.folder().join(name)
    }

    /// Writes the configuration as an editor does.
    pub(crate) fn write(&self, text: impl AsRef<[u8]>) {
        std::fs::write(self.file("edge.toml"), text).unwrap();
    }

    /// Writes it and waits until it is in use.
    pub(crate) async fn apply(&self, text: &str) {
        let before = self.reloads("applied");
        self.write(text);
        self.until("the configuration is in use", || self.reloads("applied") > before).await;
        assert!(!self.is_refused());
    }

    /// How many reloads ended so.
    pub(crate) fn reloads(&self, result: &str) -> u64 {
        self.server.sum(&format!("result=\"{result}\""), "hooklog_ingest_config_reload_total")
    }

    pub(crate) fn is_refused(&self) -> bool {
        self.server.sum("", "hooklog_ingest_config_refused") == 1
    }

    pub(crate) fn live_secrets(&self, source: &str) -> u64 {
        self.server.sum(&format!("source=\"{source}\""), "hooklog_ingest_live_secrets")
    }

    /// Waits until it is so; fails when that takes too long.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < deadline, "never: {what}");
            tokio::task::yield_now().await;
        }
    }
}
