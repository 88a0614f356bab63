//! What flows: every record on every topic, and the topics themselves.
//!
//! The data's path through this crate: [`id`] names an event, [`position`] says where it lies, [`time`] when; [`envelope`] is the
//! record of a received webhook with its [`request_headers`], [`cloudevents`] the record's own headers, [`codec`] its bytes;
//! [`dead_letter`] is the record of an event that could not be handled; [`topics`] is the registry of topics that both sides of the
//! log share.
//!
//! Nothing here does I/O, reads a clock or knows Kafka's client.

pub mod id;
pub mod position;
pub mod time;
pub mod request_headers;
pub mod envelope;
pub mod cloudevents;
pub mod codec;
pub mod confluent;
pub mod dead_letter;
pub mod topics;

mod avro_bytes;

pub use cloudevents::RecordHeaders;
pub use codec::{DecodeError, Frame};
pub use dead_letter::{DeadLetter, FaultClass};
pub use envelope::Envelope;
pub use id::{EventId, EventType, OrderingKey, SourceName};
pub use position::{NextOffset, Offset, Partition, Position, TopicName};
pub use request_headers::RequestHeaders;
pub use time::{Age, Timestamp};
