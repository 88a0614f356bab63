//! What librdkafka sees: the same checks against the dev broker and against real Kafka, where every difference is a bug.
//!
//! A check takes the address of a broker that allows one replica and does not create topics by itself; it makes its own
//! topics and groups under fresh names, so that checks can share a broker. `suite!` makes one test of each. Java's client
//! has a suite of its own (`tests/java/ClientSuite.java`), run against both brokers too.

#![expect(clippy::unwrap_used, reason = "a check fails by panicking")]

mod client;
mod member;
mod admin;
mod records;
mod producers;
mod offsets;
mod groups;
pub(crate) mod broker;
mod dev_only;
mod java;

/// One test a check: `suite!(name, start)` makes a module of tests that start a broker and check it.
macro_rules! suite {
    ($broker:ident, $with:path) => {
        suite!($broker, $with,
            admin::topics_have_the_settings_they_were_created_with,
            admin::what_cannot_be_created_is_refused_with_the_reason,
            admin::validating_creates_nothing,
            admin::an_unknown_topic_is_reported_and_not_created,
            admin::settings_are_changed,
            admin::partitions_are_added,
            admin::a_deleted_topic_is_made_again_empty,
            records::every_codec_brings_back_what_was_sent,
            records::a_record_of_twenty_megabytes_passes,
            records::a_record_beyond_the_topic_s_limit_is_refused,
            records::a_waiting_reader_gets_a_record_at_once,
            producers::an_idempotent_producer_goes_on_over_a_topic_made_again,
            producers::many_producers_lose_and_repeat_nothing,
            offsets::times_lead_to_offsets,
            offsets::reading_begins_where_it_is_told,
            offsets::beyond_the_end_is_an_error,
            offsets::deleted_records_are_gone,
            groups::members_share_and_read_everything_once,
            groups::reading_goes_on_where_it_was_committed,
            groups::groups_are_listed_described_and_deleted,
            groups::eager_members_share_too,
            groups::a_static_member_comes_back_without_a_new_generation,
            groups::a_silent_member_is_replaced_after_its_session,
            groups::without_a_position_and_without_a_reset_there_is_an_error,
            groups::positions_are_committed_from_outside_only_while_nobody_reads,
        );
    };
    ($broker:ident, $with:path, $($topic:ident :: $check:ident),* $(,)?) => {
        mod $broker {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $check() {
                    let broker = $with().await;
                    super::$topic::$check(broker.bootstrap()).await;
                }
            )*
        }
    };
}

suite!(dev_broker, super::broker::start);
suite!(real_kafka, hooklog_tests::kafka::Kafka::shared);
