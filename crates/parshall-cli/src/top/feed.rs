//! Snapshot after snapshot, asked for on a thread of its own: a program that does not answer stops
//! nobody from looking.

use std::thread;
use std::time::Duration;

use parshall::Snapshot;
use parshall::mpsc::{self, Receiver};

use crate::address::Address;
use crate::client::Client;
use crate::failure::{AskError, Failure};

pub(crate) type Answer = Result<Snapshot, AskError>;

/// Ends, with its thread, when it is dropped.
#[derive(Debug)]
pub(crate) struct Feed {
    answers: Receiver<Answer>,
}

impl Feed {
    /// The first answer comes after `first`, each other `every` after the last.
    pub(crate) fn start(
        client: Client,
        address: Address,
        first: Duration,
        every: Duration,
    ) -> Result<Self, Failure> {
        let (tx, answers) = mpsc::Builder::new().name("snapshots").capacity(1).build();
        let ask = move || {
            thread::sleep(first);
            while tx.blocking_send(client.snapshot(&address).map(|(snapshot, _)| snapshot)).is_ok()
            {
                thread::sleep(every);
            }
        };
        let thread = thread::Builder::new().name("feed".into()).spawn(ask);
        thread.map_err(|error| Failure::System("cannot start a thread", error))?;
        Ok(Self { answers })
    }

    /// Does not wait.
    pub(crate) fn next(&mut self) -> Option<Answer> {
        self.answers.try_recv().ok()
    }
}
