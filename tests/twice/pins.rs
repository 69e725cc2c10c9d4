//! Every item of the interface, with its exact type.
#![allow(deprecated)] // `RecvError`
#![allow(clippy::type_complexity)] // exact types are the point

use std::error::Error;
use std::fmt::{Debug, Display};
use std::iter::FusedIterator;
use std::task::{Context, Poll};

use super::mpsc::error::{RecvError, SendError, SendTimeoutError, TryRecvError, TrySendError};
use super::mpsc::{
    OwnedPermit, Permit, PermitIterator, Receiver, Sender, UnboundedReceiver, UnboundedSender,
    WeakSender, WeakUnboundedSender, channel, unbounded_channel,
};

type Reserved<'a, T> = Result<Permit<'a, T>, SendError<()>>;
type ReservedMany<'a, T> = Result<PermitIterator<'a, T>, SendError<()>>;

/// The functions that are not async, as function pointers: argument and return types are exact.
fn signatures<'p, T: 'p>() {
    let _: fn(usize) -> (Sender<T>, Receiver<T>) = channel::<T>;

    let _: fn(&mut Receiver<T>) -> Result<T, TryRecvError> = Receiver::try_recv;
    let _: fn(&mut Receiver<T>) -> Option<T> = Receiver::blocking_recv;
    let _: fn(&mut Receiver<T>, &mut Vec<T>, usize) -> usize = Receiver::blocking_recv_many;
    let _: fn(&mut Receiver<T>) = Receiver::close;
    let _: fn(&Receiver<T>) -> bool = Receiver::is_closed;
    let _: fn(&Receiver<T>) -> bool = Receiver::is_empty;
    let _: fn(&Receiver<T>) -> usize = Receiver::len;
    let _: fn(&Receiver<T>) -> usize = Receiver::capacity;
    let _: fn(&Receiver<T>) -> usize = Receiver::max_capacity;
    let _: fn(&mut Receiver<T>, &mut Context<'_>) -> Poll<Option<T>> = Receiver::poll_recv;
    type PollMany<T> = fn(&mut Receiver<T>, &mut Context<'_>, &mut Vec<T>, usize) -> Poll<usize>;
    let _: PollMany<T> = Receiver::poll_recv_many;
    let _: fn(&Receiver<T>) -> usize = Receiver::sender_strong_count;
    let _: fn(&Receiver<T>) -> usize = Receiver::sender_weak_count;

    let _: fn(&Sender<T>, T) -> Result<(), TrySendError<T>> = Sender::try_send;
    let _: fn(&Sender<T>, T) -> Result<(), SendError<T>> = Sender::blocking_send;
    let _: fn(&Sender<T>) -> bool = Sender::is_closed;
    let _: for<'a> fn(&'a Sender<T>) -> Result<Permit<'a, T>, TrySendError<()>> =
        Sender::try_reserve;
    type TryMany<T> =
        for<'a> fn(&'a Sender<T>, usize) -> Result<PermitIterator<'a, T>, TrySendError<()>>;
    let _: TryMany<T> = Sender::try_reserve_many;
    let _: fn(Sender<T>) -> Result<OwnedPermit<T>, TrySendError<Sender<T>>> =
        Sender::try_reserve_owned;
    let _: fn(&Sender<T>, &Sender<T>) -> bool = Sender::same_channel;
    let _: fn(&Sender<T>) -> usize = Sender::capacity;
    let _: fn(&Sender<T>) -> usize = Sender::max_capacity;
    let _: fn(&Sender<T>) -> WeakSender<T> = Sender::downgrade;
    let _: fn(&Sender<T>) -> usize = Sender::strong_count;
    let _: fn(&Sender<T>) -> usize = Sender::weak_count;

    let _: fn(&WeakSender<T>) -> Option<Sender<T>> = WeakSender::upgrade;
    let _: fn(&WeakSender<T>) -> usize = WeakSender::strong_count;
    let _: fn(&WeakSender<T>) -> usize = WeakSender::weak_count;

    let _: fn(Permit<'p, T>, T) = Permit::send;
    let _: fn(OwnedPermit<T>, T) -> Sender<T> = OwnedPermit::send;
    let _: fn(OwnedPermit<T>) -> Sender<T> = OwnedPermit::release;
    let _: fn(&OwnedPermit<T>, &OwnedPermit<T>) -> bool = OwnedPermit::same_channel;
    let _: fn(&OwnedPermit<T>, &Sender<T>) -> bool = OwnedPermit::same_channel_as_sender;

    let _: fn(SendError<T>) -> TrySendError<T> = TrySendError::from;
    let _: fn(TrySendError<T>) -> T = TrySendError::into_inner;
    let _: fn(SendTimeoutError<T>) -> T = SendTimeoutError::into_inner;
}

/// The same of the unbounded channel.
fn unbounded_signatures<T>() {
    let _: fn() -> (UnboundedSender<T>, UnboundedReceiver<T>) = unbounded_channel::<T>;

    type Rx<T> = UnboundedReceiver<T>;
    let _: fn(&mut Rx<T>) -> Result<T, TryRecvError> = Rx::try_recv;
    let _: fn(&mut Rx<T>) -> Option<T> = Rx::blocking_recv;
    let _: fn(&mut Rx<T>, &mut Vec<T>, usize) -> usize = Rx::blocking_recv_many;
    let _: fn(&mut Rx<T>) = Rx::close;
    let _: fn(&Rx<T>) -> bool = Rx::is_closed;
    let _: fn(&Rx<T>) -> bool = Rx::is_empty;
    let _: fn(&Rx<T>) -> usize = Rx::len;
    let _: fn(&mut Rx<T>, &mut Context<'_>) -> Poll<Option<T>> = Rx::poll_recv;
    type PollMany<T> = fn(&mut Rx<T>, &mut Context<'_>, &mut Vec<T>, usize) -> Poll<usize>;
    let _: PollMany<T> = Rx::poll_recv_many;
    let _: fn(&Rx<T>) -> usize = Rx::sender_strong_count;
    let _: fn(&Rx<T>) -> usize = Rx::sender_weak_count;

    type Tx<T> = UnboundedSender<T>;
    let _: fn(&Tx<T>, T) -> Result<(), SendError<T>> = Tx::send;
    let _: fn(&Tx<T>) -> bool = Tx::is_closed;
    let _: fn(&Tx<T>, &Tx<T>) -> bool = Tx::same_channel;
    let _: fn(&Tx<T>) -> WeakUnboundedSender<T> = Tx::downgrade;
    let _: fn(&Tx<T>) -> usize = Tx::strong_count;
    let _: fn(&Tx<T>) -> usize = Tx::weak_count;

    let _: fn(&WeakUnboundedSender<T>) -> Option<Tx<T>> = WeakUnboundedSender::upgrade;
    let _: fn(&WeakUnboundedSender<T>) -> usize = WeakUnboundedSender::strong_count;
    let _: fn(&WeakUnboundedSender<T>) -> usize = WeakUnboundedSender::weak_count;
}

/// And its async functions.
async fn unbounded_futures<T>(
    tx: UnboundedSender<T>,
    mut rx: UnboundedReceiver<T>,
    buffer: &mut Vec<T>,
) {
    let _: Option<T> = UnboundedReceiver::recv(&mut rx).await;
    let _: usize = UnboundedReceiver::recv_many(&mut rx, buffer, 1).await;
    let () = UnboundedSender::closed(&tx).await;
}

/// The async functions.
async fn futures<T>(tx: Sender<T>, mut rx: Receiver<T>, value: T, buffer: &mut Vec<T>) {
    let _: Option<T> = Receiver::recv(&mut rx).await;
    let _: usize = Receiver::recv_many(&mut rx, buffer, 1).await;
    let _: Result<(), SendError<T>> = Sender::send(&tx, value).await;
    let _: Reserved<'_, T> = Sender::reserve(&tx).await;
    let _: ReservedMany<'_, T> = Sender::reserve_many(&tx, 1).await;
    let () = Sender::closed(&tx).await;
    let _: Result<OwnedPermit<T>, SendError<()>> = Sender::reserve_owned(tx).await;
}

/// On Tokio's timer.
#[cfg(feature = "tokio")]
async fn timeouts<T>(tx: Sender<T>, value: T) {
    let second = std::time::Duration::from_secs(1);
    let _: Result<(), SendTimeoutError<T>> = Sender::send_timeout(&tx, value, second).await;
}

/// No bound on `T` is needed for any trait, and errors need none to be errors.
fn traits<T>() {
    fn clone<X: Clone>() {}
    fn debug<X: Debug>() {}
    fn unpin<X: Unpin>() {}
    fn error<X: Error + Display>() {}
    fn permits<'a, T: 'a, X: ExactSizeIterator<Item = Permit<'a, T>> + FusedIterator>() {}
    clone::<Sender<T>>();
    clone::<WeakSender<T>>();
    clone::<(UnboundedSender<T>, WeakUnboundedSender<T>)>();
    debug::<(UnboundedSender<T>, UnboundedReceiver<T>, WeakUnboundedSender<T>)>();
    unpin::<(UnboundedSender<T>, UnboundedReceiver<T>, WeakUnboundedSender<T>)>();
    debug::<(Sender<T>, Receiver<T>, WeakSender<T>)>();
    debug::<(Permit<'_, T>, PermitIterator<'_, T>, OwnedPermit<T>)>();
    unpin::<(Sender<T>, Receiver<T>, WeakSender<T>)>();
    unpin::<(Permit<'_, T>, PermitIterator<'_, T>, OwnedPermit<T>)>();
    permits::<T, PermitIterator<'_, T>>();
    fn errors<T>() {
        error::<TryRecvError>();
        error::<RecvError>();
        debug::<(SendError<T>, TrySendError<T>, SendTimeoutError<T>)>();
    }
    fn static_errors<T: 'static>() {
        error::<SendError<T>>();
        error::<TrySendError<T>>();
        error::<SendTimeoutError<T>>();
    }
    let _ = (errors::<T>, static_errors::<u8>);
    fn values<X: PartialEq + Eq + Clone + Copy>() {}
    values::<SendError<u8>>();
    values::<TrySendError<u8>>();
    values::<SendTimeoutError<u8>>();
    values::<TryRecvError>();
    clone::<RecvError>();
    let _: fn(TryRecvError) -> bool =
        |error| matches!(error, TryRecvError::Empty | TryRecvError::Disconnected);
    let _: fn(TrySendError<T>) -> T = |error| match error {
        TrySendError::Full(value) | TrySendError::Closed(value) => value,
    };
    let _: fn(SendTimeoutError<T>) -> T = |error| match error {
        SendTimeoutError::Timeout(value) | SendTimeoutError::Closed(value) => value,
    };
    let _: fn(SendError<T>) -> T = |SendError(value)| value;
}

/// Every text an error can print.
pub(crate) fn error_texts() -> Vec<String> {
    struct Silent;
    let (full, closed) = (TrySendError::Full(Silent), TrySendError::Closed(Silent));
    let (late, never) = (SendTimeoutError::Timeout(Silent), SendTimeoutError::Closed(Silent));
    let send = SendError(Silent);
    let recv = [TryRecvError::Empty, TryRecvError::Disconnected];
    let mut texts = vec![
        format!("{full:?}|{full}|{full:#?}"),
        format!("{closed:?}|{closed}"),
        format!("{late:?}|{late}|{late:#?}"),
        format!("{never:?}|{never}"),
        format!("{send:?}|{send}|{send:#?}"),
        format!("{:?}", Some(TrySendError::from(send))),
    ];
    texts.extend(recv.map(|error| format!("{error:?}|{error}|{error:>50}|{error:.4}")));
    texts.extend([format!("{full:>50}|{full:.4}"), format!("{late:>50}|{late:.4}")]);
    texts.push(format!("{:>50}|{:.4}", SendError(1), SendError(1)));
    texts.push(format!("{:?}", Error::source(&TrySendError::Full(1)).is_none()));
    texts
}

/// The names that the handles print first.
pub(crate) fn handle_names() -> Vec<String> {
    let (tx, rx) = channel::<u8>(4);
    let (unbounded, receiver) = unbounded_channel::<u8>();
    let first = |text: String| text.split([' ', '{']).next().unwrap_or_default().to_owned();
    let texts = vec![
        first(format!("{tx:?}")),
        first(format!("{rx:?}")),
        first(format!("{:?}", tx.downgrade())),
        first(format!("{:?}", tx.try_reserve().unwrap())),
        first(format!("{:?}", tx.try_reserve_many(2).unwrap())),
        first(format!("{:?}", tx.clone().try_reserve_owned().unwrap())),
        first(format!("{unbounded:?}")),
        first(format!("{receiver:?}")),
        first(format!("{:?}", unbounded.downgrade())),
    ];
    texts
}
