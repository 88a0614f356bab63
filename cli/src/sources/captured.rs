//! `hooklog sources test`: a captured request held against a provider's scheme, and why it is believed or not.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use hooklog_process::clock::Clock;
use hooklog_process::secret::SecretRef;
use hooklog_signatures::{Explanation, Head, Keys, Scheme, UnixMillis, builtin, explain};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use super::FILE_LIMIT;
use crate::failure::Failure;
use crate::output::Output;

/// The largest captured request, in bytes.
const REQUEST_LIMIT: u64 = 64 * 1024 * 1024;

/// Signed bytes that are shown, of each text.
const SHOWN_LIMIT: usize = 2000;

/// The arguments.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A built-in provider's name, or a provider file
    provider: String,
    /// The captured request, JSON: method, url, headers, and body or `body_base64`
    #[arg(long, value_name = "FILE")]
    request: PathBuf,
    /// A file with the source's secret or public key; several times for several
    #[arg(long, value_name = "FILE")]
    secret_file: Vec<PathBuf>,
    /// A parameter that the provider's file names; several times for several
    #[arg(long, value_name = "NAME=VALUE")]
    param: Vec<String>,
    /// When the request came, in seconds since 1970 (default: now)
    #[arg(long, value_name = "UNIX")]
    now: Option<i64>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// A request as somebody has written it down.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Captured {
    method: String,
    /// As the provider has it: scheme, host, path and query.
    url: Option<String>,
    headers: BTreeMap<String, Values>,
    body: Option<String>,
    body_base64: Option<String>,
}

/// A header's one value, or all of a repeated one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    One(String),
    More(Vec<String>),
}

#[derive(Serialize)]
struct Told {
    provider: String,
    believed: bool,
    reason: Option<&'static str>,
    key_id: Option<String>,
    steps: Vec<ToldStep>,
    signed: Vec<String>,
}

#[derive(Serialize)]
struct ToldStep {
    step: &'static str,
    held: bool,
    reason: Option<String>,
}

/// Tests.
///
/// # Errors
/// [`Failure::Refused`] when the request is not believed, [`Failure::Usage`] when there is nothing to judge.
pub(super) fn run(arguments: &Arguments, output: &mut Output) -> Result<(), Failure> {
    let known = provider(&arguments.provider)?;
    let captured = captured(&arguments.request)?;
    let scheme = configured(&known, arguments, captured.url.as_deref())?;
    let keys = keys(&scheme, &arguments.secret_file)?;
    let (headers, body) = (captured.header_map()?, captured.bytes()?);
    let head = Head { method: &captured.method, path_and_query: captured.target(), headers: &headers };
    let now =
        UnixMillis(arguments.now.map_or_else(|| Clock::system().now_ms(), |seconds| seconds.saturating_mul(1000)));
    let explanation = explain(&scheme, &keys, head, &body, now);
    let told = told(&scheme, &explanation);
    if arguments.json {
        output.json(&told)?;
    } else {
        tell(&told, output)?;
    }
    match explanation.verdict {
        Ok(_) => Ok(()),
        Err(rejection) => Err(Failure::Refused(format!("not believed: {rejection}"))),
    }
}

fn wrong(path: &Path, problem: &dyn std::fmt::Display) -> Failure {
    Failure::Usage(format!("{}: {problem}", path.display()))
}

fn read(path: &Path, limit: u64) -> Result<String, Failure> {
    let length = std::fs::metadata(path).map_err(|cause| wrong(path, &cause))?.len();
    if length > limit {
        return Err(wrong(path, &format_args!("it has more than {limit} bytes")));
    }
    std::fs::read_to_string(path).map_err(|cause| wrong(path, &cause))
}

fn provider(name: &str) -> Result<Scheme, Failure> {
    if let Some(scheme) = builtin(name) {
        return Ok(scheme.clone());
    }
    let path = Path::new(name);
    if !path.exists() {
        return Err(super::unknown(name));
    }
    Scheme::from_toml(&read(path, FILE_LIMIT)?).map_err(|error| wrong(path, &error))
}

fn captured(path: &Path) -> Result<Captured, Failure> {
    let text = read(path, REQUEST_LIMIT)?;
    serde_json::from_str(&text).map_err(|error| {
        let shape = r#"{"method":"POST","url":"https://…","headers":{"Name":"value"},"body":"…"} (or "body_base64")"#;
        wrong(path, &format_args!("it is no captured request: {error}; write {shape}"))
    })
}

/// The scheme with what a source would set.
fn configured(scheme: &Scheme, arguments: &Arguments, url: Option<&str>) -> Result<Scheme, Failure> {
    let mut settings = toml::Table::new();
    if let Some(url) = url {
        let base = url.split_once('?').map_or(url, |(base, _)| base);
        settings.insert("url".to_owned(), base.into());
    }
    let mut params = toml::Table::new();
    for param in &arguments.param {
        let (name, value) = param
            .split_once('=')
            .ok_or_else(|| Failure::Usage("write a parameter as --param NAME=VALUE".to_owned()))?;
        params.insert(name.to_owned(), value.into());
    }
    if !params.is_empty() {
        settings.insert("params".to_owned(), params.into());
    }
    scheme.with_overrides(&settings).map_err(|error| Failure::Usage(error.to_string()))
}

fn keys(scheme: &Scheme, files: &[PathBuf]) -> Result<Keys, Failure> {
    if files.is_empty() && scheme.is_authenticated() {
        return Err(Failure::Usage("give the secret or public key with --secret-file FILE".to_owned()));
    }
    let read = |file: &PathBuf| {
        let secret = SecretRef::File(file.clone()).read().map_err(|error| Failure::Usage(error.to_string()))?;
        Ok((file.file_name().unwrap_or_default().to_string_lossy().into_owned(), secret))
    };
    let secrets = files.iter().map(read).collect::<Result<Vec<_>, Failure>>()?;
    let secrets = secrets.iter().map(|(id, secret)| (id, secret.expose()));
    Keys::new(scheme, secrets).map_err(|error| Failure::Usage(error.to_string()))
}

impl Captured {
    fn target(&self) -> &str {
        let Some(url) = &self.url else { return "/" };
        let after_scheme = url.find("://").map_or(0, |at| at + 3);
        url[after_scheme..].find(['/', '?']).map_or("/", |at| &url[after_scheme + at..])
    }

    fn header_map(&self) -> Result<HeaderMap, Failure> {
        let mut map = HeaderMap::new();
        for (name, values) in &self.headers {
            let values = match values {
                Values::One(value) => std::slice::from_ref(value),
                Values::More(values) => values,
            };
            for value in values {
                let header = name.parse::<HeaderName>().ok().zip(value.parse::<HeaderValue>().ok());
                let (header, value) =
                    header.ok_or_else(|| Failure::Usage(format!("header {name:?} of the request is none")))?;
                map.append(header, value);
            }
        }
        Ok(map)
    }

    fn bytes(&self) -> Result<Vec<u8>, Failure> {
        match (&self.body, &self.body_base64) {
            (Some(_), Some(_)) => Err(Failure::Usage("the request has `body` and `body_base64`, keep one".to_owned())),
            (Some(text), None) => Ok(text.as_bytes().to_vec()),
            (None, Some(encoded)) => STANDARD
                .decode(encoded)
                .map_err(|error| Failure::Usage(format!("the request's `body_base64` is not base64: {error}"))),
            (None, None) => Ok(Vec::new()),
        }
    }
}

fn told(scheme: &Scheme, explanation: &Explanation) -> Told {
    let step = |step: &hooklog_signatures::explain::Step| ToldStep {
        step: step.name,
        held: step.outcome.is_ok(),
        reason: step.outcome.err().map(|rejection| rejection.to_string()),
    };
    let verified = explanation.verdict.as_ref().ok();
    Told {
        provider: scheme.name.clone(),
        believed: verified.is_some(),
        reason: explanation.verdict.as_ref().err().map(|rejection| rejection.label()),
        key_id: verified.and_then(|verified| verified.key_id.as_deref()).map(str::to_owned),
        steps: explanation.steps.iter().map(step).collect(),
        signed: explanation.signed.iter().map(|bytes| shown(bytes)).collect(),
    }
}

/// Bytes as text on one line, bounded.
fn shown(bytes: &[u8]) -> String {
    let start = bytes[..bytes.len().min(SHOWN_LIMIT)].escape_ascii();
    if bytes.len() > SHOWN_LIMIT { format!("{start}… ({} bytes in all)", bytes.len()) } else { start.to_string() }
}

fn tell(told: &Told, output: &mut Output) -> Result<(), Failure> {
    for step in &told.steps {
        match &step.reason {
            None => output.line(format_args!("ok      {}", step.step))?,
            Some(reason) => output.line(format_args!("failed  {}: {reason}", step.step))?,
        }
    }
    for signed in &told.signed {
        output.line(format_args!("signed  {signed}"))?;
    }
    match &told.key_id {
        Some(key) => output.line(format_args!("believed: {} with the secret in {key}", told.provider)),
        None if told.believed => output.line(format_args!("believed: {} checks no secret", told.provider)),
        None => Ok(()),
    }
}
