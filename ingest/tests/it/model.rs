//! The fence, tried in every order: a few records of one key, sent one after the other as their answers come, through a log and a spool that
//! fail in every way they can, at every step where they can.
//!
//! The fence is the edge's own; what surrounds it (the client's queue, the log, the spool, the crash) is a few lines here. Each state that
//! can be reached is visited once and has to keep the promises: what was answered with 2xx is never lost, its first copies stand in the
//! order of the answers, and whatever can still move gets to the log in the end.

use std::collections::{BTreeSet, HashSet, VecDeque};

use hooklog_ingest::fence::{Fence, Way};
use hooklog_signatures::WhenLogAway;

/// Records, how often the process may crash, and how often the producer may break.
const RECORDS: u8 = 5;
const CRASHES: u8 = 2;
const FAILURES: u8 = 3;

/// Where a record's request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Request {
    Unsent,
    /// It waits for the log.
    Waiting,
    /// Its record is being written to the spool.
    Spooling,
    Stored,
    /// 503, or nobody was left to be answered.
    Refused,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    fence: Fence,
    requests: Vec<Request>,
    /// The client's queue: the first is the next to reach the log. The drain's own records are marked.
    queue: Vec<(u8, bool)>,
    /// What reached the log and is not reported yet.
    unreported: Vec<(u8, bool)>,
    /// What the log has: first copies, since those are what order is about.
    log: Vec<u8>,
    /// Records whose write to the spool is under way, with whether their original is with the client still.
    writing: BTreeSet<u8>,
    /// What the spool has, oldest first.
    spool: Vec<u8>,
    /// Spooled records whose original has arrived.
    arrived: BTreeSet<u8>,
    /// Originals that are with the client although their requests wait no more.
    overdue: BTreeSet<u8>,
    /// What the drain has handed to the client.
    draining: Option<u8>,
    crashes: u8,
    failures: u8,
}

impl World {
    fn new() -> Self {
        Self {
            fence: Fence::default(),
            requests: vec![Request::Unsent; usize::from(RECORDS)],
            queue: Vec::new(),
            unreported: Vec::new(),
            log: Vec::new(),
            writing: BTreeSet::new(),
            spool: Vec::new(),
            arrived: BTreeSet::new(),
            overdue: BTreeSet::new(),
            draining: None,
            crashes: 0,
            failures: 0,
        }
    }

    /// Everything that could happen next.
    fn steps(&self) -> Vec<World> {
        let mut next = Vec::new();
        self.send(&mut next);
        for record in 0..RECORDS {
            match self.requests[usize::from(record)] {
                Request::Waiting => self.too_late(record, &mut next),
                Request::Spooling => self.written(record, &mut next),
                _ => {}
            }
        }
        self.log_takes(&mut next);
        self.log_fails(&mut next);
        self.report(&mut next);
        self.drain(&mut next);
        self.crash(&mut next);
        next
    }

    fn with(&self, change: impl FnOnce(&mut World), next: &mut Vec<World>) {
        let mut world = self.clone();
        change(&mut world);
        next.push(world);
    }

    /// The sender sends the next when the one before was answered, for good or ill.
    fn send(&self, next: &mut Vec<World>) {
        let Some(record) = self.requests.iter().position(|request| *request == Request::Unsent) else { return };
        if self.requests[..record].iter().any(|request| matches!(request, Request::Waiting | Request::Spooling)) {
            return;
        }
        let number = u8::try_from(record).unwrap();
        self.with(
            |world| match world.fence.enter(WhenLogAway::Spool) {
                Way::Log => {
                    world.queue.push((number, false));
                    world.requests[record] = Request::Waiting;
                }
                Way::Spool => {
                    world.writing.insert(number);
                    world.requests[record] = Request::Spooling;
                }
                Way::Refused => unreachable!("the source spools"),
            },
            next,
        );
    }

    /// The log has not reported in time: the record goes to the spool; or the caller is gone.
    fn too_late(&self, record: u8, next: &mut Vec<World>) {
        self.with(
            |world| {
                world.fence.give_up();
                world.fence.write();
                world.overdue.insert(record);
                world.writing.insert(record);
                world.requests[usize::from(record)] = Request::Spooling;
            },
            next,
        );
        self.with(
            |world| {
                world.fence.give_up();
                world.overdue.insert(record);
                world.requests[usize::from(record)] = Request::Refused;
            },
            next,
        );
    }

    /// The spool has synced the record, or failed.
    fn written(&self, record: u8, next: &mut Vec<World>) {
        self.with(
            |world| {
                world.writing.remove(&record);
                world.fence.written();
                world.spool.push(record);
                world.requests[usize::from(record)] = Request::Stored;
                // The original may have arrived meanwhile: whoever waits for it hears now.
                if world.overdue.contains(&record) && world.reported(record) {
                    world.land_overdue(record, true);
                }
            },
            next,
        );
        self.with(
            |world| {
                world.writing.remove(&record);
                world.fence.not_written();
                world.requests[usize::from(record)] = Request::Refused;
                if world.overdue.contains(&record) && world.reported(record) {
                    world.land_overdue(record, true);
                }
            },
            next,
        );
    }

    /// Whether the original of a record was reported as appended while its copy was being written.
    fn reported(&self, record: u8) -> bool {
        let with_client = |(queued, drains): &(u8, bool)| *queued == record && !drains;
        !self.queue.iter().any(with_client) && !self.unreported.iter().any(with_client)
    }

    fn land_overdue(&mut self, record: u8, appended: bool) {
        if appended && self.spool.contains(&record) {
            self.arrived.insert(record);
        }
        self.overdue.remove(&record);
        self.fence.land(true);
    }

    /// The first of the queue is appended; its report comes later.
    fn log_takes(&self, next: &mut Vec<World>) {
        if self.queue.is_empty() {
            return;
        }
        self.with(
            |world| {
                let first = world.queue.remove(0);
                if !world.log.contains(&first.0) {
                    world.log.push(first.0);
                }
                world.unreported.push(first);
            },
            next,
        );
    }

    /// The producer breaks: everything in its queue is reported as failed, and what was appended and not reported too.
    fn log_fails(&self, next: &mut Vec<World>) {
        if self.failures == FAILURES || (self.queue.is_empty() && self.unreported.is_empty()) {
            return;
        }
        self.with(
            |world| {
                world.failures += 1;
                let failed: Vec<(u8, bool)> = world.unreported.drain(..).chain(world.queue.drain(..)).collect();
                for (record, drains) in failed {
                    world.failed(record, drains);
                }
            },
            next,
        );
    }

    fn failed(&mut self, record: u8, drains: bool) {
        if drains {
            self.draining = None;
        } else if self.overdue.contains(&record) {
            if !self.writing.contains(&record) {
                self.land_overdue(record, false);
            } else {
                // The task that writes the copy hears of it after the write: as an original that never arrives.
                self.overdue.remove(&record);
                self.fence.land(true);
            }
        } else {
            self.fence.write();
            self.fence.land(false);
            self.writing.insert(record);
            self.requests[usize::from(record)] = Request::Spooling;
        }
    }

    /// The oldest append is reported.
    fn report(&self, next: &mut Vec<World>) {
        let Some(&(record, drains)) = self.unreported.first() else { return };
        self.with(
            |world| {
                world.unreported.remove(0);
                if drains {
                    world.draining = None;
                    world.spool.remove(0);
                    world.fence.drained(1);
                } else if world.overdue.contains(&record) {
                    // While the copy is being written, the report waits for it.
                    if !world.writing.contains(&record) {
                        world.land_overdue(record, true);
                    }
                } else {
                    world.fence.land(false);
                    world.requests[usize::from(record)] = Request::Stored;
                }
            },
            next,
        );
    }

    /// The drain hands the oldest over, or passes over what has arrived.
    fn drain(&self, next: &mut Vec<World>) {
        let Some(&first) = self.spool.first() else { return };
        if !self.fence.may_drain() || self.draining.is_some() {
            return;
        }
        self.with(
            |world| {
                if world.arrived.remove(&first) {
                    world.spool.remove(0);
                    world.fence.drained(1);
                } else {
                    world.draining = Some(first);
                    world.queue.push((first, true));
                }
            },
            next,
        );
    }

    /// `kill -9`, and a new process before the same spool. What was with the client may be in the log or not, and is not known.
    fn crash(&self, next: &mut Vec<World>) {
        if self.crashes == CRASHES {
            return;
        }
        self.with(
            |world| {
                world.crashes += 1;
                world.queue.clear();
                world.unreported.clear();
                world.arrived.clear();
                world.overdue.clear();
                world.writing.clear();
                world.draining = None;
                world.fence = Fence::before(world.spool.len());
                for request in &mut world.requests {
                    if matches!(request, Request::Waiting | Request::Spooling) {
                        *request = Request::Refused;
                    }
                }
            },
            next,
        );
    }

    /// The promises.
    fn check(&self) {
        let stored: Vec<u8> =
            (0..RECORDS).filter(|&record| self.requests[usize::from(record)] == Request::Stored).collect();
        for record in &stored {
            let is_somewhere = self.log.contains(record) || self.spool.contains(record);
            assert!(is_somewhere, "{record} was answered with 2xx and is nowhere: {self:?}");
        }
        let answered: Vec<u8> = self.log.iter().copied().filter(|record| stored.contains(record)).collect();
        assert!(answered.is_sorted(), "{answered:?} is not the order of the answers: {self:?}");
        assert_eq!(self.fence.is_up(), !(self.spool.is_empty() && self.writing.is_empty()), "{self:?}");
        if self.crashes == 0 && self.fence.is_quiet() {
            assert!(self.queue.is_empty() && self.unreported.is_empty(), "{self:?}");
        }
    }

    /// Whether nothing is left to do but to send.
    fn is_at_rest(&self) -> bool {
        self.spool.is_empty() && self.queue.is_empty() && self.unreported.is_empty() && self.writing.is_empty()
    }
}

#[test]
fn the_fence_keeps_its_promises_in_every_order_of_what_can_happen() {
    let mut seen = HashSet::from([World::new()]);
    let mut open = VecDeque::from([World::new()]);
    let (mut fenced, mut drained, mut passed_over, mut after_crash) = (0, 0, 0, 0);
    while let Some(world) = open.pop_front() {
        world.check();
        let next = world.steps();
        let all_sent = !world.requests.contains(&Request::Unsent);
        assert!(!next.is_empty() || (all_sent && world.is_at_rest()), "it is stuck: {world:?}");
        fenced += usize::from(world.fence.is_up());
        drained += usize::from(world.draining.is_some());
        passed_over += usize::from(!world.arrived.is_empty());
        after_crash += usize::from(world.crashes > 0 && world.fence.is_up());
        for world in next {
            if seen.insert(world.clone()) {
                open.push_back(world);
            }
        }
    }
    // A search that never met what it is for would prove nothing.
    assert!(seen.len() > 10_000, "only {} states", seen.len());
    for (what, times) in
        [("up", fenced), ("drained", drained), ("passed over", passed_over), ("after a crash", after_crash)]
    {
        assert!(times > 100, "the fence was {what} in {times} states");
    }
    println!("{} states", seen.len());
}
