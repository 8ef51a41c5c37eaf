//! What the public API promises.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod spans;
