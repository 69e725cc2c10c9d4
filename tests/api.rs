//! The interface is Tokio's: the same source compiles against both, prints the same texts, and
//! panics at the same place.

mod support;
mod twice;

use parshall::mpsc::{self, Builder};
use support::panic_of;
use twice::{ours, theirs};

#[test]
fn errors_print_what_tokios_print() {
    assert_eq!(ours::pins::error_texts(), theirs::pins::error_texts());
    let texts = ours::pins::error_texts();
    assert_eq!(texts[0], "\"Full(..)\"|no available capacity|\"Full(..)\"", "with quotes");
    assert_eq!(texts[4], "SendError { .. }|channel closed|SendError { .. }");
}

#[test]
fn handles_print_their_names_and_nothing_of_the_messages() {
    assert_eq!(ours::pins::handle_names(), theirs::pins::handle_names());
    struct Silent;
    let (tx, rx) = mpsc::channel::<Silent>(4);
    assert!(tx.try_send(Silent).is_ok());
    assert_eq!(format!("{tx:?}"), "Sender { chan: .. }");
    assert_eq!(format!("{rx:?}"), "Receiver { chan: .. }");
    assert_eq!(format!("{:?}", tx.downgrade()), "WeakSender");
    assert_eq!(format!("{:?}", tx.try_reserve().unwrap()), "Permit { chan: .. }");
    let many = tx.try_reserve_many(3).unwrap();
    assert_eq!(format!("{many:?}"), "PermitIterator { chan: .., capacity: 3 }");
    drop(many);
    let owned = tx.clone().try_reserve_owned();
    assert_eq!(format!("{:?}", owned.unwrap()), "OwnedPermit { chan: .. }");
}

#[test]
fn impossible_capacities_panic_at_the_callers_line() {
    let next_line = |line: u32| (file!().to_owned(), line + 1);
    let place = next_line(line!());
    let (text, file, line) = panic_of(|| mpsc::channel::<u8>(0));
    assert_eq!((file, line), place);
    assert_eq!(text, "mpsc bounded channel requires buffer > 0");
    let (theirs, ..) = panic_of(|| tokio::sync::mpsc::channel::<u8>(0));
    assert_eq!(text, theirs);
    let place = next_line(line!());
    let (_, file, line) = panic_of(|| Builder::new().capacity(0).build::<u8>());
    assert_eq!((file, line), place);
    for capacity in [(usize::MAX >> 3) + 1, usize::MAX] {
        let place = next_line(line!());
        let (text, file, line) = panic_of(|| mpsc::channel::<u8>(capacity));
        assert_eq!((file, line), place);
        let (theirs, ..) = panic_of(|| tokio::sync::mpsc::channel::<u8>(capacity));
        assert_eq!(text, theirs);
    }
}
