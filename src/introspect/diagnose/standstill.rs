//! What it reads like that a channel or a task stands still.

use super::report::{chain, hanging, list, waiting};
use super::words::{self, count, counted, duration, exact, line};
use super::{Behind, ChannelRef, Finding, Grant, Hop, Party, Receiver, Receiving};

impl Finding {
    pub(super) fn stalled(
        &self,
        receiver: &Receiver,
        channels: &[ChannelRef],
        behind: &Behind,
    ) -> Vec<String> {
        let (channel, lasted) = (receiver.channel.filled(), self.lasted());
        let head = format!("{channel} is stalled, {lasted}: {}", self.does(receiver));
        let circle = circle(receiver);
        let more: Vec<_> = channels
            .iter()
            .filter(|c| c.id != receiver.channel.id)
            .filter(|c| circle.iter().copied().flatten().all(|hop| hop.channel.id != c.id))
            .map(ChannelRef::filled)
            .collect();
        let more = (!more.is_empty())
            .then(|| format!("so are, for this reason: {}", list(&more, self.more_channels)));
        let why = self.why(receiver);
        let unseen = "what cannot be seen may still end one of these waits";
        let unseen = circle.map(|_| unseen.into());
        [head].into_iter().chain(why).chain(unseen).chain(more).chain(hanging(behind)).collect()
    }

    /// What the one who should receive does instead.
    fn does(&self, receiver: &Receiver) -> String {
        match circle(receiver) {
            Some([_]) => return "its receiver waits for itself".into(),
            Some(_) => return "each of these waits for the next".into(),
            None => {}
        }
        let who = receiver.who.as_ref().map_or("the last receiver".into(), Party::shown);
        match self.activity(&receiver.does) {
            Ok(does) => format!("{who} received last; it {does}"),
            Err(nobody) => nobody.into(),
        }
    }

    /// What follows the name of the one who should receive; or that there is nobody.
    fn activity(&self, does: &Receiving) -> Result<String, &'static str> {
        Ok(match does {
            Receiving::Never => return Err("nobody has ever received from it"),
            Receiving::Gone => return Err("nobody is left who has received from it"),
            Receiving::WaitsFor { chain, .. } => match chain.first() {
                Some(hop) => format!("waits {}", hop.waits()),
                None => "waits in another channel".into(),
            },
            Receiving::Outside => "waits for something outside parshall".into(),
            Receiving::NoWaker => "is idle, and nobody has its waker".into(),
            Receiving::Runs { .. } => "runs, and does not receive".into(),
            Receiving::Woken { since_ns } => {
                format!("was woken {} ago and has not run since", self.ago(*since_ns))
            }
            Receiving::Receives => "waits for a message there".into(),
            Receiving::Unknown => "may do anything now: it cannot be seen".into(),
        })
    }

    /// What follows what [`does`](Self::does) says: the rest of a chain, what to do.
    fn why(&self, receiver: &Receiver) -> Option<String> {
        let last = receiver.last_receive;
        let location = line(&receiver.channel.location, words::WIDTH / 2);
        Some(match &receiver.does {
            Receiving::Never => {
                format!(
                    "its receiver is kept and not polled; the channel was created at {location}"
                )
            }
            Receiving::WaitsFor { chain: hops, .. } if circle(receiver).is_some() => {
                let first = receiver.who.as_ref().map_or("it".into(), Party::shown);
                format!("{} -> {first}", chain(hops, self.more_tasks))
            }
            // The line before has said it.
            Receiving::WaitsFor { chain, end: None } if chain.len() < 2 => return None,
            Receiving::WaitsFor { chain: hops, end } => {
                let end = end.as_deref().map(|end| {
                    let who = end.who.as_ref().map_or("the last receiver".into(), Party::shown);
                    match self.activity(&end.does) {
                        Ok(does) => format!(" -> {who}, which {does}"),
                        Err(nobody) => format!("; {nobody}"),
                    }
                });
                format!("{}{}", chain(hops, 0), end.unwrap_or_default())
            }
            Receiving::Outside => {
                "that may be a timer, a socket, a lock, a task or another kind of channel".into()
            }
            Receiving::NoWaker => {
                "nothing but an abort can make it run again: what it awaits has kept no waker"
                    .into()
            }
            Receiving::Runs { polls } => format!(
                "it was polled {} between the two looks; its last receive was message {}",
                if *polls == 1 { "once".into() } else { format!("{} times", count(*polls)) },
                exact(last)
            ),
            Receiving::Woken { .. } => {
                "its runtime has no thread for it: is one in a blocking call, or in a long loop?"
                    .into()
            }
            Receiving::Receives => return None,
            Receiving::Unknown => format!(
                "its last receive was message {}; made by `parshall::task::spawn` it would say more",
                exact(last)
            ),
            Receiving::Gone => format!(
                "its receiver is kept and not polled since message {}; created at {location}",
                exact(last)
            ),
        })
    }

    pub(super) fn starved(
        &self,
        who: &Party,
        running: &[Party],
        blocked: &[Hop],
        channels: &[ChannelRef],
        behind: &Behind,
    ) -> Vec<String> {
        let age = duration(self.age());
        let running: Vec<_> = running.iter().map(Party::shown).collect();
        let blocked: Vec<_> = blocked
            .iter()
            .map(|hop| format!("{} blocks, and waits {}", hop.who.shown(), hop.waits()))
            .collect();
        let why = match (&running[..], &blocked[..]) {
            ([], []) => "no thread of its runtime polls it".into(),
            ([], blocked) => list(blocked, 0),
            ([one], _) => format!("{one} runs all that time"),
            (several, _) => format!("these run now: {}", list(several, 0)),
        };
        let also = (!running.is_empty() && !blocked.is_empty()).then(|| list(&blocked, 0));
        let head = format!("{} was woken {age} ago and has not run since", who.shown());
        let stalled: Vec<_> = channels.iter().map(ChannelRef::filled).collect();
        let stalled = (!stalled.is_empty())
            .then(|| format!("stalled for this reason: {}", list(&stalled, self.more_channels)));
        let more = also.into_iter().chain(stalled).chain(hanging(behind));
        [head, self.verdict(&why)].into_iter().chain(more).collect()
    }

    pub(super) fn held_permits(
        &self,
        channel: &ChannelRef,
        reserved: u64,
        granted: u64,
        grants: &[Grant],
        behind: &Behind,
    ) -> Vec<String> {
        let permits = reserved.saturating_sub(granted);
        let taken = format!(
            "is taken by {}, not by messages, {}",
            counted(permits, "permit"),
            self.lasted()
        );
        let who: Vec<_> = grants.iter().map(|grant| grant.who.shown()).collect();
        let given = match grants {
            [] => "was granted to waits whose tasks are not known, and is not taken".into(),
            [one] => {
                format!(
                    "was granted to {} {} ago, and is not taken",
                    who[0],
                    self.ago(one.since_ns)
                )
            }
            [first, ..] => format!(
                "was granted to {}, the first {} ago, and is not taken",
                list(&who, 0),
                self.ago(first.since_ns)
            ),
        };
        let (room, why) = match (permits, granted) {
            (_, 0) => (taken, "whoever holds them neither sends nor drops them"),
            (0, _) => (
                given,
                "its task does not run, or does not poll that future (`select!` by `&mut`?)",
            ),
            _ => (
                format!("{taken}; the rest {given}"),
                "whoever has it neither sends nor gives it back",
            ),
        };
        let head = format!("{}: the room {room}", channel.filled());
        let now = grants.iter().find_map(|grant| grant.waits.as_deref());
        let now = now.map(|hop| format!("{} itself waits {}", hop.who.shown(), hop.waits()));
        [head, self.verdict(why)].into_iter().chain(now).chain(waiting(behind)).collect()
    }
}

/// The hops, if they lead back to the channel that nobody receives from.
fn circle(receiver: &Receiver) -> Option<&[Hop]> {
    match &receiver.does {
        Receiving::WaitsFor { chain, end: None } => {
            let last = chain.last().filter(|last| last.channel.id == receiver.channel.id);
            last.map(|_| &chain[..])
        }
        _ => None,
    }
}
