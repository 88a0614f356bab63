//! HTTP framing: whatever could be read in two ways is refused, and the next request of the connection is never what was smuggled.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::request::{github, is_closed, read_answer};
use crate::server::start;

const OPEN: &str = "[sources.anybody]\nprovider = \"none\"";

/// Each would, if taken, let the rest of the bytes pass as a request of its own.
const AMBIGUOUS: &[(&str, &str)] = &[
    ("content-length twice, different", "content-length: 3\r\ncontent-length: 4\r\n"),
    ("content-length as a list", "content-length: 3, 4\r\n"),
    ("content-length with a sign", "content-length: +3\r\n"),
    ("content-length negative", "content-length: -3\r\n"),
    ("content-length in hexadecimal", "content-length: 0x3\r\n"),
    ("an unknown transfer-encoding", "transfer-encoding: xchunked\r\n"),
    ("chunked not last", "transfer-encoding: chunked, identity\r\n"),
    ("chunked twice", "transfer-encoding: chunked, chunked\r\n"),
    ("chunked twice, in two lines", "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n"),
    ("a coding before chunked", "transfer-encoding: gzip, chunked\r\n"),
    ("a space before the colon", "content-length : 3\r\n"),
    ("a folded header", "x: 1\r\n folded\r\ncontent-length: 3\r\n"),
    ("a NUL in a header", "x: a\0b\r\ncontent-length: 3\r\n"),
];

#[tokio::test]
async fn an_ambiguous_length_is_refused_and_the_connection_closed() {
    let server = start(OPEN).await;
    for (what, headers) in AMBIGUOUS {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let smuggled = "POST /in/anybody HTTP/1.1\r\nhost: edge\r\ncontent-length: 8\r\n\r\nsmuggled";
        let request = format!("POST /in/anybody HTTP/1.1\r\nhost: edge\r\n{headers}\r\nabc{smuggled}");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answers = Vec::new();
        while let Some(answer) = read_answer(&mut stream).await {
            answers.push(answer.status);
        }
        assert!(answers.len() <= 1, "{what}: {answers:?}, a second request was seen");
        assert!(answers.iter().all(|&status| status == 400 || status == 501), "{what}: {answers:?}");
    }
    assert_eq!(server.stored(), 0);
}

/// Each is a chunked body that nobody should understand, or that others may understand in another way.
const CHUNKS: &[(&str, &str)] = &[
    ("a size over 64 bits", "10000000000000003\r\nabc\r\n0\r\n\r\n"),
    ("a negative size", "-3\r\nabc\r\n0\r\n\r\n"),
    ("a size with a sign", "+3\r\nabc\r\n0\r\n\r\n"),
    ("a size with a prefix", "0x3\r\nabc\r\n0\r\n\r\n"),
    ("no size", "\r\nabc\r\n0\r\n\r\n"),
    ("more than its size", "3\r\nabcd\r\n0\r\n\r\n"),
    ("a bare LF after the size", "3\nabc\r\n0\r\n\r\n"),
    ("a bare CR after the size", "3\rabc\r\n0\r\n\r\n"),
    ("a bare LF in an extension", "3;x\nabc\r\n0\r\n\r\n"),
    ("a bare LF after the data", "3\r\nabc\n0\r\n\r\n"),
];

#[tokio::test]
async fn a_chunked_body_that_can_be_read_in_two_ways_is_refused_and_the_connection_closed() {
    let server = start(OPEN).await;
    let long = format!("3;{}\r\nabc\r\n0\r\n\r\n", "x".repeat(1 << 20));
    for (what, chunks) in CHUNKS.iter().chain([&("a megabyte of extension", long.as_str())]) {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let head = "POST /in/anybody HTTP/1.1\r\nhost: edge\r\ntransfer-encoding: chunked\r\n\r\n";
        let smuggled = "POST /in/anybody HTTP/1.1\r\nhost: edge\r\ncontent-length: 8\r\n\r\nsmuggled";
        let before = server.outcomes();
        stream.write_all(format!("{head}{chunks}{smuggled}").as_bytes()).await.unwrap();
        let answer = read_answer(&mut stream).await.expect(what);
        assert_eq!((answer.status, answer.header("connection")), (400, Some("close")), "{what}");
        assert!(is_closed(&mut stream).await, "{what}");
        assert_eq!(server.outcomes() - before, 1, "{what}: a second request was seen");
    }
    assert_eq!(server.stored(), 0);
}

#[tokio::test]
async fn an_upgrade_is_not_followed_and_what_comes_after_it_is_a_request() {
    let server = start(OPEN).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = "POST /in/anybody HTTP/1.1\r\nhost: edge\r\n";
    let upgrade = format!("{head}connection: upgrade\r\nupgrade: websocket\r\ncontent-length: 1\r\n\r\na");
    stream.write_all(format!("{upgrade}{head}content-length: 1\r\n\r\nbno more\r\n\r\n").as_bytes()).await.unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).await.unwrap();
    let statuses: Vec<&str> = answers.lines().filter_map(|line| line.strip_prefix("HTTP/1.1 ")).collect();
    assert_eq!(statuses, ["200 OK", "200 OK", "400 Bad Request"]);
    assert_eq!(server.stored(), 2);
}

#[tokio::test]
async fn a_chunked_body_beside_a_content_length_is_never_read_in_two_ways() {
    // RFC 9112, section 6.3: chunked wins; the edge may also refuse. It must not take the content-length.
    let server = start(OPEN).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = "POST /in/anybody HTTP/1.1\r\nhost: edge\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nPOST /in/anybody HTTP/1.1\r\nhost: edge\r\ncontent-length: 8\r\n\r\nsmuggled";
    stream.write_all(request.as_bytes()).await.unwrap();
    let first = read_answer(&mut stream).await.map(|answer| answer.status);
    assert!(matches!(first, Some(200 | 400)), "{first:?}");
    let bodies: Vec<_> = server.records();
    assert!(bodies.len() <= 2);
}

#[tokio::test]
async fn what_is_not_http_is_counted_and_closed() {
    let server = start("").await;
    for noise in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /in/github HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(noise).await.unwrap();
        if let Some(answer) = read_answer(&mut stream).await {
            assert_eq!(answer.status, 400);
        }
    }
    assert_eq!(server.outcome("not_http"), 5);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = start("").await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let requests: Vec<u8> = (0..5).flat_map(|n| github(format!("{{\"n\":{n}}}").as_bytes())).collect();
    stream.write_all(&requests).await.unwrap();
    stream.write_all(b"no more\r\n\r\n").await.unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).await.unwrap();
    let positions: Vec<&str> =
        answers.lines().filter_map(|line| line.strip_prefix("hooklog-position: hooks.github/0/")).collect();
    assert_eq!(positions, ["0", "1", "2", "3", "4"]);
}
