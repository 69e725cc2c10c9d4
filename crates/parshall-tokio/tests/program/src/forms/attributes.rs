//! The attributes of tokio, which write paths into tokio by themselves.

use tokio::sync::mpsc;

async fn echo(text: &'static str) -> Option<&'static str> {
    let (tx, mut rx) = mpsc::channel(1);
    tokio::spawn(async move { tx.send(text).await });
    rx.recv().await
}

#[tokio::main]
async fn bare() -> Option<&'static str> {
    echo("main").await
}

#[tokio::main(flavor = "current_thread")]
async fn on_this_thread() -> Option<&'static str> {
    echo("main, current_thread").await
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn on_two() -> Option<&'static str> {
    echo("main, multi_thread").await
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn without_time() -> Option<&'static str> {
    tokio::time::sleep(std::time::Duration::from_secs(86_400)).await;
    echo("main, start_paused").await
}

mod by_use {
    use tokio::main;

    #[main(flavor = "current_thread")]
    pub(crate) async fn run() -> Option<&'static str> {
        super::echo("main by use").await
    }
}

mod renamed {
    use tokio as rt;

    #[rt::main(crate = "rt", flavor = "current_thread")]
    pub(crate) async fn run() -> Option<&'static str> {
        super::echo("main, crate = rt").await
    }
}

pub(crate) fn all() -> Vec<String> {
    let received =
        [bare(), on_this_thread(), on_two(), without_time(), by_use::run(), renamed::run()];
    received.map(|line| line.expect("received").to_owned()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bare() {
        assert_eq!(echo("test").await, Some("test"));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn on_two() -> Result<(), mpsc::error::SendError<u8>> {
        let (tx, mut rx) = mpsc::channel(1);
        tx.send(1).await?;
        assert_eq!(rx.recv().await, Some(1));
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn without_time() {
        let (tx, _rx) = mpsc::channel(1);
        tx.try_send(1).unwrap();
        let day = std::time::Duration::from_secs(86_400);
        let began = tokio::time::Instant::now();
        assert!(tx.send_timeout(2, day).await.is_err());
        assert_eq!(began.elapsed(), day);
    }

    mod by_use {
        use tokio::test;

        #[test]
        async fn run() {
            assert_eq!(super::echo("test by use").await, Some("test by use"));
        }
    }
}
