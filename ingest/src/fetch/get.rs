//! One GET over https: bounded in time and size, to the host that was named, wherever its answer points.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hooklog_process::clock::Clock;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use crate::certificate::{self, Now};
use crate::config;
use crate::fetch::url::HttpsUrl;

/// The most memory for an answer's head, in bytes.
const HEAD_LIMIT: usize = 32 * 1024;

/// Whom the client believes.
pub(crate) struct Trust {
    tls: Arc<ClientConfig>,
    /// The authorities.
    pub(crate) roots: Arc<RootCertStore>,
}

/// Asks one URL at a time, on a connection of its own: what is asked for is rare.
pub(crate) struct Client {
    /// Read when first needed: most edges ask nobody.
    trust: OnceCell<Trust>,
    authorities: Option<Vec<CertificateDer<'static>>>,
    via: BTreeMap<String, String>,
    deadline: Duration,
    max_bytes: usize,
    clock: Clock,
}

/// What was there.
pub(crate) struct Got {
    /// The body.
    pub(crate) bytes: Bytes,
    /// For how many seconds it may be kept, if that was said.
    pub(crate) max_age_s: Option<u64>,
}

/// Why the client can't be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The file of authorities can't be read.
    #[error("fetch.ca {path} can't be read: {cause}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// It is no file of certificates.
    #[error("fetch.ca {path} can't be used: {cause}; a PEM file of authorities is wanted")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// A host's other address is none.
    #[error("fetch.via: {given:?} is no address: write HOST:PORT, like \"10.0.0.7:8443\"")]
    Via {
        /// As given.
        given: String,
    },
}

/// Why nothing was got. Names no query, which may hold a token.
#[derive(Debug, thiserror::Error)]
pub enum GetError {
    /// It took too long.
    #[error("no whole answer within {0:?}: see whether the host can be reached from here, or raise fetch.deadline")]
    Slow(Duration),
    /// No connection.
    #[error("no connection: {0}; see whether the host can be reached from here, or set fetch.via")]
    Connect(io::Error),
    /// No connection with a host that has the right certificate.
    #[error("no TLS: {0}; if an authority of your own vouches for the host, set fetch.ca")]
    Tls(io::Error),
    /// The system has no authorities.
    #[error("this system has no certificates of authorities: install its ca-certificates, or set fetch.ca")]
    NoAuthorities,
    /// What came is no HTTP.
    #[error("the answer can't be read: {0}")]
    Http(#[from] hyper::Error),
    /// The answer points elsewhere.
    #[error("the answer is a redirect ({0}), which is never followed: name the URL where it ends")]
    Redirect(StatusCode),
    /// The answer is none that was hoped for.
    #[error("the answer has the status {0}")]
    Status(StatusCode),
    /// The answer is too large.
    #[error("the answer has more than {0} bytes: see whether the URL is the right one, or raise fetch.max_bytes")]
    TooLarge(usize),
    /// The answer broke off.
    #[error("the answer broke off: {0}")]
    Body(String),
}

impl Client {
    /// By the settings. Nothing is asked yet.
    ///
    /// # Errors
    /// [`ClientError`]
    pub(crate) fn new(settings: &config::Fetch, clock: &Clock) -> Result<Self, ClientError> {
        let is_set = !settings.ca.as_os_str().is_empty();
        let authorities = is_set.then(|| authorities(&settings.ca)).transpose()?;
        let is_none = |place: &&String| place.rsplit_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_err());
        if let Some(given) = settings.via.values().find(is_none) {
            return Err(ClientError::Via { given: given.clone() });
        }
        Ok(Self {
            trust: OnceCell::new(),
            authorities,
            via: settings.via.clone(),
            deadline: settings.deadline.0,
            max_bytes: settings.max_bytes.as_usize(),
            clock: clock.clone(),
        })
    }

    /// Whom it believes.
    ///
    /// # Errors
    /// [`GetError::NoAuthorities`]
    pub(crate) async fn trust(&self) -> Result<&Trust, GetError> {
        self.trust
            .get_or_try_init(|| async {
                let roots = match &self.authorities {
                    Some(authorities) => roots(authorities.clone()),
                    // Files of the system: they may be many.
                    None => tokio::task::spawn_blocking(|| roots(rustls_native_certs::load_native_certs().certs))
                        .await
                        .map_err(|_| GetError::NoAuthorities)?,
                };
                if roots.is_empty() { Err(GetError::NoAuthorities) } else { Ok(self.trusting(Arc::new(roots))) }
            })
            .await
    }

    fn trusting(&self, roots: Arc<RootCertStore>) -> Trust {
        let now = Arc::new(Now(self.clock.clone()));
        let tls = ClientConfig::builder_with_details(Arc::new(ring::default_provider()), now)
            .with_safe_default_protocol_versions()
            .expect("ring speaks the versions that are the default")
            .with_root_certificates(Arc::clone(&roots))
            .with_no_client_auth();
        Trust { tls: Arc::new(tls), roots }
    }

    /// Asks once.
    ///
    /// # Errors
    /// [`GetError`] for everything but a whole 2xx within the limits.
    pub(crate) async fn get(&self, url: &HttpsUrl) -> Result<Got, GetError> {
        match tokio::time::timeout(self.deadline, self.exchange(url)).await {
            Ok(got) => got,
            Err(_elapsed) => Err(GetError::Slow(self.deadline)),
        }
    }

    async fn exchange(&self, url: &HttpsUrl) -> Result<Got, GetError> {
        let tls = Arc::clone(&self.trust().await?.tls);
        let name = ServerName::try_from(url.host().to_owned());
        let name = name.map_err(|error| GetError::Tls(io::Error::other(error)))?;
        let connected = match self.via.get(url.host()) {
            Some(place) => TcpStream::connect(place.as_str()).await,
            None => TcpStream::connect((url.host(), url.port())).await,
        };
        let stream = TlsConnector::from(tls).connect(name, connected.map_err(GetError::Connect)?).await;
        let io = TokioIo::new(stream.map_err(GetError::Tls)?);
        let (mut sender, connection) = http1::Builder::new().max_buf_size(HEAD_LIMIT).handshake(io).await?;
        // It ends with this exchange, however that ends.
        let _driven = AbortOnDropHandle::new(tokio::spawn(connection));
        let request = Request::get(url.target())
            .header(header::HOST, url.authority())
            .header(header::USER_AGENT, "hooklog")
            .header(header::ACCEPT, "*/*")
            .header(header::CONNECTION, "close")
            .body(Empty::<Bytes>::new())
            .expect("a URL that was read is a target and a host");
        let (head, body) = sender.send_request(request).await?.into_parts();
        if head.status.is_redirection() {
            return Err(GetError::Redirect(head.status));
        }
        if !head.status.is_success() {
            return Err(GetError::Status(head.status));
        }
        let whole = Limited::new(body, self.max_bytes).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                GetError::TooLarge(self.max_bytes)
            } else {
                GetError::Body(error.to_string())
            }
        })?;
        Ok(Got { bytes: whole.to_bytes(), max_age_s: max_age_s(&head.headers) })
    }
}

fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, ClientError> {
    let bytes = std::fs::read(path).map_err(|cause| ClientError::Read { path: path.to_owned(), cause })?;
    let unusable = |cause| ClientError::Pem { path: path.to_owned(), cause };
    let read = certificate::certificates(&bytes).map_err(unusable)?;
    // Of the system's some may be odd; one that was configured is meant.
    for one in &read {
        RootCertStore::empty().add(one.clone()).map_err(|error| unusable(error.to_string()))?;
    }
    Ok(read)
}

fn roots(certificates: Vec<CertificateDer<'static>>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates);
    roots
}

/// RFC 9111: what is not to be stored, or to be asked for each time, has no age.
fn max_age_s(headers: &HeaderMap) -> Option<u64> {
    let values = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let mut age = None;
    for directive in values.flat_map(|value| value.split(',')).map(|word| word.trim().to_ascii_lowercase()) {
        match directive.split_once('=') {
            Some(("max-age", seconds)) => age = seconds.trim_matches('"').parse().ok().or(age),
            None if directive == "no-store" || directive == "no-cache" => return Some(0),
            _ => {}
        }
    }
    age
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_read_from_the_headers() {
        for (value, age) in [
            ("public, max-age=3600, s-maxage=7", Some(3600)),
            ("Max-Age=\"60\"", Some(60)),
            ("no-store", Some(0)),
            ("max-age=60, no-cache", Some(0)),
            ("public", None),
            ("max-age=soon", None),
        ] {
            let headers = HeaderMap::from_iter([(header::CACHE_CONTROL, value.parse().unwrap())]);
            assert_eq!(max_age_s(&headers), age, "{value}");
        }
        assert_eq!(max_age_s(&HeaderMap::new()), None);
    }
}
