mod fixture;
mod owner;
mod asking;
mod reading;
mod writing;
pub(crate) fn unique(stem: &str) -> String {
    static N: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    format!("{stem}-{}-{}", std::process::id(), N.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
}
macro_rules! t { ($($m:ident::$f:ident),* $(,)?) => { $(#[test] fn $f() { $m::$f(&std::env::var("BOOT").unwrap()) })* } }
t!(
    asking::topics_are_made_once_and_compared,
    asking::a_time_leads_to_an_offset,
    asking::a_group_is_told_with_its_members,
    writing::every_acknowledged_record_is_in_the_log_once_and_in_order,
    writing::a_topic_is_taken_as_soon_as_it_exists,
    writing::a_record_beyond_the_topic_s_limit_is_refused_with_its_size,
    reading::members_hand_partitions_over_without_a_gap_or_a_repetition,
    reading::a_group_goes_on_where_it_committed,
    reading::an_offset_that_is_not_there_is_said_and_can_be_left
);
