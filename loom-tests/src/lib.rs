//! Loom models of parshall: see `tests/`.
