//! Tells many stories: `simulate --seeds N [--seed FIRST] [--threads T]`.
//!
//! Prints progress and seeds per second on standard error. Ends with 1 and the last events of the first story
//! in which an invariant broke; with 2 where it does not understand what it was asked.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use oneiric_testkit::sim::{Failure, simulate};

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Asked {
    first: u64,
    seeds: u64,
    threads: u64,
}

#[derive(Debug, Default)]
struct Told {
    done: AtomicU64,
    lines: AtomicU64,
    starts: AtomicU64,
    repeats: AtomicU64,
    stop: AtomicBool,
    failure: Mutex<Option<Box<Failure>>>,
}

fn main() -> ExitCode {
    let asked = match parse(std::env::args().skip(1)) {
        Ok(asked) => asked,
        Err(reason) => {
            say(format_args!("{reason}; usage: simulate --seeds N [--seed FIRST] [--threads T]"));
            return ExitCode::from(2);
        }
    };
    let (told, next) = (Told::default(), AtomicU64::new(0));
    #[expect(clippy::disallowed_methods, reason = "people want to know how long it takes in real time")]
    let watch = Instant::now();
    thread::scope(|scope| {
        for _ in 0..asked.threads {
            scope.spawn(|| work(&asked, &told, &next, &watch));
        }
    });
    let seconds = watch.elapsed().as_secs_f64();
    let done = told.done.load(Ordering::Relaxed);
    say(format_args!(
        "{done} seeds in {seconds:.1} s, {:.0} a second: {} events, {} tries, {} effects asked for again",
        done as f64 / seconds,
        told.lines.load(Ordering::Relaxed),
        told.starts.load(Ordering::Relaxed),
        told.repeats.load(Ordering::Relaxed),
    ));
    match told.failure.into_inner() {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(failure)) => {
            say(format_args!("{failure}"));
            ExitCode::FAILURE
        }
        Err(_) => ExitCode::FAILURE,
    }
}

fn work(asked: &Asked, told: &Told, next: &AtomicU64, watch: &Instant) {
    while !told.stop.load(Ordering::Relaxed) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= asked.seeds {
            return;
        }
        match simulate(asked.first.wrapping_add(number)) {
            Ok(report) => {
                told.lines.fetch_add(report.lines, Ordering::Relaxed);
                told.starts.fetch_add(report.starts, Ordering::Relaxed);
                told.repeats.fetch_add(report.repeats, Ordering::Relaxed);
            }
            Err(failure) => {
                told.stop.store(true, Ordering::Relaxed);
                if let Ok(mut first) = told.failure.lock() {
                    first.get_or_insert(failure);
                }
            }
        }
        let done = told.done.fetch_add(1, Ordering::Relaxed) + 1;
        if done.is_multiple_of(5_000) {
            let seconds = watch.elapsed().as_secs_f64();
            say(format_args!("{done} seeds, {:.0} a second", done as f64 / seconds));
        }
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Asked, String> {
    let mut asked = Asked { first: 0, seeds: 1, threads: 1 };
    while let Some(word) = words.next() {
        let slot = match word.as_str() {
            "--seeds" => &mut asked.seeds,
            "--seed" => &mut asked.first,
            "--threads" => &mut asked.threads,
            other => return Err(format!("`{other}` is not known")),
        };
        let value = words.next().ok_or_else(|| format!("{word} wants a number"))?;
        *slot = value.parse().map_err(|_| format!("{word} wants a number, not `{value}`"))?;
    }
    Ok(asked)
}

/// A line on standard error; where nobody reads it any more, nothing is lost.
fn say(what: std::fmt::Arguments<'_>) {
    writeln!(std::io::stderr(), "{what}").ok();
}
