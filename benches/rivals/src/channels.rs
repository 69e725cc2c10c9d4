//! The channels, each behind the same small traits. Nothing here measures.

use std::future::Future;

/// Both ends, as far as they never wait.
pub(crate) trait Queue: 'static {
    type Tx: Clone + Send + Sync + 'static;
    type Rx: Send + 'static;
    /// Whether there was room. Without a capacity there always is.
    fn put(tx: &Self::Tx, value: u64) -> bool;
    fn take(rx: &mut Self::Rx) -> Option<u64>;
}

/// Both ends as tasks use them.
pub(crate) trait Wait: Queue {
    /// Whether the receiver was still there.
    fn send(tx: &Self::Tx, value: u64) -> impl Future<Output = bool> + Send;
    /// `None` when all senders are gone.
    fn recv(rx: &mut Self::Rx) -> impl Future<Output = Option<u64>> + Send;
}

pub(crate) trait Bounded: Queue {
    fn bounded(capacity: usize) -> (Self::Tx, Self::Rx);
}

pub(crate) trait Unbounded: Queue {
    fn unbounded() -> (Self::Tx, Self::Rx);
}

macro_rules! queue {
    ($name:ident, $tx:ty, $rx:ty, |$t:ident, $v:ident| $put:expr, |$r:ident| $take:expr) => {
        pub(crate) enum $name {}
        impl Queue for $name {
            type Tx = $tx;
            type Rx = $rx;
            #[inline]
            fn put($t: &$tx, $v: u64) -> bool {
                $put
            }
            #[inline]
            fn take($r: &mut $rx) -> Option<u64> {
                $take
            }
        }
    };
}

macro_rules! wait {
    ($name:ident, |$t:ident, $v:ident| $send:expr, |$r:ident| $recv:expr) => {
        impl Wait for $name {
            #[inline]
            async fn send($t: &Self::Tx, $v: u64) -> bool {
                $send
            }
            #[inline]
            async fn recv($r: &mut Self::Rx) -> Option<u64> {
                $recv
            }
        }
    };
}

macro_rules! bounded {
    ($name:ident, $make:expr) => {
        impl Bounded for $name {
            #[inline]
            fn bounded(capacity: usize) -> (Self::Tx, Self::Rx) {
                $make(capacity)
            }
        }
    };
}

macro_rules! unbounded {
    ($name:ident, $make:expr) => {
        impl Unbounded for $name {
            #[inline]
            fn unbounded() -> (Self::Tx, Self::Rx) {
                $make()
            }
        }
    };
}

/// parshall and tokio: the same names, and a type of its own for each flavour.
macro_rules! tokio_like {
    ($bounded:ident, $unbounded:ident, $($mpsc:ident)::+) => {
        queue!($bounded, $($mpsc)::+::Sender<u64>, $($mpsc)::+::Receiver<u64>,
            |tx, value| tx.try_send(value).is_ok(), |rx| rx.try_recv().ok());
        wait!($bounded, |tx, value| tx.send(value).await.is_ok(), |rx| rx.recv().await);
        bounded!($bounded, $($mpsc)::+::channel);

        queue!($unbounded, $($mpsc)::+::UnboundedSender<u64>, $($mpsc)::+::UnboundedReceiver<u64>,
            |tx, value| tx.send(value).is_ok(), |rx| rx.try_recv().ok());
        wait!($unbounded, |tx, value| tx.send(value).is_ok(), |rx| rx.recv().await);
        unbounded!($unbounded, $($mpsc)::+::unbounded_channel);
    };
}

tokio_like!(Parshall, ParshallUnbounded, parshall::mpsc);
tokio_like!(Tokio, TokioUnbounded, tokio::sync::mpsc);

queue!(
    Flume,
    flume::Sender<u64>,
    flume::Receiver<u64>,
    |tx, value| tx.try_send(value).is_ok(),
    |rx| rx.try_recv().ok()
);
wait!(Flume, |tx, value| tx.send_async(value).await.is_ok(), |rx| rx.recv_async().await.ok());
bounded!(Flume, flume::bounded);
unbounded!(Flume, flume::unbounded);

queue!(
    Kanal,
    kanal::AsyncSender<u64>,
    kanal::AsyncReceiver<u64>,
    |tx, value| tx.try_send(value).unwrap_or(false),
    |rx| rx.try_recv().ok().flatten()
);
wait!(Kanal, |tx, value| tx.send(value).await.is_ok(), |rx| rx.recv().await.ok());
bounded!(Kanal, kanal::bounded_async);
unbounded!(Kanal, kanal::unbounded_async);

queue!(
    AsyncChannel,
    async_channel::Sender<u64>,
    async_channel::Receiver<u64>,
    |tx, value| tx.try_send(value).is_ok(),
    |rx| rx.try_recv().ok()
);
wait!(AsyncChannel, |tx, value| tx.send(value).await.is_ok(), |rx| rx.recv().await.ok());
bounded!(AsyncChannel, async_channel::bounded);
unbounded!(AsyncChannel, async_channel::unbounded);

use crossfire::mpsc::{Array, List};
queue!(
    Crossfire,
    crossfire::MAsyncTx<Array<u64>>,
    crossfire::AsyncRx<Array<u64>>,
    |tx, value| tx.try_send(value).is_ok(),
    |rx| rx.try_recv().ok()
);
wait!(Crossfire, |tx, value| tx.send(value).await.is_ok(), |rx| rx.recv().await.ok());
bounded!(Crossfire, crossfire::mpsc::bounded_async);

// A sender without a capacity is of the blocking kind, and never blocks.
queue!(
    CrossfireUnbounded,
    crossfire::MTx<List<u64>>,
    crossfire::AsyncRx<List<u64>>,
    |tx, value| tx.send(value).is_ok(),
    |rx| rx.try_recv().ok()
);
wait!(CrossfireUnbounded, |tx, value| tx.send(value).is_ok(), |rx| rx.recv().await.ok());
unbounded!(CrossfireUnbounded, crossfire::mpsc::unbounded_async);

queue!(
    Tachyonix,
    tachyonix::Sender<u64>,
    tachyonix::Receiver<u64>,
    |tx, value| tx.try_send(value).is_ok(),
    |rx| rx.try_recv().ok()
);
wait!(Tachyonix, |tx, value| tx.send(value).await.is_ok(), |rx| rx.recv().await.ok());
bounded!(Tachyonix, tachyonix::channel);

queue!(
    Thingbuf,
    thingbuf::mpsc::Sender<u64>,
    thingbuf::mpsc::Receiver<u64>,
    |tx, value| tx.try_send(value).is_ok(),
    |rx| rx.try_recv().ok()
);
wait!(Thingbuf, |tx, value| tx.send(value).await.is_ok(), |rx| rx.recv().await);
bounded!(Thingbuf, thingbuf::mpsc::channel);

queue!(
    Crossbeam,
    crossbeam_channel::Sender<u64>,
    crossbeam_channel::Receiver<u64>,
    |tx, value| tx.try_send(value).is_ok(),
    |rx| rx.try_recv().ok()
);
bounded!(Crossbeam, crossbeam_channel::bounded);
unbounded!(Crossbeam, crossbeam_channel::unbounded);

queue!(
    Rapidfire,
    rapidfire::Sender<u64>,
    rapidfire::mpsc::Receiver<u64>,
    |tx, value| tx.try_send(value).is_ok(),
    |rx| rx.try_recv().ok()
);
wait!(Rapidfire, |tx, value| tx.send(value).await.is_ok(), |rx| rx.recv().await.ok());
bounded!(Rapidfire, rapidfire::mpsc::bounded);
unbounded!(Rapidfire, rapidfire::mpsc::unbounded);
