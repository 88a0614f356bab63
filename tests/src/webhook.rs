//! A webhook as its provider would send it: body, headers, signature. Signed with the MAC crates, not with our signer.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::{Digest, Sha256};

/// A secret of every source in the tests; long enough to be taken.
pub const SECRET: &str = "a secret of the tests, 0123456789";

/// Whose habits a source follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// `X-Hub-Signature-256` over the body; id in a header; ordered by repository.
    GitHub,
    /// `Stripe-Signature` over time and body; id in the body; ordered by customer.
    Stripe,
}

impl Provider {
    /// As the edge's configuration names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::Stripe => "stripe",
        }
    }
}

/// One event, ready to be sent as often as one likes.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// The provider's id of the event.
    pub id: String,
    /// What its order is kept for.
    pub key: String,
    /// The exact bytes.
    pub body: Vec<u8>,
    /// Without host and length.
    pub headers: Vec<(String, String)>,
}

impl Webhook {
    /// A push to repository `key`, a number, with `padding` bytes to fill the body.
    #[must_use]
    pub fn github(id: &str, key: &str, seq: u64, padding: usize) -> Self {
        let repository: u64 = key.parse().expect("GitHub's repositories have numbers");
        let body =
            json!({"action": "push", "seq": seq, "repository": {"id": repository}, "padding": "x".repeat(padding)});
        let body = body.to_string().into_bytes();
        let signature = format!("sha256={}", mac(SECRET.as_bytes(), &[&body]));
        let headers = [("content-type", "application/json"), ("x-github-event", "push"), ("x-github-delivery", id)];
        let mut headers: Vec<_> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        headers.push(("x-hub-signature-256".to_owned(), signature));
        Self { id: id.to_owned(), key: key.to_owned(), body, headers }
    }

    /// A successful charge of `amount` cents of customer `key`, signed at `now` (seconds since 1970).
    #[must_use]
    pub fn stripe(id: &str, key: &str, amount: u64, now: u64) -> Self {
        let charge =
            json!({"id": format!("ch_{id}"), "object": "charge", "amount": amount, "currency": "eur", "customer": key});
        let body = json!({"id": id, "object": "event", "type": "charge.succeeded", "created": now, "data": {"object": charge}});
        let body = body.to_string().into_bytes();
        let signature = mac(SECRET.as_bytes(), &[now.to_string().as_bytes(), b".", &body]);
        let headers = vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("stripe-signature".to_owned(), format!("t={now},v1={signature}")),
        ];
        Self { id: id.to_owned(), key: key.to_owned(), body, headers }
    }

    /// The same with one bit of the body turned, which the signature does not cover.
    #[must_use]
    pub fn tampered(mut self) -> Self {
        let last = self.body.len() - 2;
        self.body[last] ^= 1;
        self
    }

    /// Hex SHA-256 of the body.
    #[must_use]
    pub fn sha256(&self) -> String {
        hex::encode(Sha256::digest(&self.body))
    }
}

fn mac(secret: &[u8], parts: &[&[u8]]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    hex::encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of GitHub's documentation, "Validating webhook deliveries".
    #[test]
    fn the_mac_is_github_s() {
        let expected = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert_eq!(mac(b"It's a Secret to Everybody", &[b"Hello, World!"]), expected);
    }

    #[test]
    fn a_tampered_body_differs_in_one_bit_and_keeps_its_signature() {
        let honest = Webhook::github("a", "7", 1, 10);
        let tampered = honest.clone().tampered();
        assert_eq!(honest.headers, tampered.headers);
        let bits: u32 = honest.body.iter().zip(&tampered.body).map(|(a, b)| (a ^ b).count_ones()).sum();
        assert_eq!(bits, 1);
    }
}
