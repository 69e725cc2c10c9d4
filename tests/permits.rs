//! Permits: room taken before there is a message, one, many, and owned.

mod support;

use parshall::mpsc;
use parshall::mpsc::error::{SendError, TryRecvError, TrySendError};
use support::{now, pending, task};

#[test]
fn a_permit_holds_room_until_it_is_used_or_dropped() {
    let (tx, mut rx) = mpsc::channel(2);
    let used = now(tx.reserve()).unwrap();
    let dropped = tx.try_reserve().unwrap();
    assert_eq!((tx.capacity(), tx.len(), rx.try_recv()), (0, 0, Err(TryRecvError::Empty)));
    assert_eq!(tx.try_send(0), Err(TrySendError::Full(0)));
    drop(dropped);
    assert_eq!(tx.capacity(), 1);
    used.send(1);
    assert_eq!((tx.capacity(), tx.len()), (1, 1));
    assert_eq!(rx.try_recv(), Ok(1));
    assert_eq!(tx.capacity(), 2);
}

#[test]
fn messages_arrive_in_the_order_of_use_not_of_reservation() {
    let (tx, mut rx) = mpsc::channel(3);
    let (first, second) = (tx.try_reserve().unwrap(), tx.try_reserve().unwrap());
    second.send(2);
    tx.try_send(3).unwrap();
    first.send(1);
    assert_eq!([rx.try_recv(), rx.try_recv(), rx.try_recv()], [Ok(2), Ok(3), Ok(1)]);
}

#[test]
fn reserve_many_beyond_the_capacity_fails_at_once_even_if_open() {
    let (tx, mut rx) = mpsc::channel::<u8>(2);
    assert!(matches!(now(tx.reserve_many(3)), Err(SendError(()))));
    assert!(matches!(now(tx.reserve_many(usize::MAX)), Err(SendError(()))));
    assert!(matches!(tx.try_reserve_many(3), Err(TrySendError::Full(()))));
    rx.close();
    assert!(
        matches!(tx.try_reserve_many(3), Err(TrySendError::Full(()))),
        "the size is looked at before closing"
    );
    assert!(matches!(tx.try_reserve_many(2), Err(TrySendError::Closed(()))));
    assert_eq!(rx.capacity(), 2);
}

#[test]
fn no_permits_at_all_can_be_had_even_from_a_full_channel() {
    let (tx, mut rx) = mpsc::channel(1);
    tx.try_send(0).unwrap();
    let _waiting = pending(tx.send(1));
    assert_eq!(now(tx.reserve_many(0)).unwrap().len(), 0);
    assert_eq!(tx.try_reserve_many(0).unwrap().len(), 0);
    rx.close();
    assert!(now(tx.reserve_many(0)).is_err());
    assert!(matches!(tx.try_reserve_many(0), Err(TrySendError::Closed(()))));
}

#[test]
fn many_permits_are_collected_as_room_comes_and_hold_up_those_behind() {
    let (tx, mut rx) = mpsc::channel(3);
    (0..3).for_each(|i| tx.try_send(i).unwrap());
    let mut many = pending(tx.reserve_many(2));
    let mut behind = pending(tx.send(9));
    assert_eq!(rx.try_recv(), Ok(0));
    assert_eq!(
        (many.wakes(), behind.wakes()),
        (0, 0),
        "one unit is not enough, and not for others"
    );
    many.still_pending();
    assert_eq!((tx.capacity(), tx.try_send(8)), (0, Err(TrySendError::Full(8))));
    assert_eq!(rx.try_recv(), Ok(1));
    assert_eq!((many.wakes(), behind.wakes()), (1, 0));
    let mut permits = many.ready().unwrap();
    permits.next().unwrap().send(3);
    behind.still_pending();
    drop(permits);
    assert_eq!(behind.wakes(), 1, "what the iterator did not use goes to the next in line");
    behind.ready().unwrap();
    assert_eq!([rx.try_recv(), rx.try_recv(), rx.try_recv()], [Ok(2), Ok(3), Ok(9)]);
}

#[test]
fn units_of_a_cancelled_collector_go_to_those_behind_it() {
    let (tx, mut rx) = mpsc::channel(3);
    (0..3).for_each(|i| tx.try_send(i).unwrap());
    let many = pending(tx.reserve_many(3));
    let mut behind = [pending(tx.send(10)), pending(tx.send(11)), pending(tx.send(12))];
    rx.try_recv().unwrap();
    rx.try_recv().unwrap();
    assert!(behind.iter().all(|send| send.wakes() == 0));
    drop(many);
    assert_eq!(behind.each_ref().map(support::Task::wakes), [1, 1, 0]);
    behind[0].ready().unwrap();
    behind[1].ready().unwrap();
    behind[2].still_pending();
    assert_eq!(rx.try_recv(), Ok(2));
    behind[2].ready().unwrap();
}

#[test]
fn a_permit_iterator_knows_its_length_and_gives_back_the_rest_in_one_step() {
    let (tx, mut rx) = mpsc::channel(5);
    let mut permits = now(tx.reserve_many(4)).unwrap();
    assert_eq!((permits.len(), permits.size_hint(), tx.capacity()), (4, (4, Some(4)), 1));
    permits.next().unwrap().send(1);
    drop(permits.next());
    assert_eq!((permits.len(), tx.capacity()), (2, 2));
    let mut waiting = [pending(tx.reserve_many(3)), pending(tx.reserve_many(1))];
    drop(permits);
    assert_eq!(waiting.each_ref().map(support::Task::wakes), [1, 1]);
    for waiting in &mut waiting {
        waiting.ready().unwrap().for_each(|permit| permit.send(2));
    }
    let mut got = Vec::new();
    assert_eq!((now(rx.recv_many(&mut got, 9)), got), (5, vec![1, 2, 2, 2, 2]));
    let mut spent = tx.try_reserve_many(1).unwrap();
    drop(spent.next());
    assert!(spent.next().is_none() && spent.next().is_none(), "fused");
}

#[test]
fn an_owned_permit_gives_its_sender_back() {
    let (tx, mut rx) = mpsc::channel(1);
    let tx = now(tx.reserve_owned()).unwrap().send(1);
    let Err(TrySendError::Full(tx)) = tx.try_reserve_owned() else { panic!("full") };
    assert_eq!((rx.try_recv(), tx.strong_count()), (Ok(1), 1));
    let tx = tx.try_reserve_owned().unwrap().release();
    assert_eq!((tx.capacity(), tx.len()), (1, 0));
    rx.close();
    let Err(TrySendError::Closed(tx)) = tx.try_reserve_owned() else { panic!("closed") };
    let weak = tx.downgrade();
    assert!(now(tx.reserve_owned()).is_err());
    assert_eq!(weak.strong_count(), 0, "a failed reserve_owned drops its sender");
}

#[test]
fn an_owned_permit_keeps_the_channel_open() {
    let (tx, mut rx) = mpsc::channel(2);
    let permit = tx.try_reserve_owned().unwrap();
    let mut receive = pending(rx.recv());
    let tx = permit.send(7);
    assert_eq!((receive.wakes(), receive.ready()), (1, Some(7)));
    drop(receive);
    let permit = tx.try_reserve_owned().unwrap();
    assert!(!rx.is_closed());
    let mut receive = pending(rx.recv());
    drop(permit);
    assert_eq!((receive.wakes(), receive.ready()), (1, None));
}

#[test]
fn a_waiting_reserve_owned_keeps_the_channel_open_and_cancelling_it_closes() {
    let (tx, mut rx) = mpsc::channel(1);
    tx.try_send(1).unwrap();
    let reserve = pending(tx.reserve_owned());
    assert_eq!(rx.try_recv(), Ok(1));
    assert_eq!((rx.is_closed(), reserve.wakes()), (false, 1));
    let mut receive = pending(rx.recv());
    drop(reserve);
    assert_eq!((receive.wakes(), receive.ready()), (1, None));
}

#[test]
fn permits_deliver_after_close() {
    let (tx, mut rx) = mpsc::channel(4);
    let (permit, owned) = (tx.try_reserve().unwrap(), tx.clone().try_reserve_owned().unwrap());
    let mut many = tx.try_reserve_many(2).unwrap();
    rx.close();
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty), "permits are out");
    permit.send(1);
    drop(owned.send(2));
    many.next().unwrap().send(3);
    assert_eq!([rx.try_recv(), rx.try_recv(), rx.try_recv()], [Ok(1), Ok(2), Ok(3)]);
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty), "one is still out");
    drop(many);
    assert_eq!(rx.try_recv(), Err(TryRecvError::Disconnected));
}

#[test]
fn reserving_without_polling_takes_nothing() {
    let (tx, _rx) = mpsc::channel::<u8>(1);
    let reserves = (task(tx.reserve()), task(tx.reserve_many(1)), task(tx.clone().reserve_owned()));
    assert_eq!(tx.capacity(), 1);
    drop(reserves);
    assert_eq!((tx.capacity(), tx.strong_count()), (1, 1));
}
