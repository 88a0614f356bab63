//! Ids that nobody else has: the only randomness of the broker.

use uuid::Uuid;

/// A new id for a cluster, a topic or a member.
pub(crate) fn fresh() -> Uuid {
    Uuid::new_v4()
}

/// A cluster id as Kafka's tools print them: 22 characters.
pub(crate) fn cluster_id() -> String {
    fresh().simple().to_string()[..22].to_string()
}

/// A member id that tells which client it was given to.
pub(crate) fn member_id(client: &str) -> String {
    format!("{client}-{}", fresh())
}
