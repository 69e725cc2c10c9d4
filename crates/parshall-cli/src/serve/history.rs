//! What the channels did in the last minutes: a few numbers for each, of five seconds at a time.

use std::collections::{HashMap, VecDeque};

use crate::model::Model;

/// How long one point is, and how many are kept: ten minutes.
pub(super) const POINT_NS: i64 = 5_000_000_000;
pub(super) const POINTS: usize = 120;

/// Of so many channels at most, some 2 KB each.
const CHANNELS: usize = 8192;

/// What was seen in five seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    /// The most that was in it.
    pub(super) len: f32,
    /// Messages in and out a second, on average.
    pub(super) sent: f32,
    pub(super) received: f32,
    /// Of how many looks with a rate.
    looks: u16,
}

#[derive(Debug, Default)]
pub(super) struct History {
    /// The number of the last point.
    now: i64,
    /// By the number of the channel.
    tracks: HashMap<u64, Track>,
}

#[derive(Debug, Default)]
struct Track {
    /// The number of the point behind the last.
    end: i64,
    /// None where there was no look.
    points: VecDeque<Option<Point>>,
    is_there: bool,
}

impl History {
    /// What the last snapshot says.
    pub(super) fn take(&mut self, model: &Model) {
        let now = model.now_ns().div_euclid(POINT_NS);
        if now < self.now || now > self.now + POINTS as i64 {
            // The first, or somebody has set the clock.
            self.tracks.clear();
        }
        self.now = now;
        for row in model.all() {
            let stats = &row.channel.stats;
            if self.tracks.len() >= CHANNELS && !self.tracks.contains_key(&stats.channel_id) {
                continue;
            }
            let track = self.tracks.entry(stats.channel_id).or_default();
            track.is_there = true;
            track.put(now, stats.queue_len as f32, row.rates);
        }
        self.tracks.retain(|_, track| std::mem::take(&mut track.is_there));
    }

    /// The oldest first; the last one is now. None where there was no look.
    pub(super) fn of(&self, channel: u64) -> [Option<Point>; POINTS] {
        let mut out = [None; POINTS];
        if let Some(track) = self.tracks.get(&channel) {
            let back = usize::try_from(self.now + 1 - track.end).unwrap_or(POINTS);
            let places = out.iter_mut().rev().skip(back);
            places.zip(track.points.iter().rev()).for_each(|(place, point)| *place = *point);
        }
        out
    }
}

impl Track {
    fn put(&mut self, now: i64, len: f32, rates: Option<(f64, f64)>) {
        if self.points.is_empty() {
            self.end = now;
        }
        while self.end <= now {
            self.points.push_back(None);
            self.end += 1;
            if self.points.len() > POINTS {
                self.points.pop_front();
            }
        }
        let Some(last) = self.points.back_mut() else { return };
        let point = last.get_or_insert(Point { len, sent: 0.0, received: 0.0, looks: 0 });
        point.len = point.len.max(len);
        if let Some((sent, received)) = rates {
            point.looks = point.looks.saturating_add(1);
            let share = 1.0 / f32::from(point.looks);
            point.sent += (sent as f32 - point.sent) * share;
            point.received += (received as f32 - point.received) * share;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_what_was_seen_in_its_five_seconds() {
        let mut track = Track::default();
        track.put(7, 3.0, None);
        track.put(7, 1.0, Some((10.0, 4.0)));
        track.put(7, 2.0, Some((20.0, 8.0)));
        track.put(9, 5.0, Some((1.0, 1.0)));
        let point = |len, sent, received, looks| Some(Point { len, sent, received, looks });
        let expected = [point(3.0, 15.0, 6.0, 2), None, point(5.0, 1.0, 1.0, 1)];
        assert_eq!(track.points, expected);
        let history = History { now: 10, tracks: [(1, track)].into() };
        assert_eq!(history.of(1)[POINTS - 4..], [expected[0], None, expected[2], None]);
        assert_eq!(history.of(2), [None; POINTS]);
        let mut track = Track::default();
        for n in 0..1_000 {
            track.put(n, 1.0, None);
        }
        assert_eq!(track.points.len(), POINTS);
    }
}
