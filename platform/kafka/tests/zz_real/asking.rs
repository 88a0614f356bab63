//! Admin and tail.

use crate::unique;
use hooklog_kafka::AdminError;
use hooklog_kafka::admin::{Created, Difference};
use hooklog_kafka::tail::From;
use hooklog_schemas::{NextOffset, Partition, Timestamp, TopicName};

use super::fixture::{Fixture, PATIENCE, eventually, number};
use super::owner::{Member, Seen};

pub(crate) fn topics_are_made_once_and_compared(bootstrap: &str) {
    let configs = [("retention.ms", "86400000"), ("max.message.bytes", "2000000"), ("cleanup.policy", "delete")];
    let fixture = Fixture::with_configs(bootstrap, 3, &configs);
    let spec = fixture.spec(3, &configs);
    assert_eq!(fixture.admin.create(std::slice::from_ref(&spec), PATIENCE).unwrap(), [Created::Existed]);
    assert_eq!(fixture.admin.check(std::slice::from_ref(&spec), PATIENCE).unwrap(), []);
    let info = fixture.admin.topic(&fixture.topic, PATIENCE).unwrap();
    assert_eq!(info.partitions, [Partition(0), Partition(1), Partition(2)]);
    assert!(fixture.admin.topics(PATIENCE).unwrap().contains(&info));

    let mut other = fixture.spec(5, &[("retention.ms", "1000")]);
    let mut missing = other.clone();
    missing.topic = TopicName::parse(&unique("log.missing")).unwrap();
    other.replicas = None;
    let topic = fixture.topic.clone();
    let differences = fixture.admin.check(&[other, missing.clone()], PATIENCE).unwrap();
    let (want, have) = ("1000".to_owned(), "86400000".to_owned());
    assert_eq!(
        differences,
        [
            Difference::Partitions { topic: topic.clone(), want: 5, have: 3 },
            Difference::Config { topic, key: "retention.ms".to_owned(), want, have },
            Difference::Missing { topic: missing.topic.clone() },
        ]
    );
    let error = fixture.admin.topic(&missing.topic, PATIENCE).unwrap_err();
    assert!(matches!(error, AdminError::UnknownTopic { .. }), "{error}");
    assert!(!fixture.admin.cluster_id(PATIENCE).unwrap().is_empty());
}

pub(crate) fn a_time_leads_to_an_offset(bootstrap: &str) {
    let fixture = Fixture::new(bootstrap, 1);
    let writer = fixture.writer();
    fixture.fill(&writer, Partition(0), 0..10);
    let first = fixture.read_all();
    // The clock that stamps records counts milliseconds: the second half must not share the first half's last one.
    let last = first.last().unwrap().timestamp;
    eventually("the next millisecond", || (now() > last).then_some(()));
    fixture.fill(&writer, Partition(0), 10..20);
    let later = Timestamp(last.0 + 1);
    assert_eq!(fixture.admin.offset_at(&fixture.topic, Partition(0), later, PATIENCE).unwrap(), Some(NextOffset(10)));
    let read: Vec<_> = fixture.read(From::Time(later)).iter().map(number).collect();
    assert_eq!(read, (10..20).collect::<Vec<_>>());
    let future = Timestamp(now().0 + 3_600_000);
    assert_eq!(fixture.admin.offset_at(&fixture.topic, Partition(0), future, PATIENCE).unwrap(), None);
    assert_eq!(fixture.read(From::Last(4)).iter().map(number).collect::<Vec<_>>(), [16, 17, 18, 19]);
}

pub(crate) fn a_group_is_told_with_its_members(bootstrap: &str) {
    let fixture = Fixture::new(bootstrap, 2);
    let group = unique("told");
    assert_eq!(fixture.admin.group(&group, PATIENCE).unwrap(), None);
    let member = Member::join(&fixture, &group, &Seen::default());
    let told = eventually("the member's partitions", || {
        let told = fixture.admin.group(&group, PATIENCE).unwrap()?;
        (told.members.iter().map(|member| member.partitions.len()).sum::<usize>() == 2).then_some(told)
    });
    assert_eq!((told.state.as_str(), told.assignor.as_str()), ("Stable", "cooperative-sticky"));
    assert_eq!(told.members[0].client_id, "log-checks");
    assert!(told.members[0].partitions.contains(&(fixture.topic.clone(), Partition(1))));
    assert!(fixture.admin.groups(PATIENCE).unwrap().iter().any(|other| other.name == group));
    member.leave();
    let state = fixture.admin.group(&group, PATIENCE).unwrap().map(|group| group.state);
    assert!(state.is_none_or(|state| state == "Empty"));
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp(i64::try_from(since.as_millis()).unwrap())
}
