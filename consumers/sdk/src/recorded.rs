//! Which records were set aside earlier. A handler may fail today and succeed tomorrow, so the letters in the dead-letter topic, not
//! the handler, tell what became of records that are read again only to rebuild a state.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use hooklog_kafka::tail::{From, Seen, Tail};
use hooklog_kafka::{Connection, Incoming};
use hooklog_schemas::{DeadLetter, FaultClass, NextOffset, Offset, TopicName};

use crate::identity::Identity;
use crate::stop::Stop;

/// How long the log may take to answer, and how long a look takes.
const ASK_WITHIN: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(200);

/// Reads the letters of `identity` from the dead-letter topic, for origins within `rebuilt`; nothing when stopping was requested.
///
/// # Errors
/// The cause, when the topic can't be read.
pub(crate) fn set_aside(
    connection: &Connection,
    dead_letters: &TopicName,
    identity: &Identity,
    rebuilt: &Range<NextOffset>,
    stop: &Stop,
) -> Result<Option<BTreeSet<Offset>>, String> {
    let mut found = BTreeSet::new();
    let topics = std::slice::from_ref(dead_letters);
    let mut tail = Tail::open(connection, topics, From::Beginning, ASK_WITHIN).map_err(|error| error.to_string())?;
    loop {
        if stop.is_requested() {
            return Ok(None);
        }
        match tail.next(LOOK).map_err(|error| error.to_string())? {
            Seen::Record(record) => found.extend(origin(&record, identity, rebuilt)),
            Seen::Idle => {}
            Seen::CaughtUp => return Ok(Some(found)),
        }
    }
}

/// The origin of a letter, if it is one of ours: of this partition and generation, and of the record itself. A letter of an effect
/// tells nothing of the record, whose state was written.
fn origin(record: &Incoming, identity: &Identity, rebuilt: &Range<NextOffset>) -> Option<Offset> {
    let letter = DeadLetter::from_headers(record.headers.iter()).ok()?;
    let is_ours = letter.group == identity.group
        && letter.generation == identity.generation.0
        && letter.origin.topic == identity.topic
        && letter.origin.partition == identity.partition;
    let offset = letter.origin.offset;
    let is_rebuilt = rebuilt.start.includes(offset) && !rebuilt.end.includes(offset);
    (is_ours && is_rebuilt && letter.class != FaultClass::Effect).then_some(offset)
}
