//! The folder of `hooklog dev`: what it keeps between starts, and where other commands find the one that runs.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use hooklog_process::folders;
use hooklog_process::random::Random;
use hooklog_process::ready_file;
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// The largest run file that is read, in bytes.
const RUN_FILE_LIMIT: u64 = 1024 * 1024;

/// The folder, not locked.
#[derive(Debug, Clone)]
pub struct Home(PathBuf);

/// The folder while this process is its `hooklog dev`.
#[derive(Debug)]
pub struct Held {
    home: Home,
    _lock: File,
}

/// Everything that others need to know of a running `hooklog dev`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// The edge's base URL.
    pub ingest: String,
    /// The base URL of the edge's probes and metrics.
    pub admin: String,
    /// The base URL of the consumers' probes and metrics.
    pub consumers: String,
    /// The broker, `HOST:PORT`.
    pub bootstrap: String,
    /// The sandbox payment API's base URL.
    pub payments: String,
    /// The folder.
    pub data_dir: PathBuf,
    /// Where each source's secret is.
    pub secrets: BTreeMap<String, PathBuf>,
    /// Each source's provider.
    pub providers: BTreeMap<String, String>,
    /// The process.
    pub pid: u32,
}

impl Home {
    /// The folder given, or the usual one: `hooklog/dev` in the user's data folder.
    ///
    /// # Errors
    /// [`Failure::Usage`] when none is given and the user has none.
    pub fn at(folder: Option<&Path>) -> Result<Self, Failure> {
        match folder {
            Some(folder) => std::path::absolute(folder).map(Self).map_err(Failure::io(folder)),
            None => usual().map(Self),
        }
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// The broker's files.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    /// Where the edge keeps records while the log is away.
    #[must_use]
    pub fn spool(&self) -> PathBuf {
        self.0.join("spool")
    }

    /// The consumers' states.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.0.join("state")
    }

    /// The secret of a source that `hooklog dev` made up.
    #[must_use]
    pub fn secret(&self, source: &str) -> PathBuf {
        self.0.join("secrets").join(source)
    }

    fn run_file(&self) -> PathBuf {
        self.0.join("run.json")
    }

    /// The `hooklog dev` that runs on this folder, if one does.
    #[must_use]
    pub fn running(&self) -> Option<Running> {
        read_running(&self.run_file())
    }

    /// The `hooklog dev` that serves this base URL, on whatever folder it runs.
    #[must_use]
    pub fn serving(ingest: &str) -> Option<Running> {
        let files = fs::read_dir(all_running()?).ok()?;
        files.flatten().filter_map(|file| read_running(&file.path())).find(|running| running.ingest == ingest)
    }

    /// Makes the folder, for its owner alone, and takes it for this process.
    ///
    /// # Errors
    /// [`Failure::Refused`] when another `hooklog dev` has it.
    pub fn hold(self) -> Result<Held, Failure> {
        private_folder(&self.0)?;
        private_folder(&self.0.join("secrets"))?;
        let path = self.0.join("lock");
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let lock = options.map_err(Failure::io(&path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Held { home: self, _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                let who = self
                    .running()
                    .map_or_else(String::new, |running| format!(" (process {}, {})", running.pid, running.ingest));
                Err(Failure::Refused(format!(
                    "another `hooklog dev`{who} runs on {}: stop it, or give this one a folder of its own with --data-dir",
                    self.0.display()
                )))
            }
            Err(TryLockError::Error(cause)) => Err(Failure::Io { path, cause }),
        }
    }
}

impl Held {
    /// The folder.
    #[must_use]
    pub const fn home(&self) -> &Home {
        &self.home
    }

    /// Removes log and states together: one without the other would be a lie. Secrets stay. Tells what was removed.
    ///
    /// # Errors
    /// [`Failure::Io`]
    pub fn reset(&self) -> Result<Vec<PathBuf>, Failure> {
        let mut removed = Vec::new();
        for folder in [self.home.state(), self.home.spool(), self.home.log()] {
            match fs::remove_dir_all(&folder) {
                Ok(()) => removed.push(folder),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(cause) => return Err(Failure::Io { path: folder, cause }),
            }
        }
        Ok(removed)
    }

    /// The file of a source's secret, made on the first start and kept.
    ///
    /// # Errors
    /// [`Failure::Io`]
    pub fn keep_secret(&self, source: &str, make: impl FnOnce() -> String) -> Result<PathBuf, Failure> {
        let path = self.home.secret(source);
        if fs::metadata(&path).is_ok_and(|file| file.len() > 0) {
            return Ok(path);
        }
        let options = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        let mut file = options.map_err(Failure::io(&path))?;
        writeln!(file, "{}", make()).and_then(|()| file.sync_all()).map_err(Failure::io(&path))?;
        Ok(path)
    }

    /// Tells other commands what runs here.
    ///
    /// # Errors
    /// [`Failure::Io`]
    pub fn announce(&self, running: &Running) -> Result<(), Failure> {
        let path = self.home.run_file();
        let content = serde_json::to_value(running).map_err(|error| Failure::Internal(error.to_string()))?;
        ready_file::write(&path, &content).map_err(Failure::io(&path))?;
        // A convenience for commands that only know the URL; a user without a home goes without it.
        if let Some(folder) = all_running() {
            private_folder(&folder)?;
            let path = folder.join(format!("{}.json", running.pid));
            ready_file::write(&path, &content).map_err(Failure::io(&path))?;
        }
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Only manners: whoever reads it looks whether the process lives.
        let _ = fs::remove_file(self.home.run_file());
        if let Some(folder) = all_running() {
            let _ = fs::remove_file(folder.join(format!("{}.json", std::process::id())));
        }
    }
}

/// 32 bytes of chance as text.
#[must_use]
pub fn new_secret(random: &Random) -> String {
    hex::encode(random.bytes::<32>())
}

fn private_folder(folder: &Path) -> Result<(), Failure> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(Failure::io(folder))
}

fn usual() -> Result<PathBuf, Failure> {
    folders::dev().ok_or_else(|| {
        Failure::Usage("neither XDG_DATA_HOME nor HOME is set: give the folder with --data-dir".to_owned())
    })
}

/// Where each running `hooklog dev` of this user, on whatever folder, says that it runs.
fn all_running() -> Option<PathBuf> {
    folders::user_data().map(|data| data.join("running"))
}

fn read_running(path: &Path) -> Option<Running> {
    let mut text = String::new();
    File::open(path).ok()?.take(RUN_FILE_LIMIT).read_to_string(&mut text).ok()?;
    let running: Running = serde_json::from_str(&text).ok()?;
    is_alive(running.pid).then_some(running)
}

fn is_alive(pid: u32) -> bool {
    i32::try_from(pid).is_ok_and(|pid| matches!(kill(Pid::from_raw(pid), None), Ok(()) | Err(Errno::EPERM)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn running(pid: u32) -> Running {
        Running {
            ingest: "http://127.0.0.1:1".to_owned(),
            admin: "http://127.0.0.1:2".to_owned(),
            consumers: "http://127.0.0.1:3".to_owned(),
            bootstrap: "127.0.0.1:3".to_owned(),
            payments: "http://127.0.0.1:4".to_owned(),
            data_dir: "/d".into(),
            secrets: BTreeMap::new(),
            providers: BTreeMap::new(),
            pid,
        }
    }

    fn home(folder: &tempfile::TempDir) -> Home {
        Home::at(Some(&folder.path().join("dev"))).unwrap()
    }

    #[test]
    fn the_folder_has_one_holder_who_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let held = home(&folder).hold().unwrap();
        held.announce(&running(std::process::id())).unwrap();
        let refused = home(&folder).hold().unwrap_err();
        assert_eq!(refused.exit(), hooklog_process::exit::Exit::Refused);
        assert!(refused.to_string().contains("http://127.0.0.1:1"), "{refused}");
        drop(held);
        assert!(home(&folder).running().is_none(), "the run file goes with its process");
        home(&folder).hold().unwrap();
    }

    #[test]
    fn a_dead_process_is_not_found() {
        let folder = tempfile::tempdir().unwrap();
        let held = home(&folder).hold().unwrap();
        held.announce(&running(std::process::id())).unwrap();
        assert_eq!(home(&folder).running(), Some(running(std::process::id())));
        // Larger than any process id of Linux.
        held.announce(&running(i32::MAX as u32)).unwrap();
        assert_eq!(home(&folder).running(), None);
    }

    #[test]
    fn folder_and_secrets_are_the_owners_and_secrets_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let held = home(&folder).hold().unwrap();
        let path = held.keep_secret("github", || "first".to_owned()).unwrap();
        assert_eq!(held.keep_secret("github", || "second".to_owned()).unwrap(), path);
        assert_eq!(fs::read_to_string(&path).unwrap(), "first\n");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(held.home().root()), mode(&path)), (0o700, 0o600));
    }

    #[test]
    fn a_reset_removes_log_and_state_together_and_keeps_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let held = home(&folder).hold().unwrap();
        let secret = held.keep_secret("github", || "s".to_owned()).unwrap();
        fs::create_dir_all(held.home().log().join("topics")).unwrap();
        fs::create_dir_all(held.home().state()).unwrap();
        assert_eq!(held.reset().unwrap(), [held.home().state(), held.home().log()]);
        assert!(secret.exists() && !held.home().log().exists() && !held.home().state().exists());
        assert_eq!(held.reset().unwrap(), Vec::<PathBuf>::new());
    }
}
