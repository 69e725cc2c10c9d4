//! The gauge in the child of a `fork`.
#![cfg(all(unix, feature = "serve", feature = "signal"))]

mod support;

use std::sync::Mutex;

use parshall_gauge::Gauge;
use support::{connect, fork, get, list, until};

/// There is one gauge in a process, and nobody else may run while it forks.
static ALONE: Mutex<()> = Mutex::new(());

/// Seen to fail with: a child that removes the socket, and one that joins the thread.
#[test]
fn a_child_has_no_gauge_and_leaves_that_of_its_parent_alone() {
    let _alone = ALONE.lock();
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("parshall");
    let mut gauge = Some(Gauge::builder().socket_in(&folder).quiet().start());
    let socket = gauge.as_ref().unwrap().socket().unwrap().to_owned();
    let hello = get(&socket, "/v1/hello").body;
    fork(|| {
        let inherited = gauge.take().unwrap();
        assert!(!inherited.is_active());
        assert_eq!((inherited.socket(), inherited.address()), (None, None));
        let _ = format!("{inherited:?}");
        // SAFETY: its own handler does nothing but to write into a pipe.
        assert_eq!(unsafe { libc::raise(libc::SIGUSR1) }, 0);
        drop(inherited);
        assert!(socket.exists());
        // One of its own: it has another name.
        let own = Gauge::builder().socket_in(&folder).quiet().start();
        let own_socket = own.socket().unwrap().to_owned();
        assert!(own.is_active() && own_socket != socket);
        assert_ne!(get(&own_socket, "/v1/hello").body, hello);
        drop(own);
        assert!(!own_socket.exists());
    });
    assert_eq!(list(&folder).len(), 1);
    assert_eq!(get(&socket, "/v1/hello").status, 200);
    drop(gauge);
    assert_eq!(list(&folder), [""; 0]);
}

/// A parent that was killed while its child lives: connections are accepted, and nobody answers.
/// Only Linux tells whose the socket was.
///
/// Seen to fail with: only what refuses taken for stale.
#[cfg(target_os = "linux")]
#[test]
fn what_only_a_child_of_the_dead_holds_open_is_removed() {
    let _alone = ALONE.lock();
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("own");
    let mut pipe = [0; 2];
    // SAFETY: two descriptors fit there.
    assert_eq!(unsafe { libc::pipe(pipe.as_mut_ptr()) }, 0);
    fork(|| {
        // Killed, as it were: nothing of it is dropped.
        std::mem::forget(Gauge::builder().socket_in(&folder).quiet().signal(None).start());
        // SAFETY: as above; the grandchild only waits for the end of the test.
        if unsafe { libc::fork() } == 0 {
            // SAFETY: it reads one byte into one byte; this end of the pipe must go before.
            unsafe {
                libc::close(pipe[1]);
                libc::read(pipe[0], [0_u8; 1].as_mut_ptr().cast(), 1);
                libc::_exit(0);
            }
        }
    });
    let left = support::only(&folder);
    drop(connect(&left));
    let gauge = Gauge::builder().socket_in(&folder).quiet().start();
    until("removed", || (!left.exists()).then_some(()));
    assert_eq!(get(gauge.socket().unwrap(), "/v1/hello").status, 200);
    // SAFETY: the grandchild ends with it.
    unsafe { libc::close(pipe[1]) };
}
