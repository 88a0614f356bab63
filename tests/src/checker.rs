//! The judge: compares what was promised with what is in the log. Pure, so that it can itself be put to the test.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use sha2::{Digest, Sha256};

use crate::avro;
use crate::java::Record;
use crate::ledger::{Attempt, Expectation, Outcome};

/// Every answer the edge may give: anything else is outside its contract.
const CONTRACT: [u16; 15] = [200, 202, 400, 401, 403, 404, 405, 408, 413, 414, 415, 422, 429, 431, 503];

/// The answers that leave a genuine event's sender free to try again.
const RETRY: [u16; 3] = [408, 429, 503];

/// One copy of an event in the log, as the independent reader found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// The event's id.
    pub id: String,
    /// The source in the envelope.
    pub source: String,
    /// The record's key.
    pub key: String,
    /// Where.
    pub topic: String,
    /// Where in the topic.
    pub partition: i32,
    /// Where in the partition.
    pub offset: i64,
    /// Hex SHA-256 of the body, computed here.
    pub sha256: String,
    /// Hex SHA-256 that the envelope claims.
    pub claimed_sha256: String,
}

impl Copy {
    /// Decodes a record of the log. What is no envelope, or says one thing in its headers and another inside, is an error.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn of(record: &Record) -> Result<Self, String> {
        let value = record.value.as_deref().ok_or("a record without value")?;
        let envelope = avro::decode(value)?;
        let key = String::from_utf8(record.key.clone().unwrap_or_default()).map_err(|error| error.to_string())?;
        let dedupe_id = format!("{}:{}", envelope.source, envelope.id);
        if key != envelope.key || record.header("hooklog-dedupe-id").as_deref() != Some(&dedupe_id) {
            return Err(format!("record {}/{} says otherwise than its envelope", record.partition, record.offset));
        }
        let (topic, claimed_sha256) = (record.topic.clone(), hex::encode(&envelope.body_sha256));
        let sha256 = hex::encode(Sha256::digest(&envelope.body));
        let (partition, offset) = (record.partition, record.offset);
        Ok(Self { id: envelope.id, source: envelope.source, key, topic, partition, offset, sha256, claimed_sha256 })
    }

    fn position(&self) -> String {
        format!("{}/{}/{}", self.topic, self.partition, self.offset)
    }
}

/// What the judge found: the ids concerned, so that one can go and look.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Events with at least one 2xx.
    pub acked: usize,
    /// Copies beyond the first of each event: allowed, where the sender sent more than once.
    pub duplicates: usize,
    /// Acknowledged, not in the log.
    pub lost: Vec<String>,
    /// In the log, never sent, or sent by nobody genuine.
    pub phantom: Vec<String>,
    /// More copies in the log than tries to send it.
    pub surplus: Vec<String>,
    /// A first copy that stands before the first copy of an event that was acknowledged before it was sent.
    pub order: Vec<String>,
    /// Not the bytes, the key or the source that were sent.
    pub mangled: Vec<String>,
    /// Answered with a position where another record stands.
    pub misplaced: Vec<String>,
    /// An answer outside the contract.
    pub unclassified: Vec<String>,
    /// A 2xx for an event that had to be refused.
    pub false_2xx: Vec<String>,
}

impl Verdict {
    /// The counters that must be zero, always.
    #[must_use]
    pub fn faults(&self) -> [(&'static str, &[String]); 8] {
        [
            ("lost", &self.lost),
            ("phantom", &self.phantom),
            ("surplus", &self.surplus),
            ("order", &self.order),
            ("mangled", &self.mangled),
            ("misplaced", &self.misplaced),
            ("unclassified", &self.unclassified),
            ("false_2xx", &self.false_2xx),
        ]
    }

    /// Allows so many events to have more copies than tries: each fault may leave one of every record that was in flight.
    #[must_use]
    pub fn allowing_copies(mut self, most: usize) -> Self {
        if self.surplus.len() <= most {
            self.surplus.clear();
        }
        self
    }

    /// Prints the summary and requires that nothing is wrong, and that something was acknowledged at all.
    ///
    /// # Panics
    /// When something is wrong; with the first few ids of each kind.
    pub fn require_clean(&self, what: &str) {
        eprintln!("{what}: {self}");
        let wrong = self.faults().into_iter().filter(|(_, ids)| !ids.is_empty());
        let named: Vec<String> = wrong.map(|(name, ids)| format!("{name}: {:?}", &ids[..ids.len().min(5)])).collect();
        assert!(named.is_empty(), "{what}: {self}\n{}", named.join("\n"));
        assert!(self.acked > 0, "{what}: nothing was acknowledged, so nothing was tested");
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "acked={} duplicates={}", self.acked, self.duplicates)?;
        for (name, ids) in self.faults() {
            write!(f, " {name}={}", ids.len())?;
        }
        if self.lost.is_empty() && self.acked > 0 {
            // The rule of three: no failure in n trials bounds the rate by 3/n, with 95 % confidence.
            let bound = 3.0 / self.acked as f64;
            write!(f, " (0 lost of {}: a rate under {bound:.1e} with 95 % confidence)", self.acked)?;
        }
        Ok(())
    }
}

/// Judges. The copies are those of every topic the attempts could have reached.
#[must_use]
pub fn check(attempts: &[Attempt], outcomes: &[Outcome], copies: &[Copy]) -> Verdict {
    let mut verdict = Verdict::default();
    let sent: HashMap<&str, &Attempt> = attempts.iter().map(|attempt| (attempt.id.as_str(), attempt)).collect();
    let acked: HashSet<&str> =
        outcomes.iter().filter(|outcome| outcome.acked()).map(|outcome| outcome.id.as_str()).collect();
    let mut found: HashMap<&str, Vec<&Copy>> = HashMap::new();
    for copy in copies {
        found.entry(&copy.id).or_default().push(copy);
    }
    let names = |mut ids: Vec<&str>| {
        ids.sort_unstable();
        ids.into_iter().map(str::to_owned).collect::<Vec<String>>()
    };

    verdict.acked = acked.len();
    verdict.lost = names(acked.iter().filter(|id| !found.contains_key(*id)).copied().collect());
    let genuine = |id: &&&str| sent.get(**id).is_some_and(|attempt| attempt.expect == Expectation::Stored);
    verdict.phantom = names(found.keys().filter(|id| !genuine(id)).copied().collect());
    verdict.duplicates = found.values().map(|copies| copies.len() - 1).sum();
    let mut tries: HashMap<&str, usize> = HashMap::new();
    outcomes.iter().for_each(|outcome| *tries.entry(&outcome.id).or_default() += 1);
    // A try that was cut off by the end of the run has no outcome, but is one.
    let most = |id: &str| tries.get(id).copied().unwrap_or(0).max(1);
    verdict.surplus = names(found.iter().filter(|(id, copies)| copies.len() > most(id)).map(|(id, _)| *id).collect());
    verdict.mangled = names(copies.iter().filter(|copy| mangled(copy, &sent)).map(|copy| copy.id.as_str()).collect());
    verdict.order = disorder(copies, &sent, &acked);
    judge_answers(&mut verdict, &sent, outcomes, &found);
    verdict
}

fn mangled(copy: &Copy, sent: &HashMap<&str, &Attempt>) -> bool {
    let Some(attempt) = sent.get(copy.id.as_str()) else { return false };
    let same = copy.sha256 == attempt.sha256 && copy.key == attempt.key && copy.source == attempt.source;
    !same || copy.claimed_sha256 != copy.sha256
}

fn judge_answers(
    verdict: &mut Verdict,
    sent: &HashMap<&str, &Attempt>,
    outcomes: &[Outcome],
    found: &HashMap<&str, Vec<&Copy>>,
) {
    for outcome in outcomes {
        let Some(status) = outcome.status else { continue };
        let id = || outcome.id.clone();
        let expect = sent.get(outcome.id.as_str()).map(|attempt| attempt.expect);
        if outcome.acked() && expect != Some(Expectation::Stored) {
            verdict.false_2xx.push(id());
        }
        if !classified(outcome, status, expect) {
            verdict.unclassified.push(format!("{} {status}", outcome.id));
        }
        let copies = found.get(outcome.id.as_str());
        let there = |position| copies.is_some_and(|copies| copies.iter().any(|copy| copy.position() == position));
        if outcome.position.as_ref().is_some_and(|position| !there(position.clone())) {
            verdict.misplaced.push(id());
        }
    }
}

/// Whether the answer is one of the contract, complete, and one that this sender can get.
fn classified(outcome: &Outcome, status: u16, expect: Option<Expectation>) -> bool {
    let durable = match status {
        200 => outcome.durability.as_deref() == Some("log") && outcome.position.is_some(),
        202 => outcome.durability.as_deref() == Some("spool"),
        429 | 503 => outcome.retry_after,
        _ => true,
    };
    let due = match expect {
        Some(Expectation::Stored) => outcome.acked() || RETRY.contains(&status),
        Some(Expectation::Refused(due)) => status == due || outcome.acked() || RETRY.contains(&status),
        None => true,
    };
    CONTRACT.contains(&status) && durable && due
}

/// Per key and sender: the first copies of acknowledged events must stand in one partition, in the order they were sent.
fn disorder(copies: &[Copy], sent: &HashMap<&str, &Attempt>, acked: &HashSet<&str>) -> Vec<String> {
    let mut in_log: Vec<&Copy> = copies.iter().collect();
    in_log.sort_by_key(|copy| (copy.partition, copy.offset));
    let mut seen = HashSet::new();
    let mut last: BTreeMap<(&str, &str, u32), (i32, u64)> = BTreeMap::new();
    let mut wrong = Vec::new();
    for copy in in_log {
        let Some(attempt) = sent.get(copy.id.as_str()) else { continue };
        if !acked.contains(copy.id.as_str()) || !seen.insert(&copy.id) {
            continue;
        }
        let line = (attempt.source.as_str(), attempt.key.as_str(), attempt.client);
        let (partition, seq) = *last.entry(line).or_insert((copy.partition, 0));
        if partition != copy.partition || attempt.seq <= seq {
            wrong.push(copy.id.clone());
        }
        last.insert(line, (copy.partition, seq.max(attempt.seq)));
    }
    wrong
}
