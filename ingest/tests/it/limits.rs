//! Every limit of admission: what is over it is refused before it costs anything, and nothing of it is stored.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::request::{exchange, github, is_closed, post, read_answer};
use crate::server::start;

#[tokio::test]
async fn a_long_body_is_refused_before_a_byte_of_it_is_read() {
    let server = start("[limits]\nmax_body = \"1KiB\"").await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    // Only the head: an edge that waited for the body would not answer.
    stream.write_all(b"POST /in/github HTTP/1.1\r\nhost: edge\r\ncontent-length: 1025\r\n\r\n").await.unwrap();
    let answer = read_answer(&mut stream).await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (413, Some("close")));
    assert!(is_closed(&mut stream).await);
    assert_eq!(server.outcome("body_too_large"), 1);
}

#[tokio::test]
async fn a_long_chunked_body_is_refused_when_it_is_over() {
    let server = start("[limits]\nmax_body = \"1KiB\"\n[sources.anybody]\nprovider = \"none\"").await;
    let chunk = format!("200\r\n{}\r\n", "x".repeat(512));
    let request =
        format!("POST /in/anybody HTTP/1.1\r\nhost: edge\r\ntransfer-encoding: chunked\r\n\r\n{}", chunk.repeat(3));
    assert_eq!(exchange(&server, request.as_bytes()).await.status, 413);
    assert_eq!(server.stored(), 0);
    let just = format!(
        "POST /in/anybody HTTP/1.1\r\nhost: edge\r\ntransfer-encoding: chunked\r\n\r\n{}0\r\n\r\n",
        chunk.repeat(2)
    );
    assert_eq!(exchange(&server, just.as_bytes()).await.status, 200);
}

#[tokio::test]
async fn the_limits_are_told_beside_what_is_in_hand() {
    let server = start("[limits]\nconnections = 11\nrequests = 12\nbody_bytes = \"13KiB\"").await;
    // The gauges are set before the first connection is taken.
    exchange(&server, &github(b"{}")).await;
    let limits = ["connections", "requests", "body_bytes"].map(|what| server.limit(what));
    assert_eq!(limits, [11, 12, 13 * 1024]);
}

#[tokio::test]
async fn a_source_may_allow_more_than_the_rest() {
    let server =
        start("[limits]\nmax_body = \"1KiB\"\n[sources.anybody]\nprovider = \"none\"\nmax_body = \"2KiB\"").await;
    assert_eq!(exchange(&server, &post("anybody", "", &[b'x'; 2048])).await.status, 200);
    assert_eq!(exchange(&server, &post("anybody", "", &[b'x'; 2049])).await.status, 413);
}

#[tokio::test]
async fn too_many_or_too_large_headers_are_refused() {
    let server = start("").await;
    let many: String = (0..70).map(|n| format!("x-{n}: 1\r\n")).collect();
    assert_eq!(exchange(&server, &post("github", &many, b"{}")).await.status, 431);
    let large: String = (0..17).map(|n| format!("x-{n}: {}\r\n", "v".repeat(1024))).collect();
    assert_eq!(exchange(&server, &post("github", &large, b"{}")).await.status, 431);
    assert_eq!((server.outcome("headers_too_large"), server.stored()), (2, 0));
}

#[tokio::test]
async fn a_long_target_is_refused() {
    let server = start("").await;
    let target = format!("/in/github?{}", "q".repeat(4096));
    let request = String::from_utf8(github(b"{}")).unwrap().replace("/in/github", &target);
    assert_eq!(exchange(&server, request.as_bytes()).await.status, 414);
}

#[tokio::test]
async fn only_so_many_requests_are_in_hand_at_once() {
    let server = start("[limits]\nrequests = 1").await;
    let mut first = TcpStream::connect(server.address).await.unwrap();
    let request = github(b"{}");
    first.write_all(&request[..request.len() - 1]).await.unwrap();
    // The first holds the only place until its body is whole.
    let refused = loop {
        let answer = exchange(&server, &request).await;
        if answer.status != 200 {
            break answer;
        }
    };
    assert_eq!(refused.status, 503);
    assert!(refused.header("retry-after").is_some());
    first.write_all(b"}").await.unwrap();
    assert_eq!(read_answer(&mut first).await.unwrap().status, 200);
    assert_eq!(exchange(&server, &request).await.status, 200, "the place was not given back");
}

#[tokio::test]
async fn only_so_many_body_bytes_are_in_hand_at_once() {
    let server = start("[limits]\nbody_bytes = \"1KiB\"").await;
    let answer = exchange(&server, &github(&[b'x'; 1025])).await;
    assert_eq!((answer.status, server.outcome("overloaded")), (503, 1));
    assert!(answer.header("retry-after").is_some());
    assert_eq!(exchange(&server, &github(&[b'x'; 1024])).await.status, 200);
}

#[tokio::test]
async fn a_source_has_its_rate() {
    let server = start("[sources.anybody]\nprovider = \"none\"\nrate = 3").await;
    let mut answers = Vec::new();
    for _ in 0..8 {
        answers.push(exchange(&server, &post("anybody", "", b"x")).await);
    }
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
    assert!(refused.len() >= 2, "eight at once passed a rate of three a second");
    assert!(refused.iter().all(|answer| answer.header("retry-after").is_some()));
}

#[tokio::test]
async fn an_address_that_is_not_listed_is_refused() {
    let server = start("[sources.far]\nprovider = \"none\"\nallow = [\"192.0.2.0/24\"]\n[sources.near]\nprovider = \"none\"\nallow = [\"127.0.0.0/8\"]").await;
    assert_eq!(exchange(&server, &post("far", "", b"x")).await.status, 403);
    // What a client says of itself does not count.
    assert_eq!(exchange(&server, &post("far", "x-forwarded-for: 192.0.2.1\r\n", b"x")).await.status, 403);
    assert_eq!(exchange(&server, &post("near", "", b"x")).await.status, 200);
}

#[tokio::test]
async fn a_media_type_that_is_not_listed_is_refused() {
    let server = start("[sources.json]\nprovider = \"none\"\nmedia_types = [\"application/json\"]").await;
    assert_eq!(exchange(&server, &post("json", "content-type: text/plain\r\n", b"x")).await.status, 415);
    assert_eq!(exchange(&server, &post("json", "", b"x")).await.status, 415);
    assert_eq!(
        exchange(&server, &post("json", "content-type: Application/JSON; charset=utf-8\r\n", b"x")).await.status,
        200
    );
}

#[tokio::test]
async fn only_so_many_connections_are_open_at_once() {
    for limit in ["connections = 1", "connections_per_address = 1"] {
        let server = start(&format!("[limits]\n{limit}")).await;
        let mut first = TcpStream::connect(server.address).await.unwrap();
        first.write_all(&github(b"{}")).await.unwrap();
        assert_eq!(read_answer(&mut first).await.unwrap().status, 200);
        // The answer comes also to those who have sent their request with their first breath.
        for sent in [Vec::new(), github(&[b'x'; 1 << 20])] {
            let mut second = TcpStream::connect(server.address).await.unwrap();
            second.write_all(&sent).await.unwrap();
            let answer = read_answer(&mut second).await.unwrap();
            let wait = answer.header("retry-after").and_then(|wait| wait.parse::<u64>().ok());
            assert!(answer.status == 503 && wait.is_some_and(|wait| (2..=4).contains(&wait)), "{limit}: {answer:?}");
            assert!(is_closed(&mut second).await);
        }
        drop(first);
        let mut tries = 0;
        while exchange(&server, &github(b"{}")).await.status != 200 {
            tries += 1;
            assert!(tries < 1000, "the place was not given back: {limit}");
        }
        assert_eq!(server.closed("full") as usize, 2 + tries);
    }
}
