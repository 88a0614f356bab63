//! A schema registry that speaks Confluent's REST API (Confluent, Apicurio's ccompat, Karapace): what a record's schema id means.
//!
//! Plain HTTP to a host of one's own network; a registry behind TLS needs a local proxy. Ids never change their meaning, so callers
//! keep what they have learnt.

use std::time::Duration;

use bytes::Bytes;
use hooklog_schemas::TopicName;
use hooklog_schemas::codec::{ENVELOPE_SCHEMA, SchemaId};
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The largest answer read, in bytes.
pub const ANSWER_LIMIT: usize = 1024 * 1024;

/// How long one question may take.
pub const DEADLINE: Duration = Duration::from_secs(5);

const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// A registry's address.
#[derive(Debug, Clone)]
pub struct Registry {
    host: String,
    port: u16,
    base: String,
}

/// Why the registry did not help.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The setting is no URL of a registry.
    #[error("registry {url:?} is no address of the form http://HOST:PORT")]
    Address {
        /// As given.
        url: String,
    },
    /// It does not answer.
    #[error("registry {host}:{port} does not answer: {cause}")]
    Away {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// What went wrong.
        cause: String,
    },
    /// It refuses.
    #[error("registry {host}:{port} refuses with {status}: {answer}")]
    Refused {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// The status.
        status: u16,
        /// What it says, shortened.
        answer: String,
    },
}

impl Registry {
    /// The registry at `http://HOST[:PORT][/BASE]`; the port is 8081 if not given.
    ///
    /// # Errors
    /// [`RegistryError::Address`]
    pub fn at(url: &str) -> Result<Self, RegistryError> {
        let address = || RegistryError::Address { url: url.to_owned() };
        let uri: Uri = url.parse().map_err(|_| address())?;
        let host = uri.host().filter(|_| uri.scheme_str() == Some("http")).ok_or_else(address)?;
        Ok(Self {
            host: host.to_owned(),
            port: uri.port_u16().unwrap_or(8081),
            base: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// The id of the envelope's schema as the value of `topic`: registered if it is not there yet.
    ///
    /// # Errors
    /// [`RegistryError`]; a 409 means that the topic has records of an incompatible schema.
    pub async fn register_envelope(&self, topic: &TopicName) -> Result<SchemaId, RegistryError> {
        let body = serde_json::json!({ "schema": ENVELOPE_SCHEMA, "schemaType": "AVRO" }).to_string();
        let answer = self.ask(Method::POST, &format!("/subjects/{topic}-value/versions"), body).await?;
        let id = answer["id"].as_u64().and_then(|id| u32::try_from(id).ok());
        id.map(SchemaId).ok_or_else(|| self.away("the answer has no id"))
    }

    /// The schema that an id means.
    ///
    /// # Errors
    /// [`RegistryError`]; a 404 means that no such id exists.
    pub async fn schema(&self, id: SchemaId) -> Result<String, RegistryError> {
        let answer = self.ask(Method::GET, &format!("/schemas/ids/{}", id.0), String::new()).await?;
        answer["schema"].as_str().map(str::to_owned).ok_or_else(|| self.away("the answer has no schema"))
    }

    async fn ask(&self, method: Method, path: &str, body: String) -> Result<serde_json::Value, RegistryError> {
        let exchange = self.exchange(method, path, body);
        let (status, answer) =
            tokio::time::timeout(DEADLINE, exchange).await.map_err(|_| self.away("no answer in time"))??;
        if !(200..300).contains(&status) {
            let answer = String::from_utf8_lossy(&answer[..answer.len().min(300)]).into_owned();
            return Err(RegistryError::Refused { host: self.host.clone(), port: self.port, status, answer });
        }
        serde_json::from_slice(&answer).map_err(|error| self.away(&error.to_string()))
    }

    /// One question on a connection of its own: there are a handful in a process's life.
    async fn exchange(&self, method: Method, path: &str, body: String) -> Result<(u16, Bytes), RegistryError> {
        let away = |error: &dyn std::fmt::Display| self.away(&error.to_string());
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(|error| away(&error))?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| away(&error))?;
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(HOST, format!("{}:{}", self.host, self.port))
            .header(CONTENT_TYPE, MEDIA_TYPE)
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| away(&error))?;
        let response = sender.send_request(request).await.map_err(|error| away(&error))?;
        let status = response.status().as_u16();
        let answer = Limited::new(response.into_body(), ANSWER_LIMIT).collect().await.map_err(|error| away(&error))?;
        Ok((status, answer.to_bytes()))
    }

    fn away(&self, cause: &str) -> RegistryError {
        RegistryError::Away { host: self.host.clone(), port: self.port, cause: cause.to_owned() }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers one question and gives back what was asked.
    pub(crate) async fn answering(status: &str, answer: &str) -> (Registry, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let registry = Registry::at(&format!("http://{}/apis/ccompat/v7/", listener.local_addr().unwrap())).unwrap();
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
        let asked = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut question = vec![0; 65_536];
            let length = stream.read(&mut question).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8_lossy(&question[..length]).into_owned()
        });
        (registry, asked)
    }

    #[tokio::test]
    async fn the_envelope_is_registered_for_a_topics_values() {
        let (registry, asked) = answering("200 OK", "{\"id\":7}").await;
        let topic = TopicName::parse("hooks.github").unwrap();
        assert_eq!(registry.register_envelope(&topic).await.unwrap(), SchemaId(7));
        let question = asked.await.unwrap();
        assert!(
            question.starts_with("POST /apis/ccompat/v7/subjects/hooks.github-value/versions HTTP/1.1"),
            "{question}"
        );
    }

    #[tokio::test]
    async fn an_id_is_asked_for() {
        let (registry, asked) = answering("200 OK", "{\"schema\":\"\\\"string\\\"\"}").await;
        assert_eq!(registry.schema(SchemaId(7)).await.unwrap(), "\"string\"");
        assert!(asked.await.unwrap().starts_with("GET /apis/ccompat/v7/schemas/ids/7 HTTP/1.1"));
    }

    #[tokio::test]
    async fn a_refusal_and_a_silence_are_named() {
        let (registry, _asked) = answering("409 Conflict", "{\"message\":\"incompatible\"}").await;
        let error = registry.register_envelope(&TopicName::parse("t").unwrap()).await.unwrap_err().to_string();
        assert!(error.contains("409") && error.contains("incompatible"), "{error}");
        let closed = Registry::at("http://127.0.0.1:1").unwrap();
        assert!(matches!(closed.schema(SchemaId(1)).await, Err(RegistryError::Away { .. })));
        for bad in ["", "127.0.0.1:8081", "https://registry", "file:///x"] {
            assert!(matches!(Registry::at(bad), Err(RegistryError::Address { .. })), "{bad}");
        }
    }
}
