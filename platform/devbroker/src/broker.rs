//! The broker: opened, it holds its folder and its port; served, it answers until it is told to stop.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::disk::{Disk, Synced, Unsynced};
use crate::error::{OpenError, ServeError};
use crate::folder::Folder;
use crate::groups::{self, GroupLimits, Groups};
use crate::listen;
use crate::log::Ground;
use crate::offsets::Offsets;
use crate::producer_ids::ProducerIds;
use crate::request::Close;
use crate::rounds::Rounds;
use crate::settings::{Clock, Limits, Settings, Sync};
use crate::topics::{TopicLimits, Topics};

/// How often old segments are looked for.
const RETENTION_TICK: Duration = Duration::from_secs(1);

/// A broker that holds its folder and its port but serves nobody yet; clients that connect meanwhile wait.
#[derive(Debug)]
pub struct Broker {
    address: SocketAddr,
    listener: TcpListener,
    shared: Arc<Shared>,
}

/// What every connection works with.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    pub(crate) cluster_id: String,
    pub(crate) advertise: Option<SocketAddr>,
    pub(crate) topics: Topics,
    pub(crate) groups: Groups,
    pub(crate) producer_ids: ProducerIds,
    /// Changes whenever a log has grown or a topic is gone.
    pub(crate) growth: watch::Sender<u64>,
    pub(crate) request_bytes: Arc<Semaphore>,
    pub(crate) fetch_bytes: Arc<Semaphore>,
    /// Everything that blocks on the disk; stopping waits for it.
    threads: TaskTracker,
    clock: Clock,
    /// Locked as long as anybody may still write.
    _folder: Arc<Folder>,
}

impl Broker {
    /// Locks the folder, binds the port, and reads everything that is in the folder.
    ///
    /// # Errors
    /// If another broker holds the folder, the port is taken, the file system refuses, or a file is damaged.
    pub fn open(settings: Settings) -> Result<Self, OpenError> {
        let mut folder = Folder::open(&settings.dir)?;
        let bind = |source| OpenError::Bind { address: settings.listen, source };
        let listener = TcpListener::bind(settings.listen).map_err(bind)?;
        listener.set_nonblocking(true).map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        folder.sign(address)?;
        let disk: Arc<dyn Disk> = match settings.sync {
            Sync::Always => Arc::new(Synced),
            Sync::Never => Arc::new(Unsynced),
        };
        let cluster_id = folder.cluster_id(&*disk)?;
        let shared = Shared::open(settings, Arc::new(folder), disk, cluster_id)?;
        Ok(Self { address, listener, shared: Arc::new(shared) })
    }

    /// The address that is bound.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The id of this cluster: the same as long as the data folder lives, another one in every other folder.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.shared.cluster_id
    }

    /// Serves until `shutdown`; returns when connections are closed, writes are done, and folder and port are free.
    ///
    /// # Errors
    /// If the socket cannot be used in this runtime.
    pub async fn serve(self, shutdown: CancellationToken) -> Result<(), ServeError> {
        let listener = tokio::net::TcpListener::from_std(self.listener).map_err(ServeError::Listener)?;
        tracing::info!(address = %self.address, cluster_id = %self.shared.cluster_id, "dev broker serves");
        tokio::select! {
            () = listen::run(listener, &self.shared) => {}
            () = self.shared.keep_house() => {}
            () = shutdown.cancelled() => {}
        }
        self.shared.threads.close();
        self.shared.threads.wait().await;
        tracing::info!(address = %self.address, "dev broker stopped");
        Ok(())
    }
}

impl Shared {
    fn open(
        settings: Settings,
        folder: Arc<Folder>,
        disk: Arc<dyn Disk>,
        cluster_id: String,
    ) -> Result<Self, OpenError> {
        let limits = settings.limits;
        let threads = TaskTracker::new();
        let growth = watch::Sender::new(0);
        let ground = Ground {
            disk: Arc::clone(&disk),
            growth: growth.clone(),
            producers_per_log: limits.producers_per_partition,
        };
        let topic_limits = TopicLimits { topics: limits.topics, partitions: limits.partitions };
        let topics = Topics::open(Arc::clone(&folder), ground, threads.clone(), topic_limits)?;
        let offsets = Offsets::open(folder.offsets(), Arc::clone(&disk))?;
        let group_limits = GroupLimits {
            groups: limits.groups,
            members: limits.members_per_group,
            shortest_session: *limits.session_timeout.start(),
            longest_session: *limits.session_timeout.end(),
            metadata_bytes: limits.commit_metadata_bytes,
        };
        let groups = Groups::new(Rounds::new(offsets, threads.clone()), group_limits);
        let producer_ids = ProducerIds::open(folder.producer_ids(), disk, topics.greatest_producer_id())?;
        let budget = |bytes: usize| Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS)));
        Ok(Self {
            request_bytes: budget(limits.request_bytes_in_flight),
            fetch_bytes: budget(limits.fetch_bytes_in_flight),
            limits,
            cluster_id,
            advertise: settings.advertise,
            topics,
            groups,
            producer_ids,
            growth,
            threads,
            clock: settings.clock,
            _folder: folder,
        })
    }

    /// Runs something that blocks on the disk where it holds nobody else up.
    pub(crate) async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, Close> {
        let shared = Arc::clone(self);
        self.threads.spawn_blocking(move || work(&shared)).await.map_err(|_| Close::Stopping)
    }

    async fn keep_house(self: &Arc<Self>) {
        let (mut groups, mut retention) = (interval(groups::TICK), interval(RETENTION_TICK));
        retention.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = groups.tick() => self.groups.tick(),
                // A partition that panicked is of no use to retention; its appends report it.
                _ = retention.tick() => drop(self.blocking(Self::retain).await),
            }
        }
    }

    fn retain(&self) {
        let now_ms = (self.clock)();
        for (_, topic) in self.topics.all() {
            let retention = topic.config().retention();
            for partition in topic.partitions() {
                partition.retain(retention, now_ms);
            }
        }
    }
}
