//! A wake-up left out of the library on purpose: `RUSTFLAGS='--cfg parshall_lost_wakeup'` builds
//! one in which room that a permit gives back is offered to nobody.

#![cfg(parshall_lost_wakeup)]

use std::future::pending;

use parshall::introspect::FindingKind::LostWakeup;
use parshall::introspect::Verdict::Stuck;
use parshall::introspect::{Evidence, Side};

use crate::stage::{Stage, bounded, play, until};

#[test]
fn a_lost_wakeup_is_found_and_named() {
    play(async |stage: Stage| {
        let (tx, rx) = bounded("jobs", 1);
        let permit = tx.clone().reserve_owned().await.unwrap();
        let sender = tx.clone();
        stage.spawn("sender", async move { sender.send(1).await });
        until(|now| now.sends("jobs") == 1).await;
        drop(permit);
        let _kept = (tx, rx);
        pending::<()>().await;
    })
    .at_rest(|now| now.sends("jobs") == 1 && now.senders("jobs") == 2)
    // It must stand for a second: a thread may be stopped for long between room and wake-up.
    .looks_until(|said| said.iter().any(|said| said.findings.iter().any(|f| f.kind == LostWakeup)))
    .judge(|seen| {
        let found = seen.says(LostWakeup).channels(&["jobs"]);
        let Evidence::LostWakeup { side, who, .. } = &found.finding.evidence else {
            panic!("{:?}", found.finding.evidence);
        };
        assert_eq!(*side, Side::Send);
        if seen.named() {
            assert_eq!(who.as_ref().map(|who| &who.name[..]), Some("sender"));
        }
        // A fault of the library, whatever the tasks are.
        found.verdict(Stuck);
    });
}
