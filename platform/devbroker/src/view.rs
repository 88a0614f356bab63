//! What of a log may be read: segments with their index, and the lookups in them.

use std::collections::VecDeque;

use kafka_protocol::ResponseError;

use crate::segment::{Entry, Segment, Span};

/// The readable part of a log; changed only by publishing what is synced and by dropping what is old.
#[derive(Debug)]
pub(crate) struct View {
    bounds: Bounds,
    segments: VecDeque<Segment>,
}

/// The offsets that can be read: from `start` up to, not including, `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) start: i64,
    pub(crate) end: i64,
}

/// What a topic says about how long its records stay.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retention {
    /// Milliseconds; negative for ever.
    pub(crate) ms: i64,
    /// Bytes a partition; negative for any number.
    pub(crate) bytes: i64,
}

impl View {
    pub(crate) fn new(bounds: Bounds, segments: VecDeque<Segment>) -> Self {
        Self { bounds, segments }
    }

    pub(crate) fn bounds(&self) -> Bounds {
        self.bounds
    }

    pub(crate) fn newest(&self) -> Option<&Segment> {
        self.segments.back()
    }

    /// Goes on in another segment; the one before is not kept open any more.
    pub(crate) fn begin(&mut self, segment: Segment) {
        if let Some(closed) = self.segments.back_mut() {
            closed.active = None;
        }
        self.segments.push_back(segment);
    }

    /// Makes batches of the newest segment readable.
    pub(crate) fn extend(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            self.bounds.end = entry.last + 1;
            if let Some(newest) = self.segments.back_mut() {
                newest.push(entry);
            }
        }
    }

    /// Where the batches from `offset` on lie, as [`Segment::span`] cuts them; nothing at the very end.
    pub(crate) fn locate(
        &self,
        offset: i64,
        max: usize,
        whole_first: bool,
    ) -> Result<Option<(&Segment, Span)>, ResponseError> {
        if !(self.bounds.start..=self.bounds.end).contains(&offset) {
            return Err(ResponseError::OffsetOutOfRange);
        }
        let at = self.segments.partition_point(|segment| segment.last() < offset);
        Ok(self.segments.get(at).and_then(|segment| Some((segment, segment.span(offset, max, whole_first)?))))
    }

    /// The first batch from `offset` on that holds a record at or after `timestamp`.
    pub(crate) fn batch_at_or_after(&self, timestamp: i64, offset: i64) -> Option<(&Segment, Entry)> {
        let young = self.segments.iter().filter(|s| s.max_timestamp >= timestamp && s.last() >= offset);
        let suits = |entry: &&Entry| entry.last >= offset && entry.max_timestamp >= timestamp;
        young.flat_map(|s| s.entries.iter().find(suits).map(|entry| (s, *entry))).next()
    }

    /// The first readable batch with the greatest timestamp.
    pub(crate) fn latest_batch(&self) -> Option<(&Segment, Entry)> {
        let entries = self.segments.iter().flat_map(|s| s.entries.iter().map(move |entry| (s, *entry)));
        let readable = entries.filter(|(_, entry)| entry.last >= self.bounds.start);
        // `max_by_key` would give the last of equals.
        readable.reduce(|best, next| if next.1.max_timestamp > best.1.max_timestamp { next } else { best })
    }

    /// The first offset that is to be kept: whole segments go, the oldest first, never the newest.
    pub(crate) fn keep_from(&self, retention: Retention, now_ms: i64) -> i64 {
        let mut size: u64 = self.segments.iter().map(Segment::size).sum();
        let mut keep_from = self.bounds.start;
        for segment in self.segments.iter().take(self.segments.len().saturating_sub(1)) {
            let too_much = u64::try_from(retention.bytes).is_ok_and(|bytes| size - segment.size() >= bytes);
            let age = now_ms.saturating_sub(segment.max_timestamp);
            let too_old = retention.ms >= 0 && segment.max_timestamp >= 0 && age > retention.ms;
            if !too_much && !too_old {
                break;
            }
            size -= segment.size();
            keep_from = segment.last() + 1;
        }
        keep_from
    }

    /// Moves the start up; gives back the segments that lie wholly below it, never the newest.
    pub(crate) fn drop_below(&mut self, offset: i64) -> Vec<Segment> {
        self.bounds.start = self.bounds.start.max(offset);
        let whole = self.segments.iter().take_while(|segment| segment.last() < offset).count();
        self.segments.drain(..whole.min(self.segments.len().saturating_sub(1))).collect()
    }
}
