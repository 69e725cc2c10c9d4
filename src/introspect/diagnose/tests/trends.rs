//! Rates and trends over many looks, with their hysteresis.

use super::super::FindingKind::{GivenUp, Growing, Lockstep, Refused, Saturated, Stalled};
use super::super::{Diagnoser, Evidence, FindingKind, Settings, Verdict};
use super::build::{Known, Program, SECOND, is};
use crate::ChannelStats;

/// For each look, a second after the last one, what was found of the one channel.
fn looks(
    capacity: u64,
    n: usize,
    mut change: impl FnMut(usize, &mut ChannelStats),
) -> Vec<Vec<FindingKind>> {
    let mut p = Program::new();
    let task = p.plain();
    let c = p.channel("c", capacity);
    p.channels[c].last_receiver = Some(task);
    p.channels[c].stats.recv_total = 1;
    let mut diagnoser = Diagnoser::new(Settings::default());
    let look = |look| {
        p.now += SECOND;
        change(look, &mut p.channels[c].stats);
        let stats = &mut p.channels[c].stats;
        stats.high_watermark = stats.high_watermark.max(stats.queue_len);
        // A receive at each look, or it were stalled.
        stats.recv_total += 1;
        if !stats.bounded {
            stats.sent_total = stats.recv_total + stats.queue_len;
        }
        let found = diagnoser.look(&p.snapshot()).unwrap().findings;
        found.iter().map(|found| found.kind).collect()
    };
    (0..n).map(look).collect()
}

/// The looks at which `kind` was found.
fn seen(found: &[Vec<FindingKind>], kind: FindingKind) -> Vec<usize> {
    (0..found.len()).filter(|&look| found[look].contains(&kind)).collect()
}

/// Seen to fail without hysteresis at either end, and without the share of the high mark.
#[test]
fn growing_begins_and_ends_after_several_looks() {
    let rises_then_falls = |look: usize, stats: &mut ChannelStats| {
        stats.queue_len =
            if look < 10 { 100 + 100 * look as u64 } else { 2000 - 100 * look as u64 };
    };
    let found = looks(0, 18, rises_then_falls);
    // Five rises from the first look on; at look 10 it is as long as at 9, and at 15 it has fallen
    // five times.
    assert_eq!(seen(&found, Growing), (5..=14).collect::<Vec<_>>());
    // Up and down, whatever the size.
    let saw = |look: usize, stats: &mut ChannelStats| {
        stats.queue_len = [100, 5_000, 9_000, 40_000, 3][look % 5];
    };
    assert!(seen(&looks(0, 50, saw), Growing).is_empty());
    // Small, or far below what it once held.
    let small = |look: usize, stats: &mut ChannelStats| stats.queue_len = look as u64;
    assert!(seen(&looks(0, 50, small), Growing).is_empty());
    let once = |look: usize, stats: &mut ChannelStats| {
        stats.high_watermark = 1_000_000;
        stats.queue_len = 1000 + look as u64;
    };
    assert!(seen(&looks(0, 50, once), Growing).is_empty());
    // Bounded channels are full at most.
    let bounded = |look: usize, stats: &mut ChannelStats| {
        rises_then_falls(look, stats);
        stats.sent_total = stats.recv_total + 1 + stats.queue_len;
    };
    assert!(seen(&looks(1_000_000, 18, bounded), Growing).is_empty());
}

#[test]
fn refusals_and_sends_that_are_given_up_have_rates() {
    let turned = |look: usize, stats: &mut ChannelStats| {
        stats.full_total += if look < 8 { 50 } else { 0 };
        stats.send_given_up_total += if look < 8 { 5 } else { 0 };
        stats.sent_total += 50;
    };
    let found = looks(4, 16, turned);
    assert_eq!(seen(&found, Refused), (5..=11).collect::<Vec<_>>());
    assert_eq!(seen(&found, GivenUp), (5..=11).collect::<Vec<_>>());
    let seldom = |look: usize, stats: &mut ChannelStats| {
        stats.full_total += u64::from(look.is_multiple_of(3));
        stats.send_given_up_total += u64::from(look.is_multiple_of(3));
    };
    assert!(looks(4, 30, seldom).iter().all(Vec::is_empty));
}

#[test]
fn a_bottleneck_is_saturated_and_a_small_channel_in_lockstep() {
    let second = SECOND as u64;
    let bottleneck = |_: usize, stats: &mut ChannelStats| {
        stats.recv_total += 1_000;
        stats.send_waits_total += 900;
        stats.send_wait_total_ns += 2 * second;
        stats.recv_wait_total_ns += second / 20;
        stats.recv_waits_total += 10;
    };
    let found = looks(4, 10, bottleneck);
    assert_eq!(seen(&found, Saturated), (5..10).collect::<Vec<_>>());
    assert!(seen(&found, Lockstep).is_empty());
    let lockstep = |_: usize, stats: &mut ChannelStats| {
        stats.recv_total += 1_000;
        stats.send_waits_total += 950;
        stats.recv_waits_total += 950;
        stats.send_wait_total_ns += second / 2;
        stats.recv_wait_total_ns += second * 6 / 10;
    };
    let found = looks(1, 10, lockstep);
    assert_eq!(seen(&found, Lockstep), (5..10).collect::<Vec<_>>());
    assert!(seen(&found, Saturated).is_empty());
    // Fast and healthy: the receiver waits, or the senders do now and then.
    let healthy = |_: usize, stats: &mut ChannelStats| {
        stats.recv_total += 1_000_000;
        stats.send_waits_total += 1_000;
        stats.recv_waits_total += 900_000;
        stats.send_wait_total_ns += second / 10;
        stats.recv_wait_total_ns += second / 2;
    };
    assert!(looks(64, 30, healthy).iter().all(Vec::is_empty));
}

/// Its receiver works, those of the others wait to send. Seen to fail with: every channel whose
/// senders wait.
#[test]
fn the_end_of_a_chain_of_full_channels_is_saturated() {
    let mut p = Program::new();
    let (source, middle, sink) = (p.named("source"), p.named("middle"), p.named("sink"));
    let (a, b) = (p.full("a", 4, middle), p.full("b", 4, sink));
    p.sends(source, a);
    p.sends(middle, b);
    let mut diagnoser = Diagnoser::new(Settings::default());
    for look in 0..12 {
        p.now += SECOND;
        for c in [a, b] {
            p.received(c, 100);
            p.channels[c].stats.send_wait_total_ns += SECOND as u64;
        }
        // Every fourth look meets the middle at work.
        let mut seen = p.snapshot();
        if look % 4 == 3 {
            seen.channels[b].send_waits.clear();
        }
        let found = diagnoser.look(&seen).unwrap();
        let all: &[Known<'_>] = &[(Saturated, Verdict::Signal, &["b"], &["sink"], 1)];
        is(&found, if look < 5 { &[] } else { all });
    }
}

/// Seen to fail with: a look without a receive speaks against it; and, `0/s pass`.
#[test]
fn a_receiver_that_is_slower_than_the_looks_is_a_bottleneck() {
    let mut p = Program::new();
    let (source, sink) = (p.named("source"), p.named("sink"));
    let c = p.full("c", 4, sink);
    p.sends(source, c);
    let mut diagnoser = Diagnoser::new(Settings::default());
    let mut look = |received| {
        p.now += SECOND / 4;
        p.received(c, received);
        p.channels[c].stats.send_wait_total_ns += SECOND as u64 / 4;
        let found = diagnoser.look(&p.snapshot()).unwrap().findings;
        for found in found.iter().filter(|found| found.kind == Saturated) {
            let none = found.text().contains("none passed just now");
            assert_eq!(none, received == 0, "{}", found.text());
        }
        found.iter().map(|found| found.kind).collect::<Vec<_>>()
    };
    // Each third look sees a receive: the fifth that does is look 15.
    let found: Vec<_> = (1..30).map(|n| look(u64::from(n % 3 == 0))).collect();
    assert_eq!(seen(&found, Saturated), (14..29).collect::<Vec<_>>());
    // It stops: that is no bottleneck, but stalled.
    let found: Vec<_> = (0..20).map(|_| look(0)).collect();
    assert!(found.last().is_some_and(|kinds| kinds[..] == [Stalled]), "{found:?}");
}

/// Of looks that follow each other at once nothing is said.
#[test]
fn a_trend_takes_time() {
    let mut p = Program::new();
    let c = p.channel("c", 4);
    let mut diagnoser = Diagnoser::new(Settings::default());
    for look in 0..100 {
        p.now += SECOND / 100;
        p.channels[c].stats.full_total += 10;
        let found = diagnoser.look(&p.snapshot()).unwrap().findings;
        assert!(found.is_empty() || look >= 100, "{look}");
    }
    p.now += SECOND / 100;
    p.channels[c].stats.full_total += 10;
    let found = diagnoser.look(&p.snapshot()).unwrap().findings;
    let Evidence::Turned { count, per_second, share, .. } = &found[0].evidence else { panic!() };
    assert_eq!((*count, per_second.round(), *share), (10, 1_000.0, 1.0));
}
