//! How long does a look-up take when hundreds of candidates share a key?
//!
//! The limit is a plain look-up in a map of the same keys: what finding the key costs before anything
//! is decided. 300 candidates on one key, 2,000 other keys beside it.
//!
//! `cargo bench -p oneiric-core`; the figures are kept in `docs/benchmarks.md`.
#![expect(clippy::print_stdout, reason = "a bench prints")]

use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use oneiric_core::resolver::{Query, Registry};
use oneiric_core::{Descriptor, Domain, Factory, Key, Provider, Source};

const LOOKUPS: u32 = 200_000;
const ROUNDS: usize = 7;

fn candidate(key: &str, number: i32) -> Descriptor {
    let key = Key::new(key).expect("a literal is well formed");
    let provider = Provider::new(format!("p{number}")).expect("letters and digits");
    let mut descriptor =
        Descriptor::new(Domain::TASK, key, provider, Factory::new("builtin:noop"), Source::Manual);
    descriptor.priority = number % 17;
    descriptor.stack_level = number % 5;
    descriptor
}

#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn timed(mut body: impl FnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..LOOKUPS {
        body();
    }
    start.elapsed() / LOOKUPS
}

fn main() {
    let mut registry = Registry::new();
    let mut plain = HashMap::new();
    for number in 0..300 {
        registry.register(candidate("busy", number));
    }
    for number in 0..2_000 {
        registry.register(candidate(&format!("other{number}"), 0));
        plain.insert(Key::new(format!("other{number}")).expect("letters and digits"), number);
    }
    let busy = Key::new("busy").expect("a literal is well formed");
    plain.insert(busy.clone(), 0);
    let last = Provider::new("p299").expect("a literal is well formed");
    let queries = [
        ("best of 300 candidates", Query::default()),
        ("explicit provider of 300", Query::of_provider(&last)),
    ];
    for (name, query) in queries {
        let mut rounds: Vec<(Duration, Duration)> = (0..ROUNDS)
            .map(|_| {
                let limit = timed(|| {
                    black_box(plain.get(black_box(&busy)));
                });
                let ours = timed(|| {
                    black_box(registry.resolve(&Domain::TASK, black_box(&busy), &query))
                        .expect("it is there");
                });
                (limit, ours)
            })
            .collect();
        rounds.sort_by_key(|(_, ours)| *ours);
        let (limit, ours) = rounds[ROUNDS / 2];
        let (low, high) = (rounds[0].1, rounds[ROUNDS - 1].1);
        println!("{name:<28} map look-up {limit:>8.1?}  resolve {ours:>8.1?} ({low:.1?}-{high:.1?})");
    }
}
