//! A real schema registry on this machine: Apicurio, which speaks Confluent's REST API, with its schemas in memory.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::eventually::eventually;
use crate::ports;
use crate::processes::Process;

/// Names the registry's folder.
pub const FOLDER_VARIABLE: &str = "HOOKLOG_REGISTRY";

const START: Duration = Duration::from_secs(90);

/// A running registry. Dropping it kills it.
pub struct Registry {
    process: Process,
    port: u16,
    _folder: TempDir,
}

impl Registry {
    /// Starts one and waits until it answers.
    pub async fn start() -> Self {
        let folder =
            tempfile::Builder::new().prefix("hooklog-registry-").tempdir().expect("a folder for temporary files");
        let port = ports::free();
        let mut command = Command::new("java");
        command.args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
        command.args(["-Dquarkus.http.host=127.0.0.1", &format!("-Dquarkus.http.port={port}")]);
        command.arg("-jar").arg(jar());
        let registry = Self { process: Process::start("registry", command, folder.path()), port, _folder: folder };
        eventually(START, "the registry's answer", async || registry.get("/subjects")).await;
        registry
    }

    /// Its URL, as the products take it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/apis/ccompat/v7", self.port)
    }

    /// The schema that it gave this number.
    ///
    /// # Panics
    /// When it knows none.
    #[must_use]
    pub fn schema(&self, id: u32) -> Value {
        let answer = self.get(&format!("/schemas/ids/{id}")).expect("the registry answers");
        let schema = answer["schema"].as_str().expect("an answer has a schema");
        serde_json::from_str(schema).expect("a schema is JSON")
    }

    /// Stops it in its tracks: its sockets stay open, it answers nothing.
    pub fn pause(&self) {
        self.process.pause();
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.process.resume();
    }

    /// HTTP/1.0, so that the answer ends with the connection.
    fn get(&self, path: &str) -> Result<Value, String> {
        let ask = || {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            write!(stream, "GET /apis/ccompat/v7{path} HTTP/1.0\r\nHost: registry\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).map(|_| answer)
        };
        let answer = ask().map_err(|error: std::io::Error| error.to_string())?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| answer.clone())?;
        if !head.contains(" 200 ") {
            return Err(answer);
        }
        serde_json::from_str(body).map_err(|error| format!("{error}: {body}"))
    }
}

fn jar() -> PathBuf {
    let usual = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/hooklog/registry");
    let folder = std::env::var_os(FOLDER_VARIABLE).map_or_else(usual, PathBuf::from);
    let names = std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
    names.into_iter().find(|path| path.to_string_lossy().ends_with("-runner.jar")).unwrap_or_else(|| {
        panic!(
            "no registry in {}: fetch it with `make registry`, or name its folder in {FOLDER_VARIABLE}",
            folder.display()
        )
    })
}
