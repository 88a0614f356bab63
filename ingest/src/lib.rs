//! The edge: takes webhooks from providers and answers 2xx only for what is stored.
//!
//! A request's way through this crate: [`listen`] accepts its connection (with [`tls`] where it has a [`certificate`]; its [`socket`] keeps the
//! [`deadline`]s, it may [`linger`] at its end), [`receive`] takes it through its steps — [`source`] it belongs to (its provider may be a [`custom`] one; of those on the [`roster`],
//! with its [`secret`]s, or keys that it has to [`fetch`]), [`admit`] it within the limits (its sender may be [`forwarded`]), read its [`body`] while it is hashed and verified,
//! [`capture`] a secret that a handshake tells, [`identify`] the event, [`validate`] its body, look for it among [`duplicates`], [`seal`] the record, make it [`durable`] — and ends it in
//! exactly one [`outcome`], which [`respond`] turns into an answer; [`openapi`] says so to callers.
//! While the log is away, a record waits in the [`spool`]: the [`fence`] of its [`lane`] ([`lanes`] finds it) sends all that follows after it,
//! and the [`drain`] empties it in order. What could not be verified may wait in the [`quarantine`] for a mended secret. [`config`] says how, and says it anew on a [`reload`]; [`edge`] puts it
//! together, [`run`] gives it a process, [`metrics`] counts.
//!
//! Nothing here reads the log: the edge does not know who consumes it. Nothing is parsed before its signature held, nothing
//! unverified is stored, and no 2xx is sent for anything but what the brokers acknowledged or this
//! machine's disk has.

pub mod config;
pub mod secret;
pub mod custom;
pub mod fetch;
pub mod source;
pub mod roster;
pub mod public_url;
pub mod listen;
mod addresses;
pub mod tls;
pub mod certificate;
pub mod phase;
pub mod deadline;
pub mod socket;
pub mod linger;
pub mod receive;
pub mod forwarded;
pub mod admit;
pub mod body;
pub mod capture;
pub mod identify;
pub mod duplicates;
pub mod validate;
pub mod seal;
pub mod durable;
pub mod lane;
pub mod fence;
pub mod lanes;
pub mod spool;
pub mod drain;
pub mod quarantine;
pub mod outcome;
pub mod respond;
pub mod openapi;
pub mod edge;
pub mod reload;
pub mod run;
pub mod metrics;
