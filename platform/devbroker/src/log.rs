//! The log of one partition: appends in rounds, reads what is synced, drops what is old.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, RwLock};

use bytes::Bytes;
use kafka_protocol::ResponseError;
use tokio::sync::{oneshot, watch};

use crate::UNPOISONED;
use crate::batch::{self, Found, Head};
use crate::disk::{self, Disk};
use crate::error::OpenError;
use crate::producers::{Producers, Verdict};
use crate::rounds::Round;
use crate::segment::{self, Entry, Segment, Span};
use crate::view::{Bounds, Retention, View};

/// What all logs of a broker share.
#[derive(Debug, Clone)]
pub(crate) struct Ground {
    pub(crate) disk: Arc<dyn Disk>,
    /// Changes whenever some log has grown; waiting fetches look again.
    pub(crate) growth: watch::Sender<u64>,
    pub(crate) producers_per_log: usize,
}

/// One partition on disk.
///
/// ```text
/// open ──append──▶ written ──sync──▶ readable and acknowledged
///   └── any write or sync error ──▶ closed (KAFKA_STORAGE_ERROR): what was readable stays so, nothing is added
/// ```
#[derive(Debug)]
pub(crate) struct Log {
    dir: PathBuf,
    ground: Ground,
    segment_bytes: AtomicU64,
    /// Why nothing is appended any more, once that is so.
    closed: OnceLock<ResponseError>,
    writer: Mutex<Writer>,
    view: RwLock<View>,
}

/// The end that is written; held for a whole round.
#[derive(Debug)]
struct Writer {
    next: i64,
    producers: Producers,
    active: Option<Active>,
}

#[derive(Debug)]
struct Active {
    base: i64,
    file: Arc<File>,
    size: u64,
}

/// A checked batch and who waits for it.
#[derive(Debug)]
pub(crate) struct Append {
    pub(crate) head: Head,
    pub(crate) batch: Bytes,
    pub(crate) reply: oneshot::Sender<Result<Appended, ResponseError>>,
}

/// Where an acknowledged batch lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Appended {
    pub(crate) base_offset: i64,
    pub(crate) log_start: i64,
}

/// Batches of a round that are to be written with one call.
#[derive(Debug, Default)]
struct Staged {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

impl Log {
    /// Opens the folder of a partition, making it if need be; scans every segment.
    pub(crate) fn open(dir: PathBuf, ground: Ground, segment_bytes: u64) -> Result<Self, OpenError> {
        fs::create_dir_all(&dir).map_err(OpenError::io(&dir))?;
        let deleted_below = read_start(&dir)?;
        let mut producers = Producers::new(ground.producers_per_log);
        let mut segments = VecDeque::new();
        let bases = segment_bases(&dir)?;
        for base in &bases {
            let newest = bases.last() == Some(base);
            let path = segment::path(&dir, *base);
            let found = segment::scan(&path, *base, newest, &*ground.disk, |head| {
                producers.note(head, head.base_offset);
            })?;
            let expected = segments.back().map_or(*base, |before: &Segment| before.last() + 1);
            if *base != expected || (found.entries.is_empty() && !newest) {
                let fault = "the segment before it does not end where this one begins";
                return Err(OpenError::Damaged { file: path, position: 0, fault });
            }
            if found.entries.is_empty() {
                fs::remove_file(&path).map_err(OpenError::io(&path))?;
                continue;
            }
            segments.push_back(found);
        }
        let start = deleted_below.max(segments.front().map_or(0, |segment| segment.base));
        let end = segments.back().map_or(start, |segment| segment.last() + 1);
        let end = end.max(bases.last().copied().unwrap_or(start)).max(start);
        let active = reopen(&mut segments)?;
        let log = Self {
            dir,
            ground,
            segment_bytes: AtomicU64::new(segment_bytes),
            closed: OnceLock::new(),
            writer: Mutex::new(Writer { next: end, producers, active }),
            view: RwLock::new(View::new(Bounds { start, end }, segments)),
        };
        log.drop_below(start);
        Ok(log)
    }

    pub(crate) fn set_segment_bytes(&self, bytes: u64) {
        self.segment_bytes.store(bytes, Ordering::Relaxed);
    }

    /// The greatest producer id in the log, -1 if there is none.
    pub(crate) fn greatest_producer_id(&self) -> i64 {
        self.writer.lock().expect(UNPOISONED).producers.greatest_id()
    }

    pub(crate) fn bounds(&self) -> Bounds {
        self.view.read().expect(UNPOISONED).bounds()
    }

    /// How many bytes a read of at most `max` from `offset` on would give.
    pub(crate) fn measure(&self, offset: i64, max: usize, whole_first: bool) -> Result<usize, ResponseError> {
        let view = self.view.read().expect(UNPOISONED);
        Ok(view.locate(offset, max, whole_first)?.map_or(0, |(_, span)| span.len))
    }

    /// Whole batches from the one that holds `offset` on. Blocks.
    pub(crate) fn read(&self, offset: i64, max: usize, whole_first: bool) -> Result<Bytes, ResponseError> {
        let (file, span) = {
            let view = self.view.read().expect(UNPOISONED);
            let Some((segment, span)) = view.locate(offset, max, whole_first)? else { return Ok(Bytes::new()) };
            (segment.file().map_err(|error| self.unread(&error))?, span)
        };
        Ok(Bytes::from(segment::read(&file, span).map_err(|error| self.unread(&error))?))
    }

    /// The first readable record at or after a time. Blocks.
    pub(crate) fn first_at_or_after(&self, timestamp: i64) -> Result<Option<Found>, ResponseError> {
        let start = self.bounds().start;
        let mut from = start;
        while let Some(batch) = self.read_batch(|view| view.batch_at_or_after(timestamp, from))? {
            if let Some(found) = batch::first_at_or_after(&batch, timestamp, start) {
                return Ok(Some(found));
            }
            // Only in the batch that a deletion cut through, where the record with that time may be below the start.
            from = Head::parse(&batch).map_or(i64::MAX, |head| head.last_offset() + 1);
        }
        Ok(None)
    }

    /// The first readable record with the greatest timestamp. Blocks.
    pub(crate) fn latest(&self) -> Result<Option<Found>, ResponseError> {
        let batch = self.read_batch(View::latest_batch)?;
        Ok(batch.and_then(|batch| batch::latest(&batch)))
    }

    /// Drops whole segments that are too old or too much; never the one that is written.
    pub(crate) fn retain(&self, retention: Retention, now_ms: i64) {
        let _writer = self.writer.lock().expect(UNPOISONED);
        let keep_from = self.view.read().expect(UNPOISONED).keep_from(retention, now_ms);
        self.drop_below(keep_from);
    }

    /// Makes everything below `offset` unreadable for good; the new start is on the disk before this returns.
    pub(crate) fn delete_below(&self, offset: i64) -> Result<i64, ResponseError> {
        let _writer = self.writer.lock().expect(UNPOISONED);
        self.check_open()?;
        let bounds = self.bounds();
        if !(0..=bounds.end).contains(&offset) {
            return Err(ResponseError::OffsetOutOfRange);
        }
        if offset > bounds.start {
            let path = self.dir.join(START);
            disk::replace(&*self.ground.disk, &path, offset.to_string().as_bytes())
                .map_err(|error| self.fail(&error))?;
            self.drop_below(offset);
        }
        Ok(offset.max(bounds.start))
    }

    /// The topic is gone: whoever still appends is told so.
    pub(crate) fn close_deleted(&self) {
        let _writer = self.writer.lock().expect(UNPOISONED);
        // Closed by an error before: that stays the reason.
        let _ = self.closed.set(ResponseError::UnknownTopicOrPartition);
    }

    fn check_open(&self) -> Result<(), ResponseError> {
        self.closed.get().map_or(Ok(()), |reason| Err(*reason))
    }

    /// After a failed write or sync nobody knows what is on the disk, and another try may report success for lost pages.
    fn fail(&self, error: &io::Error) -> ResponseError {
        tracing::error!(partition = %self.dir.display(), %error, "partition failed: nothing is appended until restart");
        *self.closed.get_or_init(|| ResponseError::KafkaStorageError)
    }

    fn unread(&self, error: &io::Error) -> ResponseError {
        tracing::error!(partition = %self.dir.display(), %error, "cannot read the log");
        ResponseError::KafkaStorageError
    }

    fn read_batch(&self, find: impl Fn(&View) -> Option<(&Segment, Entry)>) -> Result<Option<Vec<u8>>, ResponseError> {
        let (file, span) = {
            let view = self.view.read().expect(UNPOISONED);
            let Some((segment, entry)) = find(&view) else { return Ok(None) };
            let span = Span { position: entry.position, len: entry.len };
            (segment.file().map_err(|error| self.unread(&error))?, span)
        };
        segment::read(&file, span).map(Some).map_err(|error| self.unread(&error))
    }

    /// Moves the readable start up and removes segments that lie wholly below it; never the newest.
    fn drop_below(&self, offset: i64) {
        let dropped = self.view.write().expect(UNPOISONED).drop_below(offset);
        for old in dropped {
            if let Err(error) = fs::remove_file(&old.path) {
                tracing::warn!(file = %old.path.display(), %error, "cannot remove an old segment");
            }
        }
    }

    fn append(&self, writer: &mut Writer, jobs: &[Append]) -> io::Result<Vec<Result<Appended, ResponseError>>> {
        let log_start = self.bounds().start;
        let mut staged = Staged::default();
        let mut outcomes = Vec::with_capacity(jobs.len());
        for job in jobs {
            let base_offset = match writer.producers.judge(&job.head) {
                Verdict::New => self.stage(writer, &mut staged, job)?,
                Verdict::Repeat(base_offset) => base_offset,
                Verdict::Refused(error) => {
                    outcomes.push(Err(error));
                    continue;
                }
            };
            outcomes.push(Ok(Appended { base_offset, log_start }));
        }
        self.flush(writer, &mut staged)?;
        Ok(outcomes)
    }

    fn stage(&self, writer: &mut Writer, staged: &mut Staged, job: &Append) -> io::Result<i64> {
        let limit = self.segment_bytes.load(Ordering::Relaxed);
        let fill = |active: &Active| active.size + (staged.bytes.len() + job.head.len) as u64;
        if writer.active.as_ref().is_some_and(|active| fill(active) > limit && fill(active) > job.head.len as u64) {
            self.flush(writer, staged)?;
            writer.active = None;
        }
        let active = match &mut writer.active {
            Some(active) => active,
            None => writer.active.insert(self.begin_segment(writer.next)?),
        };
        let base = writer.next;
        let head = job.head.at(base);
        staged.entries.push(segment::entry(&head, active.size + staged.bytes.len() as u64));
        batch::place(&job.batch, base, &mut staged.bytes);
        writer.producers.note(&head, base);
        writer.next = head.last_offset() + 1;
        Ok(base)
    }

    fn begin_segment(&self, base: i64) -> io::Result<Active> {
        let path = segment::path(&self.dir, base);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        self.ground.disk.sync_folder(&self.dir)?;
        Ok(Active { base, file: Arc::new(file), size: 0 })
    }

    /// Writes and syncs what is staged, and only then makes it readable.
    fn flush(&self, writer: &mut Writer, staged: &mut Staged) -> io::Result<()> {
        let Some(active) = &mut writer.active else { return Ok(()) };
        if staged.entries.is_empty() {
            return Ok(());
        }
        self.ground.disk.write(&active.file, &staged.bytes, active.size)?;
        self.ground.disk.sync(&active.file)?;
        active.size += staged.bytes.len() as u64;
        staged.bytes.clear();
        self.publish(active, std::mem::take(&mut staged.entries));
        Ok(())
    }

    fn publish(&self, active: &Active, entries: Vec<Entry>) {
        let mut view = self.view.write().expect(UNPOISONED);
        if view.newest().is_none_or(|newest| newest.base != active.base) {
            let path = segment::path(&self.dir, active.base);
            view.begin(Segment::new(active.base, path, Some(Arc::clone(&active.file))));
        }
        view.extend(entries);
        drop(view);
        self.ground.growth.send_modify(|count| *count = count.wrapping_add(1));
    }
}

impl Round for Log {
    type Job = Append;

    fn serve(&self, jobs: Vec<Append>) {
        let mut writer = self.writer.lock().expect(UNPOISONED);
        let appended =
            self.check_open().and_then(|()| self.append(&mut writer, &jobs).map_err(|error| self.fail(&error)));
        drop(writer);
        // Nobody listens any more where a connection was closed meanwhile.
        let outcomes = appended.unwrap_or_else(|reason| vec![Err(reason); jobs.len()]);
        for (job, outcome) in jobs.into_iter().zip(outcomes) {
            let _ = job.reply.send(outcome);
        }
    }
}

/// The file that says below which offset records were deleted.
const START: &str = "start";

fn read_start(dir: &Path) -> Result<i64, OpenError> {
    let path = dir.join(START);
    if !path.exists() {
        return Ok(0);
    }
    let text = fs::read_to_string(&path).map_err(OpenError::io(&path))?;
    text.trim().parse().map_err(|_| OpenError::Unreadable { file: path, fault: format!("{text:?} is not an offset") })
}

fn segment_bases(dir: &Path) -> Result<Vec<i64>, OpenError> {
    let mut bases = Vec::new();
    for file in fs::read_dir(dir).map_err(OpenError::io(dir))? {
        let name = file.map_err(OpenError::io(dir))?.file_name();
        let base = name.to_str().and_then(|name| name.strip_suffix(".log"));
        bases.extend(base.and_then(|base| base.parse::<i64>().ok()));
    }
    bases.sort_unstable();
    Ok(bases)
}

/// Goes on writing where the newest segment ends.
fn reopen(segments: &mut VecDeque<Segment>) -> Result<Option<Active>, OpenError> {
    let Some(newest) = segments.back_mut() else { return Ok(None) };
    let file = OpenOptions::new().read(true).write(true).open(&newest.path).map_err(OpenError::io(&newest.path))?;
    let file = Arc::new(file);
    newest.active = Some(Arc::clone(&file));
    Ok(Some(Active { base: newest.base, file, size: newest.size() }))
}

#[cfg(test)]
mod tests;
