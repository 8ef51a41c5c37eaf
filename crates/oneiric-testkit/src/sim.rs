//! A deterministic simulation of several orchestrators on one store.
//!
//! [`simulate`] builds a world from a seed: up to three processes (each a real executor, custodian and lease,
//! on a clock of its own), a disk that is slow, fails and tears, random workflows, people who submit, fork,
//! cancel and resume, events that every process takes to its handlers, crashes, freezes and clocks that jump. All of it runs on one thread in virtual time, so
//! that a seed is a story that can be told again, to the byte. An auditor watches every durable batch and every
//! effect, and the story ends with the first [`Invariant`] that breaks, or with everything at rest.
//!
//! `cargo run --release -p oneiric-testkit --bin simulate -- --seeds 10000` tells many of them.
//!
//! ```
//! let report = oneiric_testkit::sim::simulate(7).map_err(|failure| failure.to_string())?;
//! assert_eq!(report.fingerprint, oneiric_testkit::sim::simulate(7).map_or(0, |again| again.fingerprint));
//! # Ok::<(), String>(())
//! ```

mod audit;
mod clock;
mod dice;
mod disk;
mod events;
mod fuse;
mod people;
mod process;
mod scene;
mod store;
mod trace;
mod work;
mod workflow;
mod world;

use std::fmt;

pub use audit::{Broken, Invariant};

/// A story that ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// The fingerprint of everything that happened.
    pub fingerprint: u64,
    /// How many things happened.
    pub lines: u64,
    /// How many runs there were.
    pub runs: usize,
    /// How many tries were begun.
    pub starts: u64,
    /// How many effects were asked for again under a key that had had its effect.
    pub repeats: u64,
    /// How often handlers were called with events.
    pub calls: u64,
    /// How many processes were started.
    pub processes: u32,
}

/// A story in which an invariant broke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The seed: the same one gives the same story.
    pub seed: u64,
    /// What broke.
    pub broken: Broken,
    /// The last things that happened.
    pub tail: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.tail {
            writeln!(f, "{line}")?;
        }
        write!(f, "seed {}: {}", self.seed, self.broken)
    }
}

/// Tells the story of a seed.
///
/// # Errors
/// [`Failure`]: the first invariant that broke.
pub fn simulate(seed: u64) -> Result<Report, Box<Failure>> {
    world::World::new(seed).run()
}
