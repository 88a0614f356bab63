//! One segment file: whole batches one after another, an index of them in memory, and the scan that rebuilds it.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::batch::{self, HEADER, Head, LEADER_EPOCH};
use crate::disk::Disk;
use crate::error::OpenError;

/// Bytes read ahead while scanning.
const SCAN_BUFFER: usize = 1 << 20;

/// Where one batch lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) last: i64,
    pub(crate) position: u64,
    pub(crate) len: usize,
    pub(crate) max_timestamp: i64,
}

/// The readable part of a segment; never empty.
#[derive(Debug)]
pub(crate) struct Segment {
    /// Offset of the first record; the file is named after it.
    pub(crate) base: i64,
    pub(crate) path: PathBuf,
    /// Kept open while the segment is written; a closed one is opened for each read, to spare open files.
    pub(crate) active: Option<Arc<File>>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) max_timestamp: i64,
}

impl Segment {
    pub(crate) fn new(base: i64, path: PathBuf, active: Option<Arc<File>>) -> Self {
        Self { base, path, active, entries: Vec::new(), max_timestamp: -1 }
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        self.max_timestamp = self.max_timestamp.max(entry.max_timestamp);
        self.entries.push(entry);
    }

    pub(crate) fn last(&self) -> i64 {
        self.entries.last().map_or(self.base - 1, |entry| entry.last)
    }

    pub(crate) fn size(&self) -> u64 {
        self.entries.last().map_or(0, |entry| entry.position + entry.len as u64)
    }

    /// The batches from the one that holds `offset` on, at most `max` bytes of them; the first one whole, however big,
    /// if `whole_first`.
    pub(crate) fn span(&self, offset: i64, max: usize, whole_first: bool) -> Option<Span> {
        let begin = self.entries.partition_point(|entry| entry.last < offset);
        let position = self.entries.get(begin)?.position;
        let mut len = 0;
        for entry in &self.entries[begin..] {
            if len + entry.len > max && !(len == 0 && whole_first) {
                break;
            }
            len += entry.len;
        }
        (len > 0).then_some(Span { position, len })
    }

    /// A handle to read with, also after the file has been removed.
    pub(crate) fn file(&self) -> io::Result<Arc<File>> {
        match &self.active {
            Some(file) => Ok(Arc::clone(file)),
            None => File::open(&self.path).map(Arc::new),
        }
    }
}

/// A run of bytes of one segment file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) position: u64,
    pub(crate) len: usize,
}

/// Reads the bytes of a span.
pub(crate) fn read(file: &File, span: Span) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; span.len];
    file.read_exact_at(&mut bytes, span.position)?;
    Ok(bytes)
}

/// The file that holds the records from `base` on.
pub(crate) fn path(dir: &Path, base: i64) -> PathBuf {
    dir.join(format!("{base:020}.log"))
}

/// Rebuilds the index of a segment and shows each batch to `see`.
///
/// A torn tail of the newest segment is cut off: those bytes were never acknowledged. Anything else that does not read
/// as a batch is damage, and nothing is changed.
pub(crate) fn scan(
    path: &Path,
    base: i64,
    newest: bool,
    disk: &dyn Disk,
    mut see: impl FnMut(&Head),
) -> Result<Segment, OpenError> {
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(OpenError::io(path))?;
    let size = file.metadata().map_err(OpenError::io(path))?.len();
    let mut segment = Segment::new(base, path.to_path_buf(), None);
    let mut reader = BufReader::with_capacity(SCAN_BUFFER, &file);
    let mut position = 0;
    while position < size {
        match next(&mut reader, size - position).map_err(OpenError::io(path))? {
            Ok(head) => {
                let expected = segment.last() + 1;
                if head.base_offset != expected || head.leader_epoch != LEADER_EPOCH {
                    return Err(damaged(path, position, "its place in the log is wrong"));
                }
                see(&head);
                segment.push(entry(&head, position));
                position += head.len as u64;
            }
            Err(fault) => {
                let expected = segment.last() + 1;
                if !newest || batch_follows(&file, position, size, expected).map_err(OpenError::io(path))? {
                    return Err(damaged(path, position, fault));
                }
                tracing::warn!(
                    file = %path.display(), position, bytes = size - position, fault,
                    "cut an unfinished write off the end of the log; it was never acknowledged"
                );
                file.set_len(position).and_then(|()| disk.sync(&file)).map_err(OpenError::io(path))?;
                break;
            }
        }
    }
    Ok(segment)
}

pub(crate) fn entry(head: &Head, position: u64) -> Entry {
    Entry { last: head.last_offset(), position, len: head.len, max_timestamp: head.max_timestamp }
}

fn damaged(file: &Path, position: u64, fault: &'static str) -> OpenError {
    OpenError::Damaged { file: file.to_path_buf(), position, fault }
}

/// The next batch, of which at most `left` bytes are there.
fn next(reader: &mut impl Read, left: u64) -> io::Result<Result<Head, &'static str>> {
    if left < HEADER as u64 {
        return Ok(Err("shorter than a batch header"));
    }
    let mut bytes = vec![0; HEADER];
    reader.read_exact(&mut bytes)?;
    let head = match Head::parse(&bytes) {
        Ok(head) => head,
        Err(fault) => return Ok(Err(fault)),
    };
    if head.len as u64 > left {
        return Ok(Err("cut short"));
    }
    bytes.resize(head.len, 0);
    reader.read_exact(&mut bytes[HEADER..])?;
    Ok(batch::check(&bytes))
}

/// Whether a whole batch of this log lies anywhere behind `position`: then what is unreadable there is no torn tail.
fn batch_follows(mut file: &File, position: u64, size: u64, expected: i64) -> io::Result<bool> {
    let mut rest = Vec::new();
    file.seek(SeekFrom::Start(position))?;
    file.take(size - position).read_to_end(&mut rest)?;
    let of_this_log =
        |bytes: &[u8]| Head::parse(bytes).is_ok_and(|head| head.base_offset >= expected) && batch::check(bytes).is_ok();
    Ok((1..rest.len()).any(|at| of_this_log(&rest[at..])))
}
