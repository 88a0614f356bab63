//! A keep-alive connection of the bench's own, for what `wrk` can't do: one request at a time, thousands of idle ones, a fixed rate.

use std::io::{BufRead, BufReader, Error, Read, Write};
use std::net::TcpStream;

use crate::process::PATIENCE;
use crate::webhook::Webhook;

/// An open connection.
pub struct Connection {
    stream: BufReader<TcpStream>,
    authority: String,
    path: String,
}

impl Connection {
    /// Opens one to `http://HOST:PORT/PATH`.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn open(url: &str) -> std::io::Result<Self> {
        let (authority, path) = parts(url);
        let stream = TcpStream::connect(authority)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        // Answers are short, and ten thousand of these are held.
        let stream = BufReader::with_capacity(1024, stream);
        Ok(Self { stream, authority: authority.to_owned(), path: path.to_owned() })
    }

    /// Sends a webhook; its answer has to be read before the next.
    ///
    /// # Errors
    /// When the connection broke.
    pub fn send(&mut self, webhook: &Webhook, delivery: &str) -> std::io::Result<()> {
        let Self { authority, path, .. } = self;
        let Webhook { body, signature, .. } = webhook;
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: GitHub-Hookshot/0123456\r\nAccept: */*\r\n\
             Content-Type: application/json\r\nX-GitHub-Event: push\r\nX-GitHub-Delivery: {delivery}\r\n\
             X-Hub-Signature-256: {signature}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes())
    }

    /// Reads an answer to its end: its status.
    ///
    /// # Errors
    /// When the connection broke or the answer can't be read.
    pub fn status(&mut self) -> std::io::Result<u16> {
        read_status(&mut self.stream)
    }

    /// Both.
    ///
    /// # Errors
    /// When the connection broke or the answer can't be read.
    pub fn ask(&mut self, webhook: &Webhook, delivery: &str) -> std::io::Result<u16> {
        self.send(webhook, delivery)?;
        self.status()
    }
}

fn parts(url: &str) -> (&str, &str) {
    let rest = url.trim_start_matches("http://");
    rest.find('/').map_or((rest, "/"), |at| rest.split_at(at))
}

fn read_status(stream: &mut impl BufRead) -> std::io::Result<u16> {
    let (mut status, mut length, mut line) = (None, 0, String::new());
    loop {
        line.clear();
        if stream.read_line(&mut line)? == 0 {
            return Err(Error::other("the connection was closed"));
        }
        let text = line.trim_end();
        if status.is_none() {
            let said = text.split(' ').nth(1).and_then(|word| word.parse::<u16>().ok());
            status = Some(said.ok_or_else(|| Error::other(format!("{text:?} is no status")))?);
        } else if text.is_empty() {
            break;
        } else if let Some((name, value)) = text.split_once(':') {
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().map_err(Error::other)?;
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                return Err(Error::other("an answer in chunks"));
            }
        }
    }
    std::io::copy(&mut stream.by_ref().take(length), &mut std::io::sink())?;
    status.ok_or_else(|| Error::other("no status"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_one_after_the_other() {
        let mut both =
            &b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"[..];
        assert_eq!(read_status(&mut both).unwrap(), 200);
        assert_eq!(read_status(&mut both).unwrap(), 503);
        assert!(read_status(&mut both).is_err());
        assert!(read_status(&mut &b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"[..]).is_err());
        assert_eq!(parts("http://127.0.0.1:1/in/github"), ("127.0.0.1:1", "/in/github"));
    }
}
