//! What happens between two steps of one call, in the order that is the worst. `tests/stall` stops
//! threads at every step; these few are for the fast tests, and one thread plays all.

use core::future::Future;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::rc::Rc;
use std::time::Instant;

use super::error::TryRecvError;
use super::{Receiver, Sender, channel, unbounded_channel};
use crate::sync::acting::{RefCell, at};
use crate::sync::plain::Cell;

fn poll<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// A channel for two that holds one message, and its receiver for who acts.
fn one_of_two() -> (Sender<u8>, Rc<RefCell<Receiver<u8>>>) {
    let (tx, rx) = channel(2);
    tx.try_send(0).unwrap();
    (tx, Rc::new(RefCell::new(rx)))
}

/// Whoever closes takes over the part of a newcomer that does not wait yet, and gives it back.
///
/// Seen to fail with: `fail_senders` that keeps what `close` took over.
#[test]
fn closing_gives_back_the_part_of_who_is_about_to_wait() {
    let (tx, rx) = one_of_two();
    let closes = rx.clone();
    let armed = at("register: part kept", move || closes.borrow_mut().close());
    assert!(matches!(poll(tx.reserve_many(2)), Poll::Ready(Err(_))));
    armed.acted();
    assert_eq!((tx.stats().reserved, rx.borrow_mut().try_recv()), (0, Ok(0)));
    assert_eq!(rx.borrow_mut().try_recv(), Err(TryRecvError::Disconnected));
}

/// A server that has passed a newcomer's place made room for it: that was no wait.
///
/// Seen to fail with: `register` that leaves its note of who waits in a place that was passed,
/// which is counted when the place is taken out.
#[test]
fn a_place_that_was_passed_counts_as_no_wait() {
    const WAITS: u64 = 200;
    let (tx, rx) = one_of_two();
    tx.try_send(1).unwrap();
    let pops = rx.clone();
    let armed = at("register: looked", move || assert_eq!(pops.borrow_mut().try_recv(), Ok(0)));
    assert!(matches!(poll(tx.send(2)), Poll::Ready(Ok(()))));
    armed.acted();
    assert_eq!(tx.stats().send_waits_total, 0);
    for _ in 0..WAITS {
        assert!(poll(tx.send(3)).is_pending());
    }
    assert_eq!(tx.stats().send_waits_total, WAITS);
}

/// The receiver received, and waits again, between two looks of a snapshot: the later wait is told,
/// with its own beginning.
///
/// Seen to fail with: `look` that reads none of `id`, `since` and `waker` again; it told of the
/// former one.
#[test]
fn a_wait_that_began_meanwhile_is_not_told_with_the_beginning_of_another() {
    let (tx, mut rx) = channel(1);
    let waits = |rx: &mut Receiver<u8>| {
        assert!(poll(core::future::poll_fn(|cx| rx.poll_recv(cx))).is_pending());
    };
    waits(&mut rx);
    assert_eq!(tx.stats().recv_waiters, 1);
    let sends = tx.clone();
    let rx = Rc::new(RefCell::new(rx));
    let receives = rx.clone();
    let began = Rc::new(Cell::new(Instant::now()));
    let begins = began.clone();
    let armed = at("stats: wait read", move || {
        sends.try_send(0).unwrap();
        let mut rx = receives.borrow_mut();
        assert_eq!(rx.try_recv(), Ok(0));
        // Far longer than a tick of the coarse clock.
        crate::sync::thread::sleep(Duration::from_millis(100));
        begins.set(Instant::now());
        waits(&mut rx);
    });
    let stats = tx.stats();
    armed.acted();
    assert_eq!((stats.recv_waiters, stats.recv_waits_total), (1, 2));
    let most = began.get().elapsed() + Duration::from_millis(20);
    assert!(Duration::from_nanos(stats.oldest_recv_wait_ns.unwrap()) < most, "{stats:?}");
}

/// Who passes another's place and still has to wait keeps what lay in that place.
///
/// Seen to fail with: `fill` that does not assign what is in the hand.
#[test]
fn what_lay_in_a_place_that_was_passed_is_not_lost() {
    type Reserve = Pin<Box<dyn Future<Output = usize>>>;
    let reserve = |tx: &Sender<u8>| -> Reserve {
        let tx = tx.clone();
        Box::pin(async move { tx.reserve_many(3).await.unwrap().len() })
    };
    let look =
        |reserve: &mut Reserve| reserve.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    let (tx, _rx) = channel(3);
    let [one, two] = [0, 1].map(|_| tx.clone().try_reserve_owned().unwrap());
    let mut first = reserve(&tx);
    let second = Rc::new(RefCell::new(reserve(&tx)));
    let comes = second.clone();
    // The first has the unit that was left, in a place that it has not filled. Another comes back,
    // and before it is handed out the second comes, takes it, and takes over the first's.
    let armed = at("register: part kept", move || {
        let armed = at("release: given back", move || {
            assert!(look(&mut comes.borrow_mut()).is_pending());
        });
        drop(one);
        armed.acted();
    });
    assert!(look(&mut first).is_pending());
    armed.acted();
    drop(two);
    assert_eq!(look(&mut second.borrow_mut()), Poll::Ready(3));
    assert_eq!(look(&mut first), Poll::Ready(3));
}

/// Between the step that gives a permit back and the one that hands it to the first in line there
/// is room, and another permit is out: even so nobody overtakes who waits.
///
/// Seen to fail with: no look at who waits in `look_beside_permits`.
#[test]
fn nobody_overtakes_while_permits_are_out() {
    let (tx, mut rx) = channel(2);
    let [one, _other] = [0, 1].map(|_| tx.clone().try_reserve_owned().unwrap());
    let mut first = pin!(tx.send(1));
    let mut look = |cx: &mut Context<'_>| first.as_mut().poll(cx);
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(look(cx).is_pending());
    let overtakes = tx.clone();
    let armed = at("release: given back", move || assert!(poll(overtakes.send(2)).is_pending()));
    drop(one);
    armed.acted();
    assert_eq!(look(cx), Poll::Ready(Ok(())));
    assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(1), Err(TryRecvError::Empty)));
}

/// A message of a list is read after the head has moved over it, and room was made for those who
/// wait. Whatever happens in between, it is there, once.
///
/// Seen to fail with: `leave_behind` that gives back whatever has a block behind it.
#[test]
fn a_message_is_read_when_others_have_gone_on() {
    fn check(taken: u32, send: impl Fn(Box<u32>) + 'static, mut receive: impl FnMut() -> Box<u32>) {
        (0..=taken).for_each(|n| send(Box::new(n)));
        (0..taken).for_each(|n| assert_eq!(*receive(), n));
        let armed = at("pop: head moved", move || {
            (1..100).for_each(|n| send(Box::new(taken + n)));
        });
        assert_eq!(*receive(), taken);
        armed.acted();
        (1..100).for_each(|n| assert_eq!(*receive(), taken + n));
    }
    for taken in 0..70 {
        // So many do not fit into an array.
        let (tx, mut rx) = channel(2000);
        let receive = move || match poll(rx.recv()) {
            Poll::Ready(message) => message.unwrap(),
            Poll::Pending => unreachable!("it was sent"),
        };
        check(taken, move |message| tx.try_send(message).unwrap(), receive);
        let (tx, mut rx) = unbounded_channel();
        let receive = move || match poll(rx.recv()) {
            Poll::Ready(message) => message.unwrap(),
            Poll::Pending => unreachable!("it was sent"),
        };
        check(taken, move |message| tx.send(message).unwrap(), receive);
    }
}
