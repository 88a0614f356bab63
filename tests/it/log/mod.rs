//! The products' own client of the log (`hooklog-kafka`) against the dev broker and against real Kafka: what mock brokers can't prove.
//!
//! A check takes the address of a broker that does not create topics by itself and makes its own topics and groups. Checks block, so
//! each runs on a thread of its own beside the runtime.

#![expect(clippy::unwrap_used, reason = "a check fails by panicking")]

mod fixture;
mod owner;
mod asking;
mod reading;
mod writing;

macro_rules! suite {
    ($broker:ident, $start:path, $($topic:ident :: $check:ident),* $(,)?) => {
        mod $broker {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $check() {
                    let broker = $start().await;
                    let bootstrap = broker.bootstrap().to_owned();
                    tokio::task::spawn_blocking(move || super::$topic::$check(&bootstrap)).await.unwrap();
                }
            )*
        }
    };
    ($broker:ident, $start:path) => {
        suite!($broker, $start,
            asking::topics_are_made_once_and_compared,
            asking::a_time_leads_to_an_offset,
            asking::a_group_is_told_with_its_members,
            writing::every_acknowledged_record_is_in_the_log_once_and_in_order,
            writing::a_topic_is_taken_as_soon_as_it_exists,
            writing::a_record_beyond_the_topic_s_limit_is_refused_with_its_size,
            reading::members_hand_partitions_over_without_a_gap_or_a_repetition,
            reading::a_group_goes_on_where_it_committed,
            reading::an_offset_that_is_not_there_is_said_and_can_be_left,
        );
    };
}

suite!(dev_broker, crate::clients::broker::start);
suite!(real_kafka, hooklog_tests::kafka::Kafka::shared);
