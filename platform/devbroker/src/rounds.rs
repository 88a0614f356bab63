//! Group commit: those who wait for the same file share one sync.

use std::ops::Deref;
use std::sync::{Arc, Mutex};

use tokio_util::task::TaskTracker;

use crate::UNPOISONED;

/// Something that serves many jobs with one sync.
pub(crate) trait Round: Send + Sync + 'static {
    /// One caller's wish, with the means to answer it.
    type Job: Send + 'static;
    /// Serves the jobs in their order, syncs, and then answers them. May block.
    fn serve(&self, jobs: Vec<Self::Job>);
}

/// Gathers jobs while a round runs; whoever comes meanwhile is served by the next one.
///
/// At most one round of a file runs at a time, on a blocking thread that goes home when nobody waits. The queue is
/// bounded by the bytes of requests in flight, which the connections account for.
#[derive(Debug)]
pub(crate) struct Rounds<R: Round> {
    round: R,
    threads: TaskTracker,
    waiting: Mutex<Waiting<R::Job>>,
}

#[derive(Debug)]
struct Waiting<J> {
    jobs: Vec<J>,
    running: bool,
}

impl<R: Round> Rounds<R> {
    /// `threads` lets the broker wait for the last round when it stops.
    pub(crate) fn new(round: R, threads: TaskTracker) -> Arc<Self> {
        Arc::new(Self { round, threads, waiting: Mutex::new(Waiting { jobs: Vec::new(), running: false }) })
    }

    /// Puts the job in line; returns at once. A job whose round panics is dropped unanswered.
    pub(crate) fn submit(self: &Arc<Self>, job: R::Job) {
        let mut waiting = self.waiting.lock().expect(UNPOISONED);
        waiting.jobs.push(job);
        if !waiting.running {
            waiting.running = true;
            let rounds = Arc::clone(self);
            self.threads.spawn_blocking(move || rounds.drain());
        }
    }

    fn drain(&self) {
        let _reset = ResetOnPanic(&self.waiting);
        loop {
            let jobs = {
                let mut waiting = self.waiting.lock().expect(UNPOISONED);
                if waiting.jobs.is_empty() {
                    waiting.running = false;
                    return;
                }
                std::mem::take(&mut waiting.jobs)
            };
            self.round.serve(jobs);
        }
    }
}

impl<R: Round> Deref for Rounds<R> {
    type Target = R;

    fn deref(&self) -> &R {
        &self.round
    }
}

/// Without it a panic would leave `running` set, and everybody after it would wait for ever.
struct ResetOnPanic<'a, J>(&'a Mutex<Waiting<J>>);

impl<J> Drop for ResetOnPanic<'_, J> {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Ok(mut waiting) = self.0.lock()
        {
            waiting.running = false;
            waiting.jobs.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    struct Adder;

    impl Round for Adder {
        type Job = (u32, oneshot::Sender<u32>);
        fn serve(&self, jobs: Vec<Self::Job>) {
            for (n, reply) in jobs {
                assert_ne!(n, 13, "unlucky");
                let _ = reply.send(n + 1);
            }
        }
    }

    #[tokio::test]
    async fn every_job_is_answered_also_after_a_panic() {
        let rounds = Rounds::new(Adder, TaskTracker::new());
        let ask = |n| {
            let (reply, answer) = oneshot::channel();
            rounds.submit((n, reply));
            answer
        };
        for n in 0..5 {
            assert_eq!(ask(n).await, Ok(n + 1));
        }
        assert!(ask(13).await.is_err(), "a panicking round drops its jobs");
        // The thread needs a moment to unwind; until then a job may still be dropped with it.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while ask(1).await.is_err() {
            assert!(std::time::Instant::now() < deadline, "rounds never recovered");
        }
    }
}
