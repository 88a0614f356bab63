//! `hooklog topics`: the registry of topics made true on a cluster. Nothing that exists is ever changed or deleted.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::{Args, Subcommand};
use hooklog_kafka::admin::{Created, TopicSpec};
use hooklog_kafka::{Admin, Connection};
use hooklog_schemas::topics::{TopicEntry, Topics};
use hooklog_schemas::{SourceName, TopicName};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::{Columns, Output};
use crate::reach::{ANSWER_WITHIN, Reach, unanswered};

/// How long the brokers may take to make topics.
const CREATE_WITHIN: Duration = Duration::from_secs(30);

/// Copies of each partition where the cluster has brokers for them; two of them acknowledge every record.
const REPLICAS: u32 = 3;

/// The arguments.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hooklog topics apply --broker kafka:9092 --source github --source stripe
  hooklog topics list
  hooklog topics check --source github,stripe --group ledger")]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make the topics of these sources and groups; what exists is left as it is
    #[command(after_help = "Examples:
  hooklog topics apply --source github --source stripe
  hooklog topics apply --broker kafka:9092 --source github --group ledger --replication 3 --json")]
    Apply(Which),
    /// The topics of the cluster, with the entry of the registry they belong to
    #[command(after_help = "Examples:\n  hooklog topics list\n  hooklog topics list --broker kafka:9092 --json")]
    List(List),
    /// Compare the topics with the registry; 1 if anything differs
    #[command(after_help = "Examples:
  hooklog topics check --source github --source stripe
  hooklog topics check --broker kafka:9092 --source github --json")]
    Check(Which),
}

#[derive(Debug, Args)]
struct Which {
    /// A source; can be repeated
    #[arg(long = "source", value_name = "NAME", value_delimiter = ',', required_unless_present = "groups")]
    sources: Vec<SourceName>,
    /// A consumer group; can be repeated. The bundled consumers if not given
    #[arg(long = "group", value_name = "NAME", value_delimiter = ',')]
    groups: Vec<String>,
    /// Copies of each partition; 3 if the cluster has three brokers, else 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    replication: Option<u32>,
    /// Partitions of each topic instead of the registry's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    partitions: Option<i32>,
    /// One JSON object a topic
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, Args)]
struct List {
    /// One JSON object a topic
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: Reach,
}

/// A topic that should be there.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Its name.
    pub name: TopicName,
    entry: TopicEntry,
}

/// What differs from the registry on this cluster.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shape {
    /// Copies of each partition; 3 on three brokers or more, else 1, if not given.
    pub replication: Option<u32>,
    /// Partitions; the registry's if not given.
    pub partitions: Option<i32>,
}

/// What became of a wanted topic.
#[derive(Debug, Clone, Serialize)]
pub struct Applied {
    topic: String,
    state: &'static str,
    partitions: u32,
    replication: Option<u32>,
}

#[derive(Serialize)]
struct Listed {
    topic: String,
    partitions: usize,
    replication: usize,
    leaderless: usize,
    registry: Option<String>,
}

#[derive(Serialize)]
struct Differs {
    difference: String,
}

/// Makes, lists or checks.
///
/// # Errors
/// [`Failure::Refused`] when a check finds a difference, [`Failure::Unavailable`] when no broker answers.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut output = Output::stdout();
    match &arguments.action {
        Action::Apply(which) => {
            let applied = apply(&which.reach.connection()?, &which.wanted()?, &which.shape())?;
            for topic in applied {
                if which.json {
                    output.json(&topic)?;
                } else {
                    output.line(format_args!("{:8}  {}  {} partitions", topic.state, topic.topic, topic.partitions))?;
                }
            }
            Ok(())
        }
        Action::List(arguments) => list(arguments, &mut output),
        Action::Check(which) => check(which, &mut output),
    }
}

/// The topics of these sources and groups, as the registry has them.
///
/// # Errors
/// [`Failure::Usage`] when a group's name does not fit into a topic's.
pub fn wanted(sources: &[SourceName], groups: &[String]) -> Result<Vec<Wanted>, Failure> {
    let registry = Topics::embedded();
    let named = registry.named(sources, groups).map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(named.into_iter().map(|(name, entry)| Wanted { name, entry: entry.clone() }).collect())
}

/// Makes what is missing and leaves alone what exists.
///
/// # Errors
/// [`Failure::Unavailable`] when no broker answers, [`Failure::Refused`] when one refuses.
pub fn apply(connection: &Connection, wanted: &[Wanted], shape: &Shape) -> Result<Vec<Applied>, Failure> {
    let admin = admin(connection)?;
    let specs = specs(&admin, wanted, shape)?;
    let created = admin.create(&specs, CREATE_WITHIN).map_err(|error| unanswered(&error))?;
    let applied = |(spec, created): (&TopicSpec, Created)| Applied {
        topic: spec.topic.to_string(),
        state: match created {
            Created::New => "created",
            Created::Existed => "existing",
        },
        partitions: spec.partitions,
        replication: spec.replicas,
    };
    Ok(specs.iter().zip(created).map(applied).collect())
}

fn check(which: &Which, output: &mut Output) -> Result<(), Failure> {
    let admin = admin(&which.reach.connection()?)?;
    let specs = specs(&admin, &which.wanted()?, &which.shape())?;
    let differences = admin.check(&specs, ANSWER_WITHIN).map_err(|error| unanswered(&error))?;
    for difference in &differences {
        if which.json {
            output.json(&Differs { difference: difference.to_string() })?;
        } else {
            output.line(difference)?;
        }
    }
    match differences.len() {
        0 if which.json => Ok(()),
        0 => output.line(format_args!("{} topics are as the registry has them", specs.len())),
        count => Err(Failure::Refused(format!("{count} differences from the registry"))),
    }
}

fn list(arguments: &List, output: &mut Output) -> Result<(), Failure> {
    let admin = admin(&arguments.reach.connection()?)?;
    let registry = Topics::embedded();
    let mut columns = Columns::headed(&["TOPIC", "PARTITIONS", "REPLICAS", "LEADERLESS", "REGISTRY"]);
    for topic in admin.topics(ANSWER_WITHIN).map_err(|error| unanswered(&error))? {
        let listed = Listed {
            registry: entry_of(&registry, &topic.topic).map(|entry| entry.name.clone()),
            topic: topic.topic.to_string(),
            partitions: topic.partitions.len(),
            replication: topic.replicas,
            leaderless: topic.leaderless.len(),
        };
        if arguments.json {
            output.json(&listed)?;
        } else {
            let Listed { topic, partitions, replication, leaderless, registry } = listed;
            let counts = [partitions, replication, leaderless].map(|count| count.to_string());
            columns.row([topic].into_iter().chain(counts).chain([registry.unwrap_or_else(|| "-".to_owned())]));
        }
    }
    if arguments.json { Ok(()) } else { columns.print(output) }
}

/// The entry whose pattern a name has; of several, the one that leaves least open.
fn entry_of<'a>(registry: &'a Topics, topic: &TopicName) -> Option<&'a TopicEntry> {
    let fits = |entry: &&TopicEntry| {
        let Some((before, rest)) = entry.name.split_once('{') else { return entry.name == topic.as_str() };
        let after = rest.split_once('}').map_or("", |(_, after)| after);
        let open = topic.as_str().strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
        open.is_some_and(|open| !open.is_empty())
    };
    registry.entries().iter().filter(fits).max_by_key(|entry| entry.name.len())
}

fn admin(connection: &Connection) -> Result<Admin, Failure> {
    Admin::new(connection).map_err(|error| Failure::Config(error.to_string()))
}

fn specs(admin: &Admin, wanted: &[Wanted], shape: &Shape) -> Result<Vec<TopicSpec>, Failure> {
    let brokers = admin.brokers(ANSWER_WITHIN).map_err(|error| unanswered(&error))?.len();
    let replicas = shape.replication.unwrap_or(if brokers >= 3 { REPLICAS } else { 1 });
    Ok(wanted.iter().map(|topic| spec(topic, replicas, shape)).collect())
}

fn spec(Wanted { name, entry }: &Wanted, replicas: u32, shape: &Shape) -> TopicSpec {
    let configs = [
        ("cleanup.policy", entry.cleanup.policy().to_owned()),
        ("retention.ms", entry.retention_ms.to_string()),
        ("max.message.bytes", entry.max_message_bytes.to_string()),
        ("min.insync.replicas", if replicas >= REPLICAS { "2" } else { "1" }.to_owned()),
    ];
    TopicSpec {
        topic: name.clone(),
        partitions: u32::try_from(shape.partitions.unwrap_or(entry.partitions)).unwrap_or(1),
        replicas: Some(replicas),
        configs: BTreeMap::from(configs.map(|(key, value)| (key.to_owned(), value))),
    }
}

impl Which {
    fn wanted(&self) -> Result<Vec<Wanted>, Failure> {
        if self.groups.is_empty() {
            return wanted(&self.sources, &bundled());
        }
        wanted(&self.sources, &self.groups)
    }

    const fn shape(&self) -> Shape {
        Shape { replication: self.replication, partitions: self.partitions }
    }
}

/// The consumers that the registry names as readers of sources.
fn bundled() -> Vec<String> {
    let registry = Topics::embedded();
    let sources = registry.entries().iter().find(|entry| entry.name.contains("{source}"));
    sources.map_or_else(Vec::new, |entry| entry.consumers.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(sources: &[&str], groups: &[String]) -> Vec<String> {
        let sources: Vec<SourceName> = sources.iter().map(|name| SourceName::parse(name).unwrap()).collect();
        wanted(&sources, groups).unwrap().iter().map(|topic| topic.name.to_string()).collect()
    }

    #[test]
    fn sources_alone_bring_the_dead_letters_of_the_bundled_consumers() {
        assert_eq!(
            names(&["github"], &bundled()),
            ["hooks.github", "hooks.ledger.dlq", "hooks.tally.dlq", "hooks.quarantine"]
        );
    }

    #[test]
    fn a_topic_is_made_as_the_registry_has_it() {
        let sources = [SourceName::parse("github").unwrap()];
        let github = &wanted(&sources, &[]).unwrap()[0];
        let three = spec(github, 3, &Shape::default());
        assert_eq!((three.partitions, three.replicas), (8, Some(3)));
        assert_eq!(three.configs["min.insync.replicas"], "2");
        assert_eq!(three.configs["max.message.bytes"], "27262976");
        let one = spec(github, 1, &Shape { partitions: Some(2), replication: None });
        assert_eq!((one.partitions, one.configs["min.insync.replicas"].as_str()), (2, "1"));
    }

    #[test]
    fn a_name_belongs_to_the_narrowest_entry() {
        let registry = Topics::embedded();
        let entry = |name: &str| entry_of(&registry, &TopicName::parse(name).unwrap()).map(|entry| entry.name.as_str());
        assert_eq!(entry("hooks.github"), Some("hooks.{source}"));
        assert_eq!(entry("hooks.ledger.dlq"), Some("hooks.{group}.dlq"));
        assert_eq!(entry("orders"), None);
    }
}
