//! How a snapshot is kept: what has changed since the one before of the same process.
//!
//! | file | |
//! |---|---|
//! | `entry` | what is said of a channel or a task, as text |
//! | `memory` | what was last said of each, and the rows of a snapshot |
//! | `long_waits` | waits that last, each in one row |
//! | `retention` | what is deleted again, and when |
//!
//! The tables are those of `schema/4.sql`. As in a film, a *keyframe* says all, and the snapshots
//! after it say what has changed; to read one takes its keyframe and all between. A keyframe is due
//! once a minute, and when the changes since the last one are eight times as long as it was: that
//! bounds what is read for one snapshot.
//!
//! Retention deletes a keyframe's snapshots from the last to the first, so that what is left can be
//! read. A recorder whose last snapshot is gone, by whichever recorder, begins anew with a
//! keyframe.

mod entry;
mod long_waits;
pub(crate) mod memory;
pub(crate) mod retention;
