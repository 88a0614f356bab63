//! `hooklog`: what people do at a terminal.
//!
//! The way of a command: [`command`] reads the line, one module does what it says, [`output`] prints its lines, and [`failure`] ends it
//! with a message and a code. [`home`] is the folder of `hooklog dev`, where the others find what runs; [`reach`] how they reach it.
//!
//! [`dev`] runs everything on one machine; [`send`] is the provider; [`tail`] reads the log as it grows; [`topics`] creates and checks
//! it; [`lag`], [`dlq`] and [`state`] look at the consumers, [`spool`] and [`quarantine`] at what an edge keeps; [`sources`] and [`config`]
//! explain what can be set, and [`schemas`] proposes what bodies look like.
//!
//! Nothing here is needed by a process that serves.

pub mod command;
pub mod dev;
pub mod send;
pub mod tail;
pub mod topics;
pub mod lag;
pub mod dlq;
pub mod state;
pub mod spool;
pub mod quarantine;
pub mod sources;
pub mod schemas;
pub mod config;
pub mod home;
pub mod reach;
pub mod place;
pub mod reading;
pub mod registry;
pub mod output;
pub mod failure;
