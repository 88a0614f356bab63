//! What the edge promises to its callers, as OpenAPI 3.1: made from the table of outcomes, so that it can't say anything else.
//!
//! `ingest/openapi.json` is this document, kept equal by a test; [`page`] shows it to people; the admin port serves both.

pub mod page;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hooklog_process::admin::Document;
use hooklog_schemas::{RecordHeaders, SourceName};
use serde_json::{Value, json};
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{ComponentsBuilder, Object, ObjectBuilder, Ref, Type};
use utoipa::openapi::{
    InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, PathItem, PathsBuilder, Required, Response, ResponseBuilder,
};

use crate::outcome::{Connection, Outcome, Refused};
use crate::receive::PATH;
use crate::respond::{self, DURABILITY, POSITION};
use crate::validate::pointer::Pointer;

const PROBLEM: &str = "Problem";

const PROBLEM_TYPE: &str = "application/problem+json";

const ABOUT: &str = "Takes webhooks from providers and answers 2xx only for what is stored: 200 when the log's in-sync replicas have \
    the event, 202 when this machine's disk has it. A 4xx means that it is not stored and that the same request would end the same way; \
    429 and 503 mean that it is unknown or not stored, and that a retry is safe.";

const POSTING: &str = "The body is any bytes that the source's provider signed. What proves the sender is the provider's own scheme, \
    with its own headers; hooklog's documentation of the provider names them. A source can be set to answer a stored event with another \
    2xx and a body, as its provider wants to hear it. A connection over the limit is answered with 503 and no body before anything is read.";

const GREETING: &str = "Some providers ask before they send events: Meta with a GET, CloudEvents with an OPTIONS. A source whose provider asks so \
    answers what its scheme says (a challenge as text or JSON, headers, or nothing); any other answers 405. Nothing is stored.";

/// The document.
#[must_use]
pub fn document() -> OpenApi {
    let licence = LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build();
    let info = InfoBuilder::new()
        .title("hooklog edge")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(licence))
        .build();
    let mut item = PathItem::new(HttpMethod::Post, posting());
    item.get = Some(greeting("greet", "Asks a source for its handshake"));
    item.options = Some(greeting("greetOptions", "Asks a source whether it takes a sender's events"));
    OpenApiBuilder::new()
        .info(info)
        .paths(PathsBuilder::new().path(format!("{PATH}{{source}}"), item).build())
        .components(Some(ComponentsBuilder::new().schema(PROBLEM, problem()).build()))
        .build()
}

/// The document as it is committed and served.
#[must_use]
pub fn text(document: &OpenApi) -> String {
    let text = document.to_pretty_json().expect("a document of strings is JSON");
    format!("{text}\n")
}

/// What the admin port serves of it.
#[must_use]
pub fn served() -> Arc<[Document]> {
    let text = text(&document());
    let read: Value = serde_json::from_str(&text).expect("it was just written");
    let page = page::page(&read);
    Arc::new([
        Document { path: "/openapi.json", content_type: "application/json", body: text.into() },
        Document { path: "/openapi", content_type: "text/html; charset=utf-8", body: page.into() },
    ])
}

fn posting() -> Operation {
    let operation = OperationBuilder::new()
        .operation_id(Some("receive"))
        .summary(Some("Sends an event of a source"))
        .description(Some(POSTING))
        .parameter(source())
        .parameter(trace())
        .request_body(Some(body()));
    answering(operation, Outcome::all())
}

fn greeting(id: &str, summary: &str) -> Operation {
    let operation = OperationBuilder::new()
        .operation_id(Some(id))
        .summary(Some(summary))
        .description(Some(GREETING))
        .parameter(source());
    answering(operation, Outcome::all().into_iter().filter(|outcome| !outcome.is_of_an_event()).collect())
}

/// With the answers to all these outcomes.
fn answering(mut operation: OperationBuilder, outcomes: Vec<Outcome>) -> Operation {
    let mut by_status: BTreeMap<u16, Vec<Outcome>> = BTreeMap::new();
    for outcome in outcomes {
        by_status.entry(outcome.status().as_u16()).or_default().push(outcome);
    }
    for (status, outcomes) in &by_status {
        operation = operation.response(status.to_string(), response(outcomes));
    }
    operation.build()
}

fn source() -> Parameter {
    let name = string().pattern(Some("^[a-z0-9][a-z0-9-]*$")).min_length(Some(1)).max_length(Some(SourceName::LIMIT));
    ParameterBuilder::new()
        .name("source")
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some("The configured source, by its exact name: nothing is decoded or normalised."))
        .schema(Some(name.build()))
        .build()
}

fn trace() -> Parameter {
    ParameterBuilder::new()
        .name(RecordHeaders::TRACEPARENT)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "W3C Trace Context, version 00; the record carries it on. Without one the edge begins a trace.",
        ))
        .schema(Some(string().build()))
        .build()
}

fn body() -> RequestBody {
    let any = ContentBuilder::new().build();
    RequestBodyBuilder::new()
        .description(Some("Stored byte for byte. Only a source with schemas wants JSON."))
        .required(Some(Required::True))
        .content("application/json", any.clone())
        .content("*/*", any)
        .build()
}

/// All that ends with one status.
fn response(outcomes: &[Outcome]) -> Response {
    let mut response = ResponseBuilder::new().description(description(outcomes));
    let any = |wanted: fn(&Outcome) -> bool| outcomes.iter().any(wanted);
    if any(|outcome| matches!(outcome, Outcome::Appended)) {
        response =
            response.header(POSITION.as_str(), header("Where the event lies: topic/partition/offset.", string()));
    }
    if any(|outcome| matches!(outcome, Outcome::Appended | Outcome::Spooled)) {
        let durability = string().enum_values(Some(["log", "spool"]));
        response = response.header(DURABILITY.as_str(), header("What the answer stands on.", durability));
    }
    if any(|outcome| outcome.asks_to_retry()) {
        let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1));
        let about = "Seconds to wait before the retry; they differ by chance, so that those who are refused together do not return together.";
        response = response.header("Retry-After", header(about, seconds));
    }
    if any(|outcome| matches!(outcome, Outcome::BadMethod)) {
        response = response.header("Allow", header("The methods that are taken.", string()));
    }
    if any(|outcome| !outcome.status().is_success()) {
        response = response.content(PROBLEM_TYPE, problems(outcomes).build());
    }
    response.build()
}

/// One line an outcome: its word in metrics and logs, what it means, and what becomes of the connection.
fn description(outcomes: &[Outcome]) -> String {
    let mut lines = Vec::new();
    for outcome in outcomes {
        let closed = if outcome.connection() == Connection::Closed { "; the connection is closed" } else { "" };
        let line = format!("`{}`: {}{closed}.", outcome.label(), outcome.title());
        // Signatures fail for many reasons, which are nobody's business outside.
        if lines.last() != Some(&line) {
            lines.push(line);
        }
    }
    lines.join("\n\n")
}

/// The problem documents of one status: the schema of all, and each as it is sent.
fn problems(outcomes: &[Outcome]) -> ContentBuilder {
    let labels: BTreeSet<&str> = outcomes.iter().map(|outcome| outcome.label()).collect();
    let examples = labels.into_iter().filter_map(|label| {
        let outcome = *outcomes.iter().find(|outcome| outcome.label() == label)?;
        let pointer = (outcome == Outcome::SchemaRefused).then(|| Pointer::of("/repository/id"));
        let sent = serde_json::from_str(&respond::document(&Refused { outcome, pointer })).ok();
        Some((label, ExampleBuilder::new().summary(outcome.title()).value(sent).build()))
    });
    ContentBuilder::new().schema(Some(Ref::from_schema_name(PROBLEM))).examples_from_iter(examples)
}

/// RFC 9457, with one member of our own.
fn problem() -> Object {
    let titles: BTreeSet<&str> = Outcome::all().into_iter().filter(is_problem).map(Outcome::title).collect();
    let statuses: BTreeSet<u16> =
        Outcome::all().into_iter().filter(is_problem).map(|outcome| outcome.status().as_u16()).collect();
    let status = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .enum_values(Some(statuses.into_iter().map(|status| json!(status))));
    let pointer = string().max_length(Some(Pointer::LIMIT)).description(Some(
        "The JSON Pointer (RFC 6901) of the first place in the body that differs from the source's schema.",
    ));
    ObjectBuilder::new()
        .description(Some("A problem document (RFC 9457). It never says why a signature failed."))
        .property("type", string().enum_values(Some(["about:blank"])))
        .property("title", string().enum_values(Some(titles)))
        .property("status", status)
        .property("pointer", pointer)
        .required("type")
        .required("title")
        .required("status")
        .build()
}

fn is_problem(outcome: &Outcome) -> bool {
    !outcome.status().is_success()
}

fn header(about: &str, schema: ObjectBuilder) -> Header {
    HeaderBuilder::new().description(Some(about)).schema(Some(schema.build())).build()
}

fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}
