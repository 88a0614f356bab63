//! Waiting for a condition with a deadline, instead of sleeping and hoping.

use std::fmt::Debug;
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(25);

/// Asks `probe` until it gives `Ok`; what it gives as `Err` is what was seen instead.
///
/// # Panics
/// When `within` is over: with `what`, and what was seen last.
pub async fn eventually<T, S: Debug>(within: Duration, what: &str, mut probe: impl AsyncFnMut() -> Result<T, S>) -> T {
    let deadline = Instant::now() + within;
    loop {
        match probe().await {
            Ok(value) => return value,
            Err(seen) if Instant::now() >= deadline => panic!("{what}: not within {within:?}; last seen: {seen:?}"),
            Err(_) => tokio::time::sleep(POLL).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_ok_is_the_answer() {
        let mut left = 3;
        let probe = async || {
            left -= 1;
            if left == 0 { Ok("there") } else { Err(left) }
        };
        assert_eq!(eventually(Duration::from_secs(5), "countdown", probe).await, "there");
    }

    #[tokio::test]
    #[should_panic(expected = "the moon: not within 1ms; last seen: \"cheese\"")]
    async fn the_panic_says_what_was_awaited_and_what_was_seen() {
        eventually::<(), _>(Duration::from_millis(1), "the moon", async || Err("cheese")).await;
    }
}
