//! What an age counts from: an instant that the program knows, or the first look of who asks.

use super::super::FindingKind::{Growing, HeldPermits, Stalled};
use super::super::{Diagnoser, Finding, FindingKind, Settings};
use super::build::{Program, SECOND};

/// The finding of this kind at the last of `looks` looks, a second apart, before each of which
/// `change` happens.
fn at_last(
    p: &mut Program,
    looks: i64,
    kind: FindingKind,
    mut change: impl FnMut(&mut Program, i64),
) -> Finding {
    let mut diagnoser = Diagnoser::new(Settings::default());
    let mut last = None;
    for look in 0..looks {
        p.now += SECOND;
        change(p, look);
        last = Some(diagnoser.look(&p.snapshot()).unwrap());
    }
    let last = last.unwrap();
    last.findings.into_iter().find(|found| found.kind == kind).expect("it is found")
}

/// Messages have no age: who comes late has seen them lie there since its first look.
///
/// Seen to fail with: `stalled, 3.0 s` of what has stood still for hours.
#[test]
fn what_lay_there_at_the_first_look_was_seen_for_so_long() {
    let mut p = Program::new();
    let plain = p.plain();
    let c = p.full("c", 4, plain);
    let found = at_last(&mut p.clone(), 4, Stalled, |_, _| {});
    assert!(!found.since_known && found.text().contains("c 4/4 is stalled, seen for 3.0 s: "));
    // The last receive was seen; then it stood still.
    let received = |p: &mut Program, look: i64| p.received(c, u64::from(look < 2));
    let found = at_last(&mut p.clone(), 5, Stalled, received);
    assert!(found.since_known && found.text().contains("c 4/4 is stalled, 3.0 s: "), "{found:?}");
    // A sender waits: the snapshot says since when nobody was let in.
    let sender = p.plain();
    p.sends(sender, c);
    let found = at_last(&mut p, 4, Stalled, |_, _| {});
    assert!(found.since_known && found.text().contains("c 4/4 is stalled, 9.0 s: "), "{found:?}");
}

/// Seen to fail with: `for 9.0 s` of what had grown for hours before the first look.
#[test]
fn what_grows_from_the_first_look_on_was_seen_to_grow() {
    let mut p = Program::new();
    let c = p.channel("c", 0);
    p.queue(c, 1_000);
    let grows = |from: i64| {
        move |p: &mut Program, look: i64| {
            p.received(c, 1);
            p.queue(c, if look > from { 1_000 } else { 0 });
        }
    };
    let found = at_last(&mut p.clone(), 10, Growing, grows(0));
    assert!(!found.since_known && found.text().contains("+1.0 k/s, seen for 9.0 s"), "{found:?}");
    let found = at_last(&mut p, 10, Growing, grows(3));
    assert!(found.since_known && found.text().contains("+1.0 k/s for 6.0 s"), "{found:?}");
}

/// Of a line whose first needs more than one unit no instant is known.
///
/// Seen to fail with: a bare age; and, after the clock was set, with one again.
#[test]
fn it_stays_unknown_when_the_clock_is_set() {
    let mut p = Program::new();
    let (holder, other) = (p.plain(), p.plain());
    let c = p.channel("c", 2);
    p.channels[c].last_receiver = Some(holder);
    p.channels[c].stats.reserved = 2;
    p.sends(other, c).need = 2;
    let sets_the_clock = |p: &mut Program, look: i64| {
        if look == 2 {
            p.now += 3_600 * SECOND;
            p.channels[c].stats.created_at_ns += 3_600 * SECOND;
            p.channels[c].send_waits[0].since_ns += 3_600 * SECOND;
        }
    };
    let found = at_last(&mut p, 4, HeldPermits, sets_the_clock);
    let says = "not by messages, seen for 3.0 s";
    assert!(!found.since_known && found.text().contains(says), "{}", found.text());
}
