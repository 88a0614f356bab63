//! Reading what a topic holds, from a place to its end.

use std::time::Duration;

use hooklog_kafka::Incoming;
use hooklog_kafka::tail::{Seen, Tail};

use crate::failure::Failure;

/// How long one look at the log waits. What was stored is there at once, so a longer silence is no end but a fault.
const LOOK: Duration = Duration::from_secs(5);

/// Gives every record from the tail's place to the end of the log.
///
/// # Errors
/// [`Failure::Unavailable`] when the log can't be read to its end, or that of `take`.
pub fn to_end(mut tail: Tail, take: &mut dyn FnMut(Incoming) -> Result<(), Failure>) -> Result<(), Failure> {
    loop {
        match tail.next(LOOK).map_err(|error| Failure::Unavailable(error.to_string()))? {
            Seen::Record(record) => take(record)?,
            Seen::CaughtUp => return Ok(()),
            Seen::Idle => {
                let text = format!("the broker gave nothing for {} s, before the end of the topic", LOOK.as_secs());
                return Err(Failure::Unavailable(text));
            }
        }
    }
}
