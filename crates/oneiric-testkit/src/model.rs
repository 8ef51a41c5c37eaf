//! What the store and the state machine must show, said a second time: simple data, obvious rules, no
//! I/O, and none of the code that it is compared with.
//!
//! [`Model`] knows runs, nodes, boots with their leases, commands and what people said of components; one
//! [`Command`] after another is done to it and to the real thing (`State::step` over a
//! store), and after each both must show the same. [`search`] makes sequences of commands, and makes the
//! one that finds a difference as short as it can.
//!
//! Deliberately absent: executors, gates and time that runs out. What they decide arrives here as a command.

pub mod command;
mod compare;
mod generate;
pub mod real;
mod replay;
mod run;
pub mod search;
pub mod shape;

use std::collections::BTreeMap;
use std::sync::Arc;

use oneiric_store::liveness::Kind;
use oneiric_store::{NodeStatus, RunStatus};

use command::{Ask, BOOTS, Command, KEYS, No, Outcome, What};
use run::Run;
use shape::Shape;

/// When the first command is done, and how long it is from one to the next, in microseconds.
const EPOCH: i64 = 1_000_000_000;
const TICK: i64 = 700_000;

/// For how long a held node waits that waits for a time.
const HELD_FOR: i64 = 5_000_000;

/// The deadlines that people ask for.
const fn deadline(number: u8) -> i64 {
    EPOCH + 1_000_000 * (1 + number as i64)
}

/// Everything there is.
#[derive(Debug, Clone)]
pub struct Model {
    shapes: Arc<[Arc<Shape>]>,
    now: i64,
    runs: BTreeMap<usize, Run>,
    boots: [Option<Boot>; BOOTS],
    processes: [Process; BOOTS],
    /// In the order in which they were put: run, id, what.
    commands: Vec<(usize, u8, Ask)>,
    /// By component: paused, draining, note, since when.
    said: [Option<(bool, bool, bool, i64)>; KEYS],
}

/// The row of a boot.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Boot {
    started_at: i64,
    serves: bool,
    beat: u64,
    beat_at: i64,
    ended_at: Option<i64>,
}

/// What a process has in its own memory.
#[derive(Debug, Clone, Default)]
struct Process {
    lives: bool,
    /// What it claimed and has not begun.
    claimed: BTreeMap<usize, Run>,
    /// What it works on.
    works: BTreeMap<usize, Run>,
}

impl Model {
    /// Nothing yet.
    pub fn new(shapes: Arc<[Arc<Shape>]>) -> Self {
        Self {
            shapes,
            now: EPOCH,
            runs: BTreeMap::new(),
            boots: Default::default(),
            processes: Default::default(),
            commands: Vec::new(),
            said: Default::default(),
        }
    }

    /// Does one command.
    pub fn apply(&mut self, command: &Command) -> Outcome {
        self.now += TICK;
        match command {
            Command::Enter { boot, serves } => self.enter(*boot, *serves),
            Command::Beat { boot } => self.beat(*boot),
            Command::Rise { boot } => self.rise(*boot),
            Command::Leave { boot } => self.end(*boot, true),
            Command::Die { boot } => self.end(*boot, false),
            Command::Claim { boot, run, limit, dead, silent } => {
                self.claim(*boot, *run, *limit, *dead, *silent)
            }
            Command::Submit { run, shape, carried } => {
                if self.runs.contains_key(run) {
                    return Outcome::Refused(No::RunExists);
                }
                self.runs.insert(*run, Run::new(*shape, &self.shapes[*shape], *carried));
                Outcome::Done
            }
            Command::Launch { boot, run, shape, carried, slots } => {
                self.launch(*boot, *run, *shape, *carried, *slots)
            }
            Command::Begin { boot, run, unknown, slots } => {
                let what = |run: &Run| match run.status {
                    RunStatus::Pending => What::Started,
                    _ => What::Resumed(*unknown),
                };
                self.with_claimed(*boot, *run, what, *slots, true)
            }
            Command::Aside { boot, run, ask } => {
                self.with_claimed(*boot, *run, |_| What::Asked(ask.clone()), 0, false)
            }
            Command::Tell { boot, run, what, slots } => self.tell(*boot, *run, what, *slots, None),
            Command::Put { run, id, ask } => match self.runs.get(run).map(|run| run.status.is_terminal()) {
                None => Outcome::Refused(No::RunMissing),
                Some(true) => Outcome::Refused(No::RunOver),
                Some(false) => {
                    if self.commands.iter().all(|(_, known, _)| known != id) {
                        self.commands.push((*run, *id, ask.clone()));
                    }
                    Outcome::Done
                }
            },
            Command::Obey { boot, run } => {
                let first = self.commands.iter().find(|(of, ..)| of == run).cloned();
                let Some((_, id, ask)) = first else { return Outcome::Nothing };
                self.tell(*boot, *run, &What::Asked(ask), 0, Some(id))
            }
            Command::Say { key, paused, draining, note } => {
                let nothing = !paused && !draining && !note;
                self.said[*key] = (!nothing).then_some((*paused, *draining, *note, self.now));
                Outcome::Done
            }
        }
    }

    fn lives(&self, boot: usize) -> bool {
        self.processes[boot].lives
    }

    fn is_open(&self, boot: usize) -> bool {
        self.boots[boot].as_ref().is_some_and(|boot| boot.ended_at.is_none())
    }

    fn is_dead(&self, boot: usize) -> bool {
        self.is_open(boot) && !self.lives(boot)
    }

    fn enter(&mut self, boot: usize, serves: bool) -> Outcome {
        if self.boots[boot].is_some() {
            return Outcome::Nothing;
        }
        let now = self.now;
        self.boots[boot] = Some(Boot { started_at: now, serves, beat: 0, beat_at: now, ended_at: None });
        self.processes[boot].lives = true;
        Outcome::Done
    }

    fn beat(&mut self, boot: usize) -> Outcome {
        if !self.lives(boot) {
            return Outcome::Nothing;
        }
        match &mut self.boots[boot] {
            Some(row) if row.ended_at.is_none() => {
                row.beat += 1;
                row.beat_at = self.now;
                Outcome::Done
            }
            _ => Outcome::Refused(No::BootEnded),
        }
    }

    fn rise(&mut self, boot: usize) -> Outcome {
        if !self.lives(boot) || self.is_open(boot) {
            return Outcome::Nothing;
        }
        if let Some(row) = &mut self.boots[boot] {
            (row.beat, row.beat_at, row.ended_at) = (row.beat + 1, self.now, None);
        }
        Outcome::Done
    }

    /// The process is gone; what it owned is free at once where it could say so.
    fn end(&mut self, boot: usize, orderly: bool) -> Outcome {
        if !self.lives(boot) {
            return Outcome::Nothing;
        }
        self.processes[boot] = Process::default();
        if orderly {
            self.free(boot, 0);
        }
        Outcome::Done
    }

    /// Its lease ends: what it owned has no owner, and nothing of it is accepted any more.
    fn free(&mut self, boot: usize, deaths: u32) {
        for run in self.runs.values_mut().filter(|run| run.owner == Some(boot)) {
            run.owner = None;
            run.epoch += 1;
            run.deaths += deaths;
        }
        if let Some(row) = self.boots[boot].as_mut().filter(|row| row.ended_at.is_none()) {
            row.ended_at = Some(row.beat_at);
        }
    }

    fn claim(
        &mut self,
        boot: usize,
        only: Option<usize>,
        limit: usize,
        dead: bool,
        silent: Option<(usize, bool)>,
    ) -> Outcome {
        if !self.lives(boot) {
            return Outcome::Nothing;
        }
        let silent = silent.filter(|(boot, still)| *still && self.is_open(*boot)).map(|(boot, _)| boot);
        let buried: Vec<usize> =
            (0..BOOTS).filter(|b| (dead && self.is_dead(*b)) || silent == Some(*b)).collect();
        if !self.is_open(boot) || buried.contains(&boot) {
            return Outcome::Refused(No::BootEnded);
        }
        buried.into_iter().for_each(|boot| self.free(boot, 1));
        let wanted = |number: usize, run: &Run| match only {
            Some(only) => only == number && !run.status.is_terminal(),
            None => matches!(run.status, RunStatus::Pending | RunStatus::Running),
        };
        let mut taken = Vec::new();
        for (number, run) in &mut self.runs {
            if taken.len() < limit && run.owner.is_none() && wanted(*number, run) {
                run.owner = Some(boot);
                run.epoch += 1;
                self.processes[boot].works.remove(number);
                self.processes[boot].claimed.insert(*number, run.clone());
                taken.push(*number);
            }
        }
        if let Some(row) = self.boots[boot].as_mut().filter(|_| !taken.is_empty()) {
            row.beat += 1;
        }
        Outcome::Took(taken)
    }

    fn launch(&mut self, boot: usize, number: usize, shape: usize, carried: bool, slots: u32) -> Outcome {
        if !self.lives(boot) {
            return Outcome::Nothing;
        }
        if self.runs.contains_key(&number) {
            return Outcome::Refused(No::RunExists);
        }
        if !self.is_open(boot) {
            return Outcome::Refused(No::BootEnded);
        }
        self.beat(boot);
        let mut run = Run::new(shape, &self.shapes[shape], carried);
        (run.owner, run.epoch) = (Some(boot), 1);
        let Some(stepped) = run.happen(self.now, &What::Started, slots) else { return Outcome::Illegal };
        self.keep(boot, number, run);
        Outcome::Stepped(stepped)
    }

    /// What has become of a run is written down, and its owner goes on where there is more to do.
    fn keep(&mut self, boot: usize, number: usize, run: Run) {
        let goes_on = run.status == RunStatus::Running;
        if run.status.is_terminal() {
            self.commands.retain(|(of, ..)| *of != number);
        }
        self.runs.insert(number, run.clone());
        let process = &mut self.processes[boot];
        process.claimed.remove(&number);
        if goes_on {
            process.works.insert(number, run);
        } else {
            process.works.remove(&number);
        }
    }

    /// Whether somebody else has had the run since.
    fn is_stale(&self, number: usize, held: &Run) -> bool {
        self.runs.get(&number).is_none_or(|run| run.epoch != held.epoch)
    }

    fn with_claimed(
        &mut self,
        boot: usize,
        number: usize,
        what: impl FnOnce(&Run) -> What,
        slots: u32,
        goes_on: bool,
    ) -> Outcome {
        let Some(claimed) = self.processes[boot].claimed.get(&number) else { return Outcome::Nothing };
        let mut run = claimed.picked_up();
        let Some(stepped) = run.happen(self.now, &what(claimed), slots) else { return Outcome::Illegal };
        if self.is_stale(number, &run) {
            self.processes[boot].claimed.remove(&number);
            return Outcome::Refused(No::StaleEpoch);
        }
        self.keep(boot, number, run);
        if !goes_on && let Some(run) = self.processes[boot].works.remove(&number) {
            self.processes[boot].claimed.insert(number, run);
        }
        Outcome::Stepped(stepped)
    }

    /// Something happens to a run that the process works on; what was obeyed is asked no more.
    fn tell(&mut self, boot: usize, number: usize, what: &What, slots: u32, obeyed: Option<u8>) -> Outcome {
        let Some(run) = self.processes[boot].works.get_mut(&number) else { return Outcome::Nothing };
        let stepped = run.happen(self.now, what, slots);
        if stepped.is_none() && obeyed.is_none() {
            return Outcome::Illegal;
        }
        let run = run.clone();
        if self.is_stale(number, &run) {
            self.processes[boot].works.remove(&number);
            return Outcome::Refused(No::StaleEpoch);
        }
        self.commands.retain(|(_, id, _)| Some(*id) != obeyed);
        match stepped {
            None => Outcome::Illegal,
            Some(stepped) => {
                self.keep(boot, number, run);
                Outcome::Stepped(stepped)
            }
        }
    }

    /// What is stuck: kind, run, node, boot.
    fn violations(&self) -> Vec<(Kind, usize, Option<usize>, Option<usize>)> {
        let mut found = Vec::new();
        let served = (0..BOOTS).any(|b| self.is_open(b) && self.boots[b].as_ref().is_some_and(|b| b.serves));
        for (number, run) in &self.runs {
            let active = matches!(run.status, RunStatus::Pending | RunStatus::Running);
            match run.owner {
                Some(_) if !active => found.push((Kind::Leaked, *number, None, run.owner)),
                Some(owner) if !self.is_open(owner) => {
                    found.push((Kind::OwnerEnded, *number, None, run.owner))
                }
                Some(owner) if self.is_dead(owner) => found.push((Kind::OwnerDead, *number, None, run.owner)),
                None if active && served => found.push((Kind::Unowned, *number, None, None)),
                Some(_) | None => {}
            }
            for (place, node) in run.nodes.iter().enumerate() {
                if node.status == NodeStatus::Running && !active {
                    found.push((Kind::InFlight, *number, Some(place), None));
                }
                if node.status == NodeStatus::Waiting && node.wake_at.is_none() {
                    found.push((Kind::NoWake, *number, Some(place), None));
                }
            }
            if run.status == RunStatus::Paused && run.fault().is_none() {
                found.push((Kind::NoReason, *number, None, None));
            }
            let stale = self.commands.iter().filter(|(of, ..)| of == number && run.status.is_terminal());
            found.extend(stale.map(|_| (Kind::StaleCommand, *number, None, None)));
        }
        found.sort_unstable();
        found
    }
}
