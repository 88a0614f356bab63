//! Clients that break the rules, byte by byte: none of them may ever see a 2xx.

use std::time::{Duration, Instant};

use hooklog_tests::webhook::Webhook;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer than the edge waits for anything a client owes it.
const PATIENCE: Duration = Duration::from_secs(45);

/// One way to break the rules.
struct Attack {
    name: &'static str,
    request: Vec<u8>,
    /// The only answers that are right.
    due: &'static [u16],
    /// Whether the client closes its side after the request; otherwise it waits, silent.
    closes: bool,
}

/// What came of one attack, over all its repetitions.
#[derive(Debug)]
pub(crate) struct Case {
    /// For whoever reads the failure.
    #[expect(dead_code, reason = "read by Debug")]
    pub(crate) name: &'static str,
    pub(crate) tried: u32,
    /// Every status that was not due; 0 stands for no answer.
    pub(crate) wrong: Vec<u16>,
}

/// Attacks `source` with everything, again and again for `length`, all at the same time.
pub(crate) async fn attack(address: &str, source: &str, length: Duration) -> Vec<Case> {
    let deadline = Instant::now() + length;
    let repeat = async |attack: Attack| {
        let mut case = Case { name: attack.name, tried: 0, wrong: Vec::new() };
        while case.tried == 0 || Instant::now() < deadline {
            let status = answer(address, &attack).await.unwrap_or(0);
            case.tried += 1;
            if !attack.due.contains(&status) {
                case.wrong.push(status);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        case
    };
    futures_util::future::join_all(attacks(source).into_iter().map(repeat)).await
}

/// The status of the answer; nothing when the connection ends without one.
async fn answer(address: &str, attack: &Attack) -> Option<u16> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    // The edge may answer and close while we are still writing.
    let _ = stream.write_all(&attack.request).await;
    if attack.closes {
        let _ = stream.shutdown().await;
    }
    let mut read = [0; 512];
    let length = tokio::time::timeout(PATIENCE, stream.read(&mut read)).await.ok()?.ok()?;
    let line = std::str::from_utf8(read[..length].split(|&byte| byte == b'\r').next()?).ok()?;
    line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

fn attacks(source: &str) -> Vec<Attack> {
    let good = Webhook::github("hostile", "1", 1, 50);
    let path = format!("/in/{source}");
    let head = |headers: &[(&str, &str)]| -> Vec<(String, String)> {
        let mut all: Vec<(String, String)> = good.headers.clone();
        for (name, value) in headers {
            all.retain(|(known, _)| known != name);
            all.push(((*name).to_owned(), (*value).to_owned()));
        }
        all
    };
    let length = good.body.len().to_string();
    let whole = [("content-length", length.as_str())];
    let signature = good.headers.iter().find(|(name, _)| name == "x-hub-signature-256").map_or("", |(_, value)| value);
    let bare = signature.trim_start_matches("sha256=");
    let short = &signature[..signature.len() - 2];
    let twice = {
        let mut headers = head(&whole);
        headers.push(("x-hub-signature-256".to_owned(), "sha256=00".to_owned()));
        headers
    };
    let signed_as = |value| request("POST", &path, &head(&[whole[0], ("x-hub-signature-256", value)]), &good.body);
    let attack = |name, request, due| Attack { name, request, due, closes: false };
    let mut attacks = vec![
        attack("no signature", signed_as(""), &[401][..]),
        attack("signature without prefix", signed_as(bare), &[401]),
        attack("signature cut short", signed_as(short), &[401]),
        attack("signature twice", request("POST", &path, &twice, &good.body), &[401]),
        attack("unknown source", request("POST", "/in/nobody", &head(&whole), &good.body), &[404]),
        attack("GET", request("GET", &path, &head(&[]), b""), &[405]),
        attack("announces too much", request("POST", &path, &head(&[("content-length", "2000000")]), b""), &[413]),
        attack(
            "long target",
            request("POST", &format!("{path}?{}", "x".repeat(8_000)), &head(&whole), &good.body),
            &[414],
        ),
        attack(
            "large header",
            request("POST", &path, &head(&[whole[0], ("x-large", &"x".repeat(20_000))]), &good.body),
            &[431],
        ),
        attack("not HTTP", b"\x16\x03\x01\x02\x00 hello\r\n\r\n".to_vec(), &[400, 0]),
        attack("headers never end", format!("POST {path} HTTP/1.1\r\nhost: x\r\nx-slow: ").into_bytes(), &[408, 0]),
        attack("body never ends", request("POST", &path, &head(&[("content-length", "5000")]), &good.body), &[408, 0]),
    ];
    let chunked = head(&[("transfer-encoding", "chunked")]);
    let chunks = [format!("{:x}\r\n", 1_500_000).as_bytes(), &[b'x'; 1_500_000], b"\r\n0\r\n\r\n"].concat();
    attacks.push(attack("chunks too large", request("POST", &path, &chunked, &chunks), &[413]));
    let half = request("POST", &path, &head(&whole), &good.body[..good.body.len() / 2]);
    attacks.push(Attack { name: "gone in the middle", request: half, due: &[400, 408, 0], closes: true });
    attacks
}

fn request(method: &str, path: &str, headers: &[(String, String)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} {path} HTTP/1.1\r\nhost: edge\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}
