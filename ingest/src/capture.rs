//! A secret that a provider tells in its handshake: on the disk and in use before the handshake is answered, and never replaced by another.
//!
//! ```text
//!   told ──▶ no file ──▶ written, synced, in use ──▶ answered
//!     │  └──▶ a file with the same ────────────────▶ answered: the provider came again
//!     └─────▶ a file with another ─────────────────▶ refused: nobody may replace a secret by calling
//! ```

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hooklog_process::secret::{Secret, SecretRef};
use hooklog_signatures::{Captured, KeyError, Keys};
use sha2::{Digest, Sha256};

use crate::edge::Edge;
use crate::outcome::Outcome;
use crate::secret::{FetchError, Ring};
use crate::source::Source;

/// What the file says of a secret that was told.
#[derive(Debug, PartialEq, Eq)]
enum Kept {
    /// It is there since now.
    Written,
    /// It was there before.
    Same,
    /// Another one is there.
    Other,
}

/// Why a secret that was told can't be kept.
#[derive(Debug, thiserror::Error)]
enum CaptureError {
    /// It is none of its provider's.
    #[error("{0}")]
    Unusable(#[from] KeyError),
    /// It can't be written.
    #[error("{path} can't be written: {cause}; its folder must be there, and the edge must be allowed to write to it")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// What is there can't be read back.
    #[error(transparent)]
    Fetch(#[from] FetchError),
}

/// Keeps the secret if the source is to, and has it in use when this returns.
///
/// # Errors
/// [`Outcome::HandshakeRefused`] when the source has another or could not use it, [`Outcome::KeysAway`] when it can't be kept now.
pub(crate) async fn keep(edge: &Edge, source: &Source, captured: &Captured) -> Result<(), Outcome> {
    let name = source.name.as_str();
    let Some(SecretRef::File(path)) = source.captured.as_ref().map(|secret| secret.at.clone()) else {
        tracing::warn!(
            source = name,
            "the provider told its secret in a handshake, which is kept nowhere: add an entry with captured = true to the source's \
             secrets and have the provider greet again"
        );
        return Ok(());
    };
    let secret = Secret::new(captured.expose().as_bytes().to_vec());
    let beside = format!(".{}", hex::encode(edge.random.bytes::<8>()));
    // Disks may be slow: no thread that serves waits for them.
    let (file, owned) = (path.clone(), source.clone());
    let kept = tokio::task::spawn_blocking(move || take(&owned, &file, &beside, &secret)).await;
    match kept {
        Ok(Ok((Kept::Other, _))) => {
            tracing::error!(
                source = name,
                file = %path.display(),
                "a handshake told another secret than the one that this source has, and was refused: if the provider was set up anew, \
                 remove the file and have it greet again"
            );
            Err(Outcome::HandshakeRefused)
        }
        Ok(Ok((kept, ring))) => {
            if let Some(ring) = ring {
                edge.sources.hold(name, &Arc::new(ring));
            }
            if kept == Kept::Written {
                tracing::info!(source = name, file = %path.display(), "the secret that the provider told is kept and in use");
            }
            Ok(())
        }
        Ok(Err(error @ CaptureError::Unusable(_))) => {
            tracing::error!(source = name, %error, "a handshake told what can't be this source's secret, and was refused");
            Err(Outcome::HandshakeRefused)
        }
        Ok(Err(error)) => {
            tracing::error!(source = name, %error, "the secret that the provider told can't be kept: it is asked to come again");
            Err(Outcome::KeysAway)
        }
        Err(error) => {
            tracing::error!(source = name, %error, "the secret that the provider told can't be kept: it is asked to come again");
            Err(Outcome::KeysAway)
        }
    }
}

/// Writes the secret unless one is there, and reads all of the source's secrets anew if this one is not in use yet.
fn take(source: &Source, path: &Path, beside: &str, secret: &Secret) -> Result<(Kept, Option<Ring>), CaptureError> {
    Keys::new(&source.scheme, [("captured", secret.expose())])?;
    let failed = |cause| CaptureError::Write { path: path.to_owned(), cause };
    let is_written = write_once(path, beside, secret.expose()).map_err(failed)?;
    let kept = match is_written {
        true => Kept::Written,
        false => {
            let there = SecretRef::File(path.to_owned()).read();
            let there = there.map_err(|error| failed(io::Error::other(error.to_string())))?;
            // By their hashes: how long it takes tells nothing of what is there.
            let is_same = Sha256::digest(there.expose()) == Sha256::digest(secret.expose());
            if is_same { Kept::Same } else { Kept::Other }
        }
    };
    let is_needed = kept != Kept::Other && source.ring.is_awaiting();
    Ok((kept, is_needed.then(|| Ring::fetch(&source.secrets)).transpose()?))
}

/// Writes a new file whole, readable by its owner alone, and synced; false if there is one, which stays as it is: a link is made or not,
/// where a rename would replace what another edge has written meanwhile.
fn write_once(path: &Path, beside: &str, bytes: &[u8]) -> io::Result<bool> {
    if path.try_exists()? {
        return Ok(false);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut hidden = std::ffi::OsString::from(beside);
    hidden.push(name);
    let temporary = folder.join(hidden);
    let linked = write(&temporary, bytes).and_then(|()| std::fs::hard_link(&temporary, path));
    // Whether it was linked or not, this name of it is no longer needed.
    let removed = std::fs::remove_file(&temporary);
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
        Ok(()) => {
            removed?;
            File::open(folder)?.sync_all()?;
            Ok(true)
        }
    }
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_written_whole_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("asana");
        assert!(write_once(&path, ".1", b"first").unwrap());
        assert!(!write_once(&path, ".2", b"second").unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        assert!(write_once(&folder.path().join("missing/asana"), ".3", b"x").is_err());
    }

    #[test]
    fn of_many_who_write_at_once_one_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("asana");
        let written: Vec<bool> = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..8_u8)
                .map(|number| {
                    let path = &path;
                    scope.spawn(move || write_once(path, &format!(".{number}"), &[number; 32]).unwrap())
                })
                .collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        assert_eq!(written.iter().filter(|written| **written).count(), 1);
        let winner = u8::try_from(written.iter().position(|written| *written).unwrap()).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), [winner; 32]);
    }
}
