//! Records that a schema registry numbers, for commands that read the log.

use bytes::Bytes;
use hooklog_kafka::registry::Registry;
use hooklog_kafka::{Envelopes, LearnError};
use hooklog_schemas::{DecodeError, Envelope};
use tokio::runtime::Runtime;

use crate::failure::Failure;
use crate::reach::runtime;

/// A registry that is asked where a record needs it, or none.
pub struct Asked {
    envelopes: Envelopes,
    runtime: Runtime,
}

impl Asked {
    /// The registry at `url`, if one is given.
    ///
    /// # Errors
    /// [`Failure::Usage`] when that is no URL of a registry.
    pub fn of(url: Option<&str>) -> Result<Self, Failure> {
        let runtime = runtime()?;
        let envelopes = match url {
            None => Envelopes::default(),
            Some(url) => {
                let registry = Registry::at(url).map_err(|error| Failure::Usage(error.to_string()))?;
                Envelopes::of(registry, runtime.handle().clone())
            }
        };
        Ok(Self { envelopes, runtime })
    }

    /// The envelope in a record's value, or why it can't be read.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] when the registry does not answer.
    pub fn envelope(&self, value: &Bytes) -> Result<Result<Envelope, String>, Failure> {
        let id = match self.envelopes.decode(value) {
            Err(DecodeError::UnknownSchemaId { id }) => id,
            decoded => return Ok(decoded.map_err(|error| error.to_string())),
        };
        match self.runtime.block_on(self.envelopes.learn(id)) {
            Ok(()) => Ok(self.envelopes.decode(value).map_err(|error| error.to_string())),
            Err(error @ LearnError::NoRegistry { .. }) => Ok(Err(format!("{error}: give --registry URL"))),
            Err(error @ LearnError::Never { .. }) => Ok(Err(error.to_string())),
            Err(error @ LearnError::NotNow { .. }) => Err(Failure::Unavailable(error.to_string())),
        }
    }
}
