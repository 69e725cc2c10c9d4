//! Every rule on snapshots made by hand.

mod build;
mod deadlocks;
mod facts;
mod hostile;
mod trends;
