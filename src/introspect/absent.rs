//! Without introspection nothing is listed.

pub(crate) mod registry {
    use crate::chan::{Owner, Shared, Sums};

    pub(crate) fn enter(_shared: &Owner) {}

    pub(crate) fn leave(_shared: &Shared, _sums: Sums) {}

    pub(crate) fn enter_untracked() {}

    pub(crate) fn leave_untracked(_shared: &Shared, _sums: Sums) {}
}
