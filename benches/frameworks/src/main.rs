//! Published frameworks under load, one workload in one process: `run.py` beside this package
//! builds it on tokio's channels and on parshall's, and compares the processor time of the two.
//!
//! `parshall-frameworks WORKLOAD current|multi`; without arguments it prints the names of the
//! workloads.

mod kameo;
mod ractor;
mod tarpc;
mod tower;

use std::future::Future;

use tokio::runtime::Builder;

/// A name, and what runs it to its end.
type Workload = (&'static str, fn() -> futures::future::BoxFuture<'static, ()>);

macro_rules! workloads {
    ($($name:literal => $run:expr;)+) => { [$(($name, || Box::pin($run))),+] };
}

const WORKLOADS: &[Workload] = &workloads! {
    "ractor cast, 1 producer" => ractor::cast(1);
    "ractor cast, 4 producers" => ractor::cast(4);
    "ractor call" => ractor::call();
    "ractor spawn, one message, stop" => ractor::spawn();
    "kameo tell, mailbox 64, 1 producer" => kameo::tell(Some(64), 1);
    "kameo tell, mailbox 64, 4 producers" => kameo::tell(Some(64), 4);
    "kameo tell, mailbox 1, 4 producers" => kameo::tell(Some(1), 4);
    "kameo tell, unbounded, 4 producers" => kameo::tell(None, 4);
    "kameo ask" => kameo::ask();
    "kameo spawn, one message, stop" => kameo::spawn();
    "tower buffer, 1 client" => tower::buffer(1);
    "tower buffer, 16 clients" => tower::buffer(16);
    "tarpc in process, 1 client" => tarpc::calls(1);
    "tarpc in process, 16 clients" => tarpc::calls(16);
};

/// `count` tasks at the same time, to their end.
async fn together<F: Future<Output = ()> + Send + 'static>(count: u64, task: impl Fn() -> F) {
    let tasks: Vec<_> = (0..count).map(|_| tokio::spawn(task())).collect();
    for task in tasks {
        task.await.expect("no panic");
    }
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [name, runtime] = &arguments[..] else {
        for (name, _) in WORKLOADS {
            println!("{name}");
        }
        return;
    };
    let (_, run) = WORKLOADS.iter().find(|(workload, _)| workload == name).expect("a workload");
    let mut builder = match runtime.as_str() {
        "current" => Builder::new_current_thread(),
        "multi" => Builder::new_multi_thread(),
        other => panic!("`current` or `multi`, not `{other}`"),
    };
    let runtime = builder.worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::spawn(run()).await.expect("no panic") });
}
