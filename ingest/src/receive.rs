//! One request, step by step: find → admit → read and verify → handshake → identify → validate → seal → store → answer.

use std::net::IpAddr;
use std::time::Instant;

use axum::response::Response;
use bytes::Bytes;
use hooklog_process::failpoint;
use hooklog_schemas::{EventType, Timestamp};
use hooklog_signatures::{HandshakeAnswer, Head, Rejection, UnixMillis, answer, may_be_unsigned};
use http::{HeaderMap, Method, Request, header};
use http_body::Body;

use crate::admit::Permit;
use crate::body::{self, Clocked, Pace, Read};
use crate::capture;
use crate::duplicates::First;
use crate::durable::{Durable, Entry};
use crate::edge::Edge;
use crate::fetch::confirm;
use crate::identify::identify;
use crate::outcome::{Outcome, Refused};
use crate::phase::Phase;
use crate::quarantine::Unproven;
use crate::respond;
use crate::seal::{Sealed, Verified, seal, trace};
use crate::source::Source;

/// What every path begins with; the source's name follows.
pub const PATH: &str = "/in/";

/// Who sends, and where the connection stands.
#[derive(Clone, Copy)]
pub struct Client<'a> {
    /// Who opened the connection: the client itself, or a proxy.
    pub peer: IpAddr,
    /// The connection's phase, which ends waits at their deadlines.
    pub phase: &'a Phase,
}

/// A request that ended well.
enum Done {
    Stored { durable: Durable, length: usize },
    Handshake(Response),
}

/// Takes one request to its one outcome. There is one path, `/in/{source}`, and it takes every method itself, so that a wrong one
/// ends in an outcome too: a router would have nothing to choose.
pub async fn receive<B>(edge: &Edge, client: Client<'_>, request: Request<B>) -> Response
where
    B: Body<Data = Bytes> + Unpin,
{
    let start = edge.clock.monotonic();
    let source = request.uri().path().strip_prefix(PATH).and_then(|name| edge.sources.find(name));
    // Whatever becomes of the sources meanwhile, the request ends with the one that it began with.
    let Some(source) = source else {
        return edge.end(None, start, Outcome::UnknownSource);
    };
    let source = source.as_ref();
    let response = match take(edge, source, client, request, start).await {
        Ok(Done::Stored { durable, length }) => {
            edge.note_stored(source, start, length, &durable);
            respond::stored(&durable, source)
        }
        Ok(Done::Handshake(response)) => {
            edge.note(Some(source), start, Outcome::Handshake);
            response
        }
        Err(Refused { outcome: Outcome::Duplicate, .. }) => {
            edge.note(Some(source), start, Outcome::Duplicate);
            respond::duplicate(&source.scheme.reply)
        }
        Err(refused) => edge.end(Some(source), start, refused),
    };
    failpoint::hit("edge.before-answer");
    response
}

async fn take<B>(
    edge: &Edge,
    source: &Source,
    client: Client<'_>,
    request: Request<B>,
    start: Instant,
) -> Result<Done, Refused>
where
    B: Body<Data = Bytes> + Unpin,
{
    let (_in_flight, mut bytes) = admit(edge, source, client, &request, start)?;
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let head = Head { method: parts.method.as_str(), path_and_query: target, headers: &parts.headers };
    let now = UnixMillis(edge.clock.now_ms());
    let fetched = source.remote.as_ref().map(|remote| remote.keys(&edge.fetcher)).transpose()?;
    let keys = fetched.as_deref().unwrap_or(&source.keys);
    let mut verifier = source.scheme.begin(keys, head, now);
    // What nobody signed is refused unread, unless it may be a handshake that nobody signs, or signed with a key that is to be fetched.
    if let Err(rejection) = &verifier
        && !may_be_unsigned(&source.scheme, head)
        && !source.remote.as_ref().is_some_and(|remote| remote.may_prove_later(keys, head, *rejection))
    {
        return Err(Outcome::Unverified(*rejection).into());
    }
    let pace = Pace { max_bytes: source.max_body, ..edge.pace };
    let clocked = Clocked { pace, start, phase: client.phase };
    let read = body::read(body, &clocked, &mut bytes, verifier.as_mut().ok()).await?;
    let mut proof = verifier.and_then(|verifier| verifier.finish(&read.bytes));
    if let (Some(remote), Err(Rejection::Mismatch)) = (&source.remote, &proof) {
        proof = remote.prove(&edge.fetcher, head, &read.bytes, now).await?;
    }
    failpoint::hit("edge.verified");
    if let Some(answer) = answer(&source.scheme, keys, head, &read.bytes, proof.as_ref().ok()) {
        if let Some(captured) = &answer.captured {
            capture::keep(edge, source, captured).await?;
        }
        return Ok(Done::Handshake(greet(edge, source, answer)));
    }
    let proof = proof.map_err(|rejection| refuse(edge, source, head, &read, rejection))?;
    if parts.method != Method::POST {
        return Err(Outcome::BadMethod.into());
    }
    let length = read.bytes.len();
    let (sealed, first) = make(edge, source, head, &read, proof.key_id.as_deref())?;
    // Headers and body lie in the connection's buffer: once they are gone, it reads on without a new one.
    drop((parts, read));
    let durable = store(edge, source, sealed, client.phase).await?;
    edge.duplicates.remember(first);
    Ok(Done::Stored { durable, length })
}

/// The end of a request that nobody's secret proves. One whose signature is merely wrong may be kept, for the day the secret is mended.
fn refuse(edge: &Edge, source: &Source, head: Head<'_>, read: &Read, rejection: Rejection) -> Outcome {
    if let Some(quarantine) = edge.quarantine.as_ref().filter(|_| rejection == Rejection::Mismatch) {
        let unproven = Unproven { head, read, received_at: Timestamp(edge.clock.now_ms()) };
        quarantine.keep(source, &unproven, edge.frame, edge.clock.monotonic());
    }
    Outcome::Unverified(rejection)
}

/// Answers a handshake.
fn greet(edge: &Edge, source: &Source, answer: HandshakeAnswer) -> Response {
    if let Some(url) = &answer.confirm {
        confirm::begin(&edge.fetcher, source.name.as_str(), url, answer.is_expected);
    }
    respond::handshake(answer)
}

/// Names a verified webhook, holds it to its schema, and seals it unless it was stored before.
fn make(
    edge: &Edge,
    source: &Source,
    head: Head<'_>,
    read: &Read,
    key_id: Option<&str>,
) -> Result<(Sealed, Option<First>), Refused> {
    let event = identify(&source.scheme, head, &read.bytes, &read.sha256).map_err(|_| Outcome::Ambiguous)?;
    let received_at = Timestamp(edge.clock.now_ms());
    let first = edge.duplicates.look(source, &event.id, received_at)?;
    let differs = differs(edge, source, &event.kind, &read.bytes)?;
    let headers = head.headers;
    let verified = Verified { headers, body: &read.bytes, body_sha256: read.sha256, key_id, received_at, differs };
    let sealed = seal(&verified, source, event, trace(headers, &edge.random), edge.frame);
    failpoint::hit("edge.sealed");
    Ok((sealed, first))
}

/// Whether a body differs from its schema, where that is marked and not refused. Most sources have none, and nothing is parsed.
fn differs(edge: &Edge, source: &Source, kind: &EventType, body: &[u8]) -> Result<bool, Refused> {
    let Some(schemas) = &source.schemas else { return Ok(false) };
    let verdict = schemas.check(kind, body);
    edge.note_schema(source, kind, &verdict);
    let refused = |pointer| Refused { outcome: Outcome::SchemaRefused, pointer: Some(pointer) };
    schemas.settle(verdict).map_err(refused)
}

/// Stores a sealed record. A request that can only wait for the log holds nothing of it meanwhile: the log's client has its copy.
async fn store(edge: &Edge, source: &Source, sealed: Sealed, phase: &Phase) -> Result<Durable, Outcome> {
    let pending = edge.store.begin(Entry { source, sealed: &sealed })?;
    if edge.store.may_spool(source.when_log_away) {
        return pending.durable(Some(Entry { source, sealed: &sealed }), phase).await;
    }
    drop(sealed);
    pending.durable(None, phase).await
}

/// Everything that can be refused before a byte of the body is read. What is taken here is given back when the request ends.
fn admit<'a, B: Body>(
    edge: &'a Edge,
    source: &Source,
    client: Client<'_>,
    request: &Request<B>,
    start: Instant,
) -> Result<(Permit<'a>, Permit<'a>), Outcome> {
    if request.method() != Method::POST && !source.scheme.greets_by(request.method()) {
        return Err(Outcome::BadMethod);
    }
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target > edge.limits.uri.as_usize() {
        return Err(Outcome::UriTooLong);
    }
    if header_bytes(request.headers()) > edge.limits.headers.as_usize() {
        return Err(Outcome::HeadersTooLarge);
    }
    // What proxies say is read only for a source that asks.
    let is_listed =
        || edge.forwarded.client(client.peer, request.headers()).is_some_and(|sender| source.allows(sender));
    if !source.allows_all() && !is_listed() {
        return Err(Outcome::AddressRefused);
    }
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !source.takes(content_type) {
        return Err(Outcome::BadMediaType);
    }
    // A content-length is refused here, before anything is read; a chunked body is counted while it is read.
    let announced = match request.body().size_hint().exact() {
        Some(length) => length,
        None if is_chunked_once(request.headers()) => 0,
        None => return Err(Outcome::NotHttp),
    };
    let fits = |size: usize| size <= source.max_body || cfg!(feature = "sabotage-read-first");
    let announced = usize::try_from(announced).ok().filter(|&size| fits(size));
    let announced = announced.ok_or(Outcome::BodyTooLarge)?;
    if client.phase.is_draining() {
        return Err(Outcome::Draining);
    }
    if source.is_locked() {
        return Err(Outcome::Unverified(Rejection::Mismatch));
    }
    if let Some(rate) = &source.rate
        && !rate.take(start)
    {
        return Err(Outcome::RateLimited);
    }
    let in_flight = edge.requests.take(1).ok_or(Outcome::Overloaded)?;
    let bytes = edge.body_bytes.take(announced).ok_or(Outcome::Overloaded)?;
    Ok((in_flight, bytes))
}

/// Whether a body without a length is chunked and nothing else: other codings, or one twice, is what the next reader may see otherwise.
fn is_chunked_once(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let is_chunked = codings.next().is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
    is_chunked && codings.next().is_none()
}

/// As they came on the wire: `name: value CR LF`.
fn header_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}
