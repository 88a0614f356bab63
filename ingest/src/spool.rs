//! The spool: where records wait on this machine while the log is away.
//!
//! A record's way: [`record`] gives it bytes with a number and a checksum; the [`committer`]'s thread gathers all that wait into one synced
//! write to the [`shelf`]; the drain reads the first of a lane, hands them to the log, and has them removed once the log has them.
//! [`usage`] keeps it within its limits; [`survey`] reads it as a whole, at every start and after every failure.
//!
//! What is promised: a number is given out only after the record's bytes are on the device; a damaged or missing record is counted and
//! reported, and never handed to the log; a full or failed spool says so and takes nothing.

pub mod record;
pub mod shelf;
pub mod survey;
pub mod usage;
pub mod metrics;
mod committer;

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use hooklog_disk::space::{Reserve, free_bytes};
use hooklog_disk::{Budget, Disk, DiskError, Recovery, Store};
use hooklog_process::clock::Clock;
use hooklog_schemas::{SourceName, Timestamp, TopicName};
use tokio::sync::oneshot;

use crate::lane::LaneId;
use committer::{Committer, Order};
use metrics::SpoolMetrics;
use shelf::{Entry, FAMILIES, Place, SetAside, Shelf, ShelfError};
use survey::{Damages, Survey};
use usage::{Full, Limits, Usage, is_older};

/// Orders that wait for the thread; beyond it a request is refused rather than queued.
const ORDERS: usize = 16 * 1024;

/// Memory of the store: unflushed records and cached blocks.
const BUDGET_BYTES: usize = 64 << 20;

/// The store's folder in the spool's, which also has the reserve.
const STORE: &str = "records";

/// No record is in the spool.
const NOTHING: i64 = i64::MAX;

/// Where the spool lies and what it may hold.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its folder.
    pub dir: PathBuf,
    /// What it may hold.
    pub limits: Limits,
    /// How old its oldest record may be before it takes no more, in milliseconds.
    pub max_age_ms: i64,
    /// Bytes of the device that are kept free, and set aside in a file for the moment when it is full all the same.
    pub reserve_bytes: u64,
    /// Whether it is opened although records are damaged or missing: they are set aside, the others drained.
    pub accept_damage: bool,
}

/// Why the spool did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpoolError {
    /// A limit is reached.
    #[error("the spool is full: {}", .0.label())]
    Full(Full),
    /// Too many records wait to be written.
    #[error("the spool's disk is slower than records come")]
    Busy,
    /// The disk failed, or did before.
    #[error("the spool's disk: {0}")]
    Disk(#[from] DiskError),
    /// It holds something else.
    #[error(transparent)]
    Shelf(ShelfError),
    /// Records are not as they were written.
    #[error(
        "the spool has {0}: `hooklog spool verify` lists them, `hooklog spool export` saves what can be read; with spool.accept_damage = true they are set aside and the others are drained"
    )]
    Damaged(Damages),
    /// It is closed.
    #[error("the spool is closed")]
    Closed,
}

impl From<ShelfError> for SpoolError {
    fn from(error: ShelfError) -> Self {
        match error {
            ShelfError::Disk(error) => Self::Disk(error),
            other @ ShelfError::Unreadable { .. } => Self::Shelf(other),
        }
    }
}

/// The spool. Clones are the same spool.
#[derive(Clone)]
pub struct Spool {
    shared: Arc<Shared>,
    orders: SyncSender<Order>,
}

/// A spool that was opened and read, and has no thread yet.
pub struct Opened {
    shelf: Shelf,
    /// What it holds.
    pub survey: Survey,
    /// How many partitions each of its topics had.
    pub counts: Vec<(TopicName, NonZeroU32)>,
    open: committer::Open,
    settings: Settings,
}

struct Shared {
    settings: Settings,
    usage: Usage,
    clock: Clock,
    metrics: SpoolMetrics,
    /// Why it takes nothing, after a failure.
    failed: Mutex<Option<SpoolError>>,
    device_full: AtomicBool,
    /// When the oldest record was spooled, in milliseconds since 1970.
    oldest: AtomicI64,
    reserve: Reserve,
}

/// Opens what is in a spool's folder for reading, also while an edge has it: later changes are not seen.
///
/// # Errors
/// [`SpoolError`] when there is no spool, or it can't be read.
pub fn read(dir: &Path) -> Result<Shelf, SpoolError> {
    Ok(Shelf::open(Box::new(Store::open_read_only(&dir.join(STORE))?))?)
}

/// Removes what was set aside in a spool's folder that no edge has open. Returns how many records it was.
///
/// # Errors
/// [`SpoolError`], and [`DiskError::Locked`] while an edge has it.
pub fn discard_aside(dir: &Path) -> Result<u64, SpoolError> {
    let store = Store::open(&dir.join(STORE), &FAMILIES, Recovery::TornTail, &Budget::new(BUDGET_BYTES))?;
    Ok(Shelf::open(Box::new(store))?.discard_aside()?)
}

impl Opened {
    /// Opens the folder and reads all of it. Blocks: not for a thread of an async runtime.
    ///
    /// # Errors
    /// [`SpoolError`], and [`SpoolError::Damaged`] unless the settings accept damage.
    pub fn in_folder(settings: &Settings) -> Result<Self, SpoolError> {
        let dir = settings.dir.join(STORE);
        let budget = Budget::new(BUDGET_BYTES);
        let recovery = if cfg!(feature = "sabotage-point-in-time") { Recovery::Prefix } else { Recovery::TornTail };
        let store = move || -> Result<Box<dyn Disk>, DiskError> {
            std::fs::create_dir_all(&dir)
                .map_err(|error| DiskError::Io { path: dir.clone(), report: error.to_string() })?;
            Ok(Box::new(Store::open(&dir, &FAMILIES, recovery, &budget)?))
        };
        Self::on(settings, store)
    }

    /// The same on any disk.
    ///
    /// # Errors
    /// As [`Opened::in_folder`].
    pub fn on(
        settings: &Settings,
        disk: impl Fn() -> Result<Box<dyn Disk>, DiskError> + Send + 'static,
    ) -> Result<Self, SpoolError> {
        let open: committer::Open = Box::new(move || Ok(Shelf::open(disk()?)?));
        let shelf = open()?;
        let survey = Survey::of(&shelf)?;
        if !survey.damage.is_none() {
            if !settings.accept_damage {
                return Err(SpoolError::Damaged(survey.damage));
            }
            tracing::error!(damage = %survey.damage, "the spool is damaged; what can't be read is set aside");
        }
        let counts = shelf.counts().map(|(topic, count)| (topic.clone(), count)).collect();
        Ok(Self { shelf, survey, counts, open, settings: settings.clone() })
    }

    /// Starts its thread. `reopened` hears what it holds whenever it was opened anew after a failure.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start(
        self,
        clock: Clock,
        metrics: SpoolMetrics,
        reopened: impl Fn(&Survey) + Send + 'static,
    ) -> std::io::Result<Spool> {
        metrics.limits(self.settings.limits);
        let watch = metrics.clone();
        let shared = Arc::new(Shared {
            usage: Usage::within(self.settings.limits, move |bytes, records| watch.held(bytes, records)),
            clock,
            metrics,
            failed: Mutex::default(),
            device_full: AtomicBool::new(false),
            oldest: AtomicI64::new(self.survey.oldest().map_or(NOTHING, |oldest| oldest.0)),
            reserve: Reserve::in_folder(&self.settings.dir, self.settings.reserve_bytes),
            settings: self.settings,
        });
        shared.usage.set(self.survey.holding);
        shared.metrics.damaged(&self.survey.damage);
        shared.look_at_device(true);
        let (orders, received) = sync_channel(ORDERS);
        let committer = Committer {
            shared: Arc::clone(&shared),
            orders: received,
            open: self.open,
            reopened: Box::new(reopened),
            shelf: Some(self.shelf),
        };
        std::thread::Builder::new().name("spool".to_owned()).spawn(move || committer.run())?;
        Ok(Spool { shared, orders })
    }
}

impl Spool {
    /// Takes room for a record of `size` bytes.
    ///
    /// # Errors
    /// [`SpoolError::Full`], or why the spool has failed.
    pub fn take(&self, source: &SourceName, size: usize) -> Result<(), SpoolError> {
        if let Some(error) = self.shared.failed() {
            return Err(error);
        }
        if self.shared.is_device_full() {
            return Err(self.full(Full::Device));
        }
        let oldest = self.shared.oldest.load(Ordering::Relaxed);
        let oldest = (oldest != NOTHING).then_some(Timestamp(oldest));
        if is_older(oldest, Timestamp(self.shared.clock.now_ms()), self.shared.settings.max_age_ms) {
            return Err(self.full(Full::Age));
        }
        self.shared.usage.take(source.as_str(), size).map_err(|full| self.full(full))
    }

    /// Gives the room of a record back that is no longer there, or never was.
    pub fn give(&self, source: &str, size: usize) {
        self.shared.usage.give(source, size);
    }

    /// Writes a record whose room was taken to the end of its lane. Its number is given when its bytes are on the device.
    ///
    /// # Errors
    /// [`SpoolError`]; whether the record is there is then not known.
    pub async fn put(&self, entry: Entry) -> Result<u64, SpoolError> {
        self.ask(|done| Order::Put { entry, done }).await
    }

    /// The first records of a lane, as many as fit, at least one if there is one.
    ///
    /// # Errors
    /// [`SpoolError`]
    pub async fn window(&self, lane: LaneId, records: usize, bytes: usize) -> Result<Vec<Place>, SpoolError> {
        self.ask(|done| Order::Window { lane, records, bytes, done }).await
    }

    /// Removes the first places of a lane, up to but not including `upto`, keeping some of them aside.
    ///
    /// # Errors
    /// [`SpoolError`]
    pub async fn trim(&self, lane: LaneId, upto: u64, aside: Vec<SetAside>) -> Result<(), SpoolError> {
        self.ask(|done| Order::Trim { lane, upto, aside, done }).await
    }

    /// Syncs what is left and ends the thread.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        let orders = self.orders.clone();
        // The queue may be full of orders that are still served.
        let sent = tokio::task::spawn_blocking(move || orders.send(Order::Close { done })).await;
        if sent.is_ok_and(|sent| sent.is_ok()) {
            let _ = closed.await;
        }
    }

    /// What it holds and may hold.
    #[must_use]
    pub fn usage(&self) -> &Usage {
        &self.shared.usage
    }

    /// Why it takes nothing, after a failure.
    #[must_use]
    pub fn failed(&self) -> Option<SpoolError> {
        self.shared.failed()
    }

    async fn ask<T>(
        &self,
        order: impl FnOnce(oneshot::Sender<Result<T, SpoolError>>) -> Order,
    ) -> Result<T, SpoolError> {
        let (done, answer) = oneshot::channel();
        match self.orders.try_send(order(done)) {
            Ok(()) => answer.await.unwrap_or(Err(SpoolError::Closed)),
            Err(TrySendError::Full(_)) => Err(SpoolError::Busy),
            Err(TrySendError::Disconnected(_)) => Err(SpoolError::Closed),
        }
    }

    fn full(&self, full: Full) -> SpoolError {
        self.shared.metrics.refused(full);
        SpoolError::Full(full)
    }
}

impl Shared {
    fn failed(&self) -> Option<SpoolError> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn failure(&self) -> SpoolError {
        self.failed().unwrap_or(SpoolError::Closed)
    }

    fn fail(&self, error: &SpoolError) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
        self.metrics.failed(true);
        if matches!(error, SpoolError::Disk(DiskError::Full { .. })) {
            // Room to open the store again and to remove what is drained.
            self.reserve.release();
        }
    }

    fn mend(&self) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.metrics.failed(false);
    }

    fn set_oldest(&self, oldest: Option<Timestamp>) {
        self.oldest.store(oldest.map_or(NOTHING, |oldest| oldest.0), Ordering::Relaxed);
        self.metrics.oldest(oldest.map_or(0, |oldest| self.clock.now_ms().saturating_sub(oldest.0).max(0)));
    }

    fn is_device_full(&self) -> bool {
        self.device_full.load(Ordering::Relaxed)
    }

    /// Sets the reserve aside where there is room, and refuses records where there is not.
    fn look_at_device(&self, is_open: bool) {
        let Ok(free) = free_bytes(&self.settings.dir) else { return };
        let is_set_aside = self.reserve.is_set_aside();
        let needed = self.settings.reserve_bytes;
        if is_open && !is_set_aside && free >= 2 * needed {
            self.reserve.set_aside();
        }
        // A store that failed may be opened in what the reserve left free.
        let full = if is_open { free < needed } else { free == 0 };
        self.device_full.store(full, Ordering::Relaxed);
    }
}
