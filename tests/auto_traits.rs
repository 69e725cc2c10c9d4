//! Auto traits: `Send` and `Sync` if and only if messages are `Send`, as Tokio's handles and futures.

mod twice;

use parshall::mpsc::{Drain, IntoIter, Iter, TryIter};
use parshall::mpsc::{OwnedPermit, Permit, PermitIterator, Receiver, Sender, WeakSender};
use twice::{ours, theirs};

#[test]
fn every_type_has_the_auto_traits_of_tokios() {
    let (ours, theirs) = (ours::traits::table(), theirs::traits::table());
    assert_eq!(ours.len(), theirs.len());
    let different: Vec<_> =
        ours.iter().zip(&theirs).filter(|(ours, theirs)| ours != theirs).collect();
    // Send, Sync, Unpin, UnwindSafe, RefUnwindSafe.
    assert!(different.is_empty(), "ours, tokio's: {different:#?}");
    // The table can say no and yes.
    assert!(ours.iter().any(|(_, row)| !row[0]) && ours.iter().any(|(_, row)| row[0] && row[1]));
}

/// Compiles only if none of the types has the trait: else the call is ambiguous.
macro_rules! never {
    ($bound:path: $($type:ty),+) => {
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

never!(Send: Sender<Rc>, Receiver<Rc>, WeakSender<Rc>, OwnedPermit<Rc>, Permit<'static, Rc>, PermitIterator<'static, Rc>);
never!(Sync: Sender<Rc>, Receiver<Rc>, WeakSender<Rc>, OwnedPermit<Rc>, Permit<'static, Rc>, PermitIterator<'static, Rc>);
never!(Send: Iter<'static, Rc>, TryIter<'static, Rc>, Drain<'static, Rc>, IntoIter<Rc>);
never!(Sync: Iter<'static, Rc>, TryIter<'static, Rc>, Drain<'static, Rc>, IntoIter<Rc>);
never!(Clone: Receiver<u8>, OwnedPermit<u8>, Permit<'static, u8>, PermitIterator<'static, u8>);
never!(Clone: Iter<'static, u8>, TryIter<'static, u8>, Drain<'static, u8>, IntoIter<u8>);
#[cfg(feature = "sink")]
never!(Send: parshall::mpsc::PollSender<Rc>, parshall::mpsc::PollSendError<Rc>);
#[cfg(feature = "sink")]
never!(Sync: parshall::mpsc::PollSender<Rc>, parshall::mpsc::PollSendError<Rc>);
never!(Copy: Sender<u8>, WeakSender<u8>);

/// The positive side for every `T: Send`, not only for examples; `T: Sync` is never asked for.
#[allow(dead_code)]
fn always<'a, T: Send + 'a>() {
    fn send_sync<X: Send + Sync + Unpin + std::panic::UnwindSafe + std::panic::RefUnwindSafe>() {}
    send_sync::<Sender<T>>();
    send_sync::<Receiver<T>>();
    send_sync::<WeakSender<T>>();
    send_sync::<OwnedPermit<T>>();
    send_sync::<Permit<'a, T>>();
    send_sync::<PermitIterator<'a, T>>();
    #[cfg(feature = "sink")]
    send_sync::<parshall::mpsc::PollSender<T>>();
    send_sync::<(Iter<'a, T>, TryIter<'a, T>, Drain<'a, T>, IntoIter<T>)>();
}
