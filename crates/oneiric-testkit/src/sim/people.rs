//! Who wants something of the orchestrator: runs that are submitted, forked, cancelled, suspended, and those
//! that wait for a person.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use oneiric_core::{BootId, Payload, RunId, Timestamp};
use oneiric_dag::{Launch, Obeyed, Then};
use oneiric_store::{
    Batch, Blob, Checkpoint, Claim, Command, CommandRecord, CommitError, Op, Require, RunRecord, UnknownNodes,
};
use tokio::sync::oneshot;

use super::audit::{Auditor, Who, short};
use super::dice::{Dice, Stream};
use super::disk::{Disk, Work};
use super::events;
use super::process::Process;
use super::scene::Scene;
use super::workflow::{Workflow, context};

/// How often a person looks at a run that waits; then it is left waiting.
const LOOKS: u32 = 5;

/// The number under which people write to the store without an orchestrator: no start has it.
const CLIENT: Who = Who { number: 0, boot: BootId::from_bytes([255; 16]) };

/// One run that somebody wants.
#[derive(Debug)]
struct Wish {
    run: RunId,
    workflow: Arc<Workflow>,
    seed: u64,
    /// Put into the store for whoever serves, instead of being begun by a process.
    posted: bool,
    /// Begins with what this one has by then.
    fork_of: Option<RunId>,
}

type Answer = oneshot::Receiver<Result<(), CommitError>>;

/// Everybody who wants something.
#[derive(Debug)]
pub(super) struct People {
    dice: Dice,
    events: Dice,
    disk: Arc<Disk>,
    wishes: Vec<Wish>,
    looks: BTreeMap<RunId, u32>,
    /// Submissions that were posted and not answered yet.
    posted: Vec<(RunId, Answer)>,
}

impl People {
    pub(super) fn new(seed: u64, scene: &Scene, disk: &Arc<Disk>) -> Self {
        disk.open(CLIENT);
        let graphs = Dice::new(seed, Stream::Graphs);
        let mut wishes: Vec<Wish> = Vec::new();
        for number in 0..graphs.between(1, 4) {
            let run = RunId::from_bytes((u128::from(number) + 1).to_be_bytes());
            let source = graphs.pick(&wishes).filter(|_| graphs.chance(300));
            let source = source.map(|wish| (wish.run, Arc::clone(&wish.workflow), wish.seed));
            let wish = match source {
                Some((source, workflow, seed)) => {
                    let seed = if graphs.chance(500) { seed } else { graphs.below(1000) };
                    Wish { run, workflow, seed, posted: graphs.chance(500), fork_of: Some(source) }
                }
                None => {
                    let calm = graphs.chance(350);
                    let workflow = Arc::new(Workflow::random(&graphs, number as usize, calm));
                    let (seed, posted) = (graphs.below(1000), graphs.chance(350));
                    Wish { run, workflow, seed, posted, fork_of: None }
                }
            };
            scene.audit().expect(run, Arc::clone(&wish.workflow), wish.seed);
            wishes.push(wish);
        }
        let dice = Dice::new(seed, Stream::People);
        let events = Dice::new(seed, Stream::Events);
        Self { dice, events, disk: Arc::clone(disk), wishes, looks: BTreeMap::new(), posted: Vec::new() }
    }

    /// Which runs are submitted, and when. What is forked comes later than the rest.
    pub(super) fn submissions(&self, window: u64) -> Vec<(usize, Duration)> {
        let when = |wish: &Wish| match wish.fork_of {
            None => self.dice.millis(0, window / 2),
            Some(_) => self.dice.millis(window / 3, window),
        };
        self.wishes.iter().map(when).enumerate().collect()
    }

    pub(super) fn submit(&mut self, number: usize, awake: &[&Process], scene: &Arc<Scene>) {
        let wish = &self.wishes[number];
        let bundle = Blob::new(b"simulated".to_vec());
        let input = Payload::from(context(wish.seed));
        let workflow = wish.workflow.plan().workflow().clone();
        let record = RunRecord::new(wish.run, workflow, bundle.digest, input, Timestamp::default());
        let starters: Vec<_> =
            awake.iter().filter_map(|process| Some((*process, process.executor()?))).collect();
        let starter = self.dice.pick(&starters).filter(|_| !wish.posted);
        if let Some((process, executor)) = starter {
            let launch = Launch {
                program: wish.workflow.program(&process.task()),
                record,
                with: Batch::of([Op::Blob(bundle)]),
                carried: wish.fork_of.map(|source| carried(scene, source)).unwrap_or_default(),
            };
            let (run, executor, scene) = (wish.run, executor.clone(), Arc::clone(scene));
            process.spawn(async move {
                if executor.launch(launch).await.is_ok() {
                    scene.audit().acknowledged(run);
                }
            });
            return;
        }
        let run = wish.run;
        let carried = wish.fork_of.map(|source| carried(scene, source)).unwrap_or_default();
        let carried =
            carried.into_iter().map(|checkpoint| Op::PutCheckpoint(Checkpoint { run, ..checkpoint }));
        let first = [Op::Blob(bundle), Op::InsertRun(Box::new(record))];
        let batch = Batch::of(first.into_iter().chain(carried)).require(Require::RunAbsent(run));
        let (answer, receiver) = oneshot::channel();
        self.disk.put(CLIENT, Work::Commit(batch, answer));
        self.posted.push((run, receiver));
    }

    /// When which event is emitted.
    pub(super) fn emissions(&self, window: u64) -> Vec<(u64, Duration)> {
        let count = if self.events.chance(500) { self.events.between(1, 8) } else { 0 };
        (0..count).map(|number| (number, self.events.millis(0, window))).collect()
    }

    /// Somebody emits an event, in a process that is there.
    pub(super) fn emit(&self, number: u64, awake: &[&Process], scene: &Arc<Scene>) {
        let emitters: Vec<_> =
            awake.iter().filter_map(|process| Some((*process, process.courier()?))).collect();
        if let Some((process, courier)) = self.events.pick(&emitters) {
            process.spawn(events::emit(courier.clone(), number, Arc::clone(scene)));
        }
    }

    /// Asks something of a run: of the process that has it, or through the store.
    pub(super) fn interfere(&mut self, awake: &[&Process], scene: &Arc<Scene>) {
        let Some(wish) = self.dice.pick(&self.wishes) else { return };
        let run = wish.run;
        let handle = awake.iter().find_map(|process| Some((*process, process.executor()?.find(run)?)));
        let verb = self.dice.below(8);
        let command = match verb {
            0 | 1 => Command::Pause { reason: "a person".to_owned() },
            2 => Command::Cancel { reason: "a person".to_owned(), hard: self.dice.chance(300) },
            3 => Command::RetryNow { nodes: Vec::new() },
            4 => Command::Resume { unknown: UnknownNodes::Retry },
            5 => Command::Extend { deadline: Timestamp::from_micros(i64::MAX / 2) },
            _ => {
                let Some((process, handle)) = handle else { return };
                let scene = Arc::clone(scene);
                return process.spawn(async move {
                    if verb == 6 {
                        scene.audit().note(format_args!("{} is suspended", short(run)));
                        handle.suspend();
                    } else if handle.cancel("a person").await.is_ok() {
                        scene.audit().cancelled(run);
                    }
                });
            }
        };
        if let Some((process, handle)) = handle.filter(|_| self.dice.chance(500)) {
            let scene = Arc::clone(scene);
            return process.spawn(async move {
                let obeyed = handle.obey(&command, None).await;
                scene.audit().note(format_args!("{} {}: {obeyed:?}", short(run), command.name()));
                if matches!(command, Command::Cancel { .. }) && obeyed == Some(Obeyed::Done) {
                    scene.audit().cancelled(run);
                }
            });
        }
        let id = u128::from(self.dice.bits());
        let record = CommandRecord { run, id, at: Timestamp::default(), actor: None, command };
        let batch = Batch::of([Op::PutCommand(record)]).require(Require::RunOpen(run));
        // Nobody waits for the answer.
        let (answer, _) = oneshot::channel();
        self.disk.put(CLIENT, Work::Commit(batch, answer));
    }

    /// Looks at what waits for a person, and at what was answered.
    pub(super) fn look(&mut self, awake: &[&Process], scene: &Arc<Scene>) {
        self.posted.retain_mut(|(run, answer)| match answer.try_recv() {
            Ok(told) => {
                if told.is_ok() {
                    scene.audit().acknowledged(*run);
                }
                false
            }
            Err(oneshot::error::TryRecvError::Empty) => true,
            Err(oneshot::error::TryRecvError::Closed) => false,
        });
        let able: Vec<_> = awake.iter().filter_map(|process| Some((*process, process.executor()?))).collect();
        let paused = scene.audit().paused();
        for run in paused {
            let looks = self.looks.entry(run).or_default();
            if *looks >= LOOKS || !self.dice.chance(600) {
                continue;
            }
            let Some((process, executor)) = self.dice.pick(&able) else { return };
            *looks += 1;
            let Some(wish) = self.wishes.iter().find(|wish| wish.run == run) else { continue };
            let unknown = match self.dice.below(10) {
                0..5 => Some(UnknownNodes::Retry),
                5..7 => Some(UnknownNodes::Fail),
                7..8 => Some(UnknownNodes::Keep),
                _ => None,
            };
            let program = wish.workflow.program(&process.task());
            let (executor, scene, alone) = (executor.clone(), Arc::clone(scene), self.dice.chance(500));
            process.spawn(async move {
                let parts = executor.parts();
                let claim = Claim { run: Some(run), ..Claim::any(parts.lease.boot(), 1) };
                let Ok(claimed) = parts.lease.claim(&*parts.store, claim).await else { return };
                let Some(record) = claimed.first() else { return };
                let command = match unknown {
                    Some(unknown) if alone => {
                        executor.resume(program, record, unknown).await.ok();
                        return;
                    }
                    Some(unknown) => Command::Resume { unknown },
                    None => Command::Cancel { reason: "a person".to_owned(), hard: false },
                };
                let asked = CommandRecord { run, id: 0, at: record.created_at, actor: None, command };
                let obeyed =
                    executor.obey(program.plan(), record, std::slice::from_ref(&asked), Then::GiveBack);
                if matches!(obeyed.await.as_deref(), Ok([Obeyed::Done])) && unknown.is_none() {
                    scene.audit().cancelled(run);
                }
            });
        }
    }

    /// Whether nobody will look at a run any more.
    pub(super) fn are_done(&self, audit: &Auditor) -> bool {
        self.posted.is_empty()
            && audit.paused().iter().all(|run| self.looks.get(run).is_some_and(|looks| *looks >= LOOKS))
    }
}

/// What a run has by now, for another that repeats it.
fn carried(scene: &Scene, source: RunId) -> Vec<Checkpoint> {
    let harvest = scene.audit().harvest(source).into_iter();
    let at = Timestamp::default();
    harvest
        .map(|(node, input_hash, output)| Checkpoint { run: source, node, input_hash, output, at })
        .collect()
}
