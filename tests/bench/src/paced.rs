//! Live traffic at a modest fixed rate, whatever the server does meanwhile: a few threads with a connection and a beat each.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::connection::Connection;
use crate::error::BenchError;
use crate::load::Answers;
use crate::webhook::{Webhook, webhooks};

const THREADS: u64 = 10;

/// Of each thread: together 500 webhooks a second.
const BEAT: Duration = Duration::from_millis(20);

/// Traffic that goes on until it is stopped.
pub struct Paced {
    counts: Arc<Counts>,
    threads: Vec<JoinHandle<()>>,
    start: Instant,
}

#[derive(Default)]
struct Counts {
    stopped: AtomicBool,
    stored: AtomicU64,
    spooled: AtomicU64,
    failed: AtomicU64,
}

impl Paced {
    /// Starts it; `run` makes its deliveries' ids its own.
    #[must_use]
    pub fn start(url: &str, run: u32) -> Self {
        let counts = Arc::new(Counts::default());
        let thread = |n| {
            let (counts, url) = (Arc::clone(&counts), url.to_owned());
            std::thread::spawn(move || counts.send(&url, run, n))
        };
        let threads = (0..THREADS).map(thread).collect();
        Self { counts, threads, start: Instant::now() }
    }

    /// Answers so far that said 202: stored in the spool.
    #[must_use]
    pub fn spooled(&self) -> u64 {
        self.counts.spooled.load(Ordering::Relaxed)
    }

    /// Stops it; every answer that was asked for is waited for.
    ///
    /// # Errors
    /// When a thread broke.
    pub fn stop(self) -> Result<Answers, BenchError> {
        self.counts.stopped.store(true, Ordering::Relaxed);
        let seconds = self.start.elapsed().as_secs_f64();
        for thread in self.threads {
            thread.join().map_err(|_| std::io::Error::other("the paced traffic broke"))?;
        }
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (stored, failed) = (read(&self.counts.stored), read(&self.counts.failed));
        Ok(Answers { stored, failed, seconds, ..Answers::default() })
    }
}

impl Counts {
    fn send(&self, url: &str, run: u32, thread: u64) {
        let webhooks = webhooks();
        let mut connection = None;
        let start = Instant::now();
        for n in 0_u32.. {
            if self.stopped.load(Ordering::Relaxed) {
                return;
            }
            // A slow answer delays the next webhooks and takes none away.
            std::thread::sleep((BEAT * n).saturating_sub(start.elapsed()));
            let webhook = &webhooks[n as usize % webhooks.len()];
            let delivery = format!("9ace0000-{run:04x}-4000-{thread:04x}-{n:012x}");
            match ask(&mut connection, url, webhook, &delivery) {
                Ok(status) => self.count(status),
                Err(_) => {
                    connection = None;
                    self.failed.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    fn count(&self, status: u16) {
        let is_stored = (200..300).contains(&status);
        let counted = if is_stored { &self.stored } else { &self.failed };
        counted.fetch_add(1, Ordering::Relaxed);
        self.spooled.fetch_add(u64::from(status == 202), Ordering::Relaxed);
    }
}

fn ask(connection: &mut Option<Connection>, url: &str, webhook: &Webhook, delivery: &str) -> std::io::Result<u16> {
    let open = match connection.take() {
        Some(open) => open,
        None => Connection::open(url)?,
    };
    connection.insert(open).ask(webhook, delivery)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_where_they_were_stored() {
        let counts = Counts::default();
        [200, 202, 202, 503].into_iter().for_each(|status| counts.count(status));
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        assert_eq!((read(&counts.stored), read(&counts.spooled), read(&counts.failed)), (3, 2, 1));
    }
}
