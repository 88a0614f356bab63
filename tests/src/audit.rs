//! From a ledger and a broker to a verdict: reads back with the independent reader, decodes, and lets the judge judge.

use crate::checker::{Copy, Verdict, check};
use crate::java::{Isolation, read_back};
use crate::ledger::Ledger;

/// The verdict on everything in the ledger, given what stands in the topics now. To be asked when nobody sends any more.
///
/// # Panics
/// When a record is no envelope, or can't be read.
#[must_use]
pub fn audit(bootstrap: &str, topics: &[&str], ledger: &Ledger) -> Verdict {
    let records = read_back(bootstrap, topics, Isolation::ReadUncommitted);
    let copy = |record| Copy::of(record).unwrap_or_else(|error| panic!("in {topics:?}: {error}"));
    let copies: Vec<Copy> = records.iter().map(copy).collect();
    let (attempts, outcomes) = ledger.read();
    check(&attempts, &outcomes, &copies)
}
