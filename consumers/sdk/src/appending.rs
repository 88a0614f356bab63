//! What a partition appends to the log: records its handler emitted, and dead letters. All are acknowledged before the state is written.

use std::sync::Arc;

use hooklog_kafka::{Append, AppendError, ErrorKind, Headers, Incoming, Outgoing};
use hooklog_process::random::Random;
use hooklog_schemas::codec::Draft;
use hooklog_schemas::{DeadLetter, Envelope, Offset, RecordHeaders, TopicName};

use crate::draft::Emit;
use crate::effect::EffectId;
use crate::fault::Fault;
use crate::outbox::Entry;
use crate::retry::PATIENCE;
use crate::step::StepError;
use crate::stop::Stop;

/// The header that tells a repeated record from a new one.
pub(crate) const EFFECT_ID: &str = "hooklog-effect-id";

/// The header of a dead letter whose value was too large for the dead-letter topic: the value's size in bytes.
pub(crate) const OMITTED: &str = "hooklog-dlq-value-omitted-bytes";

/// The record a dead letter is of: its own bytes and headers go along.
pub(crate) struct Origin<'a> {
    key: Option<&'a [u8]>,
    value: &'a [u8],
    headers: Headers,
}

impl<'a> From<&'a Incoming> for Origin<'a> {
    fn from(record: &'a Incoming) -> Self {
        // The log takes no record without a value from us: a tombstone lies there as an empty one.
        let value = record.value.as_deref().unwrap_or_default();
        Self { key: record.key.as_deref(), value, headers: record.headers.clone() }
    }
}

impl<'a> Origin<'a> {
    /// The record that an effect is of. The outbox keeps no headers: they are made again from the envelope, as the edge made them.
    pub(crate) fn of_effect(entry: &'a Entry, envelope: Option<&Envelope>) -> Self {
        let headers = envelope.map_or_else(Headers::default, |envelope| {
            RecordHeaders::of(&Draft::of(envelope, &[])).into_iter().collect()
        });
        Self { key: entry.record_key.as_deref(), value: &entry.record_value, headers }
    }
}

/// A record to be appended, and whose it is.
#[derive(Debug)]
pub(crate) struct Pending {
    /// The record that was handled.
    pub offset: Offset,
    /// What tells a repetition.
    pub id: EffectId,
    /// The record to append.
    pub emit: Emit,
}

/// The door to the log.
#[derive(Clone)]
pub(crate) struct Appending {
    log: Arc<dyn Append>,
    dead_letters: TopicName,
    random: Random,
}

impl Appending {
    /// Appends to `log`; letters go to the topic `dead_letters`.
    #[must_use]
    pub(crate) fn new(log: Arc<dyn Append>, dead_letters: TopicName, random: Random) -> Self {
        Self { log, dead_letters, random }
    }

    /// Appends all, in order, and waits until the log has them. The answer names a record that the log refuses for good.
    ///
    /// # Errors
    /// [`StepError::Stopped`] while waiting, [`StepError::Fatal`] when the log takes nothing any more.
    pub(crate) fn append_all(&self, pending: &[Pending], stop: &Stop) -> Result<Option<(Offset, Fault)>, StepError> {
        let mut done = 0;
        let mut failed = 0;
        while done < pending.len() {
            let (appended, error) = self.append_run(&pending[done..], stop)?;
            done += appended;
            let Some(error) = error else { continue };
            match error.kind() {
                ErrorKind::TooLarge => return Ok(Some((pending[done].offset, Fault::permanent(error)))),
                ErrorKind::Fatal => return Err(StepError::Fatal(error.to_string())),
                ErrorKind::Transient | ErrorKind::Full => {
                    failed += 1;
                    self.wait(failed, &error, stop)?;
                }
            }
        }
        Ok(None)
    }

    /// Appends as many as the log takes at once; how many it has, and what happened to the next one.
    fn append_run(&self, pending: &[Pending], stop: &Stop) -> Result<(usize, Option<AppendError>), StepError> {
        let mut deliveries = Vec::with_capacity(pending.len());
        let mut refused = None;
        for one in pending {
            let id = one.id.to_string();
            let headers = [(EFFECT_ID, id.as_bytes())];
            let appended = self.log.append(Outgoing {
                topic: &one.emit.topic,
                partition: None,
                key: Some(&one.emit.key),
                value: &one.emit.value,
                headers: &headers,
                timestamp: None,
            });
            match appended {
                Ok(delivery) => deliveries.push(delivery),
                Err(error) => {
                    refused = Some(error);
                    break;
                }
            }
        }
        let mut delivered = 0;
        for delivery in deliveries {
            match stop.wait_for(delivery).ok_or(StepError::Stopped)? {
                Ok(_) => delivered += 1,
                Err(error) => return Ok((delivered, Some(error))),
            }
        }
        Ok((delivered, refused))
    }

    /// Appends a dead letter with the record's own bytes and headers, and waits until the log has it.
    ///
    /// # Errors
    /// As [`Self::append_all`]; a missing dead-letter topic is fatal.
    pub(crate) fn bury(&self, letter: &DeadLetter, origin: &Origin<'_>, stop: &Stop) -> Result<(), StepError> {
        let mut told = letter.headers();
        let mut value = origin.value;
        let mut failed = 0;
        loop {
            let letter_headers = told.iter().map(|(name, value)| (*name, &value[..]));
            let headers: Vec<(&str, &[u8])> = origin.headers.iter().chain(letter_headers).collect();
            let outgoing = Outgoing {
                topic: &self.dead_letters,
                partition: None,
                key: origin.key,
                value,
                headers: &headers,
                timestamp: None,
            };
            let result = match self.log.append(outgoing) {
                Ok(delivery) => stop.wait_for(delivery).ok_or(StepError::Stopped)?,
                Err(error) => Err(error),
            };
            let Err(error) = result else { return Ok(()) };
            match error.kind() {
                ErrorKind::Transient | ErrorKind::Full => {
                    failed += 1;
                    self.wait(failed, &error, stop)?;
                }
                // The headers name the origin, where the value still is: a letter without it is better than a partition that stands.
                ErrorKind::TooLarge if !value.is_empty() => {
                    told.push((OMITTED, value.len().to_string().into()));
                    value = &[];
                }
                ErrorKind::TooLarge | ErrorKind::Fatal => {
                    return Err(StepError::Fatal(format!(
                        "the dead letter of {} can't be appended to {}: {error}; make the topic with `hooklog topics apply`",
                        letter.origin, self.dead_letters
                    )));
                }
            }
        }
    }

    fn wait(&self, failed: u32, error: &AppendError, stop: &Stop) -> Result<(), StepError> {
        tracing::warn!(%error, failed, "the log took no record, the partition waits");
        if stop.pause(PATIENCE.delay(failed, &self.random)) { Err(StepError::Stopped) } else { Ok(()) }
    }
}
