//! Errors as programs keep them: in enums, behind `?`, as `dyn Error`, and as text.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use tokio::sync::mpsc::error::{SendError, SendTimeoutError, TryRecvError, TrySendError};
use tokio::sync::{mpsc, oneshot};

#[derive(Debug)]
enum Failure {
    Send(String),
    Reply(oneshot::error::RecvError),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(text) => f.write_str(text),
            Self::Reply(error) => error.fmt(f),
        }
    }
}

impl Error for Failure {}

impl<T> From<SendError<T>> for Failure {
    fn from(error: SendError<T>) -> Self {
        Self::Send(error.to_string())
    }
}

impl<T> From<tokio::sync::mpsc::error::TrySendError<T>> for Failure {
    fn from(error: TrySendError<T>) -> Self {
        Self::Send(error.to_string())
    }
}

impl From<oneshot::error::RecvError> for Failure {
    fn from(error: oneshot::error::RecvError) -> Self {
        Self::Reply(error)
    }
}

async fn to_nobody() -> Result<(), Failure> {
    let (tx, _) = mpsc::channel(1);
    tx.send(1).await?;
    Ok(())
}

fn to_a_full_channel() -> Result<(), Failure> {
    let (tx, _rx) = mpsc::channel(1);
    tx.try_send(1)?;
    tx.try_send(2)?;
    Ok(())
}

async fn without_an_answer() -> Result<u8, Failure> {
    let (_, answer) = oneshot::channel();
    Ok(answer.await?)
}

fn boxed() -> Result<(), Box<dyn Error + Send + Sync>> {
    let (tx, _) = mpsc::unbounded_channel();
    tx.send(1)?;
    Ok(())
}

async fn in_time() -> &'static str {
    let (tx, _rx) = mpsc::channel(1);
    let _in_the_way = tx.try_send(1);
    match tx.send_timeout(2, Duration::from_millis(1)).await {
        Ok(()) => "sent",
        Err(SendTimeoutError::Timeout(_)) => "timeout",
        Err(SendTimeoutError::Closed(_)) => "closed",
    }
}

pub(crate) async fn all() -> Vec<String> {
    let (tx, mut rx) = mpsc::channel::<u8>(1);
    let empty: TryRecvError = rx.try_recv().expect_err("empty");
    drop(tx);
    vec![
        to_nobody().await.expect_err("closed").to_string(),
        to_a_full_channel().expect_err("full").to_string(),
        without_an_answer().await.expect_err("no answer").to_string(),
        format!("{:?}", boxed().expect_err("closed")),
        in_time().await.to_owned(),
        format!("{empty} {:?}", rx.try_recv()),
    ]
}
