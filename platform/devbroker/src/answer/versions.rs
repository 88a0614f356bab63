//! ApiVersions: what is offered, also to clients that ask in a version nobody here knows.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiKey, ApiVersionsResponse};

use crate::api;
use crate::request::{Answer, Call, Close};

/// Everything that is offered.
pub(super) fn versions(call: &Call) -> Result<Answer, Close> {
    call.encode(&ApiVersionsResponse::default().with_api_keys(api::versions()))
}

/// A newer ApiVersions is answered in the oldest form, so that the client can choose; anything else ends the connection.
pub(super) fn not_offered(call: &Call) -> Result<Answer, Close> {
    if call.api != ApiKey::ApiVersions {
        return Err(Close::NotOffered { api: call.api as i16, version: call.version });
    }
    let response = ApiVersionsResponse::default()
        .with_error_code(ResponseError::UnsupportedVersion.code())
        .with_api_keys(api::versions());
    call.encode_as(&response, 0)
}
