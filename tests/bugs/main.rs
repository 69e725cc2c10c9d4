//! One regression test for each class of bug that channels of this kind have had, named by the
//! class.
//!
//! Each was seen to fail once, with the bug planted that its comment names. What `both/` holds runs
//! on each flavour of the channel: `bounded.rs` and `unbounded.rs` say what that is, as
//! `tests/twice` does for the interface. A model is in `loom-tests/tests`; it explores what a test
//! on real threads only tries.
//!
//! | class | tests here | models, and tests elsewhere |
//! |---|---|---|
//! | B1 `try_recv` says Empty after a completed send | `races` | `l4_a_completed_send_is_never_missed` |
//! | B2 state told wrongly when closing | `states`, `permits` | `l7_last_sender_against_park`, `full_is_not_said_from_an_old_tail` |
//! | B3 not woken when permits come back after close | `permits` | `l14_*` |
//! | B4 length wrong at a block, at close | `states` | `l16_snapshot_beside_send_and_receive` |
//! | B5 `recv_many` into a buffer, limit 0 | `states` | |
//! | B6 panic in a message's drop | `drops`, `permits`, `senders` | |
//! | B7 panicking waker | `wakers`, `permits`, `senders`, `debts` | `panicking_waker_leaves_the_channel_whole` |
//! | B8 waker or drop under a lock | `reentry`, `senders` | `l22_waker_re_enters` |
//! | B9 waker kept | `wakers`, `senders` | |
//! | B10 wrap of an index | | below |
//! | B11 leak or double free at the first send | `races` | `l18_both_ends_go` |
//! | B12 the end without happens-before | `races` | `l7_disconnected_*`, `d1_closed_*`, `n1_no_sender_left_*` |
//! | B13 message left when the receiver goes | `drops`, `races`, `permits` | `l18_*`, `l19_permit_sent_against_receiver_drop` |
//! | B14 pending send dropped | `waits`, `lines` | `l11_first_in_line_leaves`, `l12_grant_is_handed_on`, `l26_half_served_wait_leaves` |
//! | B15 pending receive dropped | `waits` | `l6_dropped_receive_then_another` |
//! | B16 forgotten future | `waits`, `lines` | |
//! | B17 lost wake-up | `races`, `permits`, `lines` | `l2_*`, `l3_*`, `l9_*`, `l10_*`, `l13_*`, `l15_*`, `l24_*`; `tests/stress.rs` |
//! | B18 order within a sender | `waits`, `lines`, `races`, `permits` | `l10_grants_in_order`; `tests/stress.rs` |
//! | B19 two owners of a waker or slot | `races` | `l20_cell_is_handed_back_before_it_is_reused`; loom checks each access to a cell |
//! | B20 missing bounds | `drops` | `tests/auto_traits.rs`, `src/mpsc/bounds.rs` |
//! | B21 upgrade against the last drop | `races` | `l21_upgrade_against_last_drop` |
//! | B22 closed channel opens, permits leak | `lines` | `l8_try_send_against_close`, `close_overtakes_a_grant` |
//! | B23 memory of a crowd or burst | `memory`, `lines` | `tests/memory.rs`, `src/ring/blocks.rs`: `b23_*` |
//! | B24 large message on the stack | `drops` | |
//! | B25 overflow of a timeout | | `tests/timeouts.rs`: `b25_*` |
//! | B26 no size, large alignment, niches | `drops` | `src/ring/array.rs`: `b26_zero_sized_and_over_aligned_messages_have_slots` |
//! | B27 sink protocol | | `tests/sink.rs`: `b27_*` |
//! | B28 another value in an error | `states`, `lines` | |
//! | B29 the end overtakes a message | `races`, `reentry` | `l7_last_sender_against_park` |
//! | B30 batch lost on cancellation | | `tests/send_many.rs`: `b30_*` |
//! | B31 cooperative budget | | `tests/budget.rs`: `b31_*` |
//! | B32 more woken than served | `waits`, `lines` | `l3_*` count wakes |
//! | B33 telemetry re-enters | `reentry`, `senders` | |
//! | B34 the caller's number as an allocation | `states`, `permits` | an empty select: there is none |
//!
//! B10, one for each word that counts, and the channel over all: unit tests in `src/ring` and
//! `src/mpsc/builder.rs`, since only they can begin near a wrap; in models `l3_across_the_wrap` and
//! those that begin at `STAMP_WRAP` or `POS_WRAP`.
//!
//! # Every place that calls a waker, and who shows that it may panic (B7) and call back (B8)
//!
//! | place | reached by | B7 `b07_panicking_` | B8 `b08_` |
//! |---|---|---|---|
//! | wake: `Shared::wake_receiver` | `publish`: sends, permits | `wake_of_the_receiver_costs`, `.._leaves_each_call` | `a_waker_may_use` |
//! | | `release`: last permit after close | `wake_of_the_receiver_by_the_last_permit`, `.._leaves_a_refused_wait`, `.._leaves_a_blocking_call` | `the_receivers_waker_may_use` |
//! | | `drop_sender` | `wake_of_the_receiver_costs` | `a_waker_may_use` |
//! | wake: `WaitQueue::serve` | `pop`, `recv_many` | `wake_of_a_sender_costs` | `a_senders_waker_may_use` |
//! | | `release`, `Acquire::drop`, `Acquire::give_up` | `wake_when_a_wait_is_cancelled`, `wake_of_the_next_in_line_leaves` | `a_senders_waker_may_use` |
//! | wake: `WaitQueue::close` | `close`, receiver's drop | `wake_of_a_sender_does_not_keep`, `wake_of_one_who_waits_for_closure` | `a_senders_waker_may_use`, `a_waker_that_closure_wakes` |
//! | | `drop_sender`, forgotten waits | `wake_of_a_forgotten_wait` | the same function |
//! | wake: `WaitQueue::register` | room that came back meanwhile, to others | only by a race: the batch of `serve_slow` | |
//! | wake: `Consumer::park`, by reference | a claim in flight | only by a race: `panicking_waker_leaves_the_channel_whole` | |
//! | wake, clone: `Hook`, `Named::poll` | a named task | `waker_under_a_named_task` | `b33_a_snapshot_may_be_taken` |
//! | clone: `Consumer::park` | first poll, later poll | `clone_of_the_receivers_waker` | `a_waker_may_use`, `a_clone_that_sends_or_closes` |
//! | clone: `Turn::register_in` | first poll | `clone_of_a_senders_waker`, `clone_by_one_who_waits` | `a_senders_waker_may_use`, `a_clone_that_sends_or_closes` |
//! | clone: `WaitQueue::poll` | later poll | the same two | the same two |
//! | drop: `Consumer::park` | waker replaced | `drop_of_a_receivers_waker_that_is_replaced` | `a_waker_may_use` |
//! | drop: `Consumer::drop` | receiver goes | `drop_of_the_receivers_waker_as_it_goes_stops_nothing_else`, `.._forgets_no_permit` | `a_waker_may_use` |
//! | drop: `WaitQueue::register` | granted or closed at once | `b07_b08_drop_of_a_senders_waker_that_was_not_needed` | the same |
//! | drop: `WaitQueue::poll` | replaced; over meanwhile | `drop_of_a_senders_waker`, `drop_of_a_waker_of_one_who_waits`; `b07_b08_..` | `a_senders_waker_may_use`; `b07_b08_..` |
//! | drop: `WaitQueue::cancel` | wait dropped | `drop_of_a_senders_waker`, `drop_of_a_waker_of_one_who_waits` | `a_senders_waker_may_use`, `a_waker_may_use` |
//! | drop: `Named::poll` | after the poll | `drop_of_a_waker_under_a_named_task` | `b33_a_snapshot_may_be_taken` |
//!
//! # Every call that may meet the panic of another's waker, and what it owes
//!
//! | call | owes | shown by `b07_panicking_wake_of_` |
//! |---|---|---|
//! | `try_send`, `blocking_send`, `blocking_send_timeout`, `send_item`, `UnboundedSender::send`, done | nothing | `the_receiver_leaves_each_call` |
//! | `Permit::send`, each drop of a permit or sender, `PollSender::close` | nothing | the same, `the_next_in_line_leaves_each_call` |
//! | `Receiver::close`, its drop | nothing | `a_sender_does_not_keep_closure`, `one_who_waits_for_closure` |
//! | the drop of a wait | nothing | `the_next_in_line_leaves_each_call` |
//! | `send`, `send_timeout`, `send_many`, done | that it is ready | `the_receiver_leaves_each_call`, `.._does_not_stop_a_batch` |
//! | the same, `reserve`, `reserve_many`, `reserve_owned`, `poll_reserve`, closed | an error, with the message | `the_receiver_leaves_a_refused_wait` |
//! | `blocking_send` and its kin, closed | likewise | `the_receiver_leaves_a_blocking_call` |
//! | `send_timeout`, late | the message | `the_next_in_line_leaves_a_late_send` |
//! | `try_send_many`, `blocking_send_many` | how many; the rest | `the_receiver_leaves_each_call` |
//! | `OwnedPermit::send`, `release` | the sender | both `.._leaves_each_call`, `the_receiver_by_the_last_permit` |
//! | `abort_send`, `poll_close` | whether there was room; that it is ready | both `.._leaves_each_call`, `leaves_an_unbounded_sink` |
//! | every receive, each message that a drain drops | a message, or the end | `a_sender_costs_the_receiver`, `b07_panicking_drop_of_a_receivers_waker_that_is_replaced` |
//!
//! What such a panic carries is dropped: `b07_the_payload_of_a_panic`.
//!
//! # Every place that drops a message (B6, B13)
//!
//! | place | test |
//! |---|---|
//! | `Consumer::drop`, what is left | `b06_panicking_drops_do_not_stop`, `b06_a_payload_that_panics`, `b13_what_is_left`; re-entry: `b08_a_message_may_use` |
//! | the same while a panic unwinds | `b06_a_receiver_dropped_by_a_panic` |
//! | `Chan::send_reserved`, after the receiver went | `b06_a_panicking_drop_of_a_late_message`, `b13_a_message_sent_by_permit` |
//! | `send`'s future, unpolled, waiting, granted | `b06_a_panicking_drop_of_a_message_that_waits`, `b14_the_message_of_a_refused` |
//! | the storage never: it frees memory only | `b13_what_is_left`, `b13_a_message_that_meets` |
//!
//! # Every wait (B14 dropped, B16 forgotten, B21 and B17 raced)
//!
//! | wait | dropped | forgotten |
//! |---|---|---|
//! | `recv`, `recv_many` | `b15_*` | `b16_forgotten_receives` |
//! | `closed` | `b14_a_dropped_wait_for_closure` | `b16_a_forgotten_wait_for_closure` |
//! | `send`, `reserve`, `reserve_many`, `reserve_owned` | `b14_each_wait_for_room` | `b16_a_forgotten_wait_for_room`, `b16_forgotten_waits_and_permits` |
//! | a claim in flight: `try_recv`, receiver's drop | cannot be | the claim holds no future |
//! | `Counts::upgrade` waits for nobody | `b21_an_upgrade_races` | |

#![allow(clippy::duplicate_mod)] // the same source on two channels is the point

#[path = "../support/mod.rs"]
mod support;

mod bounded;
mod debts;
mod lines;
mod permits;
mod senders;
mod unbounded;

#[global_allocator]
static ALLOCATOR: support::heap::Counting = support::heap::Counting;
