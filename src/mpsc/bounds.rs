//! What must not compile, each beside a twin that differs in the one thing and does. A
//! `compile_fail` test alone passes for any mistake; its twin shows that there is no other.
//!
//! The assertions of `tests/auto_traits.rs` say the same of types; these say it of programs.

/// A message that may not change threads keeps its channel's ends where they are.
///
/// ```
/// let (tx, rx) = parshall::mpsc::channel::<std::sync::Arc<u8>>(1);
/// std::thread::spawn(move || drop(tx));
/// std::thread::spawn(move || drop(rx));
/// ```
/// ```compile_fail,E0277
/// let (tx, rx) = parshall::mpsc::channel::<std::rc::Rc<u8>>(1);
/// std::thread::spawn(move || drop(tx));
/// ```
/// ```compile_fail,E0277
/// let (tx, rx) = parshall::mpsc::channel::<std::rc::Rc<u8>>(1);
/// std::thread::spawn(move || drop(rx));
/// ```
struct Send;

/// A future that holds such a message cannot be spawned.
///
/// ```
/// fn spawn(_: impl Future + Send) {}
/// let (tx, mut rx) = parshall::mpsc::channel::<std::cell::Cell<u8>>(1);
/// spawn(async move { tx.send(std::cell::Cell::new(1)).await });
/// spawn(async move { rx.recv().await });
/// ```
/// ```compile_fail
/// fn spawn(_: impl Future + Send) {}
/// let (tx, mut rx) = parshall::mpsc::channel::<std::rc::Rc<u8>>(1);
/// spawn(async move { tx.send(std::rc::Rc::new(1)).await });
/// ```
/// ```compile_fail
/// fn spawn(_: impl Future + Send) {}
/// let (tx, mut rx) = parshall::mpsc::channel::<std::rc::Rc<u8>>(1);
/// spawn(async move { rx.recv().await });
/// ```
struct Spawn;

/// A message may borrow, from what outlives its channel: the receiver's drop looks at it.
///
/// ```
/// let word = String::from("borrowed");
/// let (tx, rx) = parshall::mpsc::channel::<&str>(1);
/// tx.try_send(&word).unwrap();
/// ```
/// ```compile_fail,E0597
/// let (tx, rx) = parshall::mpsc::channel::<&str>(1);
/// let word = String::from("borrowed");
/// tx.try_send(&word).unwrap();
/// ```
struct Outlives;

/// Handles are invariant: what is received is what was sent, not what lives shorter or longer.
///
/// ```
/// fn to<'a>(tx: parshall::mpsc::Sender<&'a str>) -> parshall::mpsc::Sender<&'a str> { tx }
/// ```
/// ```compile_fail
/// fn to<'a>(tx: parshall::mpsc::Sender<&'static str>) -> parshall::mpsc::Sender<&'a str> { tx }
/// ```
/// ```compile_fail
/// fn to<'a>(tx: parshall::mpsc::Sender<&'a str>) -> parshall::mpsc::Sender<&'static str> { tx }
/// ```
struct Invariant;

/// A permit borrows its sender; an owned one does not.
///
/// ```
/// let (tx, _rx) = parshall::mpsc::channel::<u8>(1);
/// let permit = tx.try_reserve_owned().unwrap();
/// drop(permit.send(1));
/// ```
/// ```compile_fail,E0505
/// let (tx, _rx) = parshall::mpsc::channel::<u8>(1);
/// let permit = tx.try_reserve().unwrap();
/// drop(tx);
/// permit.send(1);
/// ```
struct Borrows;

/// One receives at a time: a receive in progress has the receiver to itself.
///
/// ```
/// let (tx, mut rx) = parshall::mpsc::channel::<u8>(1);
/// let receive = rx.recv();
/// drop(receive);
/// rx.close();
/// ```
/// ```compile_fail,E0499
/// let (tx, mut rx) = parshall::mpsc::channel::<u8>(1);
/// let receive = rx.recv();
/// rx.close();
/// drop(receive);
/// ```
struct Exclusive;
