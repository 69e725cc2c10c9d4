//! A shop on Tokio's channels. `orders_parshall.rs` is the same program, one `use` line apart:
//! `diff examples/orders_*.rs`. Run it with `cargo run --features tokio --example orders_tokio`.

use tokio::sync::mpsc::{self, error::SendTimeoutError};
use tokio::time::{Duration, sleep};

/// What a shop's desks send to the kitchen.
#[derive(Debug)]
struct Order {
    desk: u32,
    dish: &'static str,
}

/// Takes orders; a rush beyond the kitchen's room waits, but not for ever.
async fn desk(number: u32, orders: mpsc::Sender<Order>, log: mpsc::UnboundedSender<String>) {
    for dish in ["soup", "bread", "soup", "cake"] {
        let order = Order { desk: number, dish };
        match orders.send_timeout(order, Duration::from_secs(1)).await {
            Ok(()) => {}
            Err(SendTimeoutError::Timeout(order)) => {
                log.send(format!("desk {number}: no room for {}", order.dish))
                    .expect("the log is read");
            }
            Err(SendTimeoutError::Closed(order)) => {
                log.send(format!("desk {number}: the kitchen closed before {}", order.dish))
                    .expect("the log is read");
                return;
            }
        }
    }
}

/// A table of four orders together, or not at all.
async fn banquet(orders: mpsc::Sender<Order>) -> usize {
    let Ok(permits) = orders.reserve_many(4).await else { return 0 };
    let dishes = ["soup", "fish", "roast", "cake"];
    permits.zip(dishes).map(|(permit, dish)| permit.send(Order { desk: 9, dish })).count()
}

/// Cooks in batches; done when all senders are.
async fn kitchen(mut orders: mpsc::Receiver<Order>) -> Vec<Order> {
    let (mut done, mut batch) = (Vec::new(), Vec::new());
    while orders.recv_many(&mut batch, 3).await > 0 {
        sleep(Duration::from_millis(1)).await;
        done.append(&mut batch);
    }
    done
}

/// Looks on without keeping the shop open.
fn manager(orders: &mpsc::WeakSender<Order>, log: &mpsc::UnboundedSender<String>) {
    let Some(strong) = orders.upgrade() else { return };
    log.send(format!("manager: room for {}", strong.max_capacity())).expect("the log is read");
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (orders, receiver) = mpsc::channel(4);
    let (log, mut lines) = mpsc::unbounded_channel();
    let kitchen = tokio::spawn(kitchen(receiver));
    for number in 1..=3 {
        tokio::spawn(desk(number, orders.clone(), log.clone()));
    }
    manager(&orders.downgrade(), &log);
    let served = banquet(orders.clone()).await;
    let slot = orders.reserve_owned().await.expect("the kitchen is open");
    // A thread that is not the runtime's.
    std::thread::spawn(move || {
        let orders = slot.send(Order { desk: 0, dish: "leftovers" });
        orders.blocking_send(Order { desk: 0, dish: "coffee" })
    });
    drop(log);

    while let Some(line) = lines.recv().await {
        println!("{line}");
    }
    let mut done = kitchen.await.expect("no panic");
    done.sort_by_key(|order| order.desk);
    println!("{served} dishes for the banquet, {} in all", done.len());
    for desk in [0, 1, 2, 3, 9] {
        let dishes: Vec<_> = done.iter().filter(|o| o.desk == desk).map(|o| o.dish).collect();
        println!("desk {desk}: {}", dishes.join(", "));
    }
}
