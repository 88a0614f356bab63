//! A process of the bench: started with its words in a file, waited for with a deadline, never left behind.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::error::BenchError;
use crate::family;
use crate::machine::{self, CpuSeconds, Stat};

/// How long a process has to get ready, and to end when asked.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// A running process.
pub struct Process {
    name: String,
    child: Child,
    said: PathBuf,
    log: PathBuf,
}

/// A process that ended well.
pub struct Ended {
    /// What it wrote to its standard output.
    pub said: String,
    /// All CPU it used.
    pub cpu: CpuSeconds,
}

/// A program of this project, which lies beside the bench's own.
///
/// # Errors
/// When the bench's own place can't be told.
pub fn sibling(program: &str) -> Result<Command, BenchError> {
    Ok(Command::new(std::env::current_exe()?.with_file_name(program)))
}

/// Looks until the condition gives something, at most for `patience`.
pub fn eventually<T>(patience: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = condition() {
            return Some(found);
        }
        if start.elapsed() > patience {
            return None;
        }
        std::thread::sleep(LOOK);
    }
}

impl Process {
    /// Starts it; `folder` takes its output and its log under `name`.
    ///
    /// # Errors
    /// [`BenchError::Missing`] with `mend` when the program is not there.
    pub fn start(name: &str, command: &mut Command, folder: &Path, mend: &'static str) -> Result<Self, BenchError> {
        let (said, log) = (folder.join(format!("{name}.out")), folder.join(format!("{name}.log")));
        command.stdin(Stdio::null()).stdout(File::create(&said)?).stderr(File::create(&log)?);
        let child = command.spawn().map_err(|cause| {
            let program = command.get_program().to_string_lossy().into_owned();
            BenchError::Missing { program, cause, mend }
        })?;
        Ok(Self { name: name.to_owned(), child, said, log })
    }

    /// Its id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The CPU that it and what it started used so far.
    ///
    /// # Errors
    /// When it is gone.
    pub fn cpu(&self) -> Result<CpuSeconds, BenchError> {
        let own = CpuSeconds::of(self.pid())?;
        // A child may end while it is looked at.
        let children = family::of(self.pid()).into_iter().skip(1).filter_map(|child| CpuSeconds::of(child).ok());
        Ok(CpuSeconds(own.0 + children.map(|cpu| cpu.0).sum::<f64>()))
    }

    /// Its resident memory, in MiB.
    ///
    /// # Errors
    /// When it is gone.
    pub fn resident_mib(&self) -> Result<f64, BenchError> {
        Ok(machine::resident_mib(self.pid())?)
    }

    /// Has it stand still, its connections open.
    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Waits until the condition gives something.
    ///
    /// # Errors
    /// [`BenchError::NotReady`] when the process ends before, or after [`PATIENCE`].
    pub fn until<T>(&mut self, mut condition: impl FnMut() -> Option<T>) -> Result<T, BenchError> {
        let start = Instant::now();
        let child = &mut self.child;
        let found = eventually(PATIENCE, || match condition() {
            Some(found) => Some(Some(found)),
            None if matches!(child.try_wait(), Ok(None)) => None,
            None => Some(None),
        });
        found.flatten().ok_or_else(|| BenchError::NotReady {
            name: self.name.clone(),
            waited: start.elapsed(),
            words: self.words(),
        })
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// [`BenchError::Failed`] when it ends with an error or takes longer than `patience`.
    pub fn finish(mut self, patience: Duration) -> Result<Ended, BenchError> {
        // Its CPU time can be read until it is waited for.
        let pid = self.pid();
        let stat = eventually(patience, || Stat::of(pid).ok().filter(|stat| stat.ended));
        let Some(stat) = stat else {
            return Err(self.failed("no end in time".to_owned()));
        };
        let status = self.child.wait()?;
        if !status.success() {
            return Err(self.failed(status.to_string()));
        }
        Ok(Ended { said: fs::read_to_string(&self.said)?, cpu: stat.cpu })
    }

    /// Asks it to end, and waits.
    ///
    /// # Errors
    /// [`BenchError::Failed`] when it takes longer than [`PATIENCE`].
    pub fn stop(mut self) -> Result<(), BenchError> {
        self.signal(Signal::SIGTERM);
        let ended = eventually(PATIENCE, || self.child.try_wait().transpose()).transpose()?;
        ended.map(|_: ExitStatus| ()).ok_or_else(|| self.failed("no end after SIGTERM".to_owned()))
    }

    fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    fn failed(&self, status: String) -> BenchError {
        BenchError::Failed { name: self.name.clone(), status, words: self.words() }
    }

    /// The last lines of its log and of what it said.
    fn words(&self) -> String {
        let read = |path: &Path| fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let text = [&self.said, &self.log].map(|path| read(path).unwrap_or_default()).concat();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

/// To a process that may have ended already.
fn send(pid: u32, signal: Signal) {
    if let Ok(pid) = i32::try_from(pid) {
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // Workers outlive a killed parent: they are found while it lives.
            let family = family::of(self.pid());
            let _ = self.child.kill();
            family.into_iter().skip(1).for_each(|child| send(child, Signal::SIGKILL));
            let _ = self.child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, folder: &Path) -> Process {
        Process::start("shell", Command::new("sh").args(["-c", script]), folder, "install a shell").unwrap()
    }

    #[test]
    fn an_end_is_read_with_its_words() {
        let folder = tempfile::tempdir().unwrap();
        let ended = shell("echo done", folder.path()).finish(PATIENCE).unwrap();
        assert_eq!(ended.said, "done\n");
        let Err(failed) = shell("echo broken >&2; exit 3", folder.path()).finish(PATIENCE) else {
            panic!("a failure passed for a success");
        };
        assert!(failed.to_string().contains("broken"), "{failed}");
        let Err(gone) = shell("exit 0", folder.path()).until(|| None::<()>) else {
            panic!("it was ready after its end");
        };
        assert!(matches!(gone, BenchError::NotReady { .. }));
        shell("exec sleep 60", folder.path()).stop().unwrap();
    }
}
