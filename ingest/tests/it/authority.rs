//! An authority that issues certificates for tests, and clients that speak TLS.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd,
};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::request::{Answer, read_answer};
use crate::server::Server;

/// Years in which a certificate holds: it begins and ends with the first of January.
pub(crate) type Years = (i32, i32);

/// Long enough for the edge's clock and for the machine's.
pub(crate) const LONG: Years = (2020, 2090);

pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) certificate: String,
}

/// A certificate with its key, as PEM.
#[derive(Clone)]
pub(crate) struct Issued {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// The files that an edge's settings name.
pub(crate) struct Files {
    folder: tempfile::TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        // Two authorities of one name are told apart by their keys alone.
        params.distinguished_name.push(DnType::CommonName, "an authority");
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    pub(crate) fn issue(&self, years: Years) -> Issued {
        self.issue_for("localhost", years, KeyPair::generate().unwrap())
    }

    /// A certificate for this name and this key.
    pub(crate) fn issue_for(&self, name: &str, (from, to): Years, key: KeyPair) -> Issued {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Issued { certificate, key: key.serialize_pem() }
    }

    /// A client that believes this authority.
    pub(crate) fn client(&self) -> Client {
        Client { authority: self.certificate.clone(), own: None, versions: rustls::DEFAULT_VERSIONS, protocols: &[] }
    }
}

impl Issued {
    pub(crate) fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()
    }
}

impl Files {
    pub(crate) fn holding(issued: &Issued) -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap() };
        files.hold(issued);
        files
    }

    pub(crate) fn hold(&self, issued: &Issued) {
        self.write("certificate.pem", &issued.certificate, 0o644);
        self.write("key.pem", &issued.key, 0o600);
    }

    pub(crate) fn write(&self, name: &str, content: &str, mode: u32) {
        std::fs::write(self.path(name), content).unwrap();
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `[tls]` with these files.
    pub(crate) fn settings(&self) -> String {
        format!(
            "[tls]\n{}{}",
            setting("certificate", &self.path("certificate.pem")),
            setting("key", &self.path("key.pem"))
        )
    }
}

pub(crate) fn setting(key: &str, path: &Path) -> String {
    format!("{key} = {:?}\n", path.display().to_string())
}

#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) authority: String,
    pub(crate) own: Option<Issued>,
    pub(crate) versions: &'static [&'static SupportedProtocolVersion],
    pub(crate) protocols: &'static [&'static str],
}

impl Client {
    /// A connection after its handshake, or why there is none.
    pub(crate) async fn connect(&self, server: &Server) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_protocol_versions(self.versions).unwrap().with_root_certificates(roots);
        let mut config = match &self.own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![own.der()], key).unwrap()
            }
        };
        config.alpn_protocols = self.protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let stream = TcpStream::connect(server.address).await?;
        TlsConnector::from(Arc::new(config)).connect("localhost".try_into().unwrap(), stream).await
    }

    /// One answer on a connection of its own; none if the edge refuses the connection.
    pub(crate) async fn exchange(&self, server: &Server, request: &[u8]) -> Option<Answer> {
        let mut stream = self.connect(server).await.ok()?;
        // With TLS 1.3 a client hears only now what the edge thinks of its certificate.
        stream.write_all(request).await.ok()?;
        read_answer(&mut stream).await
    }
}

/// The certificate that the edge showed.
pub(crate) fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}
