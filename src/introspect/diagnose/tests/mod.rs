//! Every rule on snapshots made by hand.

mod build;
mod deadlocks;
mod facts;
mod trends;
