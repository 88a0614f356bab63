//! A certificate that a request names, made into keys: in its time, of the right name, and of an authority where its provider shows one.

use hooklog_schemas::Timestamp;
use hooklog_signatures::{CertificateRules, KeyError, Keys, Scheme};
use rustls::RootCertStore;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ParsedCertificate;
use sha2::{Digest, Sha256};
use x509_cert::Certificate;
use x509_cert::der::pem::LineEnding;
use x509_cert::der::{Decode, EncodePem};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use std::time::Duration;

use crate::certificate;
use crate::secret::Life;

/// Certificates that one file may hold: one, and those that lead to its authority.
const CHAIN_LIMIT: usize = 8;

/// Why a certificate is not believed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    /// It is none.
    #[error("it is no certificate: {0}")]
    Unreadable(String),
    /// There are too many.
    #[error("it holds more than {CHAIN_LIMIT} certificates")]
    TooMany,
    /// It is over, or still to begin.
    #[error("it holds from {from} to {to}, and not now")]
    Time {
        /// Its first moment.
        from: String,
        /// Its last.
        to: String,
    },
    /// It is for somebody else.
    #[error("it is for none of these names: {0}")]
    Name(String),
    /// No authority that is believed has made it.
    #[error("no authority vouches for it: {0}")]
    Chain(rustls::Error),
    /// Its key is not the scheme's kind.
    #[error("its key can't be used: {0}")]
    Key(#[from] KeyError),
}

/// The keys of a PEM file: of its first certificate, if all that the provider's file asks of it holds.
pub(crate) fn keys(
    scheme: &Scheme,
    rules: CertificateRules<'_>,
    bytes: &[u8],
    roots: &RootCertStore,
    now_ms: i64,
) -> Result<(Keys, Life), CertificateError> {
    let chain = certificate::certificates(bytes).map_err(CertificateError::Unreadable)?;
    let [first, between @ ..] = &chain[..] else {
        return Err(CertificateError::Unreadable("it is empty".to_owned()));
    };
    if chain.len() > CHAIN_LIMIT {
        return Err(CertificateError::TooMany);
    }
    let read = Certificate::from_der(first).map_err(|error| CertificateError::Unreadable(error.to_string()))?;
    let life = life(&read);
    if !life.is_alive(Timestamp(now_ms)) {
        let shown = |moment: Option<Timestamp>| moment.map(|moment| moment.rfc3339()).unwrap_or_default();
        return Err(CertificateError::Time { from: shown(life.not_before), to: shown(life.not_after) });
    }
    let parsed = ParsedCertificate::try_from(first).map_err(CertificateError::Chain)?;
    let own = names(&read);
    if !rules.names.is_empty() && !rules.names.iter().any(|wanted| own.iter().any(|name| wanted.matches(name))) {
        let wanted: Vec<String> = rules.names.iter().map(ToString::to_string).collect();
        return Err(CertificateError::Name(wanted.join(", ")));
    }
    if rules.chain {
        vouched(&parsed, between, roots, now_ms).map_err(CertificateError::Chain)?;
    }
    let pem = read.to_pem(LineEnding::LF).map_err(|error| CertificateError::Unreadable(error.to_string()))?;
    // The records name what verified them: this certificate and no other.
    let id = format!("certificate-{}", hex::encode(&Sha256::digest(first)[..8]));
    Ok((Keys::new(scheme, [(id, pem)])?, life))
}

/// The hosts that it is for.
fn names(certificate: &Certificate) -> Vec<String> {
    let Ok(Some((_, names))) = certificate.tbs_certificate().get_extension::<SubjectAltName>() else {
        return Vec::new();
    };
    let host = |name: &GeneralName| match name {
        GeneralName::DnsName(host) => Some(host.as_str().to_ascii_lowercase()),
        _ => None,
    };
    names.0.iter().filter_map(host).collect()
}

fn life(certificate: &Certificate) -> Life {
    let validity = certificate.tbs_certificate().validity();
    let ms = |since: Duration| Some(Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)));
    // The last second is whole: it ends with it.
    let last = validity.not_after.to_unix_duration().saturating_add(Duration::from_millis(999));
    Life { not_before: ms(validity.not_before.to_unix_duration()), not_after: ms(last) }
}

fn vouched(
    certificate: &ParsedCertificate<'_>,
    between: &[CertificateDer<'_>],
    roots: &RootCertStore,
    now_ms: i64,
) -> Result<(), rustls::Error> {
    let now = UnixTime::since_unix_epoch(Duration::from_millis(u64::try_from(now_ms).unwrap_or(0)));
    let algorithms = ring::default_provider().signature_verification_algorithms.all;
    verify_server_cert_signed_by_trust_anchor(certificate, roots, between, now, algorithms)
}
