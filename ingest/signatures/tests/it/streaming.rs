//! Properties of the verdict: chunks do not matter, every bit does, and nothing panics.

use hooklog_signatures::{Head, Rejection, Verified, identify};
use proptest::prelude::*;

use crate::outside::{self as by_hand, NOW, SECRET, accepts, header_map, keys, scheme};

/// The verdict when the body comes in the chunks that end at these places.
fn in_chunks(
    name: &str,
    headers: &[(&str, String)],
    body: &[u8],
    ends: &[prop::sample::Index],
) -> Result<Verified, Rejection> {
    let scheme = scheme(name);
    let keys = keys(scheme, SECRET);
    let headers = header_map(headers);
    let mut ends: Vec<usize> = ends.iter().map(|end| end.index(body.len() + 1)).collect();
    ends.sort_unstable();
    let mut verifier = scheme.begin(&keys, Head { method: "POST", path_and_query: "/", headers: &headers }, NOW)?;
    let mut start = 0;
    for end in ends.into_iter().chain([body.len()]) {
        verifier.update(&body[start..end]);
        start = end;
    }
    verifier.finish(body)
}

proptest! {
    #[test]
    fn chunks_do_not_matter(
        body in prop::collection::vec(any::<u8>(), 0..600),
        ends in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        spoiled in any::<bool>(),
    ) {
        for (name, headers, _) in by_hand::honest(&body) {
            let mut arriving = body.clone();
            if spoiled {
                arriving.push(0);
            }
            let whole = accepts(name, &headers, &arriving);
            prop_assert_eq!(whole.is_ok(), !spoiled);
            prop_assert_eq!(in_chunks(name, &headers, &arriving, &ends), whole);
        }
    }

    #[test]
    fn every_bit_of_the_body_counts(
        body in prop::collection::vec(any::<u8>(), 1..300),
        place in any::<prop::sample::Index>(),
        bit in 0_u8..8,
    ) {
        let mut flipped = body.clone();
        flipped[place.index(body.len())] ^= 1 << bit;
        for (name, headers, _) in by_hand::honest(&body) {
            prop_assert_eq!(accepts(name, &headers, &flipped), Err(Rejection::Mismatch), "{}", name);
        }
    }

    #[test]
    fn every_bit_of_the_signature_counts(
        body in prop::collection::vec(any::<u8>(), 0..100),
        place in any::<prop::sample::Index>(),
        bit in 0_u8..8,
    ) {
        for (name, headers, signature) in by_hand::honest(&body) {
            let mut headers: Vec<(&str, Vec<u8>)> =
                headers.into_iter().map(|(name, value)| (name, value.into_bytes())).collect();
            let value = &mut headers.iter_mut().find(|(name, _)| *name == signature).unwrap().1;
            let at = place.index(value.len());
            let (before, after) = (value[at], value[at] ^ (1 << bit));
            // The one freedom a signature has: hex digits in either case. And some bytes cannot be sent at all.
            let same_digit = before.is_ascii_hexdigit() && after.eq_ignore_ascii_case(&before);
            let in_hex = !["x-shopify-hmac-sha256", "webhook-signature", "svix-signature"].contains(&signature);
            if (same_digit && in_hex) || http::HeaderValue::from_bytes(&[after]).is_err() {
                continue;
            }
            value[at] = after;
            prop_assert!(accepts(name, &headers, &body).is_err(), "{}: {} -> {}", name, before, after);
        }
    }

    #[test]
    fn nothing_panics(
        values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 8),
        body in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let names = ["authorization", "x-hub-signature-256", "stripe-signature", "x-shopify-hmac-sha256", "x-slack-signature",
            "x-slack-request-timestamp", "webhook-signature", "webhook-id"];
        let headers: Vec<(&str, Vec<u8>)> = names.into_iter().zip(values)
            .filter(|(_, value)| http::HeaderValue::from_bytes(value).is_ok()).collect();
        for name in by_hand::USUAL.into_iter().filter(|name| *name != "none") {
            prop_assert!(accepts(name, &headers, &body).is_err());
            let _named = identify(scheme(name), by_hand::head(&header_map(&headers)), &body);
        }
    }

    #[test]
    fn nearly_right_headers_do_not_panic(text in "(t=|v1=|v0=|,|=|[0-9]{1,3}|[a-f]{2}|sha256=| ){0,12}") {
        for name in ["stripe", "github", "slack", "standard-webhooks", "hmac"] {
            let headers = [("stripe-signature", &text), ("x-hub-signature-256", &text), ("x-slack-signature", &text),
                ("webhook-signature", &text), ("x-signature", &text)];
            prop_assert!(accepts(name, &headers, b"").is_err());
        }
    }
}
