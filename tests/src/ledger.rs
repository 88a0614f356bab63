//! What was sent and what was answered, written down outside the system before anybody can argue.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::eventually::eventually;

/// What the sender may expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expectation {
    /// It is genuine: stored, or a retry is safe.
    Stored,
    /// It is not: refused with this status, and never stored.
    Refused(u16),
}

/// One event that somebody means to send, once or many times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The event's id; no two attempts share one.
    pub id: String,
    /// The source it is sent to.
    pub source: String,
    /// Who sends.
    pub client: u32,
    /// What its order is kept for.
    pub key: String,
    /// Grows by one for each event of the key that the client sends; the next is sent only after a 2xx for this one.
    pub seq: u64,
    /// Hex SHA-256 of the body.
    pub sha256: String,
    /// What may come of it.
    pub expect: Expectation,
}

/// The end of one try to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Of the attempt.
    pub id: String,
    /// `None` when no whole answer came: the event may be stored or not.
    pub status: Option<u16>,
    /// Whether the answer said when to come again.
    pub retry_after: bool,
    /// `topic/partition/offset`, where the answer named it.
    pub position: Option<String>,
    /// `log` or `spool`, where the answer named it.
    pub durability: Option<String>,
    /// From the first byte sent to the answer, in microseconds.
    pub latency_us: u64,
}

impl Outcome {
    /// Whether the answer promised that the event is stored.
    #[must_use]
    pub fn acked(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// Both, in the order they happened.
#[derive(Default)]
pub struct Ledger {
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    attempts: Vec<Attempt>,
    outcomes: Vec<Outcome>,
    acked: usize,
    file: Option<BufWriter<File>>,
}

impl Ledger {
    /// A ledger that is also kept in a file, one JSON object a line, for whoever has to find out what went wrong.
    ///
    /// # Errors
    /// What the file system says.
    pub fn in_file(path: &Path) -> std::io::Result<Self> {
        let file = Some(BufWriter::new(File::create(path)?));
        Ok(Self { book: Mutex::new(Book { file, ..Book::default() }) })
    }

    /// To be called before the first byte is sent.
    pub fn attempt(&self, attempt: Attempt) {
        self.with(|book| {
            book.note("attempt", &attempt);
            book.attempts.push(attempt);
        });
    }

    /// To be called when a try has ended.
    pub fn outcome(&self, outcome: Outcome) {
        self.with(|book| {
            book.note("outcome", &outcome);
            book.acked += usize::from(outcome.acked());
            book.outcomes.push(outcome);
        });
    }

    /// How many tries were answered with 2xx so far.
    #[must_use]
    pub fn acked(&self) -> usize {
        self.with(|book| book.acked)
    }

    /// Waits until this many more tries are answered with 2xx: a fault in a run that stands still proves nothing.
    ///
    /// # Panics
    /// When they are not within a minute and a half.
    pub async fn more_acked(&self, more: usize) {
        let goal = self.acked() + more;
        eventually(Duration::from_secs(90), "acknowledgements", async || {
            let acked = self.acked();
            if acked >= goal { Ok(()) } else { Err(format!("{acked} of {goal}")) }
        })
        .await;
    }

    /// Everything written so far.
    #[must_use]
    pub fn read(&self) -> (Vec<Attempt>, Vec<Outcome>) {
        self.with(|book| (book.attempts.clone(), book.outcomes.clone()))
    }

    fn with<T>(&self, change: impl FnOnce(&mut Book) -> T) -> T {
        change(&mut self.book.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Book {
    fn note(&mut self, what: &str, entry: &impl Serialize) {
        if let Some(file) = &mut self.file {
            let line = serde_json::json!({ what: entry });
            writeln!(file, "{line}").expect("the ledger's file takes a line");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_holds_what_memory_holds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.jsonl");
        let ledger = Ledger::in_file(&path).unwrap();
        let expect = Expectation::Refused(401);
        let attempt = Attempt {
            id: "a".into(),
            source: "s".into(),
            client: 1,
            key: "k".into(),
            seq: 1,
            sha256: "00".into(),
            expect,
        };
        let outcome = Outcome {
            id: "a".into(),
            status: Some(200),
            retry_after: false,
            position: None,
            durability: None,
            latency_us: 5,
        };
        ledger.attempt(attempt.clone());
        ledger.outcome(outcome.clone());
        assert_eq!(ledger.acked(), 1);
        drop(ledger);
        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(serde_json::from_value::<Attempt>(lines[0]["attempt"].clone()).unwrap(), attempt);
        assert_eq!(serde_json::from_value::<Outcome>(lines[1]["outcome"].clone()).unwrap(), outcome);
    }
}
