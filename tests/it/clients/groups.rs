//! Consumer groups: shared, left, come back to, looked at.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::client::{PATIENCE, admin, config, eventually, fresh, patient, producer, send, topic};
use super::member::{Happening, Member, join};

const PARTITIONS: i32 = 8;

/// Sends so many records to each partition.
async fn fill(bootstrap: &str, topic: &str, each: i32) {
    let producer = producer(bootstrap, "lz4");
    for n in 0..each * PARTITIONS {
        send(&producer, topic, n % PARTITIONS, b"x").await.expect("a record");
    }
}

fn outsider(bootstrap: &str, group: &str) -> BaseConsumer {
    config(bootstrap).set("group.id", group).set("enable.auto.commit", "false").create().expect("a consumer")
}

fn everywhere(topic: &str) -> TopicPartitionList {
    let mut places = TopicPartitionList::new();
    places.add_partition_range(topic, 0, PARTITIONS - 1);
    places
}

fn committed(consumer: &BaseConsumer, topic: &str) -> Vec<Offset> {
    let places = consumer.committed_offsets(everywhere(topic), PATIENCE).expect("an answer");
    places.elements().iter().map(|element| element.offset()).collect()
}

async fn has(member: &Member, partitions: usize) {
    eventually("partitions are assigned", || member.partitions().len() == partitions).await;
}

pub(crate) async fn members_share_and_read_everything_once(bootstrap: &str) {
    let (topic, group) = (topic(bootstrap, PARTITIONS, &[]).await, fresh("group"));
    let first = join(bootstrap, &group, &topic, &[]);
    has(&first, 8).await;
    let second = join(bootstrap, &group, &topic, &[]);
    has(&first, 4).await;
    has(&second, 4).await;
    fill(bootstrap, &topic, 10).await;
    eventually("80 records", || first.read().len() + second.read().len() >= 80).await;
    let mut read = [first.read(), second.read()].concat();
    read.sort_unstable();
    let each: Vec<_> = (0..PARTITIONS).flat_map(|p| (0..10).map(move |o| (p, o))).collect();
    assert_eq!(read, each);
    second.leave().await;
    has(&first, 8).await;
    let other = join(bootstrap, &fresh("group"), &topic, &[]);
    eventually("another group reads all", || other.read().len() == 80).await;
}

pub(crate) async fn reading_goes_on_where_it_was_committed(bootstrap: &str) {
    let (topic, group) = (topic(bootstrap, PARTITIONS, &[]).await, fresh("group"));
    fill(bootstrap, &topic, 5).await;
    let first = join(bootstrap, &group, &topic, &[]);
    let outsider = outsider(bootstrap, &group);
    eventually("all is committed", || committed(&outsider, &topic).iter().all(|o| *o == Offset::Offset(5))).await;
    first.leave().await;
    fill(bootstrap, &topic, 1).await;
    let second = join(bootstrap, &group, &topic, &[]);
    eventually("8 records", || second.read().len() >= 8).await;
    assert!(second.read().iter().all(|(_, offset)| *offset == 5), "{:?}", second.read());
}

pub(crate) async fn groups_are_listed_described_and_deleted(bootstrap: &str) {
    let (topic, group) = (topic(bootstrap, PARTITIONS, &[]).await, fresh("group"));
    let first = join(bootstrap, &group, &topic, &[("client.id", "one")]);
    let second = join(bootstrap, &group, &topic, &[("client.id", "two")]);
    has(&first, 4).await;
    has(&second, 4).await;
    // Sent now and not before: a commit in the middle of a rebalance is refused, and nobody repeats it.
    fill(bootstrap, &topic, 1).await;
    let outsider = outsider(bootstrap, &group);
    eventually("a stable group of two", || {
        let list = outsider.client().fetch_group_list(Some(&group), PATIENCE).expect("an answer");
        let described = &list.groups()[0];
        let mut clients: Vec<_> = described.members().iter().map(|member| member.client_id().to_string()).collect();
        clients.sort_unstable();
        described.state() == "Stable" && described.protocol() == "cooperative-sticky" && clients == ["one", "two"]
    })
    .await;
    eventually("all is committed", || committed(&outsider, &topic).iter().all(|o| *o == Offset::Offset(1))).await;
    let all = outsider.client().fetch_group_list(None, PATIENCE).expect("an answer");
    assert!(all.groups().iter().any(|listed| listed.name() == group));
    let delete = async || {
        let results = admin(bootstrap).delete_groups(&[&group], &patient()).await.expect("an answer");
        results.into_iter().next().expect("one result").map_err(|(_, error)| error)
    };
    assert_eq!(delete().await, Err(RDKafkaErrorCode::NonEmptyGroup));
    first.leave().await;
    second.leave().await;
    let deadline = Instant::now() + PATIENCE;
    while delete().await == Err(RDKafkaErrorCode::NonEmptyGroup) {
        assert!(Instant::now() < deadline, "the group is never empty");
    }
    assert!(committed(&outsider, &topic).iter().all(|offset| *offset == Offset::Invalid));
    assert_eq!(delete().await, Err(RDKafkaErrorCode::GroupIdNotFound));
}

pub(crate) async fn eager_members_share_too(bootstrap: &str) {
    let (topic, group) = (topic(bootstrap, PARTITIONS, &[]).await, fresh("group"));
    let eager = [("partition.assignment.strategy", "range,roundrobin")];
    let first = join(bootstrap, &group, &topic, &eager);
    has(&first, 8).await;
    let second = join(bootstrap, &group, &topic, &eager);
    has(&first, 4).await;
    has(&second, 4).await;
    first.leave().await;
    has(&second, 8).await;
}

pub(crate) async fn a_static_member_comes_back_without_a_new_generation(bootstrap: &str) {
    let (topic, group) = (topic(bootstrap, PARTITIONS, &[]).await, fresh("group"));
    let named = |name| join(bootstrap, &group, &topic, &[("group.instance.id", name), ("session.timeout.ms", "20000")]);
    let (stays, goes) = (named("stays"), named("goes"));
    has(&stays, 4).await;
    has(&goes, 4).await;
    let (before, happened) = (goes.partitions(), stays.happenings());
    goes.leave().await;
    let back = named("goes");
    has(&back, 4).await;
    assert_eq!(back.partitions(), before);
    assert_eq!(stays.happenings(), happened, "the other one noticed nothing");
}

pub(crate) async fn a_silent_member_is_replaced_after_its_session(bootstrap: &str) {
    let (topic, group) = (topic(bootstrap, PARTITIONS, &[]).await, fresh("group"));
    let named = |name| join(bootstrap, &group, &topic, &[("group.instance.id", name), ("session.timeout.ms", "6000")]);
    let (stays, goes) = (named("stays"), named("goes"));
    has(&stays, 4).await;
    has(&goes, 4).await;
    // A static member does not say that it leaves.
    goes.leave().await;
    let silent = Instant::now();
    has(&stays, 8).await;
    assert!(silent.elapsed() > Duration::from_secs(3), "only the session's end takes its partitions away");
}

pub(crate) async fn without_a_position_and_without_a_reset_there_is_an_error(bootstrap: &str) {
    let topic = topic(bootstrap, PARTITIONS, &[]).await;
    let member = join(bootstrap, &fresh("group"), &topic, &[("auto.offset.reset", "error")]);
    eventually("an error", || member.happenings().iter().any(|h| matches!(h, Happening::Failed(_)))).await;
}

pub(crate) async fn positions_are_committed_from_outside_only_while_nobody_reads(bootstrap: &str) {
    let (topic, group) = (topic(bootstrap, PARTITIONS, &[]).await, fresh("group"));
    fill(bootstrap, &topic, 3).await;
    let outsider = outsider(bootstrap, &group);
    let mut places = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        places.add_partition_offset(&topic, partition, Offset::Offset(2)).expect("a place");
    }
    outsider.commit(&places, CommitMode::Sync).expect("nobody reads");
    assert!(committed(&outsider, &topic).iter().all(|offset| *offset == Offset::Offset(2)));
    let member = join(bootstrap, &group, &topic, &[]);
    eventually("it begins there", || member.read().len() == 8).await;
    assert!(member.read().iter().all(|(_, offset)| *offset == 2), "{:?}", member.read());
    let refused = outsider.commit(&places, CommitMode::Sync).unwrap_err();
    assert_eq!(refused.rdkafka_error_code(), Some(RDKafkaErrorCode::UnknownMemberId));
}
