//! Those who emit events and those who take them to their handlers are killed a hundred times.

use std::collections::BTreeMap;
use std::time::Duration;

use oneiric_core::Rng;
use oneiric_core::rng::SeededRng;

use super::stage::{Delivery, Emitter, Stage};
use crate::killing::seed;
use crate::ownership::stage::{Process, below};
use crate::support::{nap, note};
use nix::sys::signal::Signal;

const KILLS: usize = 100;

/// Rounds after which all that lives is killed, and what is on record by then is looked at.
const CHAPTER: usize = 8;

/// How many processes emit in a round.
const EMITTERS: usize = 3;

/// Where a process kills itself, half of the time; the other half it is killed at some moment.
fn fate(rng: &dyn Rng, points: &[&str]) -> Vec<(&'static str, String)> {
    match usize::try_from(below(rng, 2 * points.len() as u64)).unwrap() {
        place if place < points.len() => {
            vec![("ONEIRIC_FAILPOINT", format!("{}:{}", points[place], 1 + below(rng, 4)))]
        }
        _ => Vec::new(),
    }
}

fn as_variables<'a>(fate: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    fate.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// Kills it, unless it has ended by itself; whether a kill ended it.
fn kill(process: &mut Process) -> bool {
    if !process.has_ended() {
        process.kill();
        return true;
    }
    process.ended().is_none()
}

struct Story {
    stage: Stage,
    serving: Option<Process>,
    emitters: Vec<Emitter>,
    kills: usize,
    /// What was done when everybody was dead, and how often it had been called by then.
    settled: BTreeMap<Delivery, usize>,
}

impl Story {
    /// Emitters that have come to their end: what they were told has to be true.
    fn look_at_emitters(&mut self) {
        let (mut living, mut kills) = (Vec::new(), 0);
        for mut emitter in std::mem::take(&mut self.emitters) {
            if !emitter.process.has_ended() {
                living.push(emitter);
                continue;
            }
            match emitter.process.ended() {
                None => kills += 1,
                // Some handlers may not have had it yet; it was accepted.
                Some(_) => assert!(self.stage.is_accepted(&emitter.event), "{}", emitter.process.text()),
            }
        }
        (self.emitters, self.kills) = (living, self.kills + kills);
    }

    fn kill_everybody(&mut self) {
        let serving = self.serving.take();
        let mut all: Vec<Process> = serving.into_iter().collect();
        all.extend(std::mem::take(&mut self.emitters).into_iter().map(|emitter| emitter.process));
        self.kills += all.iter_mut().map(kill).filter(|killed| *killed).count();
        self.stage.reap();
    }

    /// What was done at an earlier look was not called since.
    fn look(&mut self) {
        let (done, calls) = (self.stage.done(), self.stage.calls());
        for (delivery, before) in &self.settled {
            assert!(done.contains(delivery), "{delivery:?} was done, and is not any more");
            assert_eq!(calls[delivery], *before, "{delivery:?} was called again behind its success");
        }
        self.settled = done.into_iter().map(|delivery| (delivery.clone(), calls[&delivery])).collect();
    }
}

#[test]
fn a_hundred_kills_between_acceptance_and_delivery_lose_no_event() {
    let seed = seed();
    note(&format!("ONEIRIC_TEST_SEED={seed} repeats this"));
    let rng = SeededRng::new(seed);
    let stage = Stage::new("0.01");
    // So that there is a store to ask.
    stage.orchestrate(&[("ONEIRIC_FAILPOINT", "enter.locked")]).ended();
    let (emitters, settled) = (Vec::new(), BTreeMap::new());
    let mut story = Story { stage, serving: None, emitters, kills: 0, settled };
    let mut rounds = 0;
    while story.kills < KILLS {
        rounds += 1;
        if story.serving.is_none() {
            let fate = fate(&rng, &["delivery.before_effect", "delivery.after_effect"]);
            story.serving = Some(story.stage.orchestrate(&as_variables(&fate)));
        }
        for _ in 0..EMITTERS {
            let fate = fate(&rng, &["event.accepted", "delivery.before_effect", "delivery.after_effect"]);
            let emitter = story.stage.emit(&as_variables(&fate));
            story.emitters.push(emitter);
        }
        nap(Duration::from_micros(below(&rng, 300_000)));
        story.look_at_emitters();
        if rounds % CHAPTER == 0 {
            story.kill_everybody();
            story.look();
            continue;
        }
        let victim = usize::try_from(below(&rng, EMITTERS as u64 + 1)).unwrap();
        if victim < story.emitters.len() {
            let mut emitter = story.emitters.remove(victim);
            story.kills += usize::from(kill(&mut emitter.process));
        }
        let dies = below(&rng, 2) == 0;
        if story.serving.as_mut().is_some_and(|serving| dies || serving.has_ended()) {
            story.kills += usize::from(story.serving.take().is_some_and(|mut serving| kill(&mut serving)));
        }
    }
    story.kill_everybody();
    story.look();
    let left = story.stage.open_deliveries();
    let handed_over = story.stage.count("SELECT count(*) FROM deliveries WHERE epoch > 0");
    let mut last = story.stage.orchestrate(&[]);
    story.stage.settle();
    // There may have been nothing left to settle.
    last.has_started();
    last.signal(Signal::SIGTERM);
    assert_eq!(last.ended(), Some(0), "{}", last.text());
    story.look();
    let accepted = story.stage.audit();
    let calls: usize = story.stage.calls().values().sum();
    note(&format!(
        "{} kills in {rounds} rounds; {accepted} events accepted, {left} deliveries open at the last kill, {handed_over} \
         handed over by then, {calls} calls",
        story.kills
    ));
    assert!(accepted > 0 && handed_over > 0, "the kills missed the work");
}
