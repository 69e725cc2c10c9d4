//! Who the child of a `fork` is.
#![cfg(all(unix, feature = "introspect", not(miri)))]

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Waker};

use parshall::mpsc::Builder;
use parshall::task::named;

/// Runs `child` in a child of this process, and fails if it panics there.
fn fork(child: impl FnOnce()) {
    // SAFETY: this process has one test, so no other thread does anything that the child could
    // find half done. The child never returns from here.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "{}", io::Error::last_os_error());
    if pid == 0 {
        let fine = catch_unwind(AssertUnwindSafe(child)).is_ok();
        let _ = io::stderr().flush();
        // SAFETY: ends the child at once, without what the parent has registered for its own end.
        unsafe { libc::_exit(i32::from(!fine)) };
    }
    let mut status = 0;
    // SAFETY: waits for the child made above.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    assert_eq!(status, 0, "the child has failed");
}

fn own_name() -> bool {
    parshall::process().ends_with(&format!("-{}", std::process::id()))
}

/// The only test here, so that nobody else runs while it forks.
///
/// Seen to fail with: name and key made once and kept across `fork`.
#[test]
fn a_child_has_a_name_and_a_key_of_its_own() {
    let (tx, _rx) = Builder::new().name("jobs").capacity(1).build();
    tx.try_send(1).unwrap();
    let mut send = Box::pin(named("sender", async { tx.send(2).await }));
    assert!(send.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let (name, key) = (parshall::process(), parshall::proc_key());
    assert!(own_name(), "{name}");

    fork(|| {
        assert!(own_name(), "{}", parshall::process());
        assert_ne!(parshall::proc_key(), key);
        let snapshot = parshall::snapshot();
        assert_eq!(snapshot.pid, std::process::id());
        assert_eq!(snapshot.proc_key, parshall::proc_key());
        // The copy of the channel and its wait are the child's, by its own name.
        let graph = snapshot.graph();
        let id = |what: &str| format!("{what}:{}:", parshall::process());
        assert!(graph.edges.len() >= 2);
        for node in &graph.nodes {
            assert!(node.id.starts_with(&id("mpsc")) || node.id.starts_with(&id("task")));
        }
    });

    // Two children of one parent, as a server that forks for its work.
    let mut keys = Vec::new();
    for _ in 0..2 {
        let (mut read, mut write) = io::pipe().unwrap();
        fork(|| write.write_all(parshall::proc_key().as_bytes()).unwrap());
        drop(write);
        let mut key = String::new();
        io::Read::read_to_string(&mut read, &mut key).unwrap();
        keys.push(key.split_once('.').unwrap().0.to_owned());
    }
    assert_ne!(keys[0], keys[1]);

    // A child may choose a name, and its children have it too, with keys of their own.
    fork(|| {
        parshall::set_process("child").unwrap();
        let key = parshall::proc_key();
        assert_eq!(parshall::process(), "child");
        assert_eq!(parshall::set_process("again"), Err("again".to_owned()));
        fork(|| {
            assert_eq!(parshall::process(), "child");
            assert_ne!(parshall::proc_key(), key);
        });
        fork(|| {
            parshall::set_process("grandchild").unwrap();
            assert_eq!(parshall::process(), "grandchild");
        });
    });

    assert_eq!((parshall::process(), parshall::proc_key()), (name, key));
}
