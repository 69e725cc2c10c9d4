//! The beginning of a channel.

use core::mem::ManuallyDrop;
use core::panic::Location;

use super::receiver_state::ReceiverCell;
use super::{Chan, Cold, Consumer, Info, Owner, Shape, Shared, Sums};
use crate::ring::Ring;
use crate::sync::plain::Arc;
use crate::telemetry::ledger::Ledger;

/// What a new channel is to be like.
pub(crate) struct ChannelOptions {
    pub(crate) name: Option<Arc<str>>,
    pub(crate) shape: Shape,
    pub(crate) location: &'static Location<'static>,
    /// Its senders are traced.
    pub(crate) trace_senders: bool,
    /// What telemetry does when the channel ends.
    pub(crate) on_drop: Option<fn(&Shared, Sums)>,
}

impl<T> Chan<T> {
    /// A channel with one sender and its receiving end. (Inlined: it has one caller, and options
    /// that would pass over the stack.)
    #[inline(always)]
    pub(crate) fn create(options: ChannelOptions) -> (Self, Consumer<T>) {
        let ChannelOptions { name, shape, location, trace_senders, on_drop } = options;
        let senders = trace_senders.then(|| Box::new(Ledger::new()));
        let payload = core::any::type_name::<T>();
        // Leaked, should the allocator unwind: see `Info::new`.
        let (name, senders) = (ManuallyDrop::new(name), ManuallyDrop::new(senders));
        let cold = move |reader| {
            let (name, senders) =
                (ManuallyDrop::into_inner(name), ManuallyDrop::into_inner(senders));
            Cold {
                info: Info::new(name, location, payload, senders),
                receiver: ReceiverCell::new(reader),
            }
        };
        let is_bounded = shape.capacity.is_some();
        let fill = move |at| {
            // SAFETY: memory for a state, and so for a ring and for the space beside it, and nobody
            // else's.
            unsafe {
                Shared::init(at, is_bounded, on_drop, move |ring, space| {
                    Ring::init::<T>(ring, shape, space, cold);
                });
            }
        };
        // SAFETY: it writes all of it.
        let (sender, receiver) = unsafe { Owner::two(fill) };
        (Self::of(sender), Consumer::new(Self::of(receiver)))
    }
}
