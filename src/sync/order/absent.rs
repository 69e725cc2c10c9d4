//! [`Order`] in all other builds: nothing. There the channel's own words are the order, and the
//! memory model is the machine's or loom's.

/// Takes no room.
#[derive(Debug)]
pub(crate) struct Order;

/// Takes no room.
#[derive(Debug)]
pub(crate) struct Turns;

/// Takes no room.
#[derive(Debug)]
pub(crate) struct PollEdge;

#[allow(clippy::unused_self)] // in a model of a user they are used
impl Order {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self
    }

    #[inline(always)]
    pub(crate) fn begin(&self) {}

    #[inline(always)]
    pub(crate) fn begin_close(&self) {}

    #[inline(always)]
    pub(crate) fn sent(&self, _n: u64) {}

    #[inline(always)]
    pub(crate) fn received(&self, _n: u64) {}

    #[inline(always)]
    pub(crate) fn gave_back(&self) {}

    #[inline(always)]
    pub(crate) fn took(&self, _returned: impl FnOnce() -> u64) {}

    #[inline(always)]
    pub(crate) fn saw_closed(&self) {}
}

#[allow(clippy::unused_self)] // likewise
impl Turns {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self
    }

    #[inline(always)]
    pub(crate) fn begin(&self) {}

    #[inline(always)]
    pub(crate) fn leave(&self) {}

    #[inline(always)]
    pub(crate) fn saw_end(&self, _gone: impl FnOnce() -> bool) {}
}

#[allow(clippy::unused_self)] // likewise
impl PollEdge {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self
    }

    #[inline(always)]
    pub(crate) fn begin(&self) {}

    #[inline(always)]
    pub(crate) fn end(&self) {}
}
