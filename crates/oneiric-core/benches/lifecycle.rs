//! What does a component cost to look up, how long does a swap hold up its callers, and what does an
//! idle one weigh?
//!
//! The limit of the look-ups is a plain map of shared instances: find, count one user up, count it
//! down. The limit of the waits is the same callers without a swap: what the scheduler of the machine
//! adds by itself. 300 candidates on the key, 300 other components up beside it.
//!
//! `cargo bench -p oneiric-core --bench lifecycle`; the figures are kept in `docs/benchmarks.md`.
#![expect(clippy::print_stdout, reason = "a bench prints")]

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use oneiric_core::lifecycle::{NoSettings, Parts, Swap, Timeouts};
use oneiric_core::{
    Allowlist, Blueprint, Component, ComponentRuntime, Descriptor, Domain, Factory, Fault, Instance, Key,
    Lifecycle, Provider, Query, Registry, Role, Source,
};
use oneiric_testkit::ManualClock;
use oneiric_testkit::bench::{compare, timed};

// A round is two or three milliseconds: short enough that some are not disturbed on a shared machine.
const LOOKUPS: u32 = 50_000;
const ROUNDS: usize = 200;
const SWAPS: usize = 1_000;
const ROUNDS_OF_SWAPS: usize = 3;
const CALLERS: usize = 64;
const IDLE: usize = 100_000;

trait Number: Send + Sync {
    fn number(&self) -> u64;
}

impl Role for dyn Number {
    const NAME: &'static str = "number";
}

struct Seven;

impl Component for Seven {}

impl Number for Seven {
    fn number(&self) -> u64 {
        7
    }
}

#[derive(Debug)]
struct Sevens;

#[async_trait]
impl ComponentRuntime for Sevens {
    fn name(&self) -> &'static str {
        "sevens"
    }

    fn recognises(&self, _: &Descriptor) -> bool {
        true
    }

    fn check(&self, _: &Blueprint) -> Result<(), Fault> {
        Ok(())
    }

    async fn build(&self, _: &Blueprint) -> Result<Instance, Fault> {
        let seven = Arc::new(Seven);
        Ok(Instance::new(seven.clone()).plays::<dyn Number>(seven))
    }
}

fn key(text: &str) -> Key {
    Key::new(text).expect("letters and digits")
}

fn candidate(of: &str, number: i32) -> Descriptor {
    let provider = Provider::new(format!("p{number}")).expect("letters and digits");
    let mut descriptor =
        Descriptor::new(Domain::ADAPTER, key(of), provider, Factory::new("builtin:seven"), Source::Manual);
    descriptor.priority = number % 17;
    descriptor
}

fn lifecycle(registry: Registry) -> Lifecycle {
    Lifecycle::new(Parts {
        registry,
        runtimes: vec![Arc::new(Sevens)],
        allowlist: Allowlist::default(),
        settings: Arc::new(NoSettings),
        hooks: Vec::new(),
        timeouts: Timeouts::default(),
        // Stands still: nothing here comes near a timeout.
        clock: Arc::new(ManualClock::new()),
    })
}

async fn busy() -> Lifecycle {
    let mut registry = Registry::new();
    (0..300).for_each(|number| registry.register(candidate("busy", number)));
    (0..300).for_each(|number| registry.register(candidate(&format!("other{number}"), 0)));
    let lifecycle = lifecycle(registry);
    for number in 0..300 {
        let other = key(&format!("other{number}"));
        let handle = lifecycle.handle::<dyn Number>(&Domain::ADAPTER, &other, &Query::default()).await;
        assert_eq!(handle.expect("it comes up").current().expect("it is up").number(), 7);
    }
    lifecycle
}

async fn look_ups() {
    let lifecycle = busy().await;
    let busy = key("busy");
    let plain: HashMap<Key, Arc<Seven>> = (0..300)
        .map(|n| key(&format!("other{n}")))
        .chain([busy.clone()])
        .map(|k| (k, Arc::new(Seven)))
        .collect();
    let limit = || {
        timed(|| {
            for _ in 0..LOOKUPS {
                let found = plain.get(black_box(&busy)).cloned();
                black_box(found.map(|seven| seven.number()));
            }
        })
        .0
    };
    let query = Query::default();
    let handle = lifecycle.handle::<dyn Number>(&Domain::ADAPTER, &busy, &query).await.expect("it comes up");
    let registry = lifecycle.registry();
    let current = || {
        timed(|| {
            for _ in 0..LOOKUPS {
                black_box(black_box(&handle).current().expect("it is up").number());
            }
        })
        .0
    };
    print_look_up("handle.current()", limit, current);
    let resolved = || {
        timed(|| {
            for _ in 0..LOOKUPS {
                black_box(registry.resolve(&Domain::ADAPTER, black_box(&busy), &query)).expect("it is there");
                black_box(black_box(&handle).current().expect("it is up").number());
            }
        })
        .0
    };
    print_look_up("registry.resolve + handle.current()", limit, resolved);
    let asked = || {
        timed(|| {
            futures_executor(async {
                for _ in 0..LOOKUPS {
                    let handle = lifecycle
                        .handle::<dyn Number>(&Domain::ADAPTER, black_box(&busy), &query)
                        .await
                        .expect("it is up");
                    black_box(handle.current().expect("it is up").number());
                }
            })
        })
        .0
    };
    print_look_up("lifecycle.handle + handle.current()", limit, asked);
}

/// The comparison, and the fastest of many rounds: what it takes where nobody else uses the core.
fn print_look_up(name: &str, limit: impl Fn() -> Duration, ours: impl Fn() -> Duration) {
    compare(name, LOOKUPS, &limit, &ours).print();
    let fastest = |arm: &dyn Fn() -> Duration| (0..ROUNDS).map(|_| arm()).min().unwrap_or_default();
    let nanos = |time: Duration| time.as_nanos() as f64 / f64::from(LOOKUPS);
    println!(
        "{:<44} limit {:>8.1}ns  ours {:>8.1}ns",
        format!("  fastest of {ROUNDS} rounds"),
        nanos(fastest(&limit)),
        nanos(fastest(&ours)),
    );
}

/// Polls what never has to wait.
fn futures_executor(work: impl Future<Output = ()>) {
    futures_util::FutureExt::now_or_never(work).expect("a component that is up is not waited for");
}

/// The times of `current()` as 64 callers saw them while `work` went on, in nanoseconds, sorted.
async fn waits(lifecycle: &Lifecycle, work: impl Future<Output = ()>) -> Vec<u64> {
    let done = Arc::new(AtomicBool::new(false));
    let handle = lifecycle
        .handle::<dyn Number>(&Domain::ADAPTER, &key("busy"), &Query::default())
        .await
        .expect("it comes up");
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (done, handle) = (Arc::clone(&done), handle.clone());
            tokio::spawn(async move {
                let mut waits = Vec::new();
                while !done.load(Ordering::Relaxed) {
                    let (took, current) = timed(|| handle.current().expect("it is up"));
                    waits.push(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
                    black_box(current.number());
                    drop(current);
                    tokio::task::yield_now().await;
                }
                waits
            })
        })
        .collect();
    work.await;
    done.store(true, Ordering::Relaxed);
    let mut all: Vec<u64> =
        join_all(callers).await.into_iter().flat_map(|waits| waits.expect("no caller panics")).collect();
    all.sort_unstable();
    all
}

fn print_waits(name: &str, waits: &[u64]) {
    let at = |share: f64| Duration::from_nanos(waits[(share * (waits.len() - 1) as f64) as usize]);
    println!(
        "{name:<30} {:>9} calls  p50 {:>8.2?}  p99.99 {:>8.2?}  longest {:>8.2?}  over 1 ms {}",
        waits.len(),
        at(0.5),
        at(0.9999),
        at(1.0),
        waits.len() - waits.partition_point(|wait| *wait <= 1_000_000),
    );
}

async fn swaps() {
    let lifecycle = busy().await;
    let busy = key("busy");
    for _ in 0..ROUNDS_OF_SWAPS {
        let swapping = async {
            for round in 0..SWAPS {
                let provider = Provider::new(format!("p{}", round % 300)).expect("letters and digits");
                let swap = Swap { provider: Some(&provider), force: false };
                lifecycle.swap(&Domain::ADAPTER, &busy, swap).await.expect("nothing can fail");
            }
        };
        let (took, with) = timed_async(waits(&lifecycle, swapping)).await;
        // As long without: time itself is the only thing to wait for.
        let idle =
            async { while !tokio::task::block_in_place(|| timed(|| std::thread::sleep(took)).0 >= took) {} };
        print_waits("64 callers, no swap", &waits(&lifecycle, idle).await);
        print_waits("64 callers, 1,000 swaps", &with);
    }
}

async fn timed_async<T>(work: impl Future<Output = T>) -> (Duration, T) {
    let (sender, receiver) = std::sync::mpsc::channel();
    let watch = std::thread::spawn(move || timed(|| receiver.recv().ok()).0);
    let value = work.await;
    sender.send(()).ok();
    (watch.join().expect("it only waits"), value)
}

/// Memory that is resident, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("a bench runs on Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("Linux always says it");
    let kib: String = line.chars().filter(char::is_ascii_digit).collect();
    kib.parse::<usize>().expect("it is a number") * 1024
}

async fn idle() {
    let mut registry = Registry::new();
    let keys: Vec<Key> = (0..IDLE).map(|number| key(&format!("idle{number}"))).collect();
    keys.iter().for_each(|key| registry.register(candidate(key.as_str(), 0)));
    let lifecycle = lifecycle(registry);
    let before = resident();
    for key in &keys {
        let handle = lifecycle.handle::<dyn Number>(&Domain::ADAPTER, key, &Query::default()).await;
        handle.map(drop).expect("it comes up");
    }
    println!("an idle component: {} bytes", resident().saturating_sub(before) / IDLE);
}

fn main() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().expect("threads are to be had");
    runtime.block_on(idle());
    runtime.block_on(look_ups());
    runtime.block_on(async { tokio::spawn(swaps()).await.expect("it does not panic") });
}
