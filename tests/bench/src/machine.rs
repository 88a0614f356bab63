//! The machine: how much CPU a process used and how much anybody did, and what is worth telling of it.

use std::fs;
use std::io;
use std::ops::Sub;

/// The kernel counts CPU time for programs in hundredths of a second, whatever its own clock.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time, in seconds, of user and system together.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct CpuSeconds(pub f64);

impl Sub for CpuSeconds {
    type Output = Self;
    fn sub(self, earlier: Self) -> Self {
        Self(self.0 - earlier.0)
    }
}

impl CpuSeconds {
    /// What the process has used so far; one that ended may be asked until it is waited for.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn of(pid: u32) -> io::Result<Self> {
        Stat::of(pid).map(|stat| stat.cpu)
    }

    /// What all processes together have used since the machine started.
    ///
    /// # Errors
    /// When `/proc/stat` is not what Linux makes of it.
    pub fn of_everybody() -> io::Result<Self> {
        let stat = fs::read_to_string("/proc/stat")?;
        let fields: Vec<f64> = stat
            .lines()
            .next()
            .into_iter()
            .flat_map(|line| line.split_whitespace().skip(1))
            .filter_map(|field| field.parse().ok())
            .collect();
        // user nice system idle iowait irq softirq
        let [user, nice, system, _idle, _iowait, irq, softirq, ..] = fields[..] else {
            return Err(io::Error::other("/proc/stat has too few fields"));
        };
        Ok(Self((user + nice + system + irq + softirq) / TICKS_PER_SECOND))
    }

    /// In microseconds for each of `count`.
    #[must_use]
    pub fn micros_each(self, count: u64) -> f64 {
        self.0 * 1e6 / count.max(1) as f64
    }
}

/// What `/proc/PID/stat` says of a process.
#[derive(Debug, Clone, Copy)]
pub struct Stat {
    /// Whether it ended and waits to be waited for.
    pub ended: bool,
    /// Who started it.
    pub parent: u32,
    /// What it used.
    pub cpu: CpuSeconds,
}

impl Stat {
    /// Reads it.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn of(pid: u32) -> io::Result<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat"))?)
            .ok_or_else(|| io::Error::other(format!("/proc/{pid}/stat can't be read")))
    }

    fn parse(text: &str) -> Option<Self> {
        // The name stands in brackets and may hold anything, brackets too.
        let (_, after_name) = text.rsplit_once(')')?;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let (user, system): (f64, f64) = (fields.get(11)?.parse().ok()?, fields.get(12)?.parse().ok()?);
        let ended = matches!(*fields.first()?, "Z" | "X");
        let parent = fields.get(1)?.parse().ok()?;
        Some(Self { ended, parent, cpu: CpuSeconds((user + system) / TICKS_PER_SECOND) })
    }
}

/// How much memory of the process is resident, in MiB.
///
/// # Errors
/// When there is no such process.
pub fn resident_mib(pid: u32) -> io::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    resident(&status).ok_or_else(|| io::Error::other(format!("/proc/{pid}/status tells no VmRSS")))
}

fn resident(status: &str) -> Option<f64> {
    let kib: f64 =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().split(' ').next()?.parse().ok()?;
    Some(kib / 1024.0)
}

/// How many files this process, and each that it starts, may have open.
///
/// # Errors
/// When the system tells nothing of it.
pub fn file_limit() -> io::Result<u64> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    open_files(&limits).ok_or_else(|| io::Error::other("/proc/self/limits tells no open files"))
}

fn open_files(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let soft = line.split_whitespace().next()?;
    if soft == "unlimited" { Some(u64::MAX) } else { soft.parse().ok() }
}

/// How many cores there are.
#[must_use]
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Cores, processor, memory and kernel in a line.
#[must_use]
pub fn description() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let value = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        line.split_once(':').map_or_else(String::new, |(_, value)| value.trim().to_owned())
    };
    let model = value(&read("/proc/cpuinfo"), "model name");
    let memory = value(&read("/proc/meminfo"), "MemTotal");
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{} cores ({model}), memory {memory}, Linux {}", cores(), kernel.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_past_its_name() {
        let text = "42 (a) b) Z 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 3 0 100 0 0";
        let stat = Stat::parse(text).unwrap();
        assert!(stat.ended);
        assert_eq!(stat.parent, 1);
        assert_eq!(stat.cpu, CpuSeconds(3.0));
        assert!(!Stat::parse(&text.replace(" Z ", " S ")).unwrap().ended);
        assert!(Stat::parse("42 (a").is_none());
    }

    #[test]
    fn resident_memory_is_read() {
        assert_eq!(resident("Name:\ta\nVmRSS:\t    2048 kB\nThreads:\t3\n"), Some(2.0));
        assert_eq!(resident("Name:\tkthreadd\n"), None);
        assert!(resident_mib(std::process::id()).unwrap() > 1.0);
    }

    #[test]
    fn the_limit_of_files_is_the_soft_one() {
        assert_eq!(
            open_files("Limit\nMax open files            1024                 20000                files\n"),
            Some(1024)
        );
        assert_eq!(
            open_files("Max open files            unlimited            unlimited            files"),
            Some(u64::MAX)
        );
        assert!(file_limit().unwrap() > 0);
    }

    #[test]
    fn work_is_seen() {
        let before = CpuSeconds::of(std::process::id()).unwrap();
        let start = std::time::Instant::now();
        while start.elapsed().as_millis() < 200 {
            std::hint::black_box((0..1000).sum::<u64>());
        }
        assert!((CpuSeconds::of(std::process::id()).unwrap() - before).0 > 0.05);
    }
}
