//! Why the bench could not finish.

use std::path::PathBuf;
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// Why the bench could not finish. Every text names what to do.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A program is not there.
    #[error("{program} could not be started: {cause}; {mend}")]
    Missing {
        /// Its name or path.
        program: String,
        /// What the system said.
        cause: std::io::Error,
        /// What to do.
        mend: &'static str,
    },
    /// Kafka's jars are not there.
    #[error("no Kafka in {folder}: run `make kafka`, or set HOOKLOG_KAFKA_LIBS to the folder of its jars")]
    NoKafka {
        /// Where they were looked for.
        folder: PathBuf,
    },
    /// A process ended early or did not get ready.
    #[error("{name} was not ready after {waited:?}; its last words:\n{words}")]
    NotReady {
        /// Which process.
        name: String,
        /// How long it was given.
        waited: Duration,
        /// The end of its log.
        words: String,
    },
    /// A process ended with an error.
    #[error("{name} ended with {status}; its last words:\n{words}")]
    Failed {
        /// Which process.
        name: String,
        /// How it ended.
        status: String,
        /// The end of its log.
        words: String,
    },
    /// A process said something that can't be read.
    #[error("{name} said {said:?}, which is no {expected}")]
    Said {
        /// Which process.
        name: String,
        /// What it said.
        said: String,
        /// What was expected.
        expected: &'static str,
    },
    /// What a peer answered 2xx is not what lies in Kafka: its rate means nothing.
    #[error("{peer} answered {answered} with 2xx, but Kafka has {stored} more records, at most {in_flight} in flight")]
    Miscounted {
        /// Which peer.
        peer: String,
        /// Answers with 2xx.
        answered: u64,
        /// Growth of the topic.
        stored: u64,
        /// How many may have been in flight when the load was cut off.
        in_flight: u64,
    },
    /// Kafka refused something.
    #[error("kafka: {0}")]
    Kafka(#[from] KafkaError),
    /// Kafka refused something about a topic.
    #[error("topic {topic}: {code}")]
    Topic {
        /// Its name.
        topic: String,
        /// Why.
        code: RDKafkaErrorCode,
    },
    /// Something of the system failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}
