//! How often marks changed, under upstream's names.

use std::sync::atomic::{AtomicU64, Ordering};

use oneiric_core::Domain;
use oneiric_core::metrics::{Family, Kind, OTHER, Series};

use super::rule::Marks;

/// By domain and what became of it.
#[derive(Debug)]
pub(super) struct Turns {
    paused: Series<(String, &'static str), AtomicU64>,
    draining: Series<(String, &'static str), AtomicU64>,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            paused: Series::new((OTHER.to_owned(), OTHER)),
            draining: Series::new((OTHER.to_owned(), OTHER)),
        }
    }
}

impl Turns {
    pub(super) fn count(&self, domain: &Domain, before: Marks, now: Marks) {
        let turns = [
            (before.paused, now.paused, &self.paused, ["resumed", "paused"]),
            (before.draining, now.draining, &self.draining, ["cleared", "draining"]),
        ];
        for (before, now, series, words) in turns {
            if before != now {
                let state = words[usize::from(now)];
                series.at(&(domain.to_string(), state)).fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn families(&self) -> Vec<Family> {
        let of = |name, help, series: &Series<(String, &'static str), AtomicU64>| {
            let mut family = Family::new(name, Kind::Counter, help);
            for ((domain, state), count) in series.all() {
                let count = count.load(Ordering::Relaxed);
                #[expect(clippy::cast_precision_loss, reason = "nobody says that 2^53 times")]
                family.push([("domain", &*domain), ("state", state)], count as f64);
            }
            family
        };
        vec![
            of(
                "oneiric_activity_pause_events_total",
                "Components that were paused or resumed.",
                &self.paused,
            ),
            of(
                "oneiric_activity_drain_events_total",
                "Components that began or ceased to drain.",
                &self.draining,
            ),
        ]
    }
}
