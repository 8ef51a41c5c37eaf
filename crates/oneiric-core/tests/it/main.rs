//! The public API of the crate, as its users see it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

#[cfg(feature = "settings")]
mod configuration;
mod lifecycle;
#[cfg(feature = "manifest")]
mod schema;
