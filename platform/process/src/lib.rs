//! How a process lives: every binary starts, is watched and stops by this crate.
//!
//! In the order of a process's life: [`config`] is read and checked (with [`folders`], [`quantity`] and [`secret`]), [`logging`] begins, [`metrics`]
//! are declared, [`health`] is reported on the [`admin`] port beside the configuration [`shown`], a [`ready_file`] says that everything
//! serves, a [`hangup`] has the configuration read again, [`shutdown`] ends it with an [`exit`] code. [`clock`], [`random`] and [`failpoint`] are the only doors to time, chance and deliberate death: everything else
//! gets them as arguments.

mod allocator;
pub mod config;
pub mod folders;
pub mod quantity;
pub mod secret;
pub mod logging;
pub mod metrics;
pub mod health;
pub mod shown;
pub mod admin;
pub mod ready_file;
pub mod hangup;
pub mod shutdown;
pub mod exit;
pub mod clock;
pub mod random;
pub mod failpoint;
