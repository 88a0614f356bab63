//! Idempotence: which batches of which producer this partition already has.

use std::collections::{HashMap, VecDeque};

use kafka_protocol::ResponseError;

use crate::batch::Head;

/// Batches remembered of one producer: as many as a client may have in flight.
const REMEMBERED: usize = 5;

/// The producers of one partition; rebuilt from the batches when the log is opened.
#[derive(Debug)]
pub(crate) struct Producers {
    known: HashMap<i64, Producer>,
    limit: usize,
}

#[derive(Debug)]
struct Producer {
    epoch: i16,
    recent: VecDeque<Written>,
}

#[derive(Debug)]
struct Written {
    first_sequence: i32,
    last_sequence: i32,
    base_offset: i64,
}

/// What is to be done with a batch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is new: append it.
    New,
    /// It is here already, at this offset: acknowledge it again.
    Repeat(i64),
    /// It must not be appended.
    Refused(ResponseError),
}

impl Producers {
    pub(crate) fn new(limit: usize) -> Self {
        Self { known: HashMap::new(), limit }
    }

    /// Judges a batch against what was written before it, as Kafka does: a producer nobody remembers may start anywhere.
    pub(crate) fn judge(&self, head: &Head) -> Verdict {
        let Some(producer) = self.known.get(&head.producer_id) else { return Verdict::New };
        if head.producer_epoch < producer.epoch {
            return Verdict::Refused(ResponseError::InvalidProducerEpoch);
        }
        if head.producer_epoch > producer.epoch {
            return match head.first_sequence {
                0 => Verdict::New,
                _ => Verdict::Refused(ResponseError::OutOfOrderSequenceNumber),
            };
        }
        let same = |w: &&Written| w.first_sequence == head.first_sequence && w.last_sequence == head.last_sequence();
        if let Some(repeat) = producer.recent.iter().find(same) {
            return Verdict::Repeat(repeat.base_offset);
        }
        match producer.recent.back() {
            Some(last) if head.first_sequence != last.last_sequence.wrapping_add(1) & i32::MAX => {
                Verdict::Refused(ResponseError::OutOfOrderSequenceNumber)
            }
            _ => Verdict::New,
        }
    }

    /// Remembers a batch that is in the log at `base_offset`.
    pub(crate) fn note(&mut self, head: &Head, base_offset: i64) {
        if head.producer_id < 0 {
            return;
        }
        if self.known.len() >= self.limit && !self.known.contains_key(&head.producer_id) {
            self.forget_oldest();
        }
        let epoch = head.producer_epoch;
        let producer = self.known.entry(head.producer_id).or_insert(Producer { epoch, recent: VecDeque::new() });
        if producer.epoch != epoch {
            producer.epoch = epoch;
            producer.recent.clear();
        }
        if producer.recent.len() == REMEMBERED {
            producer.recent.pop_front();
        }
        producer.recent.push_back(Written {
            first_sequence: head.first_sequence,
            last_sequence: head.last_sequence(),
            base_offset,
        });
    }

    /// The greatest producer id, -1 if there is none.
    pub(crate) fn greatest_id(&self) -> i64 {
        self.known.keys().copied().max().unwrap_or(-1)
    }

    fn forget_oldest(&mut self) {
        let last_offset = |producer: &Producer| producer.recent.back().map(|written| written.base_offset);
        if let Some(id) = self.known.iter().min_by_key(|(_, producer)| last_offset(producer)).map(|(id, _)| *id) {
            self.known.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{check, sample};
    use ResponseError::{InvalidProducerEpoch, OutOfOrderSequenceNumber};

    fn head(id: i64, epoch: i16, sequence: i32, records: usize) -> Head {
        check(&sample::batch(id, epoch, sequence, &vec![0; records])).unwrap()
    }

    #[test]
    fn verdicts() {
        let mut producers = Producers::new(10);
        for n in 0..6 {
            let batch = head(7, 3, n * 2, 2);
            assert_eq!(producers.judge(&batch), Verdict::New);
            producers.note(&batch, 100 + i64::from(n));
        }
        let table = [
            (head(7, 3, 12, 1), Verdict::New),
            (head(7, 3, 10, 2), Verdict::Repeat(105)),
            (head(7, 3, 2, 2), Verdict::Repeat(101)),
            (head(7, 3, 0, 2), Verdict::Refused(OutOfOrderSequenceNumber)), // the sixth last: forgotten
            (head(7, 3, 10, 1), Verdict::Refused(OutOfOrderSequenceNumber)), // not the batch that was sent
            (head(7, 3, 13, 1), Verdict::Refused(OutOfOrderSequenceNumber)), // a gap
            (head(7, 2, 12, 1), Verdict::Refused(InvalidProducerEpoch)),
            (head(7, 4, 12, 1), Verdict::Refused(OutOfOrderSequenceNumber)),
            (head(7, 4, 0, 1), Verdict::New),
            (head(8, 0, 55, 1), Verdict::New),
            (head(-1, -1, -1, 1), Verdict::New),
        ];
        for (batch, verdict) in table {
            assert_eq!(producers.judge(&batch), verdict, "{batch:?}");
        }
    }

    #[test]
    fn a_new_epoch_forgets_the_old_batches() {
        let mut producers = Producers::new(10);
        producers.note(&head(7, 0, 0, 1), 0);
        producers.note(&head(7, 1, 0, 1), 1);
        assert_eq!(producers.judge(&head(7, 1, 0, 1)), Verdict::Repeat(1));
        assert_eq!(producers.judge(&head(7, 0, 0, 1)), Verdict::Refused(InvalidProducerEpoch));
    }

    #[test]
    fn beyond_the_limit_the_oldest_is_forgotten() {
        let mut producers = Producers::new(2);
        for id in 1..=3 {
            producers.note(&head(id, 0, 0, 1), id);
        }
        assert_eq!(producers.judge(&head(1, 0, 0, 1)), Verdict::New);
        assert_eq!(producers.judge(&head(2, 0, 0, 1)), Verdict::Repeat(2));
        assert_eq!(producers.judge(&head(3, 0, 0, 1)), Verdict::Repeat(3));
        assert_eq!(producers.greatest_id(), 3);
    }
}
