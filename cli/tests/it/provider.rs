//! An edge of a few lines: it reads requests, verifies them, and remembers the bodies. It is none of ours, so that `send` is judged by
//! another reader of HTTP.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use hooklog_signatures::{Head, Keys, UnixMillis, builtin, verify};
use http::{HeaderMap, HeaderName, HeaderValue};

/// One request as it came.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) verified: bool,
    pub(crate) connection: usize,
}

/// The edge.
pub(crate) struct Edge {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Edge {
    /// Verifies what `provider` would send with this secret: 200 or 401, and for everything `instead` if it is given.
    pub(crate) fn start(provider: &'static str, secret: &'static str, instead: Option<u16>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&seen);
        std::thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                let (all, stream) = (Arc::clone(&all), stream.unwrap());
                std::thread::spawn(move || serve(&stream, connection, provider, secret, instead, &all));
            }
        });
        Self { url, seen }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

#[expect(clippy::too_many_arguments, reason = "one connection's thread takes all it needs")]
fn serve(
    stream: &TcpStream,
    connection: usize,
    provider: &str,
    secret: &str,
    instead: Option<u16>,
    all: &Mutex<Vec<Seen>>,
) {
    let mut reader = BufReader::new(stream);
    while let Some((path, headers, body)) = read(&mut reader) {
        let scheme = builtin(provider).unwrap();
        let keys = Keys::new(scheme, [("k", secret)]).unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let head = Head { method: "POST", path_and_query: &path, headers: &headers };
        let verified = verify(scheme, &keys, head, &body, UnixMillis(i64::try_from(now).unwrap())).is_ok();
        let mut seen = all.lock().unwrap();
        let status = instead.unwrap_or(if verified { 200 } else { 401 });
        let stored = format!("hooklog-position: hooks.x/0/{}\r\nhooklog-durability: log\r\n", seen.len());
        let stored = if status == 200 { stored.as_str() } else { "" };
        seen.push(Seen { path, headers, body, verified, connection });
        let mut out = stream;
        write!(out, "HTTP/1.1 {status} x\r\n{stored}content-length: 0\r\n\r\n").unwrap();
    }
}

fn read(reader: &mut impl BufRead) -> Option<(String, HeaderMap, Vec<u8>)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|&length| length > 0)?;
    let path = line.split(' ').nth(1).unwrap().to_owned();
    let mut headers = HeaderMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
    }
    let length: usize = headers["content-length"].to_str().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    Some((path, headers, body))
}
