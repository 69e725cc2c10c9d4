//! What each thing prints.

use super::super::op::Op;
use super::super::step::{Out, pick};
use super::Oracle;

/// What the error in `out` prints, if there is one.
pub(super) fn of_errors(bounded: bool, op: Op, out: &Out) -> Vec<String> {
    let tries = match op {
        Op::TrySend(_) | Op::Burst(..) | Op::Rush(..) => bounded,
        Op::TryReserve(_) | Op::TryReserveMany(..) | Op::TryReserveOwned(_) => true,
        _ => false,
    };
    let text = match out {
        Out::Burst(_, last) | Out::Drained(_, last) => return of_errors(bounded, op, last),
        Out::Both(halves) => {
            return halves.iter().flat_map(|half| of_errors(bounded, op, half)).collect();
        }
        Out::Full(_) => r#""Full(..)" no available capacity"#,
        Out::Closed(_) if tries => r#""Closed(..)" channel closed"#,
        Out::Closed(_) => "SendError { .. } channel closed",
        Out::Empty => "Empty receiving on an empty channel",
        Out::Disconnected => "Disconnected receiving on a closed channel",
        _ => return vec![],
    };
    vec![text.to_owned()]
}

/// A struct of these fields, in both layouts.
fn fields(name: &str, fields: &[String]) -> [String; 2] {
    let lines: Vec<_> = fields.iter().map(|field| format!("    {field},\n")).collect();
    [format!("{name} {{ {} }}", fields.join(", ")), format!("{name} {{\n{}}}", lines.concat())]
}

impl Oracle {
    /// What one of everything there is prints.
    pub(super) fn prints(&self, choice: u8) -> Vec<String> {
        let kind = if self.capacity.is_some() { "" } else { "Unbounded" };
        let chan = || "chan: ..".to_owned();
        let handle = |name: String| fields(&name, &[chan()]);
        let mut texts = vec![];
        if !self.senders.is_empty() {
            texts.extend(handle(format!("{kind}Sender")));
        }
        if self.weak > 0 {
            texts.extend([format!("Weak{kind}Sender"), format!("Weak{kind}Sender")]);
        }
        if !self.permits.is_empty() {
            texts.extend(handle("Permit".to_owned()));
        }
        if let Some(index) = pick(self.iterators.len(), choice) {
            let left = format!("capacity: {}", self.iterators[index].0);
            texts.extend(fields("PermitIterator", &[chan(), left]));
        }
        if self.owned > 0 {
            texts.extend(handle("OwnedPermit".to_owned()));
        }
        if self.receiver && self.receive.is_none() {
            texts.extend(handle(format!("{kind}Receiver")));
        }
        texts
    }
}
