//! Running the program and reading what it says.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// What one run said.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs `hooklog` to its end, in a home of its own so that no running `hooklog dev` of the machine is found.
pub(crate) fn hooklog<I: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = I>) -> Said {
    let home = tempfile::tempdir().unwrap();
    let output = command(home.path()).args(arguments).stdin(Stdio::null()).output().unwrap();
    said(&output)
}

fn command(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hooklog"));
    command.env("HOME", home).env_remove("XDG_DATA_HOME");
    command
}

fn said(output: &Output) -> Said {
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout.clone()).unwrap(),
        err: String::from_utf8(output.stderr.clone()).unwrap(),
    }
}

/// A `hooklog dev` that runs; killed when dropped.
pub(crate) struct Dev {
    child: Child,
    pub(crate) folder: PathBuf,
    pub(crate) ready: Value,
    screen: PathBuf,
}

impl Dev {
    /// Starts it on a folder and waits until everything serves.
    pub(crate) fn start(folder: &Path, more: &[&str]) -> Self {
        let (ready, screen) = (folder.with_extension("ready"), folder.with_extension("screen"));
        let _ = std::fs::remove_file(&ready);
        let paper = std::fs::File::create(&screen).unwrap();
        let child = command(folder)
            .args(["dev", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data-dir"])
            .arg(folder)
            .arg("--ready-file")
            .arg(&ready)
            .args(more)
            .stdin(Stdio::null())
            .stderr(paper.try_clone().unwrap())
            .stdout(paper)
            .spawn()
            .unwrap();
        let mut dev = Self { child, folder: folder.to_owned(), ready: Value::Null, screen };
        dev.ready = eventually(Duration::from_secs(60), "the ready file", || {
            assert!(
                dev.child.try_wait().unwrap().is_none(),
                "it ended: {}",
                std::fs::read_to_string(&dev.screen).unwrap()
            );
            serde_json::from_str(&std::fs::read_to_string(&ready).ok()?).ok()
        });
        dev
    }

    /// Runs a command against it.
    pub(crate) fn hooklog(&self, arguments: &[&str]) -> Said {
        let output =
            command(&self.folder).args(arguments).arg("--data-dir").arg(&self.folder).stdin(Stdio::null()).output();
        said(&output.unwrap())
    }

    /// What is on its screen.
    pub(crate) fn screen(&self) -> String {
        std::fs::read_to_string(&self.screen).unwrap()
    }

    /// Ends it at once, as a power cut would.
    pub(crate) fn kill9(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end and gives its exit code.
    pub(crate) fn terminate(mut self) -> i32 {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), Signal::SIGTERM).unwrap();
        let status = eventually(Duration::from_secs(30), "the end after SIGTERM", || self.child.try_wait().unwrap());
        status.code().unwrap_or(-1)
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Polls until there is an answer.
pub(crate) fn eventually<T>(within: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what} did not come within {within:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
