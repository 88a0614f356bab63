//! The consumers of `hooklog dev`: ledger and tally, each on threads of its own, as if each were its own process.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use hooklog_consumer::{Consumer, Effect, Parts, Runner, RunnerMetrics, Settings};
use hooklog_ledger::Ledger;
use hooklog_ledger::charge::Order;
use hooklog_ledger::payments::Payments;
use hooklog_process::clock::Clock;
use hooklog_process::health::Health;
use hooklog_process::metrics::Registry;
use hooklog_process::quantity::Span;
use hooklog_process::random::Random;
use hooklog_process::shutdown::Shutdown;
use hooklog_schemas::TopicName;
use hooklog_tally::Tally;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::dev::sources::DevSource;
use crate::dev::watched::{Reports, Watched, Words};
use crate::failure::Failure;

/// The provider whose events the ledger understands.
const PAYING: &str = "stripe";

/// How often states are synced and shown: somebody is looking.
const SYNC_EVERY: Span = Span(Duration::from_millis(250));

/// What consumers are started with.
pub(crate) struct Start<'a> {
    pub(crate) bootstrap: &'a str,
    pub(crate) payments: &'a str,
    pub(crate) state: PathBuf,
    pub(crate) sources: &'a [DevSource],
    /// Partitions of each topic: what a reader of it may come to own.
    pub(crate) partitions: u32,
    pub(crate) reports: Reports,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) registry: Registry,
    pub(crate) health: Health,
}

/// The consumers at work.
pub(crate) struct Consumers {
    running: Vec<(&'static str, JoinHandle<Result<(), String>>)>,
    ready: Vec<(&'static str, oneshot::Receiver<()>)>,
    stop: Shutdown,
    ended: CancellationToken,
}

/// Who reads what: consumer and topics. The ledger reads only what pays.
pub(crate) fn readings(sources: &[DevSource]) -> Vec<(&'static str, Vec<TopicName>)> {
    let topics = |wanted: &dyn Fn(&DevSource) -> bool| {
        let mut topics: Vec<TopicName> =
            sources.iter().filter(|source| wanted(source)).map(|source| source.topic.clone()).collect();
        topics.sort();
        topics.dedup();
        topics
    };
    let all = [(Ledger::NAME, topics(&|source| source.provider == PAYING)), (Tally::NAME, topics(&|_| true))];
    all.into_iter().filter(|(_, topics)| !topics.is_empty()).collect()
}

/// The readers of each topic.
pub(crate) fn readers(sources: &[DevSource]) -> BTreeMap<TopicName, Vec<&'static str>> {
    let mut readers: BTreeMap<TopicName, Vec<&'static str>> = BTreeMap::new();
    for (name, topics) in readings(sources) {
        for topic in topics {
            readers.entry(topic).or_default().push(name);
        }
    }
    readers
}

impl Consumers {
    /// Starts them; none has its partitions yet.
    pub(crate) fn start(start: &Start<'_>) -> Result<Self, Failure> {
        let defect = |error: &dyn std::fmt::Display| Failure::Internal(error.to_string());
        let metrics = RunnerMetrics::register(&start.registry).map_err(|error| defect(&error))?;
        let payments = Payments::at(start.payments).map_err(|error| defect(&error))?;
        let mut consumers =
            Self { running: Vec::new(), ready: Vec::new(), stop: Shutdown::new(), ended: CancellationToken::new() };
        let parts =
            Parts { clock: start.clock.clone(), random: start.random.clone(), health: start.health.clone(), metrics };
        let mut payments = Some(payments);
        for (name, topics) in readings(start.sources) {
            match payments.take_if(|_| name == Ledger::NAME) {
                Some(payments) => {
                    let words = Words { handled: "booked nothing", performed: charged };
                    consumers.spawn(Ledger::new(payments), words, topics, start, parts.clone())?;
                }
                None => {
                    let words = Words { handled: "counted", performed: |_| String::new() };
                    consumers.spawn(Tally, words, topics, start, parts.clone())?;
                }
            }
        }
        Ok(consumers)
    }

    #[expect(clippy::too_many_arguments, reason = "a consumer, its words and topics, and what all share")]
    fn spawn<C: Consumer>(
        &mut self,
        consumer: C,
        words: Words,
        topics: Vec<TopicName>,
        start: &Start<'_>,
        parts: Parts,
    ) -> Result<(), Failure> {
        let mut settings = Settings::defaults(C::NAME);
        settings.fetch.max_partitions = start.partitions * u32::try_from(topics.len()).unwrap_or(1);
        settings.topics = topics;
        settings.data_dir = start.state.clone();
        settings.batch.sync_every = SYNC_EVERY;
        start.bootstrap.clone_into(&mut settings.kafka.bootstrap);
        let (tell, ready) = oneshot::channel();
        let watched = Watched { consumer, words, reports: start.reports.clone() };
        let runner = Runner::new(watched, settings, parts).tell_ready(tell);
        let (stop, ended) = (self.stop.clone(), self.ended.clone().drop_guard());
        let thread = std::thread::Builder::new().name(C::NAME.to_owned()).spawn(move || {
            let _ended = ended;
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .thread_name(C::NAME)
                .enable_all()
                .build()
                .map_err(|error| error.to_string())?;
            runtime.block_on(runner.run(stop)).map_err(|error| error.to_string())
        });
        let thread = thread.map_err(|error| Failure::Internal(format!("no thread for {}: {error}", C::NAME)))?;
        self.running.push((C::NAME, thread));
        self.ready.push((C::NAME, ready));
        Ok(())
    }

    /// Waits until every one reads all that is assigned to it. One that ends before is told by [`Consumers::ended`].
    pub(crate) async fn ready(&mut self) {
        for (_, ready) in self.ready.drain(..) {
            // A sender that is dropped belongs to a consumer that has ended.
            let _ = ready.await;
        }
    }

    /// Resolves when one of them has ended, whyever.
    pub(crate) fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    /// Has them drain, commit and close their states; waits for it. Blocks.
    pub(crate) fn stop(self) -> Result<(), Failure> {
        self.stop.request();
        let mut outcome = Ok(());
        for (name, thread) in self.running {
            let ended = thread.join().unwrap_or_else(|_| Err("it panicked".to_owned()));
            if let Err(cause) = ended {
                outcome = Err(Failure::Internal(format!("{name} ended: {cause}")));
            }
        }
        outcome
    }
}

/// `charged cus_1 20.00 USD`.
fn charged(effect: &Effect) -> String {
    match effect.json::<Order>() {
        Ok(Order { customer, amount, currency, .. }) => {
            let customer = crate::output::Shown(&customer);
            format!("charged {customer} {}.{:02} {}", amount / 100, amount % 100, currency.to_uppercase())
        }
        Err(fault) => format!("charge of another form: {fault}"),
    }
}

#[cfg(test)]
mod tests {
    use hooklog_schemas::SourceName;

    use super::*;

    fn source(name: &str, provider: &str) -> DevSource {
        let name = SourceName::parse(name).unwrap();
        DevSource { topic: TopicName::of_source(&name), name, provider: provider.to_owned(), secret: None }
    }

    #[test]
    fn the_ledger_reads_what_pays_and_the_tally_everything() {
        let sources = [source("github", "github"), source("stripe-eu", "stripe"), source("stripe-us", "stripe")];
        let names = |topics: &[TopicName]| topics.iter().map(ToString::to_string).collect::<Vec<_>>();
        let [(ledger, paying), (tally, all)] = &readings(&sources)[..] else { panic!("two consumers") };
        assert_eq!(
            (*ledger, names(paying)),
            ("ledger", vec!["hooks.stripe-eu".to_owned(), "hooks.stripe-us".to_owned()])
        );
        assert_eq!((*tally, all.len()), ("tally", 3));
        let readers = readers(&sources);
        assert_eq!(readers[&sources[1].topic], ["ledger", "tally"]);
        assert_eq!(readers[&sources[0].topic], ["tally"]);
        assert_eq!(readings(&sources[..1]).len(), 1, "without anything that pays there is no ledger");
    }
}
