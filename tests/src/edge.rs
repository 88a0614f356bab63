//! The edge under test: `hooklog-ingest`, configured by files, on an address that survives its restarts.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::bins;
use crate::eventually::eventually;
use crate::ports;
use crate::processes::Process;
use crate::webhook::{Provider, SECRET};

const START: Duration = Duration::from_secs(30);

/// One configured source, with [`SECRET`] as its secret.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its name in the path; its topic is `hooks.NAME`.
    pub name: String,
    /// Its provider's habits.
    pub provider: Provider,
    /// Further settings of the source, in TOML; may be empty.
    pub settings: String,
}

impl Source {
    /// A source with no further settings.
    #[must_use]
    pub fn new(name: &str, provider: Provider) -> Self {
        Self { name: name.to_owned(), provider, settings: String::new() }
    }

    /// Where its events go.
    #[must_use]
    pub fn topic(&self) -> String {
        format!("hooks.{}", self.name)
    }
}

/// TOML for the edge's configuration; each may be empty.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tuning<'a> {
    /// For the top of the file.
    pub settings: &'a str,
    /// For the table `kafka`.
    pub kafka: &'a str,
    /// For the table `spool`.
    pub spool: &'a str,
}

/// An edge, running or not. Dropping it kills it.
pub struct Edge {
    folder: TempDir,
    port: u16,
    admin: u16,
    process: Option<Process>,
}

impl Edge {
    /// Writes the configuration and starts the edge; `settings` is TOML for the top of the file and may be empty.
    pub async fn start(bootstrap: &str, sources: &[Source], settings: &str) -> Self {
        Self::start_with(bootstrap, sources, settings, "").await
    }

    /// The same with `kafka`, TOML for the table of that name.
    pub async fn start_with(bootstrap: &str, sources: &[Source], settings: &str, kafka: &str) -> Self {
        Self::start_tuned(bootstrap, sources, Tuning { settings, kafka, spool: "" }).await
    }

    /// The same with TOML for each table.
    pub async fn start_tuned(bootstrap: &str, sources: &[Source], tuning: Tuning<'_>) -> Self {
        let Tuning { settings, kafka, spool } = tuning;
        let folder = tempfile::Builder::new().prefix("hooklog-edge-").tempdir().expect("a folder for temporary files");
        let mut edge = Self { folder, port: ports::free(), admin: ports::free(), process: None };
        let secret = edge.file("secret");
        let mut file =
            OpenOptions::new().create_new(true).write(true).mode(0o600).open(&secret).expect("the folder is new");
        file.write_all(SECRET.as_bytes()).expect("the test's own folder is writable");
        let mut config =
            format!("listen = \"127.0.0.1:{}\"\nadmin = \"127.0.0.1:{}\"\n{settings}\n", edge.port, edge.admin);
        let _ = writeln!(config, "[kafka]\nbootstrap = \"{bootstrap}\"\n{kafka}");
        let _ = writeln!(config, "[spool]\ndir = \"{}\"\n{spool}", edge.spool().display());
        for source in sources {
            let _ = writeln!(config, "[sources.{}]\nprovider = \"{}\"", source.name, source.provider.name());
            let _ = writeln!(
                config,
                "secrets = [{{ id = \"test\", file = \"{}\" }}]\n{}",
                secret.display(),
                source.settings
            );
        }
        std::fs::write(edge.file("edge.toml"), config).expect("the test's own folder is writable");
        edge.restart().await;
        edge
    }

    /// Its spool's folder.
    #[must_use]
    pub fn spool(&self) -> PathBuf {
        self.file("spool")
    }

    /// Its configuration's file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.file("edge.toml")
    }

    /// Changes the secret of all its sources; [`SECRET`] is what providers sign with.
    pub fn set_secret(&self, secret: &str) {
        std::fs::write(self.file("secret"), secret).expect("the test's own folder is writable");
    }

    /// Gives all its sources the secret that providers sign with.
    pub fn mend_secret(&self) {
        self.set_secret(SECRET);
    }

    /// `host:port` for senders.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// `host:port` of probes and metrics.
    #[must_use]
    pub fn admin(&self) -> String {
        format!("127.0.0.1:{}", self.admin)
    }

    /// Starts it again after its end, and waits until it serves.
    pub async fn restart(&mut self) {
        self.launch("");
        self.serves().await;
    }

    /// Starts it again after its end so that no file of it grows beyond `kib`: a write beyond fails, as on a disk that is full.
    pub async fn restart_within(&mut self, kib: u32) {
        let mut command = Command::new("sh");
        // The signal that would end it is ignored, so that the write tells; `ulimit` counts in 512 bytes.
        command.args(["-c", &format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", kib * 2)]);
        self.restart_under(command).await;
    }

    /// Starts it again after its end with an empty spool on a device of its own of so many MiB, which is gone with the process.
    pub async fn restart_on_device(&mut self, mib: u32) {
        let mut command = Command::new("unshare");
        let mount = format!("mount -t tmpfs -o size={mib}m tmpfs '{}' && exec \"$0\" \"$@\"", self.spool().display());
        // Only root may mount; somebody else is root in a namespace of his own.
        if std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() != 0) {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["--mount", "sh", "-c", &mount]);
        self.restart_under(command).await;
    }

    /// Starts it again after its end as what `command` turns into, and waits until it serves.
    async fn restart_under(&mut self, mut command: Command) {
        command.arg(bins::path("hooklog-ingest"));
        self.spawn(command);
        self.serves().await;
    }

    /// Starts it again after its end, with failpoints, and waits for nothing: it may die before it says that it serves.
    pub fn launch(&mut self, failpoints: &str) {
        let mut command = Command::new(bins::path("hooklog-ingest"));
        command.env("HOOKLOG_FAILPOINTS", failpoints);
        self.spawn(command);
    }

    fn spawn(&mut self, mut command: Command) {
        let ready = self.file("ready.json");
        let _ = std::fs::remove_file(&ready);
        command.arg("--config").arg(self.file("edge.toml")).arg("--ready-file").arg(&ready);
        self.process = Some(Process::start("edge", command, self.folder.path()));
    }

    async fn serves(&mut self) {
        let ready = self.file("ready.json");
        self.process().ready(&ready, START).await;
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

    /// A page of its admin port, with the answer's head.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn page(&self, path: &str) -> std::io::Result<String> {
        let mut stream = tokio::net::TcpStream::connect(self.admin()).await?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        Ok(text)
    }

    /// The sum of a metric's series that have these labels (as they are printed), now.
    ///
    /// # Errors
    /// When the edge does not tell.
    pub async fn metric(&self, name: &str, labels: &str) -> Result<f64, String> {
        let text = self.page("/metrics").await.map_err(|error| error.to_string())?;
        let of =
            |line: &&str| line.starts_with(name) && line[name.len()..].starts_with(['{', ' ']) && line.contains(labels);
        let values: Vec<f64> =
            text.lines().filter(of).filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
        if values.is_empty() { Err(format!("no {name} with {labels}")) } else { Ok(values.iter().sum()) }
    }

    /// Records in its spool.
    ///
    /// # Errors
    /// When the edge does not tell.
    pub async fn spooled(&self) -> Result<f64, String> {
        self.metric("hooklog_ingest_spool_held", "what=\"records\"").await
    }

    /// Waits until its spool holds so many records.
    pub async fn spools(&self, records: f64) {
        eventually(Duration::from_secs(60), "spooled records", async || match self.spooled().await {
            Ok(held) if held >= records => Ok(()),
            other => Err(other),
        })
        .await;
    }

    /// Waits until its spool is empty.
    pub async fn drained(&self, within: Duration) {
        eventually(within, "an empty spool", async || match self.spooled().await {
            Ok(0.0) => Ok(()),
            other => Err(other),
        })
        .await;
    }

    /// What it wrote since its last start.
    pub fn log(&mut self) -> String {
        self.process().log()
    }

    /// What it wrote since its first start.
    #[must_use]
    pub fn whole_log(&self) -> String {
        std::fs::read_to_string(self.file("edge.log")).unwrap_or_default()
    }

    fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("an edge is started when it is made")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
