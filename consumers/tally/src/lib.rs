//! Counts events by source and type: the smallest consumer, and the one to copy.

use hooklog_consumer::{Consumer, Context, Event, Fault, Table};

/// Events by source and type. A source's events lie in all partitions, and each partition counts its own.
pub const COUNTS: Table<(String, String), u64> = Table::new(1, "counts");

/// The consumer.
#[derive(Debug)]
pub struct Tally;

impl Consumer for Tally {
    const NAME: &'static str = "tally";

    fn handle(&self, event: &Event, cx: &mut Context<'_>) -> Result<(), Fault> {
        let key = (event.source().to_owned(), event.kind().to_owned());
        cx.table(COUNTS).update(&key, |count| count.unwrap_or(0) + 1)?;
        Ok(())
    }
}
