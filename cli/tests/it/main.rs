//! `hooklog` as people meet it: as a program that is run.

mod program;
mod provider;
mod help;
mod lines;
mod send;
mod dev;
