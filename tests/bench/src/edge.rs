//! The edge as the bench starts it, and what it tells of itself.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::error::BenchError;
use crate::process::sibling;
use crate::server::{Server, start};
use crate::webhook::SECRET;

/// Where its records go.
pub const TOPIC: &str = "hooks.github";

/// Where the further sources find the secret.
const VARIABLE: &str = "SECRET";

/// The edge as it comes: what is not said here are its defaults, or what the environment sets.
#[derive(Debug, Clone, Copy)]
pub struct Edge {
    /// Its files have it in their names: two edges at a time have two names.
    pub name: &'static str,
    /// How many sources beside `github`, named `github-0` and on.
    pub more_sources: usize,
    /// How many connections it takes, all from here; none for the default.
    pub connections: Option<usize>,
}

impl Edge {
    /// One source and the defaults.
    #[must_use]
    pub const fn named(name: &'static str) -> Self {
        Self { name, more_sources: 0, connections: None }
    }

    /// Starts it and waits until it serves.
    ///
    /// # Errors
    /// When it is not built, or ends instead.
    pub fn serve(self, address: &str, folder: &Path) -> Result<Server, BenchError> {
        let mut command = sibling("hooklog-ingest")?;
        command.arg("--config").arg(self.write(address, folder)?).env(VARIABLE, SECRET);
        start(self.name, &mut command, folder)
    }

    fn write(self, address: &str, folder: &Path) -> Result<PathBuf, BenchError> {
        let (config, secret) = (folder.join(format!("{}.toml", self.name)), folder.join("secret"));
        if !secret.exists() {
            // The edge refuses a secret that others can read.
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&secret)?.write_all(SECRET.as_bytes())?;
        }
        let spool = folder.join(format!("{}-spool", self.name));
        fs::write(&config, self.config(address, &spool, &secret))?;
        Ok(config)
    }

    fn config(self, address: &str, spool: &Path, secret: &Path) -> String {
        let mut text = format!(
            "listen = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n[kafka]\nbootstrap = {address:?}\n[spool]\ndir = {:?}\n",
            spool.display().to_string()
        );
        let mut line = |line: std::fmt::Arguments<'_>| text.write_fmt(line).expect("a string takes all text");
        if let Some(most) = self.connections {
            line(format_args!("[limits]\nconnections = {most}\nconnections_per_address = {most}\n"));
        }
        let file = secret.display().to_string();
        line(format_args!(
            "[sources]\ngithub = {{ provider = \"github\", secrets = [{{ id = \"bench\", file = {file:?} }}] }}\n"
        ));
        // In few words: thousands of them have to fit into the size that a configuration may have.
        for n in 0..self.more_sources {
            line(format_args!(
                "github-{n}={{provider=\"github\",topic={TOPIC:?},secrets=[{{id=\"bench\",env={VARIABLE:?}}}]}}\n"
            ));
        }
        text
    }
}

/// A series of the process' metrics, the first whose name and labels begin so.
///
/// # Errors
/// When its admin port does not answer, or has no such series.
pub fn metric(admin: &str, series: &str) -> Result<f64, BenchError> {
    let address = admin.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    value(&answer, series).ok_or_else(|| BenchError::Said {
        name: address.to_owned(),
        said: series.to_owned(),
        expected: "series of its metrics",
    })
}

fn value(metrics: &str, series: &str) -> Option<f64> {
    metrics.lines().find(|line| line.starts_with(series))?.rsplit_once(' ')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_and_sources_are_written_where_they_are_asked_for() {
        let config = |edge: Edge| edge.config("127.0.0.1:9092", Path::new("spool"), Path::new("secret"));
        let plain = config(Edge::named("edge"));
        assert!(plain.contains("\ngithub = ") && !plain.contains("[limits]") && !plain.contains("github-0"));
        let wide = config(Edge { name: "wide", more_sources: 3, connections: Some(9) });
        assert_eq!(wide.matches("provider").count(), 4);
        assert!(wide.contains("connections_per_address = 9"));
    }

    #[test]
    fn a_series_is_found_by_its_labels() {
        let text = "# TYPE held gauge\nheld{what=\"bytes\"} 12\nheld{what=\"records\"} 3\n";
        assert_eq!(value(text, "held{what=\"records\"}"), Some(3.0));
        assert_eq!(value(text, "kept"), None);
    }
}
