//! The public API of the crate, as its users see it.
mod sim;
