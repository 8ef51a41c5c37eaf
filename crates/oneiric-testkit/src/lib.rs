//! Contracts and virtual time.
