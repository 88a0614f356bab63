//! Transactions: not here, and said so in a way that clients understand.

use kafka_protocol::ResponseError;

use crate::request::Call;

/// What a client is told where the protocol has room for words.
pub(super) const REFUSAL: &str = "the dev broker has no transactions: use a real Kafka";

/// The error a transactional client is refused with.
///
/// Its name misses the point, but librdkafka tries every fitting one again until its caller gives up. With this one
/// librdkafka fails at once and shows [`REFUSAL`], and Java fails at once and shows nothing but [`REFUSAL`].
pub(super) const ERROR: ResponseError = ResponseError::ClusterAuthorizationFailed;

/// Tells the operator.
pub(super) fn warn(call: &Call) {
    tracing::warn!(client_id = %call.client_id, peer = %call.peer, "transactional producer refused: {REFUSAL}");
}
