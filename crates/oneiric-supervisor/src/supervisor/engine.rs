//! The one task that awaits every service.

mod adopt;
mod aim;

use std::collections::{BTreeMap, HashMap};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use oneiric_core::{Fault, Key};
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::board::Board;
use super::kept::{Kept, Work};
use super::parts::Parts;
use super::work::{self, Said};
use super::{Gone, work::Begun};
use crate::service::Roster;
use crate::service::machine::{Effect, End, Event, Stand, Tale, Timer, Which};
use crate::service::turn::{self, Aim, Move, Standing};
use aim::Waiter;
pub(super) use aim::{Command, Goal};

/// Keeps the services of a roster up, until it is told to close.
pub(super) struct Engine {
    parts: Parts,
    board: Arc<Board>,
    commands: mpsc::Receiver<Command>,
    /// In the order of the roster; behind them those that leave.
    kept: Vec<Kept>,
    /// Everything that is under way: awaited here, aborted with this.
    tasks: JoinSet<Outcome>,
    known: HashMap<Id, Task>,
    timers: BTreeMap<(Key, Timer), Duration>,
    waiters: Vec<Waiter>,
    /// Starts so far that took a place.
    starts: u64,
    /// Whether it works.
    open: bool,
    /// The moment of the end, once it has begun.
    closing: Option<Duration>,
    /// Whether that has come.
    abandoned: bool,
    /// Whether nothing had to be dropped.
    clean: bool,
}

/// Whose task it is, and of which start.
struct Task {
    key: Key,
    attempt: u32,
    which: Option<Which>,
}

enum Outcome {
    Ended(End),
    Answered(Result<(), String>, Duration),
}

impl Engine {
    pub(super) fn new(
        parts: Parts,
        roster: &Roster,
        board: Arc<Board>,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        let mut engine = Self {
            parts,
            board,
            commands,
            kept: Vec::new(),
            tasks: JoinSet::new(),
            known: HashMap::new(),
            timers: BTreeMap::new(),
            waiters: Vec::new(),
            starts: 0,
            open: false,
            closing: None,
            abandoned: false,
            clean: true,
        };
        engine.adopt(roster.clone(), &Default::default());
        engine.publish();
        engine
    }

    /// Works until it is closed and everything has stopped; whether nothing had to be dropped.
    pub(super) async fn work(mut self: Box<Self>) -> bool {
        let (board, clock) = (Arc::clone(&self.board), Arc::clone(&self.parts.clock));
        let mut listening = true;
        self.open = true;
        loop {
            self.settle();
            if self.closing.is_some() && self.kept.iter().all(|kept| turn::is_gone(kept.machine.stand())) {
                return self.clean;
            }
            let next =
                self.timers.values().chain(self.closing.iter().filter(|_| !self.abandoned)).min().copied();
            let due = async {
                match next {
                    Some(at) => clock.sleep(at.saturating_sub(clock.monotonic())).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                biased;
                Some(joined) = self.tasks.join_next_with_id(), if !self.tasks.is_empty() => self.joined(joined),
                () = board.news.notified() => self.hear(),
                command = self.commands.recv(), if listening => match command {
                    Some(command) => self.obey(command),
                    None => listening = false,
                },
                () = due => self.due(),
            }
        }
    }

    /// Does what has its turn, until nothing has; then everybody may see it.
    fn settle(&mut self) {
        loop {
            let mut moved = false;
            for kept in &mut self.kept {
                kept.marks = self.parts.activity.marks(&oneiric_core::Domain::SERVICE, &kept.member.key);
                moved |= kept.land();
            }
            self.kept.retain(|kept| !kept.leaving || !turn::is_gone(kept.machine.stand()));
            let standings = self.standings();
            for next in turn::moves(&standings, self.aim()) {
                moved = true;
                self.take(next);
            }
            if !moved {
                break;
            }
        }
        self.answer_waiters();
        self.publish();
    }

    fn aim(&self) -> Aim {
        match self.closing {
            Some(_) => Aim::Down,
            None if self.board.is_lost() => Aim::Hold,
            None => Aim::Up,
        }
    }

    fn take(&mut self, next: Move) {
        match next {
            Move::Start(place) => {
                let kept = &mut self.kept[place];
                kept.started = Some(self.starts);
                kept.started_with = kept.member.spec.dependencies.clone();
                self.starts += 1;
                self.step(place, Event::Start);
            }
            Move::Stop(place) => self.step(place, Event::Stop),
            Move::Block { service, needs } => {
                let needed = &self.kept[needs];
                let why = match needed.machine.stand() {
                    Stand::Over => "which has ended",
                    _ => "which has failed",
                };
                let reason = format!("it needs `{}`, {why}", needed.key());
                self.step(service, Event::Block(reason.clone()));
                self.lose(service, reason);
            }
        }
    }

    /// The places of all, for whoever decides whose turn it is.
    fn standings(&self) -> Vec<Standing> {
        let places: HashMap<&Key, usize> =
            self.kept.iter().enumerate().map(|(place, kept)| (kept.key(), place)).collect();
        let standing = |kept: &Kept| {
            let stand = kept.machine.stand();
            // What it was started with stays till it has stopped, whatever a later roster says.
            let needs =
                if turn::is_gone(stand) { &kept.member.spec.dependencies } else { &kept.started_with };
            Standing {
                stand,
                tried: kept.machine.tried(),
                wanted: kept.is_wanted(),
                critical: kept.member.spec.critical,
                wave: kept.wave,
                needs: needs.iter().filter_map(|key| places.get(key).copied()).collect(),
                started: kept.started,
            }
        };
        self.kept.iter().map(standing).collect()
    }

    /// One event of one service, and what follows.
    fn step(&mut self, place: usize, event: Event) {
        let now = self.parts.clock.monotonic();
        for effect in self.kept[place].machine.step(event, now) {
            let kept = &mut self.kept[place];
            match effect {
                Effect::Run => self.run(place),
                Effect::AskToStop => {
                    if let Some(work) = &kept.work {
                        work.stop.cancel();
                    }
                }
                Effect::Drop => {
                    self.clean = false;
                    if let Some(work) = &kept.work {
                        work.abort.abort();
                    }
                }
                Effect::Set(timer, wait) => {
                    self.timers.insert((kept.key().clone(), timer), now.saturating_add(wait));
                }
                Effect::Unset(timer) => {
                    self.timers.remove(&(kept.key().clone(), timer));
                }
                Effect::Put(which) => self.ask(place, which),
                Effect::Tell(tale) => {
                    kept.tell(&tale);
                    if let Tale::GaveUp(reason) = tale {
                        self.lose(place, reason);
                    }
                }
            }
        }
    }

    /// The process goes down with a critical service, unless it goes down anyway or nobody wants the service.
    fn lose(&self, place: usize, reason: String) {
        let kept = &self.kept[place];
        if kept.member.spec.critical && kept.is_wanted() && self.closing.is_none() {
            self.board.lose(Gone { key: kept.key().clone(), reason });
        }
    }

    fn run(&mut self, place: usize) {
        let kept = &mut self.kept[place];
        let (key, attempt, stop) = (kept.key().clone(), kept.machine.attempt(), CancellationToken::new());
        let said = Said::new(key.clone(), Arc::clone(&self.parts.lines), Arc::clone(&self.board));
        let said = Arc::new(said);
        let working = work::run(self.parts.clone(), Arc::clone(&said), attempt, stop.clone());
        let abort = self.tasks.spawn(async move { Outcome::Ended(working.await) });
        self.known.insert(abort.id(), Task { key, attempt, which: None });
        kept.work = Some(Work { stop, abort, said, instance: None, told: false });
    }

    fn ask(&mut self, place: usize, which: Which) {
        let kept = &self.kept[place];
        let probe = match which {
            Which::Ready => &kept.member.spec.ready,
            Which::Live => &kept.member.spec.live,
        };
        let Some(probe) = probe else { return };
        let (key, attempt, clock) =
            (kept.key().clone(), kept.machine.attempt(), Arc::clone(&self.parts.clock));
        let asking = work::ask(self.parts.clone(), key.clone(), probe.question.clone(), probe.timeout);
        let abort = self.tasks.spawn(async move {
            let began = clock.monotonic();
            let answer = asking.await;
            Outcome::Answered(answer, clock.monotonic().saturating_sub(began))
        });
        self.known.insert(abort.id(), Task { key, attempt, which: Some(which) });
    }

    fn joined(&mut self, joined: Result<(Id, Outcome), JoinError>) {
        let (id, outcome) = match joined {
            Ok((id, outcome)) => (id, Ok(outcome)),
            Err(error) => (error.id(), Err(error)),
        };
        let Some(Task { key, attempt, which }) = self.known.remove(&id) else { return };
        let Some(place) = self.place(&key) else { return };
        if self.kept[place].machine.attempt() != attempt {
            // An answer about a start that is over.
            return;
        }
        // What it said before it ended comes first.
        self.hear_one(place);
        match (which, outcome) {
            (None, Ok(Outcome::Ended(end))) => self.ended(place, end),
            (None, Err(error)) => {
                let end = match error.try_into_panic() {
                    Ok(panic) => End::Failed(Fault::panic(panic.as_ref()).to_string()),
                    Err(_) => End::Failed("it was dropped".to_owned()),
                };
                self.ended(place, end);
            }
            (Some(which), Ok(Outcome::Answered(answer, took))) => {
                self.kept[place].checked(self.parts.clock.now(), took);
                self.step(place, Event::Answered(which, answer));
            }
            (Some(which), Err(_)) => {
                self.step(place, Event::Answered(which, Err("the probe panicked".to_owned())));
            }
            (None, Ok(Outcome::Answered(..))) | (Some(_), Ok(Outcome::Ended(_))) => {}
        }
    }

    fn ended(&mut self, place: usize, end: End) {
        self.kept[place].work = None;
        self.step(place, Event::Ended(end));
    }

    /// Somebody has news: which services began, or said that they are ready.
    fn hear(&mut self) {
        (0..self.kept.len()).for_each(|place| self.hear_one(place));
    }

    fn hear_one(&mut self, place: usize) {
        let Some(work) = &mut self.kept[place].work else { return };
        let begun = work.said.begun();
        if let Some(Begun { instance, says_ready }) = begun {
            work.instance = Some(instance);
            self.step(place, Event::Began { says_ready });
        }
        let Some(work) = &mut self.kept[place].work else { return };
        if work.said.is_ready() && !work.told {
            work.told = true;
            self.step(place, Event::SaidReady);
        }
    }

    fn due(&mut self) {
        let now = self.parts.clock.monotonic();
        if !self.abandoned && self.closing.is_some_and(|at| at <= now) {
            self.abandoned = true;
            (0..self.kept.len()).for_each(|place| self.step(place, Event::Abandon));
        }
        let due: Vec<_> =
            self.timers.iter().filter(|(_, at)| **at <= now).map(|(id, _)| id.clone()).collect();
        for id in due {
            // Another one of them may have unset it meanwhile.
            if self.timers.remove(&id).is_some()
                && let Some(place) = self.place(&id.0)
            {
                self.step(place, Event::Due(id.1));
            }
        }
    }

    fn place(&self, key: &Key) -> Option<usize> {
        self.kept.iter().position(|kept| kept.key() == key)
    }

    /// Shows how everything stands.
    pub(super) fn publish(&mut self) {
        let standings = self.standings();
        let up = self.open && self.closing.is_none() && turn::is_up(&standings);
        let now = self.parts.clock.now();
        let waits: Vec<Option<Key>> = standings
            .iter()
            .map(|one| {
                let waits = one.wanted && matches!(one.stand, Stand::Idle | Stand::Blocked);
                let missing = one.needs.iter().find(|place| standings[**place].stand != Stand::Ready);
                missing.filter(|_| waits).map(|place| self.kept[*place].key().clone())
            })
            .collect();
        let rows = self.kept.iter_mut().zip(waits).map(|(kept, waits)| kept.row(now, waits.as_ref()));
        let rows = rows.collect();
        self.board.show(rows, up);
    }
}
