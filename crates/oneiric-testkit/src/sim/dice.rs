//! Chance in the words of a simulation. Each purpose has a stream of its own, so that a change of one
//! (another fault, say) leaves the others as they were.

use std::time::Duration;

use oneiric_core::Rng;
use oneiric_core::rng::SeededRng;

/// What a stream of chance is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Graphs = 1,
    Faults = 2,
    Tasks = 3,
    Disk = 4,
    People = 5,
    Engine = 6,
    Events = 7,
}

/// A stream of chance.
#[derive(Debug)]
pub(super) struct Dice(SeededRng);

impl Dice {
    pub(super) fn new(seed: u64, stream: Stream) -> Self {
        // One draw mixes the two: neighbouring seeds have nothing in common.
        let mixed = SeededRng::new(seed ^ ((stream as u64) << 56)).next_u64();
        Self(SeededRng::new(mixed))
    }

    pub(super) fn bits(&self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `bound`; 0 where that is 0.
    pub(super) fn below(&self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.bits() % bound }
    }

    /// A number from `low` to `high`, both included.
    pub(super) fn between(&self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    pub(super) fn chance(&self, permille: u64) -> bool {
        self.below(1000) < permille
    }

    pub(super) fn millis(&self, low: u64, high: u64) -> Duration {
        Duration::from_millis(self.between(low, high))
    }

    pub(super) fn pick<'a, T>(&self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len() as u64) as usize)
    }
}
