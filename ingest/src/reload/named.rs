//! The files that a configuration names, and a hash that tells whether one of them changed.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use hooklog_process::config::FILE_LIMIT;
use hooklog_process::secret::SecretRef;
use sha2::{Digest, Sha256};

use crate::config::Config;
use crate::custom;
use crate::validate::folder;

/// The files that a configuration names and that can change while the process lives.
#[derive(Debug, Clone, Default)]
pub(super) struct Named {
    secrets: Vec<SecretRef>,
    /// Providers of one's own, whether the file is there or not.
    providers: Vec<PathBuf>,
    /// Folders of schemas.
    schemas: Vec<PathBuf>,
}

impl Named {
    /// Those of a configuration, with this folder of providers: another waits for a restart.
    pub(super) fn by(config: &Config, providers: &Path) -> Self {
        let sources = || config.sources.values();
        let secrets = sources().flat_map(|source| &source.secrets).map(|secret| &secret.at);
        let providers = sources().filter_map(|source| custom::file(&source.provider, providers));
        let schemas = sources().filter_map(|source| Some(source.schema.as_ref()?.dir.clone()));
        Self {
            secrets: secrets.filter(|at| matches!(at, SecretRef::File(_))).cloned().collect(),
            providers: providers.collect(),
            schemas: schemas.collect(),
        }
    }

    /// What all of them hold, or why that can't be told.
    pub(super) fn hash(&self) -> [u8; 32] {
        let providers = self.providers.iter().map(|path| hash_of_file(Some(path)));
        let schemas = self.schemas.iter().map(|path| folder::fingerprint(path));
        let mut whole = Sha256::new().chain_update(hash_of_secrets(&self.secrets));
        providers.chain(schemas).for_each(|hash| whole.update(hash));
        whole.finalize().into()
    }
}

/// What a file holds, or why it can't be read.
pub(super) fn hash_of_file(file: Option<&Path>) -> [u8; 32] {
    let Some(path) = file else { return [0; 32] };
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(FILE_LIMIT + 1).read_to_end(&mut bytes));
    let mut hash = Sha256::new();
    match read {
        Ok(_) => hash.update(&bytes),
        Err(error) => hash.update(format!("unreadable: {error}")),
    }
    hash.finalize().into()
}

/// What each file holds, or why it can't be read: a mode that is mended is a change too.
fn hash_of_secrets(secrets: &[SecretRef]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for secret in secrets {
        match secret.read() {
            Ok(secret) => hash.update(Sha256::digest(secret.expose())),
            Err(error) => hash.update(Sha256::digest(format!("unreadable: {error}"))),
        }
    }
    hash.finalize().into()
}
