//! The house checks: what a reviewer would ask of every change, asked by tests. They read files; they run no service.
//!
//! Each file checks one thing and says at its top why. Its core is a pure function from text to complaints, so that a few
//! wrong inputs prove that it can complain; the test over the real tree demands that there be none.

mod tree;
mod yaml;
mod ranks;
mod confined;
mod files;
mod words;
mod readme;
mod promql;
mod catalogue;
mod dashboards;
mod alerts;
mod flags;
mod compose;
mod settings;
mod dockerfile;
mod licences;
