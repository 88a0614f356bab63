//! From an assigned partition to a worker: open the state, ask the group and the log, decide where to begin.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use hooklog_disk::{DiskError, Recovery, Store};
use hooklog_kafka::reader::{Committed, Watermarks};
use hooklog_kafka::{PartitionReader, ReadError};
use hooklog_schemas::{NextOffset, Offset};

use crate::consumer::Consumer;
use crate::dedupe::Window;
use crate::identity::Identity;
use crate::performer::{Attempts, Performer};
use crate::recorded;
use crate::shared::Shared;
use crate::start::{Facts, plan};
use crate::step::Steps;
use crate::stop::Stop;
use crate::store::{FAMILIES, Owner, PartitionStore, StoreError};

/// How long an answer of the group or the log may take before it is asked again.
const ASK_WITHIN: Duration = Duration::from_secs(5);
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// The partition's earlier worker in this process may still be closing the state: how long is waited for it.
const LOCKED_FOR: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A partition ready to be read.
pub(crate) struct Restored<C> {
    pub(crate) steps: Steps<C>,
    pub(crate) performer: Performer<C>,
    pub(crate) from: NextOffset,
    pub(crate) bounds: Watermarks,
    pub(crate) committed: Option<Committed>,
}

/// Restores a partition; nothing when stopping was requested meanwhile.
///
/// # Errors
/// The cause for which the process must end.
pub(crate) fn restore<C: Consumer>(
    shared: &Arc<Shared<C>>,
    reader: &PartitionReader,
    stop: &Arc<Stop>,
) -> Result<Option<Restored<C>>, String> {
    let lease = reader.lease();
    let Some(place) = shared.place(&lease.topic) else {
        return Err(format!("the topic {} was assigned but not asked for", lease.topic));
    };
    let identity = Identity {
        cluster: place.cluster.clone(),
        topic: lease.topic.clone(),
        partition: lease.partition,
        partitions: place.partitions,
        group: shared.settings.group.clone(),
        generation: shared.settings.generation,
    };
    let Some((committed, bounds)) = ask(reader, stop)? else { return Ok(None) };
    let Some(mut store) = open(shared, &identity, stop)? else { return Ok(None) };
    let facts = Facts {
        local: store.next(),
        committed: committed.as_ref().map(|committed| committed.next),
        log_start: bounds.start,
        log_end: bounds.end,
    };
    let plan = plan(facts, shared.settings.policy())
        .map_err(|error| format!("{}/{}: {error}", lease.topic, lease.partition))?;
    tracing::info!(
        topic = %lease.topic, partition = %lease.partition, from = %plan.from, effects_from = %plan.effects_from,
        skipped = plan.skipped, closed = store.was_closed(), "partition restored"
    );
    warn_of_other_owner(shared, &store, committed.as_ref());
    let opened = |store: &mut PartitionStore| -> Result<(), StoreError> {
        if store.next() != Some(plan.from) {
            store.begin_at(plan.from)?;
        }
        if let Some(committed) = &committed {
            store.forget_effects_before(committed.next)?;
        }
        Ok(())
    };
    opened(&mut store).map_err(|error| error.to_string())?;
    let rebuilt = plan.from..plan.effects_from;
    let Some(set_aside) = set_aside(shared, &identity, &rebuilt, stop)? else { return Ok(None) };
    let metrics = shared.metrics.of_partition(&identity.group, &identity.topic, identity.partition);
    let attempts = Attempts {
        consumer: Arc::clone(&shared.consumer),
        identity: identity.clone(),
        policy: shared.settings.effects.policy(),
        clock: shared.clock.clone(),
        random: shared.random.clone(),
        metrics: metrics.clone(),
    };
    let mut performer = Performer::new(attempts, shared.runtime.clone());
    performer.add(store.outbox().map_err(|error| error.to_string())?);
    let steps = Steps {
        consumer: Arc::clone(&shared.consumer),
        identity,
        store,
        decoding: shared.decoding.clone(),
        log: shared.log.clone(),
        retry: shared.settings.retry.backoff(),
        effects_from: plan.effects_from,
        set_aside,
        clock: shared.clock.clone(),
        random: shared.random.clone(),
        stop: Arc::clone(stop),
        metrics,
    };
    Ok(Some(Restored { steps, performer, from: plan.from, bounds, committed }))
}

/// Asks the group for its offset and the log for its bounds, again and again while the brokers are away.
fn ask(reader: &PartitionReader, stop: &Stop) -> Result<Option<(Option<Committed>, Watermarks)>, String> {
    loop {
        let answer = reader.committed(ASK_WITHIN).and_then(|committed| Ok((committed, reader.watermarks(ASK_WITHIN)?)));
        match answer {
            Ok(answer) => return Ok(Some(answer)),
            Err(error @ ReadError::Unavailable { .. }) => {
                tracing::warn!(lease = ?reader.lease(), %error, "partition can't be restored yet");
                if stop.pause(ASK_AGAIN) {
                    return Ok(None);
                }
            }
            Err(ReadError::Closed) => return Ok(None),
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// What was set aside among the records that are read again to rebuild the state, asked again and again while the brokers are away.
fn set_aside<C>(
    shared: &Shared<C>,
    identity: &Identity,
    rebuilt: &Range<NextOffset>,
    stop: &Stop,
) -> Result<Option<BTreeSet<Offset>>, String> {
    if rebuilt.is_empty() {
        return Ok(Some(BTreeSet::new()));
    }
    loop {
        match recorded::set_aside(&shared.connection, &shared.dead_letters, identity, rebuilt, stop) {
            Ok(found) => return Ok(found),
            Err(error) => {
                tracing::warn!(topic = %shared.dead_letters, %error, "dead letters can't be read yet, the partition waits");
                if stop.pause(ASK_AGAIN) {
                    return Ok(None);
                }
            }
        }
    }
}

fn open<C>(shared: &Shared<C>, identity: &Identity, stop: &Stop) -> Result<Option<PartitionStore>, String> {
    let folder = identity.folder(&shared.settings.data_dir);
    std::fs::create_dir_all(&folder)
        .map_err(|error| format!("the state folder {} can't be made: {error}", folder.display()))?;
    let mut waited = Duration::ZERO;
    let store = loop {
        match Store::open(&folder, FAMILIES, Recovery::TornTail, &shared.budget) {
            Ok(store) => break store,
            Err(DiskError::Locked { .. }) if waited < LOCKED_FOR => {
                waited += LOOK_AGAIN;
                if stop.pause(LOOK_AGAIN) {
                    return Ok(None);
                }
            }
            Err(error) => return Err(error.to_string()),
        }
    };
    let window = Window::new(shared.settings.dedupe.window.0);
    let store = PartitionStore::open(Box::new(store), identity, window, Owner(shared.random.bytes()));
    store.map(Some).map_err(|error| format!("{}: {error}", folder.display()))
}

/// Another member committed since this state was last in use, and this state is ahead of it: what was set aside in between may
/// differ. Nothing can be done about it here; it is said, since it follows a pause of a process that was taken for dead.
fn warn_of_other_owner<C>(shared: &Shared<C>, store: &PartitionStore, committed: Option<&Committed>) {
    let (Some(local), Some(committed)) = (store.next(), committed) else { return };
    if local > committed.next && !committed.note.is_empty() && committed.note != shared.note(store.owner()) {
        tracing::warn!(
            %local, committed = %committed.next,
            "this state is ahead of a commit by another owner: dead letters between the two may differ from its"
        );
    }
}
