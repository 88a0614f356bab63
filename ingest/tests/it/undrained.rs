//! An answer before the body: it arrives whole although the client is still sending, the connection is closed, and not a byte of what
//! was unread is taken for a request.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::request::{PATIENCE, github, post, read_answer};
use crate::server::{Server, start};

const SETTINGS: &str = r#"
[limits]
requests = 1
[sources.github]
provider = "github"
secrets = [$SECRET]
max_body = "5MiB"
[sources.small]
provider = "none"
[sources.far]
provider = "none"
allow = ["192.0.2.0/24"]
[sources.json]
provider = "none"
media_types = ["application/json"]
[sources.rare]
provider = "none"
max_body = "5MiB"
rate = 1
"#;

/// Larger than all buffers of the sockets together.
const LARGE: usize = 5 << 20;

/// Sends a request and, whatever is answered meanwhile, all of its body; gives all that came back.
async fn heard(server: &Server, head: &str) -> String {
    let (mut reader, mut writer) = TcpStream::connect(server.address).await.unwrap().into_split();
    let mut bytes = head.as_bytes().to_vec();
    // The body is made of requests: whoever loses count answers one of them.
    let smuggled = github(b"{}").repeat(LARGE / 128);
    bytes.extend(&smuggled[..LARGE]);
    let sent = tokio::spawn(async move {
        let sent = writer.write_all(&bytes).await;
        (sent, writer)
    });
    let mut heard = Vec::new();
    let read = tokio::time::timeout(PATIENCE, reader.read_to_end(&mut heard)).await.expect("no end");
    let (sent, _writer) = sent.await.unwrap();
    assert!(read.is_ok() && sent.is_ok(), "{head} was reset: {read:?}, {sent:?}");
    String::from_utf8(heard).unwrap()
}

#[tokio::test]
async fn every_early_answer_arrives_and_is_the_last() {
    let server = start(SETTINGS).await;
    let rare = post("rare", "", b"x");
    server.until(|status| status == 200, &rare).await;
    let length = format!("content-length: {LARGE}\r\n");
    let target = format!("github?{}", "q".repeat(4096));
    for (method, source, headers, status) in [
        ("POST", "github", "", 401),
        ("POST", "far", "", 403),
        ("POST", "nobody", "", 404),
        ("PUT", "github", "", 405),
        ("POST", "small", "", 413),
        ("POST", target.as_str(), "", 414),
        ("POST", "json", "content-type: text/plain\r\n", 415),
    ] {
        let head = format!("{method} /in/{source} HTTP/1.1\r\nhost: edge\r\n{headers}{length}\r\n");
        let answer = heard(&server, &head).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{head}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{head}: {answer}");
        assert!(answer.contains("connection: close"), "{head}: {answer}");
    }
    assert_eq!((server.stored(), server.outcomes()), (1, 8), "a part of a body was taken for a request");
}

#[tokio::test]
async fn so_do_the_answers_to_those_who_are_too_many() {
    let server = start(SETTINGS).await;
    let mut holder = TcpStream::connect(server.address).await.unwrap();
    let request = github(b"{}");
    holder.write_all(&request[..request.len() - 1]).await.unwrap();
    while !server.has_request_in_hand() {
        tokio::task::yield_now().await;
    }
    let head = format!("POST /in/rare HTTP/1.1\r\nhost: edge\r\ncontent-length: {LARGE}\r\n\r\n");
    for status in ["503", "429"] {
        let answer = heard(&server, &head).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains("connection: close") && answer.contains("retry-after: "), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    }
    holder.write_all(b"}").await.unwrap();
    assert_eq!(read_answer(&mut holder).await.unwrap().status, 200);
    assert_eq!(server.stored(), 1);
}

#[tokio::test]
async fn headers_over_every_buffer_are_told_so() {
    let server = start("").await;
    let head = format!("POST /in/github HTTP/1.1\r\nhost: edge\r\nx-huge: {}\r\n\r\n", "v".repeat(1 << 20));
    let answer = heard(&server, &head).await;
    assert!(answer.starts_with("HTTP/1.1 431 ") && answer.contains("connection: close"), "{answer}");
    assert_eq!((server.outcome("headers_too_large"), server.stored()), (1, 0));
}

#[tokio::test]
async fn whoever_asks_before_he_sends_is_told_to_go_on_or_why_not() {
    let server = start("[sources.anybody]\nprovider = \"none\"\nmax_body = \"1KiB\"").await;
    for (length, first) in [(1024, "HTTP/1.1 100 Continue\r\n\r\n"), (1025, "HTTP/1.1 413 Payload Too Large\r\n")] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let head = format!(
            "POST /in/anybody HTTP/1.1\r\nhost: edge\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut heard = vec![0; first.len()];
        tokio::time::timeout(PATIENCE, stream.read_exact(&mut heard)).await.expect("no answer").unwrap();
        assert_eq!(String::from_utf8(heard).unwrap(), first);
        if length == 1024 {
            stream.write_all(&vec![b'x'; length]).await.unwrap();
            assert_eq!(read_answer(&mut stream).await.unwrap().status, 200);
        }
    }
    assert_eq!(server.stored(), 1);
}

#[tokio::test]
async fn a_client_that_never_stops_sending_is_cut() {
    let server = start("").await;
    let (mut reader, mut writer) = TcpStream::connect(server.address).await.unwrap().into_split();
    let endless = tokio::spawn(async move {
        let piece = vec![b'x'; 1 << 16];
        let _ =
            writer.write_all(b"POST /in/nobody HTTP/1.1\r\nhost: edge\r\ncontent-length: 1000000000000\r\n\r\n").await;
        while writer.write_all(&piece).await.is_ok() {}
    });
    assert_eq!(read_answer(&mut reader).await.unwrap().status, 404);
    tokio::time::timeout(PATIENCE, endless).await.expect("the edge listens for ever").unwrap();
}
