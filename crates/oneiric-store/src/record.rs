//! The record families, one file each, so that every backend matches them exhaustively.
//!
//! A record carries [`SCHEMA`], the version of its own shape: a later release knows by it what it
//! reads.

pub mod activity;
pub mod blob;
pub mod boot;
pub mod checkpoint;
pub mod command;
pub mod delivery;
pub mod envelope;
pub mod extension;
pub mod journal;
pub mod node;
pub mod run;

/// The version of the records' shape that this release writes.
pub const SCHEMA: u16 = 1;

/// The tenant of everything that names none.
pub const DEFAULT_TENANT: &str = "default";
