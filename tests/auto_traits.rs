//! Bounds and auto traits, bug class B20: `Send` and `Sync` if and only if messages are `Send`, no
//! bound where tokio asks for none. The tables come from one source compiled against both channels,
//! so that tokio judges; what it cannot judge, for every `T`, is asserted below, both ways.
//!
//! That something does not compile is shown a second time by doctests, each beside a twin that
//! compiles: `src/mpsc/bounds.rs`.

mod twice;

use std::cell::Cell;
use std::fmt::{Debug, Display};
use std::panic::{RefUnwindSafe, UnwindSafe};

use parshall::mpsc::error::{SendError, TryRecvError, TrySendError};
use parshall::mpsc::{
    Builder, Drain, IntoIter, Iter, OwnedPermit, Permit, PermitIterator, Receiver, Sender, TryIter,
    UnboundedReceiver, UnboundedSender, WeakSender, WeakUnboundedSender, channel,
    unbounded_channel,
};
use twice::{ours, theirs};

/// No difference is intended: our futures are `!Unpin` as tokio's are, though those that borrow
/// need not be.
///
/// Seen to fail with: `Chan` that holds a `PhantomData<fn(T) -> T>` instead of a mutex.
#[test]
fn b20_every_type_and_future_has_the_auto_traits_of_tokios() {
    let (ours, theirs) = (ours::traits::table(), theirs::traits::table());
    assert_eq!(ours.len(), theirs.len());
    let different: Vec<_> =
        ours.iter().zip(&theirs).filter(|(ours, theirs)| ours != theirs).collect();
    // Send, Sync, Unpin, UnwindSafe, RefUnwindSafe.
    assert!(different.is_empty(), "ours, tokio's: {different:#?}");
    // The table can say no and yes, to each question.
    for column in 0..5 {
        assert!(ours.iter().any(|(_, row)| row[column]), "{column}");
        assert!(ours.iter().any(|(_, row)| !row[column]) || column > 2, "{column}");
    }
}

/// The futures' rows in words, in case tokio's should change: TOKIO.md 2.7.
///
/// Seen to fail with: `Chan` that holds a `PhantomData<fn(T) -> T>` instead of a mutex; and, a
/// `send` that boxes its wait.
#[test]
fn b20_futures_are_send_if_messages_are_and_never_unpin() {
    const FUTURES: [&str; 7] =
        ["recv", "recv_many", "send", "reserve", "reserve_many", "reserve_owned", "closed"];
    let table = ours::traits::table();
    let row = |future: &str, message: &str| {
        let name = format!("{future}() of {message}");
        table.iter().find(|(row, _)| *row == name).unwrap_or_else(|| panic!("{name}")).1
    };
    for future in FUTURES {
        // Of messages that are Send + Sync, Send alone, neither: Send, Sync, Unpin.
        assert_eq!(row(future, "u8")[..3], [true, true, false], "{future}");
        // `send` owns its message, and `recv_many` borrows a vector of them.
        let sync = !matches!(future, "send" | "recv_many");
        assert_eq!(row(future, "Cell<u8>")[..3], [true, sync, false], "{future}");
        assert_eq!(row(future, "Rc<u8>")[..3], [false, false, false], "{future}");
    }
}

/// Compiles only if none of the types has the trait: else the call is ambiguous.
macro_rules! never {
    ($bound:path: $($type:ty),+ $(,)?) => {
        $(const _: fn() = || {
            trait Ambiguous<A> {
                fn check() {}
            }
            impl<T: ?Sized> Ambiguous<()> for T {}
            #[allow(dead_code)]
            struct Has;
            impl<T: ?Sized + $bound> Ambiguous<Has> for T {}
            <$type as Ambiguous<_>>::check();
        };)+
    };
}

type Rc = std::rc::Rc<u8>;

// Seen to fail with: `Chan` that holds a `PhantomData<fn(T) -> T>`; the file does not compile then.
never!(Send: Sender<Rc>, Receiver<Rc>, WeakSender<Rc>, OwnedPermit<Rc>, Permit<'static, Rc>, PermitIterator<'static, Rc>);
never!(Sync: Sender<Rc>, Receiver<Rc>, WeakSender<Rc>, OwnedPermit<Rc>, Permit<'static, Rc>, PermitIterator<'static, Rc>);
never!(Send: SendError<Rc>, TrySendError<Rc>);
never!(Sync: SendError<Rc>, TrySendError<Rc>, SendError<Cell<u8>>, TrySendError<Cell<u8>>);
never!(Unpin: SendError<std::marker::PhantomPinned>, TrySendError<std::marker::PhantomPinned>);
never!(Send: Iter<'static, Rc>, TryIter<'static, Rc>, Drain<'static, Rc>, IntoIter<Rc>);
never!(Sync: Iter<'static, Rc>, TryIter<'static, Rc>, Drain<'static, Rc>, IntoIter<Rc>);
never!(Send: UnboundedSender<Rc>, UnboundedReceiver<Rc>, WeakUnboundedSender<Rc>);
never!(Sync: UnboundedSender<Rc>, UnboundedReceiver<Rc>, WeakUnboundedSender<Rc>);
#[cfg(feature = "sink")]
never!(Send: parshall::mpsc::PollSender<Rc>, parshall::mpsc::PollSendError<Rc>);
#[cfg(feature = "sink")]
never!(Sync: parshall::mpsc::PollSender<Rc>, parshall::mpsc::PollSendError<Rc>);
never!(Clone: Receiver<u8>, OwnedPermit<u8>, Permit<'static, u8>, PermitIterator<'static, u8>, UnboundedReceiver<u8>);
never!(Clone: Iter<'static, u8>, TryIter<'static, u8>, Drain<'static, u8>, IntoIter<u8>);
never!(Copy: Sender<u8>, WeakSender<u8>, Receiver<u8>, Permit<'static, u8>);
// Errors are values of their messages: comparable and copyable only as those are.
never!(Clone: SendError<Unable>, TrySendError<Unable>);
never!(PartialEq: SendError<Unable>, TrySendError<Unable>);

/// Has no trait at all, auto traits but for `Unpin` aside.
struct Unable(#[allow(dead_code)] *mut u8);

/// The positive side for every `T: Send`, not only for examples; `T: Sync` and `T: 'static` are
/// never asked for.
const fn always<'a, T: Send + 'a>() {
    const fn all<X: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe>() {}
    all::<Sender<T>>();
    all::<Receiver<T>>();
    all::<WeakSender<T>>();
    all::<OwnedPermit<T>>();
    all::<Permit<'a, T>>();
    all::<PermitIterator<'a, T>>();
    all::<(UnboundedSender<T>, UnboundedReceiver<T>, WeakUnboundedSender<T>)>();
    all::<(Iter<'a, T>, TryIter<'a, T>, Drain<'a, T>, IntoIter<T>)>();
    #[cfg(feature = "sink")]
    all::<parshall::mpsc::PollSender<T>>();
    const fn send<X: Send>() {}
    send::<SendError<T>>();
    send::<TrySendError<T>>();
}

/// What holds for every `T` whatsoever, sized.
const fn without_bounds<'a, T: 'a>() {
    const fn handles<X: Unpin + UnwindSafe + RefUnwindSafe + Debug>() {}
    handles::<Sender<T>>();
    handles::<Receiver<T>>();
    handles::<WeakSender<T>>();
    handles::<OwnedPermit<T>>();
    handles::<Permit<'a, T>>();
    handles::<PermitIterator<'a, T>>();
    handles::<(UnboundedSender<T>, UnboundedReceiver<T>, WeakUnboundedSender<T>)>();
    const fn clone<X: Clone>() {}
    clone::<Sender<T>>();
    clone::<WeakSender<T>>();
    clone::<(UnboundedSender<T>, WeakUnboundedSender<T>)>();
    const fn error<X: Debug + Display>() {}
    error::<SendError<T>>();
    error::<TrySendError<T>>();
    error::<TryRecvError>();
}

/// And the constructors, `Drop`, and every call that need not wait.
///
/// Seen to fail with: `T: Send` on the constructor. It no longer compiles.
#[test]
fn b20_no_bound_on_messages_is_needed_to_use_a_channel() {
    fn use_all<T>(make: impl Fn() -> T) {
        let (tx, mut rx) = channel::<T>(4);
        let _ = Builder::new().capacity(1).build::<T>();
        let weak = tx.clone().downgrade();
        assert!(tx.try_send(make()).is_ok());
        tx.try_reserve().unwrap().send(make());
        drop(tx.try_reserve_many(2).unwrap());
        let tx = weak.upgrade().unwrap().try_reserve_owned().unwrap().send(make());
        assert!(rx.try_recv().is_ok() && rx.blocking_recv().is_some());
        rx.close();
        let (error, refused) = (tx.try_send(make()).err().unwrap(), tx.try_reserve().is_err());
        assert!(refused && format!("{error:?}{error}{tx:?}{rx:?}{weak:?}").contains("closed"));
        drop(error.into_inner());
        let (tx, mut rx) = unbounded_channel::<T>();
        assert!(
            tx.clone().downgrade().upgrade().unwrap().send(make()).is_ok() && rx.try_recv().is_ok()
        );
    }
    const { always::<Cell<&u8>>() };
    const { without_bounds::<Unable>() };
    use_all(|| Unable(std::ptr::null_mut()));
    let local = 7;
    use_all(|| &local);
}
