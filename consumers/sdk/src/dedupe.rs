//! Deduplication by first-seen place: an event is a duplicate only of an earlier record, never of itself read again.
//!
//! Time is the log's own: the largest record time up to a record, so that the same log gives the same decisions at every
//! reading. A window of `width` is cut into [`Window::BUCKETS`] buckets, each a family of its own that is dropped whole; an id
//! is remembered for at least the width and at most 9/8 of it.

use std::time::Duration;

use hooklog_schemas::{Offset, Timestamp};
use sha2::{Digest, Sha256};

/// What is compared: a 128-bit hash of `<source>:<id>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DedupeKey(pub [u8; 16]);

impl DedupeKey {
    /// The key of a dedupe id (`<source>:<id>`).
    #[must_use]
    pub fn of(dedupe_id: &str) -> Self {
        let mut key = [0; 16];
        key.copy_from_slice(&Sha256::digest(dedupe_id)[..16]);
        Self(key)
    }
}

/// A slice of log time; its ids are kept, and dropped, together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bucket(pub u64);

impl Bucket {
    /// What the families of buckets begin with.
    pub const PREFIX: &'static str = "dedupe-";

    /// The bucket's family.
    #[must_use]
    pub fn family(self) -> String {
        format!("{}{:012}", Self::PREFIX, self.0)
    }

    /// The bucket of a family, if it is one of a bucket.
    #[must_use]
    pub fn of_family(family: &str) -> Option<Self> {
        family.strip_prefix(Self::PREFIX)?.parse().ok().map(Self)
    }
}

/// For how long ids are remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    slice_ms: i64,
}

impl Window {
    /// Slices of a window.
    pub const BUCKETS: u64 = 8;

    /// A window of at least `width`, in whole slices of at least a millisecond.
    #[must_use]
    pub fn new(width: Duration) -> Self {
        let slice = width.as_millis().div_ceil(u128::from(Self::BUCKETS)).max(1);
        Self { slice_ms: i64::try_from(slice).unwrap_or(i64::MAX) }
    }

    /// The bucket that an id seen at log time `time` goes to.
    #[must_use]
    pub fn bucket(self, time: Timestamp) -> Bucket {
        Bucket(u64::try_from(time.0.max(0) / self.slice_ms).unwrap_or(0))
    }

    /// The oldest bucket that still counts at log time `time`.
    #[must_use]
    pub fn oldest(self, time: Timestamp) -> Bucket {
        Bucket(self.bucket(time).0.saturating_sub(Self::BUCKETS))
    }
}

/// Where and when an id was first seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The first record's place.
    pub offset: Offset,
    /// The slice of log time it was seen in.
    pub bucket: Bucket,
}

/// What a record is, compared with what was seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Its id was not seen within the window.
    First,
    /// It is the very record that was seen first, read again: to be handled, it never counts as its own duplicate.
    Again,
    /// Its id was seen in a later record only: the log is read again from an earlier place. This one is the first.
    Earlier,
    /// An earlier record had its id.
    Duplicate {
        /// That record.
        of: Offset,
    },
}

/// Compares a record with what is remembered at its log time.
#[must_use]
pub fn verdict(seen: Option<Seen>, offset: Offset, oldest: Bucket) -> Verdict {
    match seen {
        Some(seen) if seen.bucket < oldest => Verdict::First,
        Some(seen) if seen.offset == offset => Verdict::Again,
        Some(seen) if seen.offset > offset => Verdict::Earlier,
        Some(seen) => Verdict::Duplicate { of: seen.offset },
        None => Verdict::First,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_earlier_record_makes_a_duplicate() {
        let seen = |offset| Some(Seen { offset: Offset(offset), bucket: Bucket(5) });
        let at = |seen, offset, oldest| verdict(seen, Offset(offset), Bucket(oldest));
        assert_eq!(at(None, 7, 0), Verdict::First);
        assert_eq!(at(seen(7), 7, 0), Verdict::Again);
        assert_eq!(at(seen(9), 7, 0), Verdict::Earlier);
        assert_eq!(at(seen(3), 7, 0), Verdict::Duplicate { of: Offset(3) });
        assert_eq!(at(seen(3), 7, 5), Verdict::Duplicate { of: Offset(3) });
        assert_eq!(at(seen(3), 7, 6), Verdict::First, "what is older than the window is forgotten");
    }

    #[test]
    fn an_id_is_remembered_for_the_width_and_an_eighth_more_at_most() {
        let width = Duration::from_secs(72 * 3600);
        let window = Window::new(width);
        let width_ms = i64::try_from(width.as_millis()).unwrap();
        for start in [0, 1, 123_456_789, 1_700_000_000_000] {
            let bucket = window.bucket(Timestamp(start));
            assert!(bucket >= window.oldest(Timestamp(start + width_ms)), "forgotten too early");
            assert!(bucket < window.oldest(Timestamp(start + width_ms * 9 / 8 + 1)), "kept too long");
        }
    }

    #[test]
    fn a_bucket_is_found_by_its_family() {
        assert_eq!(Bucket::of_family(&Bucket(42).family()), Some(Bucket(42)));
        assert_eq!(Bucket::of_family("state"), None);
    }

    #[test]
    fn the_key_is_the_head_of_sha_256() {
        // printf 'stripe:evt_1' | sha256sum
        let found: String = DedupeKey::of("stripe:evt_1").0.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(found, "086cb4b9c326916d9ad59cdb4bb87d10");
        assert_ne!(DedupeKey::of("stripe:evt_1"), DedupeKey::of("stripe:evt_2"));
    }
}
