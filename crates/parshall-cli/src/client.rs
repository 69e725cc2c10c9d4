//! Asks programs, over HTTP/1.1 on a Unix socket or TCP.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use parshall::Snapshot;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::{self, Runtime};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::address::Address;
use crate::failure::{AskError, Failure};
use crate::terminal::line;

/// The version of the protocol that is spoken here.
const PROTOCOL: u64 = 1;

/// So many programs are asked at a time, if so many files may be open: those that hang take one
/// timeout together.
const AT_A_TIME: usize = 512;

/// So many files are open beside the connections.
#[cfg(unix)]
const OTHER_FILES: usize = 24;

/// How long answers may be, in bytes. A snapshot of 100,000 channels has some 150 MB.
const SHORT: usize = 1 << 20;
const LONG: usize = 1 << 24;
const SNAPSHOT: usize = 1 << 29;

/// How bad the worst finding of a program is. The worst is last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(from = "String")]
pub(crate) enum Worst {
    Ok,
    Signal,
    Stuck,
    Conditional,
    Proven,
}

impl From<String> for Worst {
    /// What only a later version has a word for may be bad.
    fn from(word: String) -> Self {
        let all = [Self::Ok, Self::Signal, Self::Stuck, Self::Conditional, Self::Proven];
        all.into_iter().find(|known| known.as_str() == word).unwrap_or(Self::Stuck)
    }
}

impl Worst {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Signal => "signal",
            Self::Stuck => "stuck",
            Self::Conditional => "conditional",
            Self::Proven => "proven",
        }
    }

    /// For people: no more than the verdict claims.
    pub(crate) fn standing(self) -> &'static str {
        match self {
            Self::Proven => "STUCK, proven",
            Self::Conditional => "likely STUCK",
            Self::Stuck => "STUCK",
            other => other.as_str(),
        }
    }

    pub(crate) fn is_stuck(self) -> bool {
        self >= Self::Stuck
    }
}

/// What a program says first.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Hello {
    pub(crate) process: String,
    pub(crate) pid: u32,
    pub(crate) worst: Worst,
}

/// Asks one program after the other, or many at once. Each call ends in time.
#[derive(Debug)]
pub(crate) struct Client {
    runtime: Runtime,
    timeout: Duration,
}

impl Client {
    pub(crate) fn new(timeout: Duration) -> Result<Self, Failure> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::System("cannot start", error))?;
        Ok(Self { runtime, timeout })
    }

    /// What each of them says, in the same order.
    pub(crate) fn hello(&self, addresses: &[Address]) -> Vec<Result<Hello, AskError>> {
        self.ask_all(addresses.to_vec(), "/v1/hello", SHORT)
            .into_iter()
            .map(|answer| hello(&answer?))
            .collect()
    }

    /// The text of the worst finding of each; none if there is none.
    pub(crate) fn worst(&self, addresses: Vec<Address>) -> Vec<Result<Option<String>, AskError>> {
        self.ask_all(addresses, "/v1/diagnosis", LONG)
            .into_iter()
            .map(|answer| worst(&answer?))
            .collect()
    }

    pub(crate) fn report(&self, address: &Address) -> Result<String, AskError> {
        let bytes = self.ask(address, "/v1/report", LONG)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The snapshot, and the JSON that it was read from.
    pub(crate) fn snapshot(&self, address: &Address) -> Result<(Snapshot, Bytes), AskError> {
        let json = self.ask(address, "/v1/snapshot", SNAPSHOT)?;
        Ok((snapshot(&json)?, json))
    }

    /// The snapshot of each, all asked at once.
    #[cfg(feature = "record")]
    pub(crate) fn snapshots(&self, addresses: Vec<Address>) -> Vec<Result<Snapshot, AskError>> {
        let answers = self.ask_all(addresses, "/v1/snapshot", SNAPSHOT);
        answers.into_iter().map(|answer| snapshot(&answer?)).collect()
    }

    fn ask(&self, address: &Address, path: &'static str, most: usize) -> Result<Bytes, AskError> {
        self.runtime.block_on(ask(address.clone(), path, most, self.timeout))
    }

    fn ask_all(
        &self,
        addresses: Vec<Address>,
        path: &'static str,
        most: usize,
    ) -> Vec<Result<Bytes, AskError>> {
        let (wait, places) = (self.timeout, Arc::new(Semaphore::new(at_a_time())));
        self.runtime.block_on(async {
            let mut asked = Vec::with_capacity(addresses.len());
            for address in addresses {
                let places = places.clone();
                asked.push(tokio::spawn(async move {
                    let _place = places.acquire().await;
                    ask(address, path, most, wait).await
                }));
            }
            let mut answers = Vec::with_capacity(asked.len());
            for asked in asked {
                answers.push(asked.await.expect("asking does not panic"));
            }
            answers
        })
    }
}

/// How many connections there may be at once.
pub(crate) fn at_a_time() -> usize {
    #[cfg(unix)]
    if let Some(files) = rustix::process::getrlimit(rustix::process::Resource::Nofile).current {
        let files = usize::try_from(files).unwrap_or(usize::MAX);
        return files.saturating_sub(OTHER_FILES).clamp(1, AT_A_TIME);
    }
    AT_A_TIME
}

fn stranger(error: serde_json::Error) -> AskError {
    AskError::Stranger(line(&error.to_string(), 200))
}

/// The text of the worst finding of a diagnosis; none if there is none.
pub(crate) fn worst(json: &[u8]) -> Result<Option<String>, AskError> {
    let json: Value = serde_json::from_slice(json).map_err(stranger)?;
    Ok(json["findings"][0]["text"].as_str().map(str::to_owned))
}

/// That it is of another version comes first: then its other fields may be others too.
pub(crate) fn hello(json: &[u8]) -> Result<Hello, AskError> {
    let json: Value = serde_json::from_slice(json).map_err(stranger)?;
    let built_with = json["parshall"].as_str().unwrap_or("unknown");
    match json["protocol"].as_u64() {
        Some(PROTOCOL) => Hello::deserialize(json).map_err(stranger),
        Some(other) => Err(AskError::Version(format!(
            "it was built with parshall {} and speaks protocol {other}; this `parshall` ({}) speaks \
             protocol {PROTOCOL}: use the `parshall` of that version",
            line(built_with, 40),
            env!("CARGO_PKG_VERSION"),
        ))),
        None => Err(AskError::Stranger("the answer names no protocol".into())),
    }
}

/// Asks a program who it is, on the runtime that is there.
pub(crate) async fn ask_hello(address: &Address, wait: Duration) -> Result<Hello, AskError> {
    hello(&ask(address.clone(), "/v1/hello", SHORT, wait).await?)
}

/// Asks a program for a snapshot, on the runtime that is there; [`snapshot`] reads it.
pub(crate) async fn ask_snapshot(address: &Address, wait: Duration) -> Result<Bytes, AskError> {
    ask(address.clone(), "/v1/snapshot", SNAPSHOT, wait).await
}

pub(crate) fn snapshot(json: &[u8]) -> Result<Snapshot, AskError> {
    Snapshot::from_json(json).map_err(|error| match other_schema(json) {
        Some(schema) => AskError::Version(format!(
            "its snapshot has schema {}, and this `parshall` ({}) reads {}: use the `parshall` of \
             the version that the program was built with",
            line(&schema, 60),
            env!("CARGO_PKG_VERSION"),
            parshall::introspect::SCHEMA,
        )),
        None => AskError::Stranger(line(&error.to_string(), 200)),
    })
}

/// The schema that a text of JSON names, if it is not ours.
fn other_schema(json: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Head {
        schema: String,
    }
    let head: Head = serde_json::from_slice(json).ok()?;
    (head.schema != parshall::introspect::SCHEMA).then_some(head.schema)
}

async fn ask(
    address: Address,
    path: &'static str,
    most: usize,
    wait: Duration,
) -> Result<Bytes, AskError> {
    let answer = async {
        match address {
            #[cfg(unix)]
            Address::Unix(socket) => {
                let stream = tokio::net::UnixStream::connect(socket).await?;
                talk(stream, "localhost", path, most).await
            }
            #[cfg(not(unix))]
            Address::Unix(_) => Err(std::io::Error::from(std::io::ErrorKind::Unsupported).into()),
            Address::Tcp(host) => talk(TcpStream::connect(&host).await?, &host, path, most).await,
        }
    };
    timeout(wait, answer).await.unwrap_or(Err(AskError::Late))
}

/// One request, and its answer.
pub(crate) async fn talk<S>(
    stream: S,
    host: &str,
    path: &str,
    most: usize,
) -> Result<Bytes, AskError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let lost = |error: hyper::Error| AskError::Lost(error.to_string());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(lost)?;
    // Ends with this function, however that ends.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let request = Request::get(path)
        .header(header::HOST, host)
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| AskError::Stranger(error.to_string()))?;
    let response = sender.send_request(request).await.map_err(lost)?;
    let status = response.status();
    let most = if status == StatusCode::OK { most } else { SHORT };
    let body = Limited::new(response.into_body(), most).collect().await;
    let body = body.map_err(|error| match error.downcast_ref::<LengthLimitError>() {
        Some(_) => AskError::Long(most),
        None => AskError::Lost(error.to_string()),
    })?;
    let body = body.to_bytes();
    if status == StatusCode::OK {
        return Ok(body);
    }
    let why = String::from_utf8_lossy(&body);
    Err(AskError::Status(status.as_u16(), line(why.trim(), 200)))
}
