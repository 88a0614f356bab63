//! Senders who send a key's next event only after the last one was acknowledged: so the log's order can be judged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rand::Rng;
use tokio::task::JoinSet;

use crate::http::Connection;
use crate::ledger::{Attempt, Expectation, Ledger};
use crate::names;
use crate::webhook::{Provider, Webhook};

const FIRST_RETRY: Duration = Duration::from_millis(20);
const LAST_RETRY: Duration = Duration::from_millis(500);

/// Who sends what, and how fast.
#[derive(Debug, Clone)]
pub struct Load {
    /// `host:port` of the edge.
    pub address: String,
    /// The source's name.
    pub source: String,
    /// The source's habits.
    pub provider: Provider,
    /// Senders; each has a connection and keys of its own.
    pub clients: u32,
    /// Ordering keys of each sender.
    pub keys_per_client: u32,
    /// The pause of a sender between two events.
    pub pause: Duration,
    /// How much the body of a GitHub event is filled up, at most, in bytes.
    pub padding: usize,
    /// Of a hundred events, how many are followed by one with a turned bit.
    pub tampered_per_cent: u32,
    /// Of a hundred acknowledged events, how many are sent again, as providers do.
    pub repeated_per_cent: u32,
    /// How long a sender keeps trying one event.
    pub patience: Duration,
}

impl Load {
    /// 16 senders with 4 keys each, 5 % tampered, 5 % repeated.
    #[must_use]
    pub fn new(address: &str, source: &str, provider: Provider) -> Self {
        Self {
            address: address.to_owned(),
            source: source.to_owned(),
            provider,
            clients: 16,
            keys_per_client: 4,
            pause: Duration::from_millis(10),
            padding: 2_000,
            tampered_per_cent: 5,
            repeated_per_cent: 5,
            patience: Duration::from_secs(60),
        }
    }

    /// Starts sending, until [`Running::stop`].
    #[must_use]
    pub fn start(self, ledger: Arc<Ledger>) -> Running {
        let stop = Arc::new(AtomicBool::new(false));
        let run = names::unique("e");
        let mut senders = JoinSet::new();
        for client in 0..self.clients {
            let connection = Connection::to(&self.address);
            let (ledger, stop, run) = (Arc::clone(&ledger), Arc::clone(&stop), run.clone());
            let mut sender = Sender { load: self.clone(), client, connection, ledger, run, sent: 0, seqs: Vec::new() };
            sender.seqs.resize(self.keys_per_client as usize, 0);
            senders.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    sender.next().await;
                }
            });
        }
        Running { stop, senders }
    }
}

/// Senders at work.
pub struct Running {
    stop: Arc<AtomicBool>,
    senders: JoinSet<()>,
}

impl Running {
    /// Lets every sender bring its last event home, and ends.
    pub async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.senders.join_all().await;
    }
}

struct Sender {
    load: Load,
    client: u32,
    connection: Connection,
    ledger: Arc<Ledger>,
    run: String,
    sent: u64,
    /// For each key of its own, how many events were sent.
    seqs: Vec<u64>,
}

impl Sender {
    async fn next(&mut self) {
        let key = rand::rng().random_range(0..self.seqs.len());
        self.seqs[key] += 1;
        let webhook = self.webhook(key, self.seqs[key]);
        self.attempt(&webhook, self.seqs[key], Expectation::Stored);
        let acked = self.until_acked(&webhook).await;
        if acked && by_chance(self.load.repeated_per_cent) {
            self.once(&webhook).await;
        }
        if by_chance(self.load.tampered_per_cent) {
            let forged = self.webhook(key, 0).tampered();
            self.attempt(&forged, 0, Expectation::Refused(401));
            self.once(&forged).await;
        }
        tokio::time::sleep(self.load.pause).await;
    }

    /// Tries until the answer is 2xx, or patience ends; what was never acknowledged has no place in its key's order.
    async fn until_acked(&mut self, webhook: &Webhook) -> bool {
        let deadline = Instant::now() + self.load.patience;
        let mut pause = FIRST_RETRY;
        while !self.once(webhook).await {
            if Instant::now() > deadline {
                return false;
            }
            tokio::time::sleep(pause).await;
            pause = LAST_RETRY.min(2 * pause);
        }
        true
    }

    async fn once(&mut self, webhook: &Webhook) -> bool {
        let outcome = self.connection.send(&format!("/in/{}", self.load.source), webhook).await;
        let acked = outcome.acked();
        self.ledger.outcome(outcome);
        acked
    }

    fn webhook(&mut self, key: usize, seq: u64) -> Webhook {
        self.sent += 1;
        let id = format!("{}-{}-{}", self.run, self.client, self.sent);
        let number = u64::from(self.client) * 1_000_000 + key as u64;
        match self.load.provider {
            Provider::GitHub => {
                let padding = rand::rng().random_range(0..=self.load.padding);
                Webhook::github(&id, &number.to_string(), seq, padding)
            }
            Provider::Stripe => {
                Webhook::stripe(&id, &format!("cus_{number}"), rand::rng().random_range(1..100_000), now())
            }
        }
    }

    fn attempt(&self, webhook: &Webhook, seq: u64, expect: Expectation) {
        let (id, key, sha256) = (webhook.id.clone(), webhook.key.clone(), webhook.sha256());
        self.ledger.attempt(Attempt {
            id,
            source: self.load.source.clone(),
            client: self.client,
            key,
            seq,
            sha256,
            expect,
        });
    }
}

fn by_chance(per_cent: u32) -> bool {
    rand::rng().random_range(0..100) < per_cent
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs()
}
