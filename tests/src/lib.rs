//! End-to-end stories; see `it/`.

/// The Rust in the README is tested as documentation.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
