//! Requests as bytes, so that a test can send what no client would.

use std::time::Duration;

use hooklog_signatures::{Key, UnixMillis, builtin, sign};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::{NOW, SECRET, Server};

/// Longer than anything here takes; a test that waits for it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}

/// A request that GitHub would send: signed with the test's secret.
pub(crate) fn github(body: &[u8]) -> Vec<u8> {
    signed("github", "github", "72d3162e-cc78-11e3-81ab-4c9367dc0958", body)
}

/// A request that this provider would send to this source.
pub(crate) fn signed(provider: &str, source: &str, id: &str, body: &[u8]) -> Vec<u8> {
    signed_with(SECRET, provider, source, id, body)
}

/// The same by another secret.
pub(crate) fn signed_with(secret: &str, provider: &str, source: &str, id: &str, body: &[u8]) -> Vec<u8> {
    let scheme = builtin(provider).unwrap();
    let key = Key::new("a", secret.as_bytes(), scheme).unwrap();
    let headers = sign(scheme, &key, id, UnixMillis(NOW * 1000), body);
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    post(source, &format!("content-type: application/json\r\n{headers}"), body)
}

/// A POST with these header lines and a content-length.
pub(crate) fn post(source: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("POST /in/{source} HTTP/1.1\r\nhost: edge\r\n{headers}content-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// Sends the bytes on a connection of their own and reads one answer.
pub(crate) async fn exchange(server: &Server, bytes: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    read_answer(&mut stream).await.expect("the edge closed the connection without an answer")
}

/// Reads one answer; none if the connection ends first.
pub(crate) async fn read_answer(stream: &mut (impl AsyncRead + Unpin)) -> Option<Answer> {
    tokio::time::timeout(PATIENCE, try_read(stream)).await.expect("no answer and no end within the patience")
}

async fn try_read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Answer> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return None;
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
    let mut lines = text.split("\r\n");
    let status = lines.next().unwrap()[9..12].parse().unwrap();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, n)| n.parse().unwrap());
    let mut body = bytes.split_off(head + 4);
    while body.len() < length {
        if stream.read_buf(&mut body).await.unwrap() == 0 {
            return None;
        }
    }
    Some(Answer { status, headers, body: String::from_utf8(body).unwrap() })
}

/// Whether the edge ends the connection within the patience.
pub(crate) async fn is_closed(stream: &mut (impl AsyncRead + Unpin)) -> bool {
    let mut rest = Vec::new();
    match tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await {
        Err(_elapsed) => false,
        Ok(ended) => ended.is_err() || rest.is_empty(),
    }
}
