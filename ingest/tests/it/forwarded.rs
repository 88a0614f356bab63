//! Whose address counts behind proxies: what a trusted one says, from the right, and never what a stranger says.

use std::net::IpAddr;

use hooklog_ingest::config::Config;
use hooklog_ingest::forwarded::Forwarded;
use http::{HeaderMap, HeaderName, HeaderValue};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::request::{exchange, post, read_answer};
use crate::server::{self, start};

const PROXY: &str = "10.0.0.1";
const STRANGER: &str = "198.51.100.66";

fn forwarded(settings: &str) -> Forwarded {
    let folder = tempfile::tempdir().unwrap();
    server::config(folder.path(), &format!("[forwarded]\n{settings}")).forwarded
}

/// The client's address as text; "?" if it can't be told.
fn client(forwarded: &Forwarded, peer: &str, name: &'static str, lines: &[&str]) -> String {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(line.as_bytes()).unwrap());
    }
    forwarded.client(peer.parse().unwrap(), &headers).map_or("?".to_owned(), |address: IpAddr| address.to_string())
}

#[test]
fn x_forwarded_for_is_believed_of_proxies_from_the_right() {
    let name = "x-forwarded-for";
    for (hops, peer, lines, expected) in [
        // Nobody but a proxy is believed, whatever he writes.
        (1, STRANGER, &["192.0.2.1"][..], STRANGER),
        (3, STRANGER, &["192.0.2.1, 10.0.0.1"], STRANGER),
        (1, "10.0.1.1", &["192.0.2.1"], "10.0.1.1"),
        (1, STRANGER, &[], STRANGER),
        // What the client wrote stands left of what the proxy saw.
        (1, PROXY, &["192.0.2.1"], "192.0.2.1"),
        (1, PROXY, &["192.0.2.1, 198.51.100.66"], STRANGER),
        (1, PROXY, &["192.0.2.1", "198.51.100.66"], STRANGER),
        (1, PROXY, &["192.0.2.1,192.0.2.1", "", "10.0.0.9,198.51.100.66"], STRANGER),
        (3, PROXY, &["192.0.2.1, 198.51.100.66"], STRANGER),
        (3, PROXY, &["192.0.2.1, 198.51.100.66, 10.0.0.2"], STRANGER),
        (3, PROXY, &["192.0.2.1, 198.51.100.66, 10.0.0.3, 10.0.0.2"], STRANGER),
        // At most so many entries are read, also when all of them are proxies.
        (1, PROXY, &["192.0.2.1, 10.0.0.2"], "10.0.0.2"),
        (2, PROXY, &["192.0.2.1, 10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        (3, PROXY, &["192.0.2.1, 10.0.0.3, 10.0.0.2"], "192.0.2.1"),
        (16, PROXY, &["10.0.0.2"], "10.0.0.2"),
        // A proxy that says nothing speaks for itself.
        (1, PROXY, &[], PROXY),
        // A proxy that says what is no address leaves nobody, and what stands further left is not asked.
        (1, PROXY, &[""], "?"),
        (1, PROXY, &["192.0.2.1, "], "?"),
        (1, PROXY, &["192.0.2.1", ""], "?"),
        (1, PROXY, &["192.0.2.1, unknown"], "?"),
        (1, PROXY, &["192.0.2.1, 198.51.100"], "?"),
        (1, PROXY, &["192.0.2.1, 198.51.100.066"], "?"),
        (1, PROXY, &["192.0.2.1, 198.51.100.66.example.com"], "?"),
        (1, PROXY, &["192.0.2.1, for=198.51.100.66"], "?"),
        (1, PROXY, &["192.0.2.1, \u{fffd}"], "?"),
        (1, PROXY, &["192.0.2.1 198.51.100.66"], "?"),
        (1, PROXY, &["192.0.2.1, 198.51.100.66:99999"], "?"),
        // A garbled client can only have written further left.
        (1, PROXY, &["\u{fffd}\", 198.51.100.66"], STRANGER),
        (1, PROXY, &["<script>,,,, 198.51.100.66"], STRANGER),
        // Ports and IPv6, bare and in brackets; an IPv4 address in IPv6's clothes is that IPv4 address.
        (1, PROXY, &["192.0.2.1, 198.51.100.66:4711"], STRANGER),
        (1, PROXY, &["192.0.2.1,\t2001:db8::66 "], "2001:db8::66"),
        (1, PROXY, &["[2001:db8::66]"], "2001:db8::66"),
        (1, PROXY, &["[2001:db8::66]:4711"], "2001:db8::66"),
        (1, PROXY, &["::ffff:198.51.100.66"], STRANGER),
        (1, PROXY, &["[::ffff:198.51.100.66]:80"], STRANGER),
        (1, PROXY, &["[198.51.100.66]"], "?"),
        (1, PROXY, &["fe80::1%eth0"], "?"),
        (1, PROXY, &["[2001:db8::66"], "?"),
        (1, "::ffff:10.0.0.1", &["192.0.2.1"], "192.0.2.1"),
        (1, "2001:db8:1::7", &["192.0.2.1"], "192.0.2.1"),
        (1, "2001:db8:1::8", &["192.0.2.1"], "2001:db8:1::8"),
        (2, PROXY, &["192.0.2.1, 2001:db8:1::7"], "192.0.2.1"),
    ] {
        let settings = format!("trusted = [\"10.0.0.0/24\", \"2001:db8:1::7\"]\nhops = {hops}");
        assert_eq!(client(&forwarded(&settings), peer, name, lines), expected, "{hops} hops, {peer}: {lines:?}");
    }
}

#[test]
fn forwarded_is_believed_of_proxies_from_the_right() {
    let name = "forwarded";
    for (peer, lines, expected) in [
        (STRANGER, &["for=192.0.2.1"][..], STRANGER),
        (PROXY, &["for=198.51.100.66"], STRANGER),
        (PROXY, &["For=\"198.51.100.66:4711\";proto=https;by=10.0.0.1"], STRANGER),
        (PROXY, &["by=10.0.0.1; FOR=198.51.100.66"], STRANGER),
        (PROXY, &["for=192.0.2.1, for=198.51.100.66"], STRANGER),
        (PROXY, &["for=192.0.2.1", "proto=http;for=198.51.100.66"], STRANGER),
        (PROXY, &["for=192.0.2.1, for=198.51.100.66, for=10.0.0.2"], STRANGER),
        (PROXY, &["for=\"[2001:db8::66]\""], "2001:db8::66"),
        (PROXY, &["for=\"[2001:db8::66]:4711\""], "2001:db8::66"),
        (PROXY, &[], PROXY),
        // An open quote of the client does not swallow what the proxy says.
        (PROXY, &["for=192.0.2.1;x=\"", "for=198.51.100.66"], STRANGER),
        (PROXY, &["for=192.0.2.1;x=\", for=198.51.100.66"], STRANGER),
        (PROXY, &["for=192.0.2.1;x=\", for=198.51.100.66;host=\"edge\""], STRANGER),
        // What the client writes into a value that the proxy quotes is no element.
        (PROXY, &["for=198.51.100.66;host=\"x,for=192.0.2.1\""], "?"),
        (PROXY, &["for=198.51.100.66;host=\"x,for=192.0.2.1;a=b\""], "?"),
        (PROXY, &["for=198.51.100.66;host=\"x,for=192.0.2.1;a=\\\"b\""], "?"),
        (PROXY, &["for=198.51.100.66;host=\"x;for=192.0.2.1\""], "?"),
        (PROXY, &["for=198.51.100.66;for=192.0.2.1"], "?"),
        // Not an address, or not well-formed.
        (PROXY, &["for=192.0.2.1, for=unknown"], "?"),
        (PROXY, &["for=192.0.2.1, for=_hidden"], "?"),
        (PROXY, &["for=192.0.2.1, proto=https"], "?"),
        (PROXY, &["for=192.0.2.1, 198.51.100.66"], "?"),
        (PROXY, &["for=192.0.2.1, for=198.51.100.66:80"], "?"),
        (PROXY, &["for=192.0.2.1, for=\"198.51.100.66"], "?"),
        (PROXY, &["for=192.0.2.1, for=\"198.51.\\100.66\""], "?"),
        (PROXY, &["for=192.0.2.1, for=2001:db8::66"], "?"),
        (PROXY, &["for=192.0.2.1, for="], "?"),
        (PROXY, &["for=192.0.2.1, =1;for=198.51.100.66"], "?"),
        (PROXY, &["for=192.0.2.1,"], "?"),
    ] {
        let settings = "trusted = [\"10.0.0.0/24\"]\nhops = 2\nheader = \"forwarded\"";
        assert_eq!(client(&forwarded(settings), peer, name, lines), expected, "{peer}: {lines:?}");
    }
}

#[test]
fn only_the_chosen_header_counts_and_nothing_does_by_default() {
    let trusted = "trusted = [\"10.0.0.1\"]";
    assert_eq!(client(&forwarded(trusted), PROXY, "forwarded", &["for=192.0.2.1"]), PROXY);
    let other = forwarded(&format!("{trusted}\nheader = \"forwarded\""));
    assert_eq!(client(&other, PROXY, "x-forwarded-for", &["192.0.2.1"]), PROXY);
    let defaults = Config::defaults().unwrap().forwarded;
    assert_eq!(client(&defaults, PROXY, "x-forwarded-for", &["192.0.2.1"]), PROXY);
    assert_eq!(client(&defaults, "127.0.0.1", "x-forwarded-for", &["192.0.2.1"]), "127.0.0.1");
}

#[test]
fn what_cannot_be_trusted_is_refused_with_its_key() {
    let folder = tempfile::tempdir().unwrap();
    for (settings, words) in [
        ("trusted = [\"0.0.0.0/0\"]", ["trusted", "everybody"]),
        ("trusted = [\"10.0.0.1\", \"::/0\"]", ["trusted", "everybody"]),
        ("trusted = [\"10.0.0.0/33\"]", ["trusted", "10.0.0.0/33"]),
        ("trusted = [\"proxy.example.com\"]", ["trusted", "proxy.example.com"]),
        ("hops = 0", ["hops", "from 1 to 16"]),
        ("hops = 17", ["hops", "from 1 to 16"]),
        ("header = \"x-real-ip\"", ["header", "x-forwarded-for"]),
    ] {
        let file = folder.path().join("edge.toml");
        std::fs::write(&file, format!("[forwarded]\n{settings}")).unwrap();
        let error = Config::load(Some(&file)).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(words.iter().all(|word| error.contains(word)) && error.contains("edge.toml"), "{settings}: {error}");
    }
}

#[tokio::test]
async fn a_sources_list_is_held_against_the_client_behind_the_proxy() {
    let listed =
        "[sources.listed]\nprovider = \"none\"\nallow = [\"192.0.2.0/24\"]\n[sources.open]\nprovider = \"none\"";
    let trusting = start(&format!("[forwarded]\ntrusted = [\"127.0.0.0/8\"]\n{listed}")).await;
    let strange = start(&format!("[forwarded]\ntrusted = [\"10.0.0.0/8\"]\n{listed}")).await;
    for (server, headers, status) in [
        (&trusting, "x-forwarded-for: 192.0.2.1\r\n", 200),
        (&trusting, "x-forwarded-for: 192.0.2.1, 198.51.100.66\r\n", 403),
        (&trusting, "X-Forwarded-For: 192.0.2.1\r\nx-forwarded-for: 198.51.100.66\r\n", 403),
        (&trusting, "forwarded: for=192.0.2.1\r\n", 403),
        (&trusting, "x-forwarded-for: 192.0.2.1, nobody\r\n", 403),
        (&trusting, "", 403),
        (&strange, "x-forwarded-for: 192.0.2.1\r\n", 403),
    ] {
        assert_eq!(exchange(server, &post("listed", headers, b"x")).await.status, status, "{headers}");
        assert_eq!(exchange(server, &post("open", headers, b"x")).await.status, 200, "{headers}: no list, no question");
    }
    assert_eq!(trusting.outcome("address_refused") + strange.outcome("address_refused"), 6);
}

#[tokio::test]
async fn connections_are_counted_by_who_opened_them() {
    let settings = "[forwarded]\ntrusted = [\"127.0.0.0/8\"]\n[limits]\nconnections_per_address = 1\n[sources.open]\nprovider = \"none\"";
    let server = start(settings).await;
    let mut first = TcpStream::connect(server.address).await.unwrap();
    let request = post("open", "x-forwarded-for: 192.0.2.1\r\n", b"x");
    first.write_all(&request).await.unwrap();
    assert_eq!(read_answer(&mut first).await.unwrap().status, 200);
    let other = post("open", "x-forwarded-for: 192.0.2.2\r\n", b"x");
    assert_eq!(exchange(&server, &other).await.status, 503, "one proxy opened both");
}
