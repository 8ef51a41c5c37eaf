//! The public API of the crate, as its users see it.

#[cfg(feature = "settings")]
mod configuration;
mod lifecycle;
