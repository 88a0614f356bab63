//! Free ports that stay free while their server is down.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range the system gives to outgoing connections: there, a client that keeps trying a dead server's port can get that
/// very port as its own, connect to itself, and keep the server from coming back.
const FIRST: u16 = 15_000;
const COUNT: u16 = 15_000;

/// A port of 127.0.0.1 on which nobody listens; given once a process.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free() -> u16 {
    static TRIED: AtomicU16 = AtomicU16::new(0);
    // Far apart for neighbouring process ids: two runs of the tests begun together must not try the same ports.
    let start = std::process::id().wrapping_mul(7919) % u32::from(COUNT);
    for _ in 0..COUNT {
        let step = u32::from(TRIED.fetch_add(1, Ordering::Relaxed));
        let port = FIRST + u16::try_from((start + step) % u32::from(COUNT)).expect("less than COUNT");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_port_is_given_once() {
        let ports: std::collections::HashSet<u16> = (0..50).map(|_| super::free()).collect();
        assert_eq!(ports.len(), 50);
    }
}
