//! Which auto traits each handle and future has, for messages that are `Send + Sync`, `Send` only,
//! neither, and not `Unpin`.

use std::cell::Cell;
use std::marker::{PhantomData, PhantomPinned};
use std::rc::Rc;

use super::mpsc::error::{SendError, SendTimeoutError, TrySendError};
use super::mpsc::{
    OwnedPermit, Permit, PermitIterator, Receiver, Sender, UnboundedReceiver, UnboundedSender,
    WeakSender, WeakUnboundedSender, channel, unbounded_channel,
};

/// Whether a concrete type has a trait: an inherent method, if its bound holds, goes before a
/// trait's.
macro_rules! has {
    ($probe:expr, $($bound:tt)+) => {{
        struct Probe<T>(PhantomData<T>);
        #[allow(dead_code)] // unless the answer is no
        trait Otherwise {
            fn answer(&self) -> bool {
                false
            }
        }
        impl<T> Otherwise for Probe<T> {}
        #[allow(dead_code)] // unless it is yes
        impl<T: $($bound)+> Probe<T> {
            fn answer(&self) -> bool {
                true
            }
        }
        fn probe<T>(_: PhantomData<T>) -> Probe<T> {
            Probe(PhantomData)
        }
        probe($probe).answer()
    }};
}

macro_rules! rows {
    ($table:ident, $message:ty, $($name:literal => $probe:expr),+ $(,)?) => {
        $($table.push((
            format!("{} of {}", $name, stringify!($message)),
            [
                has!($probe, Send),
                has!($probe, Sync),
                has!($probe, Unpin),
                has!($probe, std::panic::UnwindSafe),
                has!($probe, std::panic::RefUnwindSafe),
            ],
        ));)+
    };
}

/// The type of a value that is never made.
fn of<A, T>(_: impl FnOnce(A) -> T) -> PhantomData<T> {
    PhantomData
}

macro_rules! table_of {
    ($table:ident, $message:ty) => {
        rows!($table, $message,
            "Sender" => PhantomData::<Sender<$message>>,
            "Receiver" => PhantomData::<Receiver<$message>>,
            "WeakSender" => PhantomData::<WeakSender<$message>>,
            "Permit" => PhantomData::<Permit<'static, $message>>,
            "PermitIterator" => PhantomData::<PermitIterator<'static, $message>>,
            "OwnedPermit" => PhantomData::<OwnedPermit<$message>>,
            "SendError" => PhantomData::<SendError<$message>>,
            "TrySendError" => PhantomData::<TrySendError<$message>>,
            "SendTimeoutError" => PhantomData::<SendTimeoutError<$message>>,
            "UnboundedSender" => PhantomData::<UnboundedSender<$message>>,
            "UnboundedReceiver" => PhantomData::<UnboundedReceiver<$message>>,
            "WeakUnboundedSender" => PhantomData::<WeakUnboundedSender<$message>>,
            "unbounded_channel()" => of(|(): ()| unbounded_channel::<$message>()),
            "unbounded recv()" => of(|rx: &'static mut UnboundedReceiver<$message>| rx.recv()),
            "unbounded recv_many()" => of(
                |(rx, b): (&'static mut UnboundedReceiver<$message>, &'static mut Vec<$message>)| rx.recv_many(b, 1)
            ),
            "unbounded closed()" => of(|tx: &'static UnboundedSender<$message>| tx.closed()),
            "channel()" => of(|n: usize| channel::<$message>(n)),
            "recv()" => of(|rx: &'static mut Receiver<$message>| rx.recv()),
            "recv_many()" => of(
                |(rx, b): (&'static mut Receiver<$message>, &'static mut Vec<$message>)| rx.recv_many(b, 1)
            ),
            "send()" => of(|(tx, m): (&'static Sender<$message>, $message)| tx.send(m)),
            "reserve()" => of(|tx: &'static Sender<$message>| tx.reserve()),
            "reserve_many()" => of(|tx: &'static Sender<$message>| tx.reserve_many(1)),
            "reserve_owned()" => of(|tx: Sender<$message>| tx.reserve_owned()),
            "closed()" => of(|tx: &'static Sender<$message>| tx.closed()),
        );
        #[cfg(feature = "tokio")]
        rows!($table, $message, "send_timeout()" => of(
            |(tx, m): (&'static Sender<$message>, $message)| tx.send_timeout(m, std::time::Duration::ZERO)
        ));
    };
}

/// A row: a name; whether it is Send, Sync, Unpin, `UnwindSafe`, `RefUnwindSafe`.
pub(crate) type Row = (String, [bool; 5]);

pub(crate) fn table() -> Vec<Row> {
    let mut table = Vec::new();
    table_of!(table, u8);
    table_of!(table, Cell<u8>);
    table_of!(table, Rc<u8>);
    table_of!(table, PhantomPinned);
    table
}
