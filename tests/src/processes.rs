//! A child process that a test can kill, pause and await, and that never outlives the test.

use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::eventually::eventually;

/// A running child, with its output in `FOLDER/NAME.log`. Dropping it kills it.
pub struct Process {
    name: String,
    child: Child,
    guard: Option<Guard>,
    log: PathBuf,
    log_start: u64,
}

impl Process {
    /// Starts `command`; its output is added to the log of its name in `folder`, which is removed if the test itself is killed.
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn start(name: &str, mut command: Command, folder: &Path) -> Self {
        let log = folder.join(format!("{name}.log"));
        let output =
            OpenOptions::new().create(true).append(true).open(&log).expect("the test's own folder is writable");
        let log_start = output.metadata().expect("an open file has metadata").len();
        let errors = output.try_clone().expect("an open file can be cloned");
        // A group of its own: an interrupt at the terminal ends the test, and the guard then ends the child.
        command.stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0);
        let child = command.spawn().unwrap_or_else(|error| panic!("can't start {:?}: {error}", command.get_program()));
        let guard = Some(Guard::over(child.id(), folder));
        Self { name: name.to_owned(), child, guard, log, log_start }
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended yet.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it at once, with no chance to tidy up.
    pub fn kill9(&mut self) {
        self.guard = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end.
    pub fn sigterm(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Stops it in its tracks: alive, silent, its sockets open.
    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).expect("process ids are positive i32");
        // The child is not awaited yet, so that its id can't be another process's; an ended one takes no signal, which is fine.
        let _ = kill(Pid::from_raw(pid), signal);
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it still runs after `within`; with the end of its log.
    pub async fn exited(&mut self, within: Duration) -> ExitStatus {
        let what = format!("end of {}", self.name);
        let status = eventually(within, &what, async || match self.child.try_wait() {
            Ok(Some(status)) => Ok(status),
            _ => Err(tail(&self.log, self.log_start)),
        })
        .await;
        self.guard = None;
        status
    }

    /// Waits until the file is there and holds JSON; the file says that the process serves.
    ///
    /// # Panics
    /// When it is not there after `within`, or as soon as the process ends; with the end of its log.
    pub async fn ready(&mut self, file: &Path, within: Duration) -> serde_json::Value {
        let what = format!("ready file of {}", self.name);
        eventually(within, &what, async || {
            let content = std::fs::read(file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
            self.or_why_not(content)
        })
        .await
    }

    /// Waits until its log since the start has the text.
    ///
    /// # Panics
    /// As [`Process::ready`].
    pub async fn logged(&mut self, text: &str, within: Duration) {
        let what = format!("log line {text:?} of {}", self.name);
        eventually(within, &what, async || {
            let found = self.log().contains(text).then_some(());
            self.or_why_not(found)
        })
        .await;
    }

    /// The value, or the end of the log; gives up at once when the process has ended.
    fn or_why_not<T>(&mut self, value: Option<T>) -> Result<T, String> {
        if value.is_none()
            && let Ok(Some(status)) = self.child.try_wait()
        {
            panic!("{} ended early, {status}:\n{}", self.name, tail(&self.log, self.log_start));
        }
        value.ok_or_else(|| tail(&self.log, self.log_start))
    }

    /// What it wrote since it was started.
    #[must_use]
    pub fn log(&self) -> String {
        since(&self.log, self.log_start)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- end of the log of {} ---\n{}", self.name, tail(&self.log, self.log_start));
        }
        self.kill9();
    }
}

fn since(log: &Path, start: u64) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    let start = usize::try_from(start).unwrap_or(usize::MAX).min(bytes.len());
    String::from_utf8_lossy(&bytes[start..]).into_owned()
}

/// The last lines, enough to see why.
fn tail(log: &Path, start: u64) -> String {
    let text = since(log, start);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

/// A shell that kills the child and removes its folder when the test is gone, however it went: it waits for the end of its standard
/// input, which the test holds open.
struct Guard(Child);

impl Guard {
    fn over(pid: u32, folder: &Path) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", r#"read -r _; kill -9 "$1"; rm -rf -- "$2""#, "guard"]).arg(pid.to_string()).arg(folder);
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        Self(shell.spawn().expect("there is a shell"))
    }
}

impl Drop for Guard {
    /// Before the child is awaited: afterwards its id may be another process's.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
