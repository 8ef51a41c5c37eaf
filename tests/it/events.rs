//! Events: emitted, handled, and what is known of them.

mod emit;
mod triggers;
