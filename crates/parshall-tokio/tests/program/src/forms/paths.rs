//! Forms of path to the channel and to what is beside it.

// They are the point.
#![allow(clippy::single_component_path_imports, clippy::wildcard_imports)]

/// `use` of the module.
mod plain {
    use tokio::sync::mpsc;

    pub(crate) async fn run() -> Option<&'static str> {
        let (tx, mut rx) = mpsc::channel(1);
        tx.send("plain").await.ok()?;
        rx.recv().await
    }
}

/// `use` of items in the module.
mod items {
    use tokio::sync::mpsc::{Receiver, Sender, UnboundedReceiver, UnboundedSender, channel};

    struct Actor {
        inbox: Receiver<&'static str>,
        outbox: UnboundedSender<&'static str>,
    }

    fn actor() -> (Sender<&'static str>, Actor, UnboundedReceiver<&'static str>) {
        let (tx, inbox) = channel(1);
        let (outbox, rx) = tokio::sync::mpsc::unbounded_channel();
        (tx, Actor { inbox, outbox }, rx)
    }

    pub(crate) async fn run() -> Option<&'static str> {
        let (tx, mut actor, mut rx) = actor();
        tx.send("items").await.ok()?;
        actor.outbox.send(actor.inbox.recv().await?).ok()?;
        rx.recv().await
    }
}

/// A group.
mod grouped {
    use tokio::sync::{Mutex, mpsc, oneshot};

    pub(crate) async fn run() -> Option<&'static str> {
        let (tx, rx) = mpsc::channel::<oneshot::Sender<&'static str>>(1);
        let rx = Mutex::new(rx);
        let (reply, answer) = oneshot::channel();
        tx.send(reply).await.ok()?;
        rx.lock().await.recv().await?.send("grouped").ok()?;
        answer.await.ok()
    }
}

/// Groups in groups.
mod nested {
    use tokio::{
        sync::{
            mpsc::{self, OwnedPermit, error::TryRecvError},
            oneshot,
        },
        task,
        time::{self, Duration},
    };

    pub(crate) async fn run() -> Option<&'static str> {
        let (tx, mut rx) = mpsc::channel(1);
        let (done, end) = oneshot::channel();
        let permit: OwnedPermit<&str> = tx.reserve_owned().await.ok()?;
        task::spawn(async move {
            permit.send("nested");
            done.send(()).expect("somebody waits");
        });
        time::timeout(Duration::from_secs(60), end).await.ok()?.ok()?;
        let received = rx.try_recv().ok()?;
        (rx.try_recv() == Err(TryRecvError::Disconnected)).then_some(received)
    }
}

/// Paths written out, from the root too.
mod full {
    fn send(tx: &::tokio::sync::mpsc::Sender<&'static str>) -> bool {
        tx.try_send("full").is_ok()
    }

    pub(crate) async fn run() -> Option<&'static str> {
        let (tx, mut rx) = ::tokio::sync::mpsc::channel::<&'static str>(1);
        let weak: tokio::sync::mpsc::WeakSender<_> = tx.downgrade();
        let sent = send(&weak.upgrade()?);
        let (fence, _fence) = tokio::sync::watch::channel(sent);
        (*fence.borrow()).then_some(())?;
        rx.recv().await
    }
}

/// Everything of `sync`.
mod glob_of_sync {
    use tokio::sync::*;

    pub(crate) async fn run() -> Option<&'static str> {
        let (tx, mut rx) = mpsc::unbounded_channel();
        let _one = Semaphore::new(1).try_acquire().map(drop);
        tx.send("glob_of_sync").ok()?;
        rx.recv().await
    }
}

/// Everything of the channel.
mod glob_of_mpsc {
    use tokio::sync::mpsc::error::*;
    use tokio::sync::mpsc::*;

    fn open() -> (Sender<&'static str>, Receiver<&'static str>) {
        channel(1)
    }

    pub(crate) async fn run() -> Option<&'static str> {
        let (tx, mut rx) = open();
        tx.try_send("glob_of_mpsc").ok()?;
        let Err(TrySendError::Full(_)) = tx.try_send("too many") else { return None };
        rx.recv().await
    }
}

/// Everything of tokio.
mod glob_of_all {
    use tokio::*;

    pub(crate) async fn run() -> Option<&'static str> {
        let (tx, mut rx) = sync::mpsc::channel(1);
        spawn(async move { tx.send("glob_of_all").await }).await.ok()?.ok()?;
        task::yield_now().await;
        rx.recv().await
    }
}

/// Other names.
mod renamed {
    use tokio as rt;
    use tokio::sync as locks;
    use tokio::sync::mpsc as chan;
    use tokio::sync::mpsc::{Receiver as Rx, Sender as Tx};

    pub(crate) async fn run() -> Option<&'static str> {
        let (tx, rx): (Tx<&str>, Rx<&str>) = chan::channel(1);
        let tx: rt::sync::mpsc::Sender<&str> = tx;
        let mut rx: locks::mpsc::Receiver<&str> = rx;
        tx.send("renamed").await.ok()?;
        rx.recv().await
    }
}

/// Passed on, as libraries do.
mod passed_on {
    pub(crate) mod prelude {
        pub(crate) use tokio;
        pub(crate) use tokio::sync::mpsc::{self, UnboundedSender};
        pub(crate) use tokio::sync::{self};
    }

    pub(crate) type Outbox<T> = prelude::UnboundedSender<T>;

    pub(crate) async fn run() -> Option<&'static str> {
        use prelude::*;

        let (tx, mut rx) = mpsc::unbounded_channel();
        let tx: Outbox<&str> = tx;
        let tx: prelude::tokio::sync::mpsc::UnboundedSender<_> = tx;
        let tx: sync::mpsc::UnboundedSender<_> = tx;
        tx.send("passed_on").ok()?;
        rx.recv().await
    }
}

/// In a macro of one's own.
mod in_a_macro {
    macro_rules! mailbox {
        ($name:ident, $of:ty) => {
            pub(crate) struct $name(tokio::sync::mpsc::Receiver<$of>);

            impl $name {
                fn open() -> (tokio::sync::mpsc::Sender<$of>, Self) {
                    let (tx, rx) = ::tokio::sync::mpsc::channel(1);
                    (tx, Self(rx))
                }
            }
        };
    }

    mailbox!(Mailbox, &'static str);

    pub(crate) async fn run() -> Option<&'static str> {
        let (tx, mut mailbox) = Mailbox::open();
        tx.send("in_a_macro").await.ok()?;
        mailbox.0.recv().await
    }
}

/// Behind a trait of one's own.
mod traits {
    use std::future::Future;

    use tokio::sync::mpsc;

    trait Outlet {
        fn put(&self, text: &'static str) -> impl Future<Output = bool> + Send;
    }

    impl Outlet for mpsc::Sender<&'static str> {
        async fn put(&self, text: &'static str) -> bool {
            self.send(text).await.is_ok()
        }
    }

    impl Outlet for tokio::sync::mpsc::UnboundedSender<&'static str> {
        async fn put(&self, text: &'static str) -> bool {
            self.send(text).is_ok()
        }
    }

    pub(crate) async fn run() -> Option<&'static str> {
        let (tx, mut rx) = mpsc::channel(1);
        let (unbounded, _rx) = mpsc::unbounded_channel();
        (tx.put("traits").await && unbounded.put("").await).then_some(())?;
        rx.recv().await
    }
}

pub(crate) async fn all() -> Vec<String> {
    let received = [
        plain::run().await,
        items::run().await,
        grouped::run().await,
        nested::run().await,
        full::run().await,
        glob_of_sync::run().await,
        glob_of_mpsc::run().await,
        glob_of_all::run().await,
        renamed::run().await,
        passed_on::run().await,
        in_a_macro::run().await,
        traits::run().await,
    ];
    received.map(|line| line.expect("received").to_owned()).into()
}
