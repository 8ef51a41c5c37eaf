//! Stories told to the real binary.
#![expect(clippy::unwrap_used, reason = "a story that cannot be told ends here")]

mod cli;
