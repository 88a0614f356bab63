//! A value that must not be seen: it has no printable form and is wiped from memory when it is dropped.

use zeroize::Zeroizing;

/// The largest secret accepted from a file, in bytes: larger means that the path names something else.
pub const FILE_LIMIT: u64 = 64 * 1024;

/// A secret. `Debug` prints that it is one; there is no `Display` and no `Serialize`.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

/// Where a secret is to be found; the reference itself is no secret.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretRef {
    /// A file's path. One trailing newline is not part of the secret.
    File(std::path::PathBuf),
    /// An environment variable's name.
    Env(String),
}

/// Why a secret could not be read. Never says anything of its content.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file can't be read.
    #[error("the secret file {path} can't be read: {cause}")]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The file is larger than [`FILE_LIMIT`].
    #[error("the secret file {path} has {length} bytes, the limit is {FILE_LIMIT}")]
    TooLarge {
        /// The file.
        path: std::path::PathBuf,
        /// Its length in bytes.
        length: u64,
    },
    /// The file can be read by others than its owner and group.
    #[error("the secret file {path} can be read by everybody (mode {mode:o}): `chmod 600` it")]
    Exposed {
        /// The file.
        path: std::path::PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The environment variable is not set.
    #[error("the environment variable {0} is not set")]
    Unset(String),
}

impl Secret {
    /// Takes the bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, to be used and not kept.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl SecretRef {
    /// Fetches the secret.
    ///
    /// # Errors
    /// [`SecretError`] when it is not there, too large, or readable by everybody.
    pub fn read(&self) -> Result<Secret, SecretError> {
        match self {
            Self::Env(name) => match std::env::var_os(name) {
                Some(value) => Ok(Secret::new(value.into_encoded_bytes())),
                None => Err(SecretError::Unset(name.clone())),
            },
            Self::File(path) => read_file(path),
        }
    }
}

fn read_file(path: &std::path::Path) -> Result<Secret, SecretError> {
    use std::io::Read;
    use std::os::unix::fs::PermissionsExt;
    let failed = |cause| SecretError::File { path: path.to_owned(), cause };
    let file = std::fs::File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o007 != 0 {
        return Err(SecretError::Exposed { path: path.to_owned(), mode });
    }
    if metadata.len() > FILE_LIMIT {
        return Err(SecretError::TooLarge { path: path.to_owned(), length: metadata.len() });
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(FILE_LIMIT).unwrap_or(0)));
    file.take(FILE_LIMIT).read_to_end(&mut bytes).map_err(failed)?;
    let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    Ok(Secret::new(text.strip_suffix(b"\r").unwrap_or(text).to_vec()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(content: &str, mode: u32) -> (tempfile::TempDir, SecretRef) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (folder, SecretRef::File(path))
    }

    #[test]
    fn a_secret_has_no_printable_form() {
        assert_eq!(format!("{:?}", Secret::new(b"whsec_canary".to_vec())), "Secret(…)");
    }

    #[test]
    fn a_files_last_newline_is_not_part_of_it() {
        for content in ["s3cret", "s3cret\n", "s3cret\r\n"] {
            assert_eq!(file(content, 0o600).1.read().unwrap().expose(), b"s3cret");
        }
    }

    #[test]
    fn an_exposed_a_missing_and_a_huge_file_are_refused() {
        let (_folder, exposed) = file("s3cret", 0o644);
        assert!(matches!(exposed.read(), Err(SecretError::Exposed { mode: 0o644, .. })));
        assert!(matches!(SecretRef::File("/nonexistent".into()).read(), Err(SecretError::File { .. })));
        let (_folder, huge) = file(&"x".repeat(65_537), 0o600);
        assert!(matches!(huge.read(), Err(SecretError::TooLarge { length: 65_537, .. })));
        assert!(matches!(SecretRef::Env("HOOKLOG_NOT_SET".to_owned()).read(), Err(SecretError::Unset(_))));
    }
}
