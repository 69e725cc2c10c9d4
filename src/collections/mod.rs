//! Lists of what lives: channels, tasks, and what was made. The allocator is user code, and so is
//! the drop of what it hands out: either may take a snapshot, which reads these lists. So neither
//! is called under a lock.

#[cfg(any(
    all(feature = "introspect", not(parshall_loom_inside)),
    all(parshall_loom_inside, test)
))]
pub(crate) mod chunks;
pub(crate) mod table;
