//! The wish that the configuration be read again: SIGHUP, or whoever says so in its place.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Where the wish is said. Clones share it.
#[derive(Clone, Debug)]
pub struct Hangup(Arc<watch::Sender<u64>>);

/// One who hears it. Wishes that come while it is busy are one wish.
#[derive(Debug)]
pub struct Hangups(watch::Receiver<u64>);

impl Hangup {
    /// One that only [`Hangup::request`] says: for tests and for parts of a larger process.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }

    /// One that every SIGHUP says. The signal no longer ends the process.
    ///
    /// # Errors
    /// When the signal handler can't be installed.
    pub fn from_signals() -> std::io::Result<Self> {
        let hangup = Self::new();
        let mut signals = signal(SignalKind::hangup())?;
        let said = hangup.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                said.request();
            }
        });
        Ok(hangup)
    }

    /// Says it.
    pub fn request(&self) {
        self.0.send_modify(|count| *count += 1);
    }

    /// Hears what is said from now on.
    #[must_use]
    pub fn listen(&self) -> Hangups {
        Hangups(self.0.subscribe())
    }
}

impl Default for Hangup {
    fn default() -> Self {
        Self::new()
    }
}

impl Hangups {
    /// Waits until it is said; for ever once nobody is left who could.
    pub async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn every_listener_hears_a_signal_and_lives_on() {
        let hangup = Hangup::from_signals().unwrap();
        let (mut first, mut second) = (hangup.listen(), hangup.listen());
        let pid = std::process::id().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
        tokio::time::timeout(Duration::from_secs(20), async {
            first.next().await;
            second.next().await;
        })
        .await
        .expect("a signal was not heard");
    }

    #[tokio::test]
    async fn what_is_said_while_nobody_waits_is_heard_once() {
        let hangup = Hangup::new();
        let mut heard = hangup.listen();
        hangup.request();
        hangup.request();
        heard.next().await;
        drop(hangup);
        let more = tokio::time::timeout(Duration::from_millis(20), heard.next()).await;
        assert!(more.is_err(), "two wishes at once are one, and nobody is left to say a third");
    }
}
