//! `hooklog tail`: the events of a source, as they are stored or from a place in the log on.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use hooklog_kafka::Incoming;
use hooklog_kafka::tail::{From, Seen, Tail};
use hooklog_process::clock::Clock;
use hooklog_schemas::{Envelope, NextOffset, SourceName, TopicName};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::{Output, Shown};
use crate::place::Moment;
use crate::reach::{ANSWER_WITHIN, Reach, unanswered};
use crate::registry::Asked;

/// How long one look at the log waits.
const LOOK: Duration = Duration::from_millis(500);

/// The arguments.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hooklog tail stripe
  hooklog tail stripe --from 10m --json | jq 'select(.type == \"charge.succeeded\")'
  hooklog tail github --from-beginning --no-follow --json > github.jsonl
  hooklog tail github --from 2026-11-24T12:00:00Z --count 5 --broker kafka:9092

A JSON line has: position, id, type, key, received_at, source, scheme, headers, body (body_base64 where it is no text), sha256.")]
pub struct Arguments {
    /// The source
    source: SourceName,
    /// The source's topic, if it is not hooks.SOURCE
    #[arg(long)]
    topic: Option<TopicName>,
    /// One JSON object an event
    #[arg(long)]
    json: bool,
    /// From the first record that is kept
    #[arg(long, conflicts_with = "from")]
    from_beginning: bool,
    /// From an offset (of every partition), a time (RFC 3339), or so long ago: 10m
    #[arg(long, value_name = "OFFSET|TIME|AGO")]
    from: Option<Place>,
    /// End after so many
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// End at the last record instead of waiting for more
    #[arg(long)]
    no_follow: bool,
    /// The schema registry that numbers the records, if the edge has one: http://HOST:PORT
    #[arg(long, value_name = "URL")]
    registry: Option<String>,
    #[command(flatten)]
    reach: Reach,
}

/// A place in the log, as it is written on the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Offset(NextOffset),
    Moment(Moment),
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(offset) = text.parse::<u32>() {
            return Ok(Self::Offset(NextOffset(offset.into())));
        }
        let moment = text.parse().map(Self::Moment);
        moment
            .map_err(|_: String| "write an offset (42), a time (2026-11-24T12:00:00Z) or how long ago (10m)".to_owned())
    }
}

#[derive(Serialize)]
struct Line<'a> {
    position: String,
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    key: &'a str,
    received_at: String,
    source: &'a str,
    scheme: &'a str,
    headers: BTreeMap<&'a str, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
    sha256: String,
}

#[derive(Serialize)]
struct Unreadable {
    position: String,
    error: String,
    value_base64: String,
}

/// Prints events until it is told to stop.
///
/// # Errors
/// [`Failure::Unavailable`] when the broker does not answer or the topic is not there.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let topic = arguments.topic.clone().unwrap_or_else(|| TopicName::of_source(&arguments.source));
    let connection = arguments.reach.connection()?;
    let registry = Asked::of(arguments.registry.as_deref())?;
    let mut tail = Tail::open(&connection, &[topic], arguments.place(&Clock::system()), ANSWER_WITHIN)
        .map_err(|error| unanswered(&error))?;
    let mut output = Output::stdout();
    let mut left = arguments.count;
    while left != Some(0) {
        match tail.next(LOOK).map_err(|error| Failure::Unavailable(error.to_string()))? {
            Seen::Record(record) => {
                let value = record.value.clone().unwrap_or_default();
                print(&record, registry.envelope(&value)?, arguments.json, &mut output)?;
                left = left.map(|left| left - 1);
            }
            Seen::CaughtUp if arguments.no_follow => return Ok(()),
            Seen::CaughtUp | Seen::Idle => {}
        }
    }
    Ok(())
}

impl Arguments {
    fn place(&self, clock: &Clock) -> From {
        match self.from {
            _ if self.from_beginning => From::Beginning,
            None => From::End,
            Some(Place::Offset(next)) => From::Offset(next),
            Some(Place::Moment(moment)) => From::Time(moment.at(clock.now_ms())),
        }
    }
}

fn print(
    record: &Incoming,
    envelope: Result<Envelope, String>,
    json: bool,
    output: &mut Output,
) -> Result<(), Failure> {
    let position = record.position.to_string();
    match (envelope, json) {
        (Ok(envelope), true) => output.json(&line(position, &envelope)),
        (Ok(envelope), false) => output.line(told(&position, &envelope)),
        (Err(error), true) => {
            let value = record.value.as_deref().unwrap_or_default();
            output.json(&Unreadable { position, error, value_base64: STANDARD.encode(value) })
        }
        (Err(error), false) => output.line(format_args!("{position}  unreadable: {error}")),
    }
}

fn line(position: String, envelope: &Envelope) -> Line<'_> {
    let mut headers: BTreeMap<&str, String> = BTreeMap::new();
    for (name, value) in &envelope.headers {
        let value = String::from_utf8_lossy(value);
        // As HTTP reads a repeated header (RFC 9110, section 5.3).
        headers.entry(name).and_modify(|all| *all = format!("{all}, {value}")).or_insert_with(|| value.to_string());
    }
    let body = std::str::from_utf8(&envelope.body).ok();
    Line {
        position,
        id: envelope.id.as_str(),
        kind: envelope.kind.as_str(),
        key: envelope.key.as_str(),
        received_at: envelope.received_at.rfc3339(),
        source: envelope.source.as_str(),
        scheme: &envelope.scheme,
        headers,
        body_base64: body.is_none().then(|| STANDARD.encode(&envelope.body)),
        body,
        sha256: hex::encode(envelope.body_sha256),
    }
}

/// One line for people: time, source, type, id, key, position, size.
fn told(position: &str, envelope: &Envelope) -> String {
    let Envelope { id, kind, key, source, body, .. } = envelope;
    let [kind, id, key] = [kind.as_str(), id.as_str(), key.as_str()].map(Shown);
    let time = envelope.received_at.rfc3339();
    format!("{time}  {source}  {kind}  {id}  {key}  {position}  {} B", body.len())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use hooklog_schemas::{EventId, EventType, OrderingKey, Timestamp};

    use super::*;

    fn envelope(body: &'static [u8]) -> Envelope {
        Envelope {
            id: EventId::parse("evt_1").unwrap(),
            source: SourceName::parse("stripe").unwrap(),
            kind: EventType::parse("charge.succeeded").unwrap(),
            key: OrderingKey::parse("cus_1").unwrap(),
            received_at: Timestamp(1_700_000_000_000),
            scheme: "stripe:dev".to_owned(),
            headers: [("accept", "a"), ("accept", "b")].into_iter().collect(),
            content_type: None,
            body: Bytes::from_static(body),
            body_sha256: [7; 32],
            trace: None,
        }
    }

    #[test]
    fn a_place_is_an_offset_a_time_or_how_long_ago() {
        assert_eq!("42".parse(), Ok(Place::Offset(NextOffset(42))));
        assert_eq!("10m".parse(), Ok(Place::Moment(Moment::Ago(Duration::from_secs(600)))));
        let time = Timestamp(1_700_000_000_000);
        assert_eq!("2023-11-14T22:13:20Z".parse(), Ok(Place::Moment(Moment::Time(time))));
        for bad in ["", "-1", "yesterday", "10 minutes"] {
            assert!(bad.parse::<Place>().unwrap_err().contains("write an offset"), "{bad}");
        }
    }

    #[test]
    fn a_line_holds_the_body_as_it_is() {
        let (text, bytes) = (envelope(b"{\"a\": 1}"), envelope(&[0xFF, 0]));
        let text = serde_json::to_value(line("hooks.stripe/3/41".to_owned(), &text)).unwrap();
        assert_eq!((&text["body"], &text["body_base64"]), (&"{\"a\": 1}".into(), &serde_json::Value::Null));
        assert_eq!(
            (&text["headers"]["accept"], &text["received_at"]),
            (&"a, b".into(), &"2023-11-14T22:13:20.000Z".into())
        );
        let bytes = serde_json::to_value(line(String::new(), &bytes)).unwrap();
        assert_eq!((&bytes["body_base64"], bytes.get("body")), (&"/wA=".into(), None));
    }
}
