//! Whose types the facade's are: the channel is parshall's, everything else is tokio's own, so that
//! it goes to and from crates that know nothing of the facade.

/// Compiles if both are one type.
macro_rules! one_type {
    ($($ours:ty = $theirs:ty;)*) => {
        $(const _: fn($ours) -> $theirs = |it| it;)*
    };
}

one_type! {
    tokio::sync::mpsc::Sender<u8> = parshall::mpsc::Sender<u8>;
    tokio::sync::mpsc::Receiver<u8> = parshall::mpsc::Receiver<u8>;
    tokio::sync::mpsc::UnboundedSender<u8> = parshall::mpsc::UnboundedSender<u8>;
    tokio::sync::mpsc::UnboundedReceiver<u8> = parshall::mpsc::UnboundedReceiver<u8>;
    tokio::sync::mpsc::WeakSender<u8> = parshall::mpsc::WeakSender<u8>;
    tokio::sync::mpsc::WeakUnboundedSender<u8> = parshall::mpsc::WeakUnboundedSender<u8>;
    tokio::sync::mpsc::OwnedPermit<u8> = parshall::mpsc::OwnedPermit<u8>;
    tokio::sync::mpsc::error::SendError<u8> = parshall::mpsc::error::SendError<u8>;
    tokio::sync::mpsc::error::TrySendError<u8> = parshall::mpsc::error::TrySendError<u8>;
    tokio::sync::mpsc::error::SendTimeoutError<u8> = parshall::mpsc::error::SendTimeoutError<u8>;
    tokio::sync::mpsc::error::TryRecvError = parshall::mpsc::error::TryRecvError;
    // Beyond tokio's names: what `tokio_util::sync::PollSender` becomes.
    tokio::sync::mpsc::PollSender<u8> = parshall::mpsc::PollSender<u8>;
    tokio::sync::mpsc::PollSendError<u8> = parshall::mpsc::PollSendError<u8>;

    tokio::sync::oneshot::Sender<u8> = upstream::sync::oneshot::Sender<u8>;
    tokio::sync::broadcast::Receiver<u8> = upstream::sync::broadcast::Receiver<u8>;
    tokio::sync::watch::Sender<u8> = upstream::sync::watch::Sender<u8>;
    tokio::sync::Mutex<u8> = upstream::sync::Mutex<u8>;
    tokio::sync::futures::Notified<'static> = upstream::sync::futures::Notified<'static>;
    tokio::runtime::Handle = upstream::runtime::Handle;
    tokio::task::JoinHandle<u8> = upstream::task::JoinHandle<u8>;
    tokio::task::JoinError = upstream::task::JoinError;
    tokio::time::Instant = upstream::time::Instant;
    tokio::net::TcpStream = upstream::net::TcpStream;
    tokio::fs::File = upstream::fs::File;
    tokio::process::Child = upstream::process::Child;
    tokio::io::DuplexStream = upstream::io::DuplexStream;
}

/// What the facade spawns runs on the runtime that another crate started, and the other way round.
#[test]
fn one_runtime() {
    let theirs = upstream::runtime::Builder::new_current_thread().build().unwrap();
    let (tx, mut rx) = tokio::sync::mpsc::channel(1);
    theirs.block_on(async {
        let id = tokio::spawn(async move {
            tx.send(upstream::task::id()).await.unwrap();
        });
        let id = id.id();
        assert_eq!(rx.recv().await, Some(id));
    });
}
