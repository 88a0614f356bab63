//! The judge is judged: each way a log can be wrong is made by hand, and must be caught by the counter of its name.

use hooklog_tests::checker::{Copy, Verdict, check};
use hooklog_tests::ledger::{Attempt, Expectation, Outcome};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

/// A run with its ledger and its log.
#[derive(Debug, Clone)]
struct Run {
    attempts: Vec<Attempt>,
    outcomes: Vec<Outcome>,
    copies: Vec<Copy>,
}

const CLIENTS: u64 = 3;
const PARTITIONS: u64 = 4;

/// A run as it should be: every client sends its key's events one after the other, every fifth event is answered only at the second try
/// (and is in the log twice), and after every seventh somebody forges one and is refused.
fn clean_run(events: u64) -> Run {
    let mut run = Run { attempts: Vec::new(), outcomes: Vec::new(), copies: Vec::new() };
    for n in 0..events {
        let attempt = attempt(n, Expectation::Stored);
        let copies = if n % 5 == 0 { 2 } else { 1 };
        for copy in 1..=copies {
            let partition = n % CLIENTS % PARTITIONS;
            let offset = run.copies.iter().filter(|copy| copy.partition == partition as i32).count() as i64;
            run.copies.push(stored(&attempt, partition as i32, offset));
            let last = copy == copies;
            run.outcomes.push(answer(
                &attempt.id,
                last.then_some(200),
                last.then(|| format!("t/{partition}/{offset}")),
            ));
        }
        run.attempts.push(attempt);
        if n % 7 == 0 {
            let forged = self::attempt(1_000_000 + n, Expectation::Refused(401));
            run.outcomes.push(answer(&forged.id, Some(401), None));
            run.attempts.push(forged);
        }
    }
    run
}

fn attempt(n: u64, expect: Expectation) -> Attempt {
    let client = n % CLIENTS;
    let (id, key, sha256) = (format!("e{n}"), format!("k{client}"), hex::encode(Sha256::digest(n.to_be_bytes())));
    Attempt { id, source: "s".into(), client: client as u32, key, seq: n / CLIENTS + 1, sha256, expect }
}

fn stored(attempt: &Attempt, partition: i32, offset: i64) -> Copy {
    let (id, source, key) = (attempt.id.clone(), attempt.source.clone(), attempt.key.clone());
    let (sha256, claimed_sha256) = (attempt.sha256.clone(), attempt.sha256.clone());
    Copy { id, source, key, topic: "t".into(), partition, offset, sha256, claimed_sha256 }
}

fn answer(id: &str, status: Option<u16>, position: Option<String>) -> Outcome {
    let durability = position.as_ref().map(|_| "log".to_owned());
    Outcome { id: id.to_owned(), status, retry_after: false, position, durability, latency_us: 1 }
}

fn judged(run: &Run) -> Verdict {
    check(&run.attempts, &run.outcomes, &run.copies)
}

/// The names of the counters that are not zero.
fn caught(run: &Run) -> Vec<&'static str> {
    judged(run).faults().into_iter().filter(|(_, ids)| !ids.is_empty()).map(|(name, _)| name).collect()
}

/// Takes every copy of the event out, as if the offsets after it had never been given.
fn drop_event(run: &mut Run, id: &str) {
    run.copies.retain(|copy| copy.id != id);
}

/// Exchanges what stands at two places of the log.
fn swap(run: &mut Run, a: usize, b: usize) {
    let place = |copy: &Copy| (copy.partition, copy.offset);
    let (at_a, at_b) = (place(&run.copies[a]), place(&run.copies[b]));
    (run.copies[a].partition, run.copies[a].offset) = at_b;
    (run.copies[b].partition, run.copies[b].offset) = at_a;
}

#[test]
fn a_clean_run_is_clean() {
    let run = clean_run(100);
    assert_eq!(caught(&run), Vec::<&str>::new());
    let verdict = judged(&run);
    assert_eq!((verdict.acked, verdict.duplicates), (100, 20));
    verdict.require_clean("a made-up run");
    let summary = verdict.to_string();
    assert!(summary.starts_with("acked=100 duplicates=20 lost=0 phantom=0 surplus=0 order=0 mangled=0"), "{summary}");
    assert!(summary.ends_with("(0 lost of 100: a rate under 3.0e-2 with 95 % confidence)"), "{summary}");
}

#[test]
fn only_a_run_without_loss_has_a_bound() {
    let mut run = clean_run(20);
    drop_event(&mut run, "e7");
    let summary = judged(&run).to_string();
    assert!(summary.contains("lost=1") && !summary.contains("confidence"), "{summary}");
    assert!(!Verdict::default().to_string().contains("confidence"));
}

#[test]
#[should_panic(expected = "nothing was acknowledged")]
fn a_run_that_acknowledged_nothing_is_void() {
    check(&[], &[], &[]).require_clean("an empty run");
}

#[test]
#[should_panic(expected = "lost: [\"e7\"]")]
fn the_judge_names_what_is_lost() {
    let mut run = clean_run(20);
    drop_event(&mut run, "e7");
    judged(&run).require_clean("a lossy run");
}

#[test]
fn an_event_that_was_never_acknowledged_may_be_there_or_not() {
    let mut run = clean_run(30);
    let late = attempt(30, Expectation::Stored);
    run.outcomes.push(answer(&late.id, None, None));
    run.attempts.push(late.clone());
    assert_eq!(caught(&run), Vec::<&str>::new());
    run.copies.push(stored(&late, 0, 1_000));
    assert_eq!(caught(&run), Vec::<&str>::new());
}

#[test]
fn each_answer_outside_the_contract_is_caught() {
    let without_time = Outcome { status: Some(503), ..answer("e1", None, None) };
    let without_place = Outcome { status: Some(200), ..answer("e1", None, None) };
    let refused = Outcome { status: Some(401), ..answer("e1", None, None) };
    let failed = Outcome { status: Some(500), ..answer("e1", None, None) };
    for outcome in [without_time, without_place, refused, failed] {
        let mut run = clean_run(10);
        run.outcomes.push(outcome.clone());
        assert_eq!(caught(&run), ["unclassified"], "{outcome:?}");
    }
    let mut run = clean_run(10);
    run.outcomes.push(Outcome { status: Some(503), retry_after: true, ..answer("e1", None, None) });
    assert_eq!(caught(&run), Vec::<&str>::new());
}

#[test]
fn a_key_in_two_partitions_has_no_order() {
    let mut run = clean_run(30);
    let last = run.copies.iter_mut().rfind(|copy| copy.partition == 1).unwrap();
    (last.partition, last.offset) = (3, 0);
    let id = last.id.clone();
    run.outcomes
        .iter_mut()
        .filter(|outcome| outcome.id == id)
        .for_each(|outcome| outcome.position = Some("t/3/0".into()));
    assert_eq!(judged(&run).order, [id]);
}

proptest! {
    #[test]
    fn each_fault_is_caught_by_its_own_counter(events in 20u64..200, pick in any::<prop::sample::Index>()) {
        let clean = clean_run(events);
        prop_assert_eq!(caught(&clean), Vec::<&str>::new());
        let at = pick.index(clean.copies.len());
        let id = clean.copies[at].id.clone();

        let mut run = clean.clone();
        drop_event(&mut run, &id);
        prop_assert_eq!(judged(&run).lost, vec![id.clone()]);

        let mut run = clean.clone();
        for extra in 0..2 {
            run.copies.push(Copy { offset: 10_000 + extra, ..clean.copies[at].clone() });
        }
        prop_assert_eq!(caught(&run), ["surplus"]);
        prop_assert_eq!(judged(&run).surplus, vec![id.clone()]);

        let mut run = clean.clone();
        run.copies[at].sha256.replace_range(0..1, "x");
        prop_assert_eq!(caught(&run), ["mangled"]);

        let mut run = clean.clone();
        run.copies[at].key.push('x');
        prop_assert_eq!(caught(&run), ["mangled"]);

        let mut run = clean.clone();
        let forged = run.attempts.iter().find(|attempt| attempt.expect != Expectation::Stored).unwrap().clone();
        run.copies.push(stored(&forged, 0, 10_000));
        prop_assert_eq!(caught(&run), ["phantom"]);

        let mut run = clean.clone();
        run.copies.push(Copy { id: "made up".into(), offset: 10_000, ..clean.copies[at].clone() });
        prop_assert_eq!(caught(&run), ["phantom"]);

        let mut run = clean.clone();
        run.outcomes.push(Outcome { durability: Some("log".into()), ..answer(&forged.id, Some(200), Some("t/0/0".into())) });
        prop_assert_eq!(judged(&run).false_2xx, vec![forged.id]);
    }

    #[test]
    fn two_exchanged_events_are_out_of_order(events in 20u64..200, pick in any::<prop::sample::Index>()) {
        let mut run = clean_run(events);
        // Two neighbours of one key: every client has one key and one partition.
        let own: Vec<usize> = (0..run.copies.len()).filter(|&at| run.copies[at].key == "k1").collect();
        let first = pick.index(own.len() - 1);
        let (a, b) = (own[first], own[first + 1]);
        prop_assume!(run.copies[a].id != run.copies[b].id);
        let singles = [a, b].iter().all(|&at| run.copies.iter().filter(|copy| copy.id == run.copies[at].id).count() == 1);
        prop_assume!(singles);
        swap(&mut run, a, b);
        let found = caught(&run);
        prop_assert!(found.contains(&"order") && found.contains(&"misplaced"), "{:?}", found);
    }
}
