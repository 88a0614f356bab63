//! The steps of a micro-batch, one fault at a time.

use std::time::Duration;

use hooklog_consumer::testing::{Kit, Script, event};
use hooklog_consumer::{Consumer, Context, Event, Fault, Table};
use hooklog_kafka::testing::Fault as LogFault;
use hooklog_schemas::{FaultClass, TopicName};

const SEEN: Table<String, u64> = Table::new(1, "seen");

/// Counts, and appends a copy of each event of type `copy` to another topic.
struct Copier;

impl Consumer for Copier {
    const NAME: &'static str = "copier";

    fn handle(&self, event: &Event, cx: &mut Context<'_>) -> Result<(), Fault> {
        cx.table(SEEN).update(&event.key().to_owned(), |seen| seen.unwrap_or(0) + 1)?;
        if event.kind() == "copy" {
            cx.emit(copies(), event.key().as_bytes().to_vec(), event.body().clone())?;
        }
        if event.kind() == "stop" {
            return Err(Fault::fatal("told to stop"));
        }
        Ok(())
    }
}

fn copies() -> TopicName {
    TopicName::parse("copies").unwrap()
}

fn kit() -> Kit<Copier> {
    Kit::new(Copier).with_topic("copies")
}

fn seen(kit: &Kit<Copier>) -> Option<u64> {
    kit.get(SEEN, &"key".to_owned())
}

#[test]
fn a_transient_fault_is_tried_again_in_place() {
    let mut kit = kit();
    kit.script_handle(Script::Fault(Fault::transient("busy")));
    kit.script_handle(Script::LostAnswer);
    kit.deliver(event("1"));
    assert_eq!(seen(&kit), Some(1), "a failed attempt leaves nothing");
    assert!(kit.dead_letters().is_empty());
}

#[test]
fn attempts_end_and_the_letter_tells_all() {
    let mut kit = kit();
    for _ in 0..3 {
        kit.script_handle(Script::Fault(Fault::transient("busy")));
    }
    kit.deliver(event("1"));
    kit.deliver(event("2"));
    let letters = kit.dead_letters();
    assert_eq!(letters.len(), 1);
    let letter = &letters[0];
    assert_eq!((letter.class, letter.attempts, letter.message.as_str()), (FaultClass::Transient, 3, "busy"));
    assert_eq!((letter.origin.to_string().as_str(), letter.group.as_str()), ("hooks.test/0/0", "copier"));
    assert!(letter.failed_at >= letter.first_failure);
    assert_eq!(seen(&kit), Some(1));
}

#[test]
fn what_was_set_aside_stays_so_when_the_state_is_rebuilt() {
    let mut kit = kit();
    for _ in 0..3 {
        kit.script_handle(Script::Fault(Fault::transient("busy")));
    }
    kit.deliver(event("1"));
    kit.deliver(event("2").kind("copy"));
    // The handler would succeed now.
    kit.rebuild(hooklog_schemas::NextOffset(2));
    assert_eq!(seen(&kit), Some(1));
    assert_eq!((kit.dead_letters().len(), kit.log().all(&copies()).len()), (1, 1), "nothing is appended again");
}

#[test]
fn a_panic_is_set_aside_and_the_next_event_is_handled() {
    let mut kit = kit();
    kit.script_handle(Script::Panic);
    kit.deliver(event("1"));
    kit.deliver(event("2"));
    assert_eq!(kit.dead_letters()[0].class, FaultClass::Panic);
    assert_eq!(seen(&kit), Some(1));
}

#[test]
fn a_dead_event_is_not_handled_when_it_comes_again() {
    let mut kit = kit();
    kit.script_handle(Script::Fault(Fault::permanent("bad")));
    kit.deliver(event("1"));
    kit.deliver(event("1"));
    assert_eq!(seen(&kit), None);
    assert_eq!(kit.dead_letters().len(), 1);
}

#[test]
fn a_fatal_fault_stops_and_nothing_is_written() {
    let mut kit = kit();
    kit.deliver(event("1"));
    let stopped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| kit.deliver(event("2").kind("stop"))));
    assert!(stopped.is_err());
    assert_eq!(seen(&kit), Some(1));
    kit.crash();
    assert_eq!(kit.read_on().unwrap_err(), "hooks.test/0/1: told to stop", "it is read again after the next start");
}

#[test]
fn what_is_emitted_has_one_id_whatever_the_log_does() {
    for fault in [LogFault::LostBeforeAppend, LogFault::AppendedButTimeout, LogFault::Full] {
        let mut kit = kit();
        kit.log().script([fault.clone()]);
        kit.deliver(event("1").kind("copy").body("a"));
        kit.crash();
        kit.redeliver();
        let copied = kit.log().all(&copies());
        let ids: std::collections::BTreeSet<_> =
            copied.iter().map(|record| record.headers.get("hooklog-effect-id").unwrap().to_vec()).collect();
        assert_eq!(ids.len(), 1, "{fault:?}");
        assert_eq!(copied.len(), if matches!(fault, LogFault::AppendedButTimeout) { 2 } else { 1 }, "{fault:?}");
        assert_eq!(seen(&kit), Some(1), "{fault:?}");
    }
}

#[test]
fn an_event_whose_copy_the_log_refuses_becomes_a_dead_letter() {
    let mut kit = kit();
    kit.log().script([LogFault::TooLarge]);
    kit.deliver(event("1").kind("copy"));
    kit.deliver(event("2").kind("copy"));
    assert_eq!(kit.dead_letters().len(), 1);
    assert_eq!((seen(&kit), kit.log().all(&copies()).len()), (Some(1), 1));
}

#[test]
fn ids_are_forgotten_after_the_window_and_not_before() {
    let mut kit = kit();
    kit.deliver(event("1"));
    kit.advance(Duration::from_secs(71 * 3600));
    kit.deliver(event("1"));
    assert_eq!(seen(&kit), Some(1));
    kit.advance(Duration::from_secs(11 * 3600));
    kit.deliver(event("1"));
    assert_eq!(seen(&kit), Some(2), "82 hours are more than 9/8 of 72");
}
