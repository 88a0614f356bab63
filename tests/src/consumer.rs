//! A consumer under test: one of the bundled binaries, with a data folder that survives its restarts.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use serde::Deserialize;
use tempfile::TempDir;

use crate::bins;
use crate::ports;
use crate::processes::Process;

/// Joining a group and restoring its state.
const START: Duration = Duration::from_secs(60);

/// How a consumer is started.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `ledger` or `tally`.
    pub binary: &'static str,
    /// The brokers.
    pub bootstrap: String,
    /// Its group.
    pub group: String,
    /// The topic it reads.
    pub topic: String,
    /// Further arguments.
    pub arguments: Vec<String>,
    /// Settings that have no argument, as `("EFFECTS__DEADLINE", "400ms")`.
    pub overrides: Vec<(&'static str, String)>,
}

/// A consumer, running or not. Dropping it kills it.
pub struct Consumer {
    settings: Settings,
    folder: TempDir,
    process: Option<Process>,
}

/// What the ledger holds for one customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub struct Balance {
    /// In minor units.
    pub sum: i64,
    /// How many payments.
    pub count: u64,
}

impl Consumer {
    /// Makes one that is not started yet, with an empty data folder.
    ///
    /// # Panics
    /// When there is no folder for temporary files.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let folder =
            tempfile::Builder::new().prefix("hooklog-consumer-").tempdir().expect("a folder for temporary files");
        Self { settings, folder, process: None }
    }

    /// Starts it, and waits until it has joined its group and restored its partitions.
    pub async fn start(&mut self) {
        let ready = self.file("ready.json");
        self.launch("");
        self.process().ready(&ready, START).await;
    }

    /// Starts it with failpoints, which may be empty, and waits for nothing.
    pub fn launch(&mut self, failpoints: &str) {
        let ready = self.file("ready.json");
        let _ = std::fs::remove_file(&ready);
        let mut command = Command::new(bins::path(self.settings.binary));
        command.args(["run", "--broker", &self.settings.bootstrap, "--topics", &self.settings.topic]);
        command.args(["--group", &self.settings.group, "--admin", &format!("127.0.0.1:{}", ports::free())]);
        command.arg("--data-dir").arg(self.data()).arg("--ready-file").arg(&ready);
        command.args(&self.settings.arguments).env("HOOKLOG_FAILPOINTS", failpoints);
        command.envs(self.settings.overrides.iter().map(|(key, value)| (format!("HOOKLOG_CONSUMER__{key}"), value)));
        self.process = Some(Process::start(self.settings.binary, command, self.folder.path()));
    }

    /// Waits until its log since the start has the text.
    pub async fn logged(&mut self, text: &str, within: Duration) {
        self.process().logged(text, within).await;
    }

    /// Whether its process is there.
    pub fn runs(&mut self) -> bool {
        self.process.as_mut().is_some_and(Process::runs)
    }

    /// Ends it at once.
    pub fn kill9(&mut self) {
        self.process().kill9();
    }

    /// Asks it to end, and waits.
    pub async fn stop(&mut self, within: Duration) -> ExitStatus {
        self.process().sigterm();
        self.process().exited(within).await
    }

    /// Waits until it ends by itself, as at a failpoint.
    pub async fn exited(&mut self, within: Duration) -> ExitStatus {
        self.process().exited(within).await
    }

    /// What the ledger holds, by customer, asked through its own command.
    ///
    /// # Errors
    /// What the command said when it failed: it may be run while a consumer is just starting.
    pub fn balances(&self) -> Result<BTreeMap<String, Balance>, String> {
        #[derive(Deserialize)]
        struct Line {
            key: String,
            #[serde(flatten)]
            balance: Balance,
        }
        let mut command = Command::new(bins::path(self.settings.binary));
        command.args(["balances", "--json", "--group", &self.settings.group, "--data-dir"]).arg(self.data());
        let output = command.output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let text = String::from_utf8(output.stdout).map_err(|error| error.to_string())?;
        let line = |line: &str| serde_json::from_str(line).map_err(|error| format!("{line}: {error}"));
        let lines = text.lines().map(line).collect::<Result<Vec<Line>, String>>()?;
        Ok(lines.into_iter().map(|line| (line.key, line.balance)).collect())
    }

    /// Its folder of state.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.file("data")
    }

    fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("a consumer that was started")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
