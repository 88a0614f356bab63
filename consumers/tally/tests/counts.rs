//! Each event counts once, whatever happens.

use hooklog_consumer::testing::{Kit, event};
use hooklog_tally::{COUNTS, Tally};

#[test]
fn an_event_counts_once_however_often_it_comes() {
    let mut kit = Kit::new(Tally);
    let key = |source: &str, kind: &str| (source.to_owned(), kind.to_owned());
    for id in ["1", "2", "1"] {
        kit.deliver(event(id).source("github").kind("push"));
    }
    kit.deliver(event("1").source("stripe").kind("charge.succeeded"));
    kit.crash();
    kit.redeliver();
    kit.deliver(event("2").source("github").kind("push"));
    assert_eq!(kit.get(COUNTS, &key("github", "push")), Some(2));
    assert_eq!(kit.get(COUNTS, &key("stripe", "charge.succeeded")), Some(1), "an id is unique within its source only");
    assert_eq!(kit.get(COUNTS, &key("github", "issues")), None);
}
