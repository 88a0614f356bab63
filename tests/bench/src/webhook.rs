//! The webhooks that every peer gets: GitHub pushes of one size, signed before the run, spread over many repositories.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::settings::{BODY_BYTES, KEYS};

/// The secret of every peer. It protects nothing.
pub const SECRET: &str = "a-secret-of-the-bench-that-protects-nothing";

/// A signed body.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// The repository's id, which is the ordering key.
    pub repository: usize,
    /// JSON.
    pub body: String,
    /// The value of `X-Hub-Signature-256`.
    pub signature: String,
}

/// One webhook for each key.
#[must_use]
pub fn webhooks() -> Vec<Webhook> {
    (0..KEYS).map(|n| Webhook::of(1_000_000 + n * 7919)).collect()
}

impl Webhook {
    fn of(repository: usize) -> Self {
        let body = body(repository);
        let signature = sign(body.as_bytes());
        Self { repository, body, signature }
    }
}

fn sign(body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// Fields in GitHub's order; the commit's message fills it up to its size.
fn body(repository: usize) -> String {
    let sha = format!("{repository:040x}");
    let url = format!("https://api.github.com/repos/example/repository-{repository}");
    let head = format!(
        r#"{{"ref":"refs/heads/main","before":"{sha}","after":"{sha}","repository":{{"id":{repository},"node_id":"R_kgDO{repository}","name":"repository-{repository}","full_name":"example/repository-{repository}","private":false,"owner":{{"name":"example","email":"owner@example.org","login":"example","id":4242,"type":"User","site_admin":false}},"html_url":"{url}","fork":false,"url":"{url}","created_at":1700000000,"pushed_at":1700000001,"stargazers_count":12,"language":"Rust","default_branch":"main"}},"pusher":{{"name":"example","email":"owner@example.org"}},"created":false,"deleted":false,"forced":false,"compare":"{url}/compare/{sha}","commits":[{{"id":"{sha}","tree_id":"{sha}","distinct":true,"timestamp":"2026-01-01T00:00:00Z","url":"{url}/commit/{sha}","author":{{"name":"Some Body","email":"some@example.org"}},"added":["a.rs"],"removed":[],"modified":["b.rs","c.rs"],"message":""#
    );
    let tail = r#""}]}"#;
    head.clone() + &prose(repository, BODY_BYTES - head.len() - tail.len()) + tail
}

/// Words without a pattern, of exactly `length` bytes: a phrase that repeats would flatter whoever compresses.
fn prose(seed: usize, length: usize) -> String {
    // Knuth's multiplicative generator (MMIX): the same words in every run.
    let mut state = seed as u64;
    let letters = std::iter::from_fn(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let drawn = u8::try_from(state >> 58).unwrap_or(0);
        Some(if drawn < 10 { ' ' } else { char::from(b'a' + drawn % 26) })
    });
    letters.take(length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_json_of_one_size_with_a_key_each() {
        let webhooks = webhooks();
        assert_eq!(webhooks.len(), KEYS);
        for webhook in &webhooks {
            assert_eq!(webhook.body.len(), BODY_BYTES);
            let value: serde_json::Value = serde_json::from_str(&webhook.body).unwrap();
            assert_eq!(value["repository"]["id"], webhook.repository);
            assert_eq!(webhook.signature.len(), "sha256=".len() + 64);
        }
    }
}
