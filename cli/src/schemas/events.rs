//! Where events to learn from come from: the log, or a file of lines and bodies.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hooklog_kafka::tail::Tail;
use hooklog_schemas::EventType;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::failure::Failure;
use crate::reading::to_end;
use crate::registry::Asked;

/// The body of an event, and its type where one is known.
pub(crate) struct Sample {
    pub(crate) kind: Option<EventType>,
    pub(crate) body: Bytes,
}

/// Gives every event from the tail's place to the end of the log.
///
/// # Errors
/// [`Failure::Unavailable`] when the log can't be read to its end, or that of `take`.
pub(crate) fn of_log(
    tail: Tail,
    registry: &Asked,
    take: &mut dyn FnMut(Sample) -> Result<(), Failure>,
) -> Result<(), Failure> {
    to_end(tail, &mut |record| {
        let value = record.value.clone().unwrap_or_default();
        match registry.envelope(&value)? {
            Ok(envelope) => take(Sample { kind: Some(envelope.kind), body: envelope.body }),
            Err(error) => Err(Failure::Refused(format!("{} can't be read: {error}", record.position))),
        }
    })
}

/// Gives every event of a file: JSON texts one after the other, each a line of `hooklog tail --json` or a body.
///
/// # Errors
/// [`Failure::Io`] when there is no such file, [`Failure::Config`] for what is no JSON, with its line, or that of `take`.
pub(crate) fn of_file(path: &Path, take: &mut dyn FnMut(Sample) -> Result<(), Failure>) -> Result<(), Failure> {
    let file = File::open(path).map_err(Failure::io(path))?;
    let wrong = |problem: &dyn std::fmt::Display| Failure::Config(format!("{}: {problem}", path.display()));
    let texts = serde_json::Deserializer::from_reader(BufReader::new(file)).into_iter::<Box<RawValue>>();
    for text in texts {
        let text = text.map_err(|error| wrong(&error))?;
        take(sample(text.get()).map_err(|problem| wrong(&problem))?)?;
    }
    Ok(())
}

/// A line of `hooklog tail` says where its record lies; anything else is a body.
fn sample(text: &str) -> Result<Sample, String> {
    let line = serde_json::from_str::<Value>(text).ok().filter(|line| line["position"].is_string());
    let Some(line) = line else { return Ok(Sample { kind: None, body: Bytes::copy_from_slice(text.as_bytes()) }) };
    let (position, kind) = (&line["position"], line["type"].as_str().map(EventType::parse));
    let kind = kind.transpose().map_err(|error| format!("the event at {position}: {error}"))?;
    let body = match (line["body"].as_str(), line["body_base64"].as_str()) {
        (Some(body), _) => Bytes::copy_from_slice(body.as_bytes()),
        (None, Some(body)) => {
            STANDARD.decode(body).map_err(|error| format!("the event at {position}: {error}"))?.into()
        }
        (None, None) => return Err(format!("the event at {position} has no body")),
    };
    Ok(Sample { kind, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_tail_has_a_type_and_a_body_alone_has_none() {
        for (text, kind, body) in [
            (r#"{"position":"hooks.x/0/1","type":"push","body":"{\"a\":1}"}"#, Some("push"), r#"{"a":1}"#),
            (r#"{"position":"hooks.x/0/1","type":"push","body_base64":"e30="}"#, Some("push"), "{}"),
            (r#"{"type":"push","body":"x"}"#, None, r#"{"type":"push","body":"x"}"#),
            ("[1]", None, "[1]"),
        ] {
            let sample = sample(text).unwrap();
            assert_eq!(
                (sample.kind.as_ref().map(EventType::as_str), &sample.body[..]),
                (kind, body.as_bytes()),
                "{text}"
            );
        }
        for (text, words) in [
            (r#"{"position":"hooks.x/0/1","type":"push"}"#, "hooks.x/0/1\" has no body"),
            (r#"{"position":"hooks.x/0/1","type":"","body":"{}"}"#, "empty"),
            (r#"{"position":"hooks.x/0/1","type":"push","body_base64":"?"}"#, "hooks.x/0/1"),
        ] {
            assert!(sample(text).err().unwrap().contains(words), "{text}");
        }
    }
}
