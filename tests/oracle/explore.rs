//! Every continuation of a program: what may ever get on.

use std::collections::HashSet;

use crate::channel::{State, Task};
use crate::program::{Call, EVENTS, Kind, Program, Step};

/// So many states are looked at, at most.
const MOST: usize = 30_000;

/// Which tasks never get on, whatever happens. None: there are too many states to say.
///
/// Whoever is scheduled may be polled next, a foreign event may fire at any time or never, and what
/// is around a task may drop it. A task gets on if a strand of it comes to the next step, or it
/// ends.
pub(crate) fn stuck(program: &Program, from: &State) -> Option<Vec<bool>> {
    let mut stuck: Vec<_> = from.tasks.iter().map(|task| !task.ended).collect();
    let mut seen = HashSet::from([from.clone()]);
    let mut next = vec![from.clone()];
    while let Some(state) = next.pop() {
        for (task, (now, before)) in state.tasks.iter().zip(&from.tasks).enumerate() {
            stuck[task] &= !gets_on(before, now);
        }
        if !stuck.contains(&true) {
            break;
        }
        if seen.len() > MOST {
            return None;
        }
        for state in continuations(program, &state) {
            if seen.insert(state.clone()) {
                next.push(state);
            }
        }
    }
    Some(stuck)
}

fn gets_on(before: &Task, now: &Task) -> bool {
    let mut strands = before.strands.iter().zip(&now.strands);
    now.ended || strands.any(|(before, now)| before.pc != now.pc || before.done != now.done)
}

fn continuations(program: &Program, from: &State) -> Vec<State> {
    let mut all = Vec::new();
    let mut with = |happens: &dyn Fn(&mut State)| {
        let mut state = from.clone();
        happens(&mut state);
        all.push(state);
    };
    for task in 0..from.tasks.len() {
        if from.tasks[task].scheduled {
            with(&|state| state.poll(program, task));
        }
        if program.tasks[task].kind == Kind::Wrapped && !from.tasks[task].ended {
            with(&|state| state.drop_task(task));
        }
    }
    for event in (0..EVENTS).filter(|&event| !from.fired[event as usize]) {
        if matters(program, from, event) {
            with(&|state| state.fire(event));
        }
    }
    all
}

/// Whether somebody waits for the event, or will.
fn matters(program: &Program, state: &State, event: u8) -> bool {
    let waits_for = |step: &Step| step.calls().any(|call| call == Call::Event(event));
    let strands = state.tasks.iter().zip(&program.tasks);
    strands.flat_map(|(task, plan)| task.strands.iter().zip(&plan.strands)).any(|(now, plan)| {
        let kept = now.waits.iter().flatten().any(|wait| wait.call == Call::Event(event));
        !now.done && (kept || plan.steps[now.pc..].iter().any(waits_for))
    })
}
