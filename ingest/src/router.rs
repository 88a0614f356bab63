//! Everything that is served to the public, on one screen.

use std::sync::Arc;

use axum::Router;
use axum::routing::any;

use crate::edge::Edge;
use crate::receive::{nothing_here, receive};

/// The route table. `/in/{source}` takes every method itself, so that also a wrong one ends in an outcome.
pub fn router(edge: Arc<Edge>) -> Router {
    Router::new().route("/in/{source}", any(receive)).fallback(nothing_here).with_state(edge)
}
