//! Every rule on snapshots made by hand.

mod ages;
mod build;
mod deadlocks;
mod facts;
mod hostile;
mod trends;
