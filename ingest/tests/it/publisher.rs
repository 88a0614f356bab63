//! A host that publishes what the edge asks for: over TLS, on this machine, and as slow or wrong as a test wants it.

use std::path::Path;
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::authority::{Authority, LONG, setting};

/// What it answers.
#[derive(Clone)]
pub(crate) struct Page {
    pub(crate) status: &'static str,
    pub(crate) headers: String,
    pub(crate) body: String,
    /// Whether nothing is answered yet.
    pub(crate) hangs: bool,
}

pub(crate) struct Publisher {
    authority: Authority,
    /// The host's name, which leads to this machine.
    host: String,
    port: u16,
    page: watch::Sender<Page>,
    asked: Arc<Mutex<Vec<String>>>,
    folder: tempfile::TempDir,
}

impl Page {
    pub(crate) fn of(body: impl Into<String>) -> Self {
        Self { status: "200 OK", headers: String::new(), body: body.into(), hangs: false }
    }

    pub(crate) fn status(status: &'static str) -> Self {
        Self { status, ..Self::of("") }
    }

    pub(crate) fn hanging(self) -> Self {
        Self { hangs: true, ..self }
    }
}

impl Publisher {
    /// One that is believed to be this host, and is.
    pub(crate) async fn at(host: &str, page: Page) -> Self {
        Self::named(host, host, page).await
    }

    /// One that is reached as `host` and has a certificate for `name`.
    pub(crate) async fn named(host: &str, name: &str, page: Page) -> Self {
        let authority = Authority::new();
        let own = authority.issue_for(name, LONG, rcgen::KeyPair::generate().unwrap());
        let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
        let tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.der()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (page, shown) = watch::channel(page);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(acceptor.clone(), stream, shown.clone(), Arc::clone(&heard)));
            }
        });
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), &authority.certificate).unwrap();
        Self { authority, host: host.to_owned(), port, page, asked, folder }
    }

    /// `[fetch]` that leads here; sources follow.
    pub(crate) fn settings(&self, deadline: &str) -> String {
        let ca = setting("ca", &self.folder.path().join("ca.pem"));
        format!(
            "[fetch]\n{ca}deadline = {deadline:?}\nmax_bytes = \"16KiB\"\nvia = {{ {:?} = \"127.0.0.1:{}\" }}\n",
            self.host, self.port
        )
    }

    /// A folder of its own.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Who vouches for it.
    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Answers so from now on, also those that wait.
    pub(crate) fn show(&self, page: Page) {
        self.page.send_replace(page);
    }

    /// What it was asked for: path and query, one an answer.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn answer(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    mut shown: watch::Receiver<Page>,
    asked: Arc<Mutex<Vec<String>>>,
) -> Option<()> {
    // A client that does not believe this host ends here.
    let mut stream = acceptor.accept(stream).await.ok()?;
    let mut head = Vec::new();
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let target = String::from_utf8(head).unwrap().split(' ').nth(1).unwrap().to_owned();
    asked.lock().unwrap().push(target);
    let page = shown.wait_for(|page| !page.hangs).await.ok()?.clone();
    let Page { status, headers, body, .. } = page;
    let text = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(text.as_bytes()).await.ok()?;
    stream.shutdown().await.ok()
}
