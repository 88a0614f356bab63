//! What came of it: counts by status and durability, latencies, and whether that is what it should be.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::failure::Failure;
use crate::output::Shown;
use crate::send::client::Answer;
use crate::send::plan::Shot;

/// One event and its answer.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// What was sent.
    pub(crate) shot: Shot,
    /// What came back.
    pub(crate) answer: Answer,
    /// How long it took.
    pub(crate) latency: Duration,
}

/// Counts of many exchanges.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// From the first event to the last answer.
    pub(crate) elapsed: Duration,
    first: Option<First>,
    tampered: u64,
    duplicates: u64,
    wrong: u64,
    status: BTreeMap<u16, u64>,
    durability: BTreeMap<String, u64>,
    failed: BTreeMap<String, u64>,
    latencies_us: Vec<u32>,
}

/// The first event, for a run of one.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct First {
    /// Its id.
    pub(crate) id: String,
    #[serde(rename = "type")]
    kind: String,
    key: Option<String>,
    position: Option<String>,
    status: Option<u16>,
    durability: Option<String>,
}

impl Tally {
    /// Counts one exchange.
    pub(crate) fn add(&mut self, exchange: Exchange) {
        let Exchange { shot, answer, latency } = exchange;
        self.tampered += u64::from(shot.tampered);
        self.duplicates += u64::from(shot.duplicate);
        if !is_right(&shot, &answer) {
            self.wrong += 1;
        }
        self.latencies_us.push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
        let (status, durability, position) = match answer {
            Answer::Status { status, durability, position } => {
                *self.status.entry(status.as_u16()).or_default() += 1;
                if let Some(durability) = &durability {
                    *self.durability.entry(durability.clone()).or_default() += 1;
                }
                (Some(status.as_u16()), durability, position)
            }
            Answer::Failed(cause) => {
                *self.failed.entry(cause).or_default() += 1;
                (None, None, None)
            }
        };
        if self.first.is_none() {
            let Shot { id, kind, key, .. } = shot;
            self.first = Some(First { id, kind, key, position, status, durability });
        }
    }

    /// Adds another's counts.
    pub(crate) fn merge(&mut self, other: Self) {
        self.first = self.first.take().or(other.first);
        self.tampered += other.tampered;
        self.duplicates += other.duplicates;
        self.wrong += other.wrong;
        self.latencies_us.extend(other.latencies_us);
        for (into, from) in [(&mut self.durability, other.durability), (&mut self.failed, other.failed)] {
            for (name, count) in from {
                *into.entry(name).or_default() += count;
            }
        }
        for (status, count) in other.status {
            *self.status.entry(status).or_default() += count;
        }
    }
}

/// What is signed is stored; what was changed afterwards is refused.
fn is_right(shot: &Shot, answer: &Answer) -> bool {
    match answer {
        Answer::Status { status, .. } if shot.tampered => status.as_u16() == 401,
        Answer::Status { status, .. } => status.is_success(),
        Answer::Failed(_) => false,
    }
}

/// Milliseconds by share of the answers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Latencies {
    p50: f64,
    p90: f64,
    p99: f64,
    max: f64,
}

/// The counts as they are shown.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    to: String,
    sent: u64,
    duplicates: u64,
    tampered: u64,
    wrong: u64,
    status: BTreeMap<u16, u64>,
    durability: BTreeMap<String, u64>,
    failed: BTreeMap<String, u64>,
    latency_ms: Latencies,
    elapsed_s: f64,
    rate_per_s: f64,
    /// The event, when there was one alone.
    pub(crate) first: Option<First>,
}

impl Summary {
    /// Sums up what was sent `to` a URL.
    #[must_use]
    pub(crate) fn of(tally: &Tally, to: &str) -> Self {
        let mut sorted = tally.latencies_us.clone();
        sorted.sort_unstable();
        let sent = u64::try_from(sorted.len()).unwrap_or(u64::MAX);
        let elapsed_s = tally.elapsed.as_secs_f64();
        Self {
            to: to.to_owned(),
            sent,
            duplicates: tally.duplicates,
            tampered: tally.tampered,
            wrong: tally.wrong,
            status: tally.status.clone(),
            durability: tally.durability.clone(),
            failed: tally.failed.clone(),
            latency_ms: Latencies {
                p50: share(&sorted, 500),
                p90: share(&sorted, 900),
                p99: share(&sorted, 990),
                max: share(&sorted, 1000),
            },
            elapsed_s: round(elapsed_s, 1000.0),
            rate_per_s: if elapsed_s > 0.0 { round(sorted.len() as f64 / elapsed_s, 10.0) } else { 0.0 },
            first: tally.first.clone().filter(|_| sent == 1),
        }
    }

    /// Lines for people.
    #[must_use]
    pub(crate) fn lines(&self) -> Vec<String> {
        if let Some(first) = &self.first {
            return vec![self.one(first)];
        }
        let counts = |counts: &BTreeMap<String, u64>| {
            let counts: Vec<String> = counts.iter().map(|(name, count)| format!("{} × {count}", Shown(name))).collect();
            counts.join(", ")
        };
        let status = self.status.iter().map(|(status, count)| (status.to_string(), *count)).collect();
        let Latencies { p50, p90, p99, max } = self.latency_ms;
        let mut lines = vec![
            format!("sent {} to {} ({} duplicates, {} tampered)", self.sent, self.to, self.duplicates, self.tampered),
            format!("status      {}", counts(&status)),
            format!("durability  {}", counts(&self.durability)),
        ];
        if !self.failed.is_empty() {
            lines.push(format!("no answer   {}", counts(&self.failed)));
        }
        lines.push(format!("latency ms  p50 {p50}, p90 {p90}, p99 {p99}, max {max}"));
        lines.push(format!("elapsed     {} s, {} a second", self.elapsed_s, self.rate_per_s));
        lines
    }

    fn one(&self, first: &First) -> String {
        let status = first.status.map_or_else(
            || self.failed.keys().map(|cause| Shown(cause).to_string()).collect(),
            |status| status.to_string(),
        );
        let position = first.position.as_deref().unwrap_or("-");
        format!("{status} {position} {} {} {} ms", Shown(&first.kind), Shown(&first.id), self.latency_ms.max)
    }

    /// Whether every answer was the right one.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] when nothing ever answered, [`Failure::Refused`] when an answer was wrong.
    pub(crate) fn verdict(&self) -> Result<(), Failure> {
        let unanswered: u64 = self.failed.values().sum();
        if self.wrong == 0 {
            return Ok(());
        }
        if unanswered == self.sent {
            let cause = self.failed.keys().next().map_or("", String::as_str);
            return Err(Failure::Unavailable(format!(
                "{} does not answer: {}; is the edge running there?",
                self.to,
                Shown(cause)
            )));
        }
        Err(Failure::Refused(format!(
            "{} of {} answers were not what they should be (2xx for what is signed, 401 for what was tampered with)",
            self.wrong, self.sent
        )))
    }
}

/// The latency in milliseconds below which `thousandths` of the answers are, of sorted microseconds.
fn share(sorted: &[u32], thousandths: usize) -> f64 {
    let rank = (sorted.len() * thousandths).div_ceil(1000).max(1);
    sorted.get(rank - 1).map_or(0.0, |us| f64::from(*us) / 1000.0)
}

fn round(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::StatusCode;

    use super::*;

    fn exchange(tampered: bool, status: u16) -> Exchange {
        let answer = match status {
            0 => Answer::Failed("connection refused".to_owned()),
            status => {
                Answer::Status { status: StatusCode::from_u16(status).unwrap(), durability: None, position: None }
            }
        };
        let shot = Shot {
            id: "evt_1".to_owned(),
            kind: "push".to_owned(),
            key: None,
            headers: Vec::new(),
            body: Bytes::new(),
            tampered,
            duplicate: false,
        };
        Exchange { shot, answer, latency: Duration::from_millis(2) }
    }

    fn verdict(exchanges: &[(bool, u16)]) -> Result<(), Failure> {
        let mut tally = Tally::default();
        exchanges.iter().for_each(|&(tampered, status)| tally.add(exchange(tampered, status)));
        Summary::of(&tally, "http://e").verdict()
    }

    #[test]
    fn only_2xx_for_what_is_signed_and_401_for_what_is_not_are_right() {
        assert!(verdict(&[(false, 200), (false, 202), (true, 401)]).is_ok());
        for wrong in [(false, 401), (false, 503), (true, 200), (true, 503), (true, 404)] {
            assert!(matches!(verdict(&[(false, 200), wrong]), Err(Failure::Refused(_))), "{wrong:?}");
        }
        assert!(matches!(verdict(&[(false, 200), (false, 0)]), Err(Failure::Refused(_))));
        assert!(matches!(verdict(&[(false, 0), (true, 0)]), Err(Failure::Unavailable(_))));
    }

    #[test]
    fn shares_are_exact_ranks() {
        let sorted: Vec<u32> = (1..=100).map(|ms| ms * 1000).collect();
        assert_eq!([500, 900, 990, 1000].map(|share_of| share(&sorted, share_of)), [50.0, 90.0, 99.0, 100.0]);
        assert_eq!(share(&[7000], 500), 7.0);
        assert_eq!(share(&[], 500), 0.0);
    }

    #[test]
    fn merging_adds_every_count() {
        let (mut a, mut b) = (Tally::default(), Tally::default());
        a.add(exchange(false, 200));
        b.add(exchange(true, 401));
        b.add(exchange(false, 0));
        a.merge(b);
        let summary = Summary::of(&a, "http://e");
        assert_eq!((summary.sent, summary.tampered, summary.wrong), (3, 1, 1));
        assert_eq!(summary.status, BTreeMap::from([(200, 1), (401, 1)]));
        assert_eq!(summary.failed["connection refused"], 1);
    }
}
