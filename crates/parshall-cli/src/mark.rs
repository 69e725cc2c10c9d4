//! A finding in a word or two, as tables have it.

use parshall::introspect::{FindingKind, Verdict};

/// A finding, in short.
pub(crate) type Mark = (Verdict, FindingKind);

/// What a finding is called in a table: `deadlock`, or `deadlock?` if it is conditional.
pub(crate) fn marked((verdict, kind): Mark) -> String {
    let unless = if verdict == Verdict::Conditional { "?" } else { "" };
    format!("{}{unless}", kind.as_str())
}
