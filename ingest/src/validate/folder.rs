//! A folder of schemas: `<type of event>.json` for one type, `default.json` for all others, and what they refer to.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use hooklog_schemas::EventType;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::validate::schema::{Beside, Schema, SchemaFault};
use crate::validate::{Mode, Schemas};

/// The most schemas a folder may hold.
pub const COUNT_LIMIT: usize = 1024;

/// The largest file of a schema, in bytes.
pub const FILE_LIMIT: u64 = 1024 * 1024;

/// The file for the types that have none of their own.
pub const DEFAULT: &str = "default.json";

const ENDING: &str = ".json";

/// What a file's name can't hold, and the character that marks what stands for it.
const ILLEGAL: &AsciiSet = &CONTROLS.add(b'/').add(b'%');

/// Why a folder of schemas was refused. Each names the file and the mend.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The folder can't be read.
    #[error(
        "the schema folder {path} can't be read: {cause}; its path is taken from the folder that the edge is started in"
    )]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The folder holds no schema: an empty folder must not mean "everything is valid".
    #[error(
        "the schema folder {path} holds no schema: put `<type of event>.json` or `{DEFAULT}` there, or leave `schema` away"
    )]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds more than [`COUNT_LIMIT`].
    #[error(
        "the schema folder {path} holds more than {COUNT_LIMIT} schemas: give types that need none the `{DEFAULT}`"
    )]
    Many {
        /// The folder.
        path: PathBuf,
    },
    /// A file is named after no type of event.
    #[error("the schema {path} is named after no type of event: {mend}")]
    Name {
        /// The file.
        path: PathBuf,
        /// How it is named.
        mend: String,
    },
    /// A file can't be read.
    #[error("the schema {path} can't be read: {cause}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// A file is no schema.
    #[error("the schema {path} can't be used: {cause}")]
    Schema {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: SchemaFault,
    },
}

/// The name of the file for a type of event: the type itself, with what a file's name can't hold percent-encoded.
#[must_use]
pub fn file_name(kind: &EventType) -> String {
    format!("{}{ENDING}", utf8_percent_encode(kind.as_str(), ILLEGAL))
}

/// Reads and compiles every schema of the folder.
///
/// # Errors
/// [`FolderError`] for the first that can't be used.
pub fn read(folder: &Path, mode: Mode, max_bytes: usize) -> Result<Schemas, FolderError> {
    let failed = |cause| FolderError::Folder { path: folder.to_owned(), cause };
    let whole = folder.canonicalize().map_err(failed)?;
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let name = name.to_string_lossy().into_owned();
        if name.ends_with(ENDING) && folder.join(&name).is_file() {
            names.push(name);
        }
        if names.len() > COUNT_LIMIT {
            return Err(FolderError::Many { path: folder.to_owned() });
        }
    }
    if names.is_empty() {
        return Err(FolderError::Empty { path: folder.to_owned() });
    }
    // The first that is wrong is the same one every time.
    names.sort();
    let mut schemas = Schemas { by_type: HashMap::new(), default: None, mode, max_bytes };
    for name in names {
        let path = folder.join(&name);
        let schema = one(&whole, &path, &name)?;
        if name == DEFAULT {
            schemas.default = Some(schema);
        } else {
            let kind = kind_of(&name).map_err(|mend| FolderError::Name { path, mend })?;
            schemas.by_type.insert(kind, schema);
        }
    }
    Ok(schemas)
}

/// A hash of all that the folder holds, subfolders too, or of why it can't be read: two looks with one hash saw the same.
#[must_use]
pub fn fingerprint(folder: &Path) -> [u8; 32] {
    let mut whole = Sha256::new();
    hash_folder(folder, &mut whole, &mut (COUNT_LIMIT * 2));
    whole.finalize().into()
}

/// No more than `left` entries, so that a path that names something else costs little.
fn hash_folder(folder: &Path, whole: &mut Sha256, left: &mut usize) {
    let mut paths: Vec<PathBuf> = match std::fs::read_dir(folder) {
        Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).take(*left).collect(),
        Err(error) => return whole.update(format!("unreadable: {error}")),
    };
    paths.sort();
    for path in paths {
        if *left == 0 {
            return;
        }
        *left -= 1;
        whole.update(Sha256::digest(path.as_os_str().as_encoded_bytes()));
        if path.is_dir() && !path.is_symlink() {
            hash_folder(&path, whole, left);
        } else {
            match bytes(&path) {
                Ok(bytes) => whole.update(Sha256::digest(bytes)),
                Err(error) => whole.update(Sha256::digest(error)),
            }
        }
    }
}

fn one(whole: &Path, path: &Path, name: &str) -> Result<Schema, FolderError> {
    let value = value(path).map_err(|cause| FolderError::Read { path: path.to_owned(), cause })?;
    let name = utf8_percent_encode(name, NON_ALPHANUMERIC).to_string();
    Schema::compile_beside(&value, &name, Siblings(whole.to_owned()))
        .map_err(|cause| FolderError::Schema { path: path.to_owned(), cause })
}

/// The type that a file is named after; one type has one name.
fn kind_of(name: &str) -> Result<EventType, String> {
    let stem = name.strip_suffix(ENDING).unwrap_or(name);
    let decoded = percent_decode_str(stem).decode_utf8().map_err(|error| error.to_string())?;
    let kind = EventType::parse(&decoded).map_err(|error| error.to_string())?;
    let right = file_name(&kind);
    if right == name { Ok(kind) } else { Err(format!("the type {kind} has its schema in {right}")) }
}

fn value(path: &Path) -> Result<Value, String> {
    serde_json::from_slice(&bytes(path)?).map_err(|error| format!("it is no JSON: {error}"))
}

fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > FILE_LIMIT {
        return Err(format!("it has more than {FILE_LIMIT} bytes"));
    }
    std::fs::read(path).map_err(|error| error.to_string())
}

/// The files of a folder, links followed, and none outside of it.
struct Siblings(PathBuf);

impl Beside for Siblings {
    fn read(&self, relative: &str) -> Result<Value, String> {
        let path = self.0.join(relative).canonicalize().map_err(|error| error.to_string())?;
        if !path.starts_with(&self.0) {
            return Err("it is outside of the schema's folder: put a copy there".to_owned());
        }
        value(&path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_and_the_name_of_its_file_are_one_to_one() {
        for (kind, name) in [
            ("push", "push.json"),
            ("charge.succeeded", "charge.succeeded.json"),
            ("a/b", "a%2Fb.json"),
            ("100%", "100%25.json"),
            ("é ü", "%C3%A9 %C3%BC.json"),
            ("..", "...json"),
        ] {
            let kind = EventType::parse(kind).unwrap();
            assert_eq!(file_name(&kind), name);
            assert_eq!(kind_of(name), Ok(kind));
        }
        for (name, mend) in
            [("a%2fb.json", "a%2Fb.json"), ("p%75sh.json", "push.json"), (".json", "empty"), ("%0A.json", "'\\n'")]
        {
            assert!(kind_of(name).unwrap_err().contains(mend), "{name}");
        }
        assert!(kind_of("%FF.json").is_err());
    }
}
