//! From a record's value to its envelope, whichever frame it has: what a registry's id means is asked once, then known.

use std::sync::{PoisonError, RwLock};

use bytes::Bytes;
use hooklog_schemas::codec::{self, SchemaId};
use hooklog_schemas::confluent::Schemas;
use hooklog_schemas::{DecodeError, Envelope};
use tokio::runtime::Handle;

use crate::registry::{Registry, RegistryError};

/// Why an id could not be learnt.
#[derive(Debug, thiserror::Error)]
pub enum LearnError {
    /// No registry is set.
    #[error("the record carries a schema registry's id {}, and no registry is set", id.0)]
    NoRegistry {
        /// The id.
        id: SchemaId,
    },
    /// The registry does not know it, or it means no schema of ours.
    #[error("the record carries schema id {}: {cause}", id.0)]
    Never {
        /// The id.
        id: SchemaId,
        /// What the registry said, or what is wrong with the schema.
        cause: String,
    },
    /// The registry does not answer now: ask again.
    #[error("the meaning of schema id {} is not known yet: {cause}", id.0)]
    NotNow {
        /// The id.
        id: SchemaId,
        /// What went wrong.
        cause: String,
    },
}

/// Reads envelopes. Shared by all who read records.
#[derive(Default)]
pub struct Envelopes {
    /// The registry, and the runtime its connections live on.
    registry: Option<(Registry, Handle)>,
    known: RwLock<Schemas>,
}

impl Envelopes {
    /// Asks `registry`, on `runtime`.
    #[must_use]
    pub fn of(registry: Registry, runtime: Handle) -> Self {
        Self { registry: Some((registry, runtime)), known: RwLock::default() }
    }

    /// The envelope in a record's value.
    ///
    /// # Errors
    /// [`DecodeError`]; [`DecodeError::UnknownSchemaId`] asks the caller to [`Envelopes::learn`] the id and to try again.
    pub fn decode(&self, value: &Bytes) -> Result<Envelope, DecodeError> {
        match codec::decode(value) {
            Err(DecodeError::UnknownSchemaId { .. }) => {
                self.known.read().unwrap_or_else(PoisonError::into_inner).decode(value)
            }
            decoded => decoded,
        }
    }

    /// Asks the registry what an id means. May be awaited anywhere, also outside of a runtime.
    ///
    /// # Errors
    /// [`LearnError`]
    pub async fn learn(&self, id: SchemaId) -> Result<(), LearnError> {
        let (registry, runtime) = self.registry.as_ref().ok_or(LearnError::NoRegistry { id })?;
        let registry = registry.clone();
        let asked = runtime.spawn(async move { registry.schema(id).await }).await;
        let schema = match asked {
            Ok(Ok(schema)) => schema,
            Ok(Err(error @ RegistryError::Refused { status: 404, .. })) => {
                return Err(LearnError::Never { id, cause: error.to_string() });
            }
            Ok(Err(error)) => return Err(LearnError::NotNow { id, cause: error.to_string() }),
            // The runtime shuts down.
            Err(error) => return Err(LearnError::NotNow { id, cause: error.to_string() }),
        };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.learn(id, &schema).map_err(|error| LearnError::Never { id, cause: error.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use hooklog_schemas::codec::{ENVELOPE_SCHEMA, encode};
    use hooklog_schemas::{EventId, EventType, Frame, OrderingKey, RequestHeaders, SourceName, Timestamp};

    use super::*;
    use crate::registry::tests::answering;

    fn envelope() -> Envelope {
        Envelope {
            id: EventId::parse("evt_1").unwrap(),
            source: SourceName::parse("stripe").unwrap(),
            kind: EventType::unnamed(),
            key: OrderingKey::parse("cus_1").unwrap(),
            received_at: Timestamp(1),
            scheme: "none".to_owned(),
            headers: RequestHeaders::default(),
            content_type: None,
            body: Bytes::from_static(b"{}"),
            body_sha256: [0; 32],
            trace: None,
        }
    }

    fn framed() -> Bytes {
        encode(&envelope(), Frame::Registry(SchemaId(7))).into()
    }

    #[tokio::test]
    async fn an_id_is_asked_once_and_then_known() {
        let answer = serde_json::json!({ "schema": ENVELOPE_SCHEMA }).to_string();
        // It answers one question only.
        let (registry, asked) = answering("200 OK", &answer).await;
        let envelopes = Envelopes::of(registry, Handle::current());
        assert_eq!(envelopes.decode(&framed()), Err(DecodeError::UnknownSchemaId { id: SchemaId(7) }));
        envelopes.learn(SchemaId(7)).await.unwrap();
        assert!(asked.await.unwrap().starts_with("GET /apis/ccompat/v7/schemas/ids/7 "));
        for _ in 0..3 {
            assert_eq!(envelopes.decode(&framed()).unwrap(), envelope());
        }
    }

    #[tokio::test]
    async fn what_can_never_be_learnt_is_told_from_what_may_be_later() {
        assert!(matches!(Envelopes::default().learn(SchemaId(7)).await, Err(LearnError::NoRegistry { .. })));
        let (registry, _asked) = answering("404 Not Found", "{\"error_code\":40403}").await;
        let unknown = Envelopes::of(registry, Handle::current()).learn(SchemaId(7)).await;
        assert!(matches!(unknown, Err(LearnError::Never { .. })), "{unknown:?}");
        let (registry, _asked) = answering("200 OK", "{\"schema\":\"{\"}").await;
        let nonsense = Envelopes::of(registry, Handle::current()).learn(SchemaId(7)).await;
        assert!(matches!(nonsense, Err(LearnError::Never { .. })), "{nonsense:?}");
        let (registry, _asked) = answering("503 Service Unavailable", "{}").await;
        let away = Envelopes::of(registry, Handle::current()).learn(SchemaId(7)).await;
        assert!(matches!(away, Err(LearnError::NotNow { .. })), "{away:?}");
    }

    #[test]
    fn a_thread_without_a_runtime_may_ask() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let answer = serde_json::json!({ "schema": ENVELOPE_SCHEMA }).to_string();
        let (registry, _asked) = runtime.block_on(answering("200 OK", &answer));
        let envelopes = Envelopes::of(registry, runtime.handle().clone());
        crate::wait::wait(envelopes.learn(SchemaId(7)), None).unwrap().unwrap();
        assert!(envelopes.decode(&framed()).is_ok());
    }
}
