//! Fair measuring: the limit and ours in alternating rounds of one run, as a ratio.
//!
//! A shared machine's speed drifts by tens of percent within a minute; a pair of rounds taken one
//! after the other does not. The median of the pairs' ratios is what a claim may quote.

use std::time::{Duration, Instant};

/// Rounds of each arm. Odd, so that the median is one of them.
pub const ROUNDS: usize = 7;

/// What a comparison found.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// What was compared.
    pub name: String,
    /// Median time of one unit at the limit.
    pub limit: Duration,
    /// Median time of one unit of ours.
    pub ours: Duration,
    /// Ours by limit, pair by pair, sorted.
    pub ratios: Vec<f64>,
}

/// Times `body` as a whole.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
pub fn timed<T>(body: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let value = body();
    (start.elapsed(), value)
}

/// Runs both arms [`ROUNDS`] times in turn, after one uncounted round each. Each arm does `units`
/// units and returns how long they took.
pub fn compare(
    name: impl Into<String>,
    units: u32,
    mut limit: impl FnMut() -> Duration,
    mut ours: impl FnMut() -> Duration,
) -> Comparison {
    limit();
    ours();
    let rounds: Vec<(Duration, Duration)> = (0..ROUNDS).map(|_| (limit(), ours())).collect();
    let ratios = rounds.iter().map(|(limit, ours)| ours.as_secs_f64() / limit.as_secs_f64());
    Comparison {
        name: name.into(),
        limit: median(rounds.iter().map(|(limit, _)| *limit)) / units.max(1),
        ours: median(rounds.iter().map(|(_, ours)| *ours)) / units.max(1),
        ratios: sorted(ratios),
    }
}

impl Comparison {
    /// The median of the pairs' ratios: 2.0 is twice the time of the limit.
    pub fn ratio(&self) -> f64 {
        self.ratios[self.ratios.len() / 2]
    }

    /// Prints one line: `name  limit  ours  ratio (lowest-highest)`.
    #[expect(clippy::print_stdout, reason = "a bench's output is its purpose")]
    pub fn print(&self) {
        let (low, high) =
            (self.ratios.first().copied().unwrap_or(0.0), self.ratios.last().copied().unwrap_or(0.0));
        println!(
            "{:<44} limit {:>10}  ours {:>10}  time x{:.2} ({low:.2}-{high:.2})  rate x{:.2}",
            self.name,
            format!("{:.2?}", self.limit),
            format!("{:.2?}", self.ours),
            self.ratio(),
            1.0 / self.ratio(),
        );
    }
}

/// The one in the middle; zero of none.
pub fn median(times: impl Iterator<Item = Duration>) -> Duration {
    let mut times: Vec<_> = times.collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}
