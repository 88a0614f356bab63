//! Committed offsets: a table in memory, and a file of entries that is synced before a commit is answered.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use bytes::{Buf, BufMut};
use kafka_protocol::ResponseError;
use tokio::sync::oneshot;

use crate::UNPOISONED;
use crate::disk::{self, Disk};
use crate::error::OpenError;
use crate::rounds::Round;

/// The file is rewritten when it is at least so big, and mostly made of entries that no longer count.
const REWRITE_BYTES: u64 = 16 << 20;
/// Bytes of an entry before its body: length and checksum.
const ENTRY_HEADER: usize = 8;

/// Whose position: a group's in one partition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) group: String,
    pub(crate) topic: String,
    pub(crate) partition: i32,
}

/// A committed position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: String,
}

/// Positions to be set, or forgotten where there is none, and who waits for it.
#[derive(Debug)]
pub(crate) struct Commit {
    pub(crate) entries: Vec<(Place, Option<Committed>)>,
    pub(crate) reply: oneshot::Sender<Result<(), ResponseError>>,
}

/// All committed offsets of a broker.
#[derive(Debug)]
pub(crate) struct Offsets {
    path: PathBuf,
    disk: Arc<dyn Disk>,
    failed: OnceLock<()>,
    table: Mutex<Table>,
    writer: Mutex<Writer>,
}

type Table = BTreeMap<Place, Committed>;

#[derive(Debug)]
struct Writer {
    file: File,
    size: u64,
    /// Bytes right after the last rewriting.
    rewritten: u64,
}

impl Offsets {
    /// Reads the file, cuts a torn tail, and writes it anew with only what counts.
    pub(crate) fn open(path: PathBuf, disk: Arc<dyn Disk>) -> Result<Self, OpenError> {
        let table = read(&path)?;
        let writer = rewrite(&path, &table, &*disk).map_err(OpenError::io(&path))?;
        Ok(Self { path, disk, failed: OnceLock::new(), table: Mutex::new(table), writer: Mutex::new(writer) })
    }

    pub(crate) fn get(&self, place: &Place) -> Option<Committed> {
        self.table.lock().expect(UNPOISONED).get(place).cloned()
    }

    /// Everything one group has committed.
    pub(crate) fn of_group(&self, group: &str) -> Vec<(Place, Committed)> {
        let table = self.table.lock().expect(UNPOISONED);
        let first = Place { group: group.to_string(), topic: String::new(), partition: i32::MIN };
        let own = table.range(first..).take_while(|(place, _)| place.group == group);
        own.map(|(place, committed)| (place.clone(), committed.clone())).collect()
    }

    /// Every position in this topic.
    pub(crate) fn of_topic(&self, topic: &str) -> Vec<Place> {
        let table = self.table.lock().expect(UNPOISONED);
        table.keys().filter(|place| place.topic == topic).cloned().collect()
    }

    /// Groups with at least one committed offset, in order.
    pub(crate) fn groups(&self) -> Vec<String> {
        let table = self.table.lock().expect(UNPOISONED);
        let mut groups: Vec<String> = table.keys().map(|place| place.group.clone()).collect();
        groups.dedup();
        groups
    }

    fn append(&self, commits: &[Commit]) -> io::Result<()> {
        let mut writer = self.writer.lock().expect(UNPOISONED);
        let mut bytes = Vec::new();
        for (place, committed) in commits.iter().flat_map(|commit| &commit.entries) {
            encode(place, committed.as_ref(), &mut bytes);
        }
        self.disk.write(&writer.file, &bytes, writer.size)?;
        self.disk.sync(&writer.file)?;
        writer.size += bytes.len() as u64;
        let mut table = self.table.lock().expect(UNPOISONED);
        for (place, committed) in commits.iter().flat_map(|commit| commit.entries.clone()) {
            match committed {
                Some(committed) => table.insert(place, committed),
                None => table.remove(&place),
            };
        }
        if writer.size > REWRITE_BYTES.max(writer.rewritten * 4) {
            *writer = rewrite(&self.path, &table, &*self.disk)?;
        }
        Ok(())
    }
}

impl Round for Offsets {
    type Job = Commit;

    fn serve(&self, commits: Vec<Commit>) {
        let outcome = if self.failed.get().is_some() {
            Err(ResponseError::KafkaStorageError)
        } else {
            self.append(&commits).map_err(|error| {
                tracing::error!(file = %self.path.display(), %error, "offsets failed: nothing is committed until restart");
                let _ = self.failed.set(());
                ResponseError::KafkaStorageError
            })
        };
        // Nobody listens any more where a connection was closed meanwhile.
        for commit in commits {
            let _ = commit.reply.send(outcome);
        }
    }
}

/// Appends one entry: length of the body, its checksum, the body.
fn encode(place: &Place, committed: Option<&Committed>, out: &mut Vec<u8>) {
    let mut body = Vec::new();
    put_text(&place.group, &mut body);
    put_text(&place.topic, &mut body);
    body.put_i32(place.partition);
    match committed {
        None => body.put_i64(FORGOTTEN),
        Some(committed) => {
            body.put_i64(committed.offset);
            body.put_i32(committed.leader_epoch);
            put_text(&committed.metadata, &mut body);
        }
    }
    out.put_u32(u32::try_from(body.len()).expect("an entry holds three texts of at most 64 KiB"));
    out.put_u32(crc32c::crc32c(&body));
    out.extend_from_slice(&body);
}

/// In place of an offset: the position is no more.
const FORGOTTEN: i64 = -1;

fn put_text(text: &str, out: &mut Vec<u8>) {
    out.put_u16(u16::try_from(text.len()).expect("protocol strings and the metadata limit are below 64 KiB"));
    out.extend_from_slice(text.as_bytes());
}

fn take_text(bytes: &mut &[u8]) -> Option<String> {
    let len = usize::from(bytes.try_get_u16().ok()?);
    let (text, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    String::from_utf8(text.to_vec()).ok()
}

/// The entry at the front of `bytes` and its length.
fn decode(bytes: &[u8]) -> Option<(Place, Option<Committed>, usize)> {
    let mut rest = bytes;
    let len = usize::try_from(rest.try_get_u32().ok()?).ok()?;
    let checksum = rest.try_get_u32().ok()?;
    let mut body = rest.get(..len)?;
    if len == 0 || crc32c::crc32c(body) != checksum {
        return None;
    }
    let group = take_text(&mut body)?;
    let topic = take_text(&mut body)?;
    let place = Place { group, topic, partition: body.try_get_i32().ok()? };
    let committed = match body.try_get_i64().ok()? {
        FORGOTTEN => None,
        offset => {
            let leader_epoch = body.try_get_i32().ok()?;
            Some(Committed { offset, leader_epoch, metadata: take_text(&mut body)? })
        }
    };
    Some((place, committed, ENTRY_HEADER + len))
}

fn read(path: &Path) -> Result<Table, OpenError> {
    let mut table = Table::new();
    if !path.exists() {
        return Ok(table);
    }
    let bytes = fs::read(path).map_err(OpenError::io(path))?;
    let mut at = 0;
    while at < bytes.len() {
        let Some((place, committed, len)) = decode(&bytes[at..]) else {
            if (at + 1..bytes.len()).any(|later| decode(&bytes[later..]).is_some()) {
                let fault = "checksum does not hold";
                return Err(OpenError::Damaged { file: path.to_path_buf(), position: at as u64, fault });
            }
            tracing::warn!(
                file = %path.display(), position = at, bytes = bytes.len() - at,
                "cut an unfinished commit off the end; it was never acknowledged"
            );
            break;
        };
        match committed {
            Some(committed) => table.insert(place, committed),
            None => table.remove(&place),
        };
        at += len;
    }
    Ok(table)
}

fn rewrite(path: &Path, table: &Table, disk: &dyn Disk) -> io::Result<Writer> {
    let mut bytes = Vec::new();
    for (place, committed) in table {
        encode(place, Some(committed), &mut bytes);
    }
    disk::replace(disk, path, &bytes)?;
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let size = bytes.len() as u64;
    Ok(Writer { file, size, rewritten: size })
}

#[cfg(test)]
mod tests;
