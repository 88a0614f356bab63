//! A certificate, its key and the authority of client certificates: read from their files, checked, and made what handshakes need.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hooklog_process::clock::Clock;
use hooklog_process::secret::{Secret, SecretError, SecretRef};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{InconsistentKeys, RootCertStore, ServerConfig};
use sha2::{Digest, Sha256};
use x509_cert::Certificate;
use x509_cert::der::Decode;

use crate::config;

/// The largest file of certificates, in bytes: larger means that the path names something else.
pub const FILE_LIMIT: u64 = 1024 * 1024;

/// The one protocol that is spoken.
const PROTOCOL: &[u8] = b"http/1.1";

/// Where the certificate is.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    certificate: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
}

/// What the files held at one moment.
pub(crate) struct Contents {
    certificate: Vec<u8>,
    key: Secret,
    client_ca: Option<Vec<u8>>,
}

/// A certificate with its key, ready for handshakes.
pub(crate) struct Pair {
    /// What a handshake needs.
    pub(crate) server: Arc<ServerConfig>,
    /// When the chain's first certificate ends, in seconds since 1970.
    pub(crate) not_after_s: i64,
}

/// Why TLS can't be spoken. Each names the setting and the file, never what the key was.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// One setting asks for another.
    #[error("{given} is set and {missing} is not: set both, or neither")]
    Half {
        /// Which is set.
        given: &'static str,
        /// Which it needs.
        missing: &'static str,
    },
    /// A file can't be read.
    #[error("{setting} {path} can't be read: {cause}")]
    Read {
        /// The setting.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A file is larger than [`FILE_LIMIT`].
    #[error("{setting} {path} has more than {FILE_LIMIT} bytes: give the file of certificates")]
    TooLarge {
        /// The setting.
        setting: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The key can't be read, or everybody can read it.
    #[error("tls.key: {0}")]
    Key(#[from] SecretError),
    /// A file is not what it should be.
    #[error("{setting} {path} can't be used: {cause}; a PEM file is wanted")]
    Pem {
        /// The setting.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// The key is another certificate's.
    #[error(
        "tls.key {key} does not belong to tls.certificate {certificate}: give the key that the certificate was made for"
    )]
    Mismatch {
        /// The key's file.
        key: PathBuf,
        /// The certificate's.
        certificate: PathBuf,
    },
    /// The certificate, or one of its chain, is over.
    #[error("tls.certificate {path} ended at {not_after_s} (seconds since 1970): renew it")]
    Ended {
        /// The file.
        path: PathBuf,
        /// When it ended.
        not_after_s: i64,
    },
    /// The certificate, or one of its chain, is still to begin.
    #[error(
        "tls.certificate {path} begins at {not_before_s} (seconds since 1970): look at the clock, or give one that holds now"
    )]
    Early {
        /// The file.
        path: PathBuf,
        /// When it begins.
        not_before_s: i64,
    },
}

impl TlsError {
    /// The same for the same failure.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(self.to_string()).into()
    }
}

impl Files {
    /// The files that are configured, if any.
    pub(crate) fn of(settings: &config::Tls) -> Result<Option<Self>, TlsError> {
        let set = |path: &Path| (!path.as_os_str().is_empty()).then(|| path.to_owned());
        let client_ca = set(&settings.client_ca);
        match (set(&settings.certificate), set(&settings.key)) {
            (Some(certificate), Some(key)) => Ok(Some(Self { certificate, key, client_ca })),
            (Some(_), None) => Err(TlsError::Half { given: "tls.certificate", missing: "tls.key" }),
            (None, Some(_)) => Err(TlsError::Half { given: "tls.key", missing: "tls.certificate" }),
            // Whoever asks for client certificates must not be left with an edge that asks nobody.
            (None, None) if client_ca.is_some() => {
                Err(TlsError::Half { given: "tls.client_ca", missing: "tls.certificate" })
            }
            (None, None) => Ok(None),
        }
    }

    /// Reads all of them.
    pub(crate) fn read(&self) -> Result<Contents, TlsError> {
        Ok(Contents {
            certificate: read("tls.certificate", &self.certificate)?,
            key: SecretRef::File(self.key.clone()).read()?,
            client_ca: self.client_ca.as_deref().map(|path| read("tls.client_ca", path)).transpose()?,
        })
    }
}

fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |cause| TlsError::Read { setting, path: path.to_owned(), cause };
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(FILE_LIMIT + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= FILE_LIMIT) {
        Ok(bytes)
    } else {
        Err(TlsError::TooLarge { setting, path: path.to_owned() })
    }
}

impl Contents {
    /// The same for the same contents.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        let parts = [&self.certificate, self.key.expose(), self.client_ca.as_deref().unwrap_or_default()];
        // Of each part's digest, so that no bytes can move from one file to the next unseen.
        let whole = parts.iter().fold(Sha256::new(), |whole, part| whole.chain_update(Sha256::digest(part)));
        whole.finalize().into()
    }

    /// Checks that the certificate holds now and that the key is its own.
    pub(crate) fn pair(&self, files: &Files, clock: &Clock) -> Result<Pair, TlsError> {
        let path = &files.certificate;
        let unusable = |cause: String| TlsError::Pem { setting: "tls.certificate", path: path.clone(), cause };
        let chain = certificates(&self.certificate).map_err(unusable)?;
        let not_after_s = holds(&chain, path, clock.now_ms() / 1000)?;
        let key = PrivateKeyDer::from_pem_slice(self.key.expose()).map_err(|error| TlsError::Pem {
            setting: "tls.key",
            path: files.key.clone(),
            cause: said(&error),
        })?;
        let provider = Arc::new(ring::default_provider());
        let clients = match files.client_ca.as_deref().zip(self.client_ca.as_deref()) {
            Some((path, authorities)) => clients(authorities, &provider).map_err(|cause| TlsError::Pem {
                setting: "tls.client_ca",
                path: path.to_owned(),
                cause,
            })?,
            None => Arc::new(NoClientAuth),
        };
        let now = Arc::new(Now(clock.clone()));
        let versions = ServerConfig::builder_with_details(provider, now).with_protocol_versions(&[&TLS13, &TLS12]);
        let built =
            versions.and_then(|builder| builder.with_client_cert_verifier(clients).with_single_cert(chain, key));
        let mut server = built.map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                TlsError::Mismatch { key: files.key.clone(), certificate: path.clone() }
            }
            rustls::Error::InvalidCertificate(_) => unusable(error.to_string()),
            other => TlsError::Pem { setting: "tls.key", path: files.key.clone(), cause: other.to_string() },
        })?;
        server.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(Pair { server: Arc::new(server), not_after_s })
    }
}

pub(crate) fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_slice_iter(bytes).collect::<Result<Vec<_>, _>>().map_err(|error| said(&error))?;
    if read.is_empty() { Err("it holds no certificate".to_owned()) } else { Ok(read) }
}

/// Without a word of what a key's file holds.
fn said(error: &pem::Error) -> String {
    match error {
        pem::Error::NoItemsFound => "it holds no key".to_owned(),
        pem::Error::Base64Decode(_) => "its base64 is broken".to_owned(),
        pem::Error::MissingSectionEnd { .. } => "a section has no end".to_owned(),
        _ => "it is broken".to_owned(),
    }
}

/// When the first of the chain ends, if all hold now: an authority in between that is over breaks the chain as the certificate does.
fn holds(chain: &[CertificateDer<'_>], path: &Path, now_s: i64) -> Result<i64, TlsError> {
    let mut first_end = i64::MAX;
    for certificate in chain {
        let parsed = Certificate::from_der(certificate).map_err(|error| TlsError::Pem {
            setting: "tls.certificate",
            path: path.to_owned(),
            cause: error.to_string(),
        })?;
        let validity = parsed.tbs_certificate().validity();
        let seconds = |since: Duration| i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        let not_before_s = seconds(validity.not_before.to_unix_duration());
        let not_after_s = seconds(validity.not_after.to_unix_duration());
        if now_s > not_after_s {
            return Err(TlsError::Ended { path: path.to_owned(), not_after_s });
        }
        if now_s < not_before_s {
            return Err(TlsError::Early { path: path.to_owned(), not_before_s });
        }
        first_end = first_end.min(not_after_s);
    }
    Ok(first_end)
}

/// Demands of clients a certificate from one of these authorities.
fn clients(authorities: &[u8], provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(authorities)? {
        roots.add(authority).map_err(|error| error.to_string())?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
    verifier.map(|verifier| verifier as Arc<dyn ClientCertVerifier>).map_err(|error| error.to_string())
}

/// The edge's clock decides whether another's certificate holds.
#[derive(Debug)]
pub(crate) struct Now(pub(crate) Clock);

impl TimeProvider for Now {
    fn current_time(&self) -> Option<UnixTime> {
        let now_ms = u64::try_from(self.0.now_ms()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_millis(now_ms)))
    }
}
