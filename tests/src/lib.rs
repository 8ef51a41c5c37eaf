//! End-to-end stories; see `it/`.
