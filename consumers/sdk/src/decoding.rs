//! From a record's value to its envelope. A schema registry that must be asked is waited for: no event is set aside because a
//! registry was away.

use std::sync::Arc;

use bytes::Bytes;
use hooklog_kafka::{Envelopes, LearnError};
use hooklog_process::random::Random;
use hooklog_schemas::{DecodeError, Envelope};

use crate::retry::PATIENCE;
use crate::step::StepError;
use crate::stop::Stop;

/// The reader of envelopes of one partition.
#[derive(Clone)]
pub(crate) struct Decoding {
    envelopes: Arc<Envelopes>,
    random: Random,
}

impl Decoding {
    pub(crate) fn new(envelopes: Arc<Envelopes>, random: Random) -> Self {
        Self { envelopes, random }
    }

    /// The envelope, or why there is none and never will be.
    ///
    /// # Errors
    /// [`StepError::Stopped`] while it waits for the registry.
    pub(crate) fn envelope(&self, value: &Bytes, stop: &Stop) -> Result<Result<Envelope, String>, StepError> {
        let mut failed = 0;
        loop {
            let id = match self.envelopes.decode(value) {
                Ok(envelope) => return Ok(Ok(envelope)),
                Err(DecodeError::UnknownSchemaId { id }) => id,
                Err(error) => return Ok(Err(error.to_string())),
            };
            match stop.wait_for(self.envelopes.learn(id)).ok_or(StepError::Stopped)? {
                Ok(()) => {}
                Err(error @ LearnError::Never { .. }) => return Ok(Err(error.to_string())),
                Err(error @ LearnError::NoRegistry { .. }) => {
                    return Ok(Err(format!("{error}: set `kafka.registry` as it is set for the edge")));
                }
                Err(error @ LearnError::NotNow { .. }) => {
                    failed += 1;
                    tracing::warn!(%error, failed, "the registry does not help, the partition waits");
                    if stop.pause(PATIENCE.delay(failed, &self.random)) {
                        return Err(StepError::Stopped);
                    }
                }
            }
        }
    }
}
