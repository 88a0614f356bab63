//! Fuzz targets: for each of them a property that must hold for any bytes, genuine inputs to begin with, and words that belong to its language.
//!
//! An input's way: the fuzzer's binary (`src/bin/fuzz-target.rs`, which only `make fuzz` builds) finds its [`Target`] by name and gives it what the
//! fuzzer made of the seeds. The properties come in the order an event meets them: [`http`] bytes on a connection, their [`signatures`] and
//! [`handshakes`], the [`json`] and [`forms`] that an event is named by, the [`codec`] of its record and its [`spool`]; then what people write:
//! [`grammar`] and [`config`]. Texts that stand for requests are read by [`request`], published vectors by [`vectors`].
//!
//! A property that does not hold panics: that is how a fuzzer is told. The ordinary tests put every seed through its property.

#![expect(clippy::missing_panics_doc, reason = "a property that does not hold panics, all of them do")]

pub mod http;
pub mod answers;
pub mod signatures;
pub mod handshakes;
pub mod json;
pub mod forms;
pub mod codec;
pub mod spool;
pub mod grammar;
pub mod config;
pub mod request;
pub mod vectors;

/// One target.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, as `make fuzz ARGS="--target NAME"` takes it.
    pub name: &'static str,
    /// What must hold of any bytes; panics where it does not.
    pub check: fn(&[u8]),
    /// Genuine inputs, from which the fuzzer begins.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Words of its language, which chance would hardly find.
    pub words: &'static [&'static str],
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "http", check: http::check, seeds: http::seeds, words: http::WORDS },
    Target { name: "signatures", check: signatures::check, seeds: signatures::seeds, words: signatures::WORDS },
    Target { name: "handshakes", check: handshakes::check, seeds: handshakes::seeds, words: handshakes::WORDS },
    Target { name: "json", check: json::check, seeds: json::seeds, words: json::WORDS },
    Target { name: "forms", check: forms::check, seeds: forms::seeds, words: forms::WORDS },
    Target { name: "codec", check: codec::check, seeds: codec::seeds, words: &[] },
    Target { name: "spool", check: spool::check, seeds: spool::seeds, words: &[] },
    Target { name: "grammar", check: grammar::check, seeds: grammar::seeds, words: grammar::WORDS },
    Target { name: "config", check: config::check, seeds: config::seeds, words: config::WORDS },
];

impl Target {
    /// The target of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        TARGETS.iter().find(|target| target.name == name)
    }

    /// Its words as the fuzzer reads them: one a line, in quotes, all but letters and digits as `\xNN`.
    #[must_use]
    pub fn dictionary(&self) -> String {
        let escaped = |byte: u8| {
            if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("\\x{byte:02x}") }
        };
        let line = |word: &&str| format!("\"{}\"\n", word.bytes().map(escaped).collect::<String>());
        self.words.iter().map(line).collect()
    }
}
