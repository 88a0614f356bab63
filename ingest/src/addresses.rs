//! How many connections each address has open. As large as the number of open connections, no larger.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

/// Open connections by who opened them.
pub(crate) struct Addresses {
    limit: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection of an address, given back when dropped.
pub(crate) struct Address<'a> {
    addresses: &'a Addresses,
    owner: IpAddr,
}

/// The part of an IPv6 address that its owner did not choose: whoever has one address has all that differ in the rest.
const NETWORK: u128 = !0 << 64;

/// Whom a connection is counted for.
fn owner(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & NETWORK).into(),
        address => address,
    }
}

impl Addresses {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, open: Mutex::default() }
    }

    /// Takes a place for a connection from this address, if it has one left.
    pub(crate) fn take(&self, peer: IpAddr) -> Option<Address<'_>> {
        let owner = owner(peer);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.get(&owner).copied().unwrap_or(0);
        if count >= self.limit {
            return None;
        }
        open.insert(owner, count + 1);
        Some(Address { addresses: self, owner })
    }
}

impl Drop for Address<'_> {
    fn drop(&mut self) {
        let mut open = self.addresses.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.owner) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_counted_for_whoever_owns_the_address() {
        for (first, second, are_one) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
        ] {
            let addresses = Addresses::new(1);
            let held = addresses.take(first.parse().unwrap());
            assert_eq!(addresses.take(second.parse().unwrap()).is_none(), are_one, "{first} and {second}");
            drop(held);
            assert!(addresses.take(second.parse().unwrap()).is_some(), "{first} was not given back");
            assert!(addresses.open.lock().unwrap().is_empty());
        }
        assert!(Addresses::new(0).take("192.0.2.1".parse().unwrap()).is_none());
    }
}
