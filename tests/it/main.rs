//! Stories told to the real binary.
