//! The crate from outside: its rules by name, its properties by chance.

mod outside;
mod accept_rules;
mod traps;
mod urls;
mod tokens;
mod schemes;
mod streaming;
mod naming;
mod handshakes;
mod signing;
mod independent;
mod explained;
mod hostile;
