//! The real thing under the same commands: `State::step` makes batches, a store takes them.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use oneiric_core::{BootId, Digest, Domain, Fault, Key, Payload, RunId, Timestamp};
use oneiric_dag::{Effects, Obeyed, Plan, State};
use oneiric_store::{
    ActivityRecord, Batch, Blob, BootRecord, Checkpoint, Claim, Command as Asked, CommandRecord, CommitError,
    Event, Found, MemoryStore, Op, Refusal, Require, RunRecord, RunStatus, Silent, Store, StoreError,
    UnknownNodes, WhoseCommands,
};

use super::command::{Ask, BOOTS, Command, How, No, Outcome, Stepped, What};
use super::shape::Shape;
use super::{EPOCH, HELD_FOR, TICK, deadline};

/// Where the store is, and what the system knows of its processes.
#[async_trait]
pub trait Host: Send + Sync {
    /// The store.
    fn store(&self) -> &dyn Store;

    /// Empties it, before a new sequence.
    async fn clear(&mut self);

    /// A process enters.
    async fn enter(&self, boot: BootRecord) -> Result<(), StoreError>;

    /// One that has entered leaves.
    async fn leave(&self, boot: BootId) -> Result<(), StoreError>;

    /// One that has entered dies.
    async fn die(&self, boot: BootId);
}

/// The store in memory.
#[derive(Debug, Default)]
pub struct Memory(MemoryStore);

#[async_trait]
impl Host for Memory {
    fn store(&self) -> &dyn Store {
        &self.0
    }

    async fn clear(&mut self) {
        self.0 = MemoryStore::new();
    }

    async fn enter(&self, boot: BootRecord) -> Result<(), StoreError> {
        self.0.enter(boot).await
    }

    async fn leave(&self, boot: BootId) -> Result<(), StoreError> {
        self.0.leave(boot).await
    }

    async fn die(&self, boot: BootId) {
        self.0.bury(boot);
    }
}

/// What every sequence shares: the shapes, and the plans that say the same.
#[derive(Debug, Clone)]
pub struct World {
    pub(super) shapes: Arc<[Arc<Shape>]>,
    pub(super) plans: Arc<[Plan]>,
    pub(super) workflow: Key,
    pub(super) input: Payload,
    pub(super) input_hash: Digest,
    pub(super) bundle: Blob,
}

impl Default for World {
    fn default() -> Self {
        let workflow = Key::new("model").expect("letters are a name");
        let shapes: Arc<[Arc<Shape>]> = (0..super::shape::SHAPES).map(|n| Arc::new(Shape::of(n))).collect();
        let input = Payload::from(serde_json::json!({ "go": false }));
        Self {
            plans: shapes.iter().map(|shape| shape.plan(&workflow)).collect(),
            shapes,
            workflow,
            input_hash: input.digest(),
            input,
            bundle: Blob::new(b"entries: []\n".to_vec()),
        }
    }
}

/// The processes on a host.
pub(super) struct Real<'a> {
    pub(super) world: &'a World,
    pub(super) host: &'a dyn Host,
    pub(super) shapes: HashMap<usize, usize>,
    now: i64,
    processes: [Process; BOOTS],
}

#[derive(Default)]
struct Process {
    record: Option<BootRecord>,
    lives: bool,
    claimed: HashMap<usize, RunRecord>,
    works: HashMap<usize, (State, u64)>,
}

pub(super) fn run_id(run: usize) -> RunId {
    RunId::from_bytes((run as u128 + 1).to_be_bytes())
}

pub(super) fn boot_id(boot: usize) -> BootId {
    BootId::from_bytes([boot as u8 + 1; 16])
}

pub(super) fn key(number: usize) -> Key {
    Key::new(format!("component-{number}")).expect("letters and digits are a name")
}

impl<'a> Real<'a> {
    /// Nobody yet, on an empty store.
    pub(super) fn new(world: &'a World, host: &'a dyn Host) -> Self {
        Self { world, host, shapes: HashMap::new(), now: EPOCH, processes: Default::default() }
    }

    fn store(&self) -> &'a dyn Store {
        self.host.store()
    }

    fn at(&self) -> Timestamp {
        Timestamp::from_micros(self.now)
    }

    /// Does one command.
    ///
    /// # Errors
    /// Where the store failed, or rows could not be read back; that is a difference as well.
    pub(super) async fn apply(&mut self, command: &Command) -> Result<Outcome, String> {
        self.now += TICK;
        match command {
            Command::Enter { boot, serves } => self.enter(*boot, *serves).await,
            Command::Beat { boot } => self.beat(*boot).await,
            Command::Rise { boot } => self.rise(*boot).await,
            Command::Leave { boot } => self.end(*boot, true).await,
            Command::Die { boot } => self.end(*boot, false).await,
            Command::Claim { boot, run, limit, dead, silent } => {
                self.claim(*boot, *run, *limit, *dead, *silent).await
            }
            Command::Submit { run, shape, carried } => self.submit(*run, *shape, *carried).await,
            Command::Launch { boot, run, shape, carried, slots } => {
                self.launch(*boot, *run, *shape, *carried, *slots).await
            }
            Command::Begin { boot, run, unknown, slots } => self.begin(*boot, *run, *unknown, *slots).await,
            Command::Aside { boot, run, ask } => self.aside(*boot, *run, ask).await,
            Command::Tell { boot, run, what, slots } => {
                let Some((state, _)) = self.processes[*boot].works.get(run) else {
                    return Ok(Outcome::Nothing);
                };
                let event = self.event(self.plan(*run), state, what, *slots);
                self.tell(*boot, *run, event).await
            }
            Command::Put { run, id, ask } => {
                let record = CommandRecord {
                    run: run_id(*run),
                    id: u128::from(*id),
                    at: self.at(),
                    actor: None,
                    command: asked(ask),
                };
                let batch = Batch::of([Op::PutCommand(record)]).require(Require::RunOpen(run_id(*run)));
                self.commit(batch).await
            }
            Command::Obey { boot, run } => self.obey(*boot, *run).await,
            Command::Say { key: number, paused, draining, note } => {
                let record = ActivityRecord {
                    paused: *paused,
                    draining: *draining,
                    note: note.then(|| "note".to_owned()),
                    ..ActivityRecord::accepting(Domain::TASK, key(*number), self.at())
                };
                self.commit(Batch::of([Op::SetActivity(record)])).await
            }
        }
    }

    async fn commit(&self, batch: Batch) -> Result<Outcome, String> {
        answer(self.store().commit(batch).await)
            .map(|refused| refused.map_or(Outcome::Done, Outcome::Refused))
    }

    async fn enter(&mut self, boot: usize, serves: bool) -> Result<Outcome, String> {
        if self.processes[boot].record.is_some() {
            return Ok(Outcome::Nothing);
        }
        let record = BootRecord { serves, ..BootRecord::new(boot_id(boot), "here", boot as u32, self.at()) };
        self.host.enter(record.clone()).await.map_err(text)?;
        let process = &mut self.processes[boot];
        (process.record, process.lives) = (Some(record), true);
        Ok(Outcome::Done)
    }

    async fn beat(&self, boot: usize) -> Result<Outcome, String> {
        if !self.processes[boot].lives {
            return Ok(Outcome::Nothing);
        }
        let beat = Op::Beat { boot: boot_id(boot), at: self.at() };
        self.commit(Batch::of([beat]).require(Require::BootOpen(boot_id(boot)))).await
    }

    async fn rise(&self, boot: usize) -> Result<Outcome, String> {
        let process = &self.processes[boot];
        let Some(record) = process.record.as_ref().filter(|_| process.lives) else {
            return Ok(Outcome::Nothing);
        };
        let row = self.store().boot(boot_id(boot)).await.map_err(text)?;
        let row = row.ok_or_else(|| format!("boot {boot} has entered, and has no row"))?;
        if row.ended_at.is_none() {
            return Ok(Outcome::Nothing);
        }
        let risen = BootRecord { beat: row.beat + 1, beat_at: self.at(), ended_at: None, ..record.clone() };
        self.commit(Batch::of([Op::SetBoot(risen)])).await
    }

    async fn end(&mut self, boot: usize, orderly: bool) -> Result<Outcome, String> {
        if !self.processes[boot].lives {
            return Ok(Outcome::Nothing);
        }
        let record = self.processes[boot].record.take();
        self.processes[boot] = Process { record, ..Process::default() };
        if orderly {
            self.host.leave(boot_id(boot)).await.map_err(text)?;
        } else {
            self.host.die(boot_id(boot)).await;
        }
        Ok(Outcome::Done)
    }

    async fn claim(
        &mut self,
        boot: usize,
        only: Option<usize>,
        limit: usize,
        dead: bool,
        silent: Option<(usize, bool)>,
    ) -> Result<Outcome, String> {
        if !self.processes[boot].lives {
            return Ok(Outcome::Nothing);
        }
        let boots = self.store().boots().await.map_err(text)?;
        let mut seen = Vec::new();
        if let Some((silent, still)) = silent {
            let beat = boots.iter().find(|seen| seen.boot.id == boot_id(silent)).map(|seen| seen.boot.beat);
            // One that has ended is not seen at all; naming it must do no harm.
            let beat =
                if still { beat.unwrap_or_default() } else { beat.unwrap_or_default().wrapping_sub(1) };
            seen.push(Silent { boot: boot_id(silent), beat: beat.min(i64::MAX as u64) });
        }
        let claim = Claim {
            dead: boots.iter().filter(|seen| dead && seen.dead).map(|seen| seen.boot.id).collect(),
            silent: seen,
            run: only.map(run_id),
            ..Claim::any(boot_id(boot), limit)
        };
        let taken = match self.store().claim(claim).await {
            Ok(taken) => taken,
            Err(error) => return answer(Err(error)).map(|no| no.map_or(Outcome::Done, Outcome::Refused)),
        };
        let number = |run: &RunRecord| u128::from_be_bytes(*run.id.as_bytes()) as usize - 1;
        let process = &mut self.processes[boot];
        let mut numbers = Vec::new();
        for run in taken {
            process.works.remove(&number(&run));
            numbers.push(number(&run));
            process.claimed.insert(number(&run), run);
        }
        Ok(Outcome::Took(numbers))
    }

    fn record(&self, run: usize) -> RunRecord {
        let World { workflow, bundle, input, .. } = self.world;
        RunRecord::new(run_id(run), workflow.clone(), bundle.digest, input.clone(), self.at())
    }

    fn insert(&self, record: &RunRecord) -> Batch {
        let ops = [Op::Blob(self.world.bundle.clone()), Op::InsertRun(Box::new(record.clone()))];
        Batch::of(ops).require(Require::RunAbsent(record.id))
    }

    /// What the first node has come to elsewhere.
    fn carried(&self, run: RunId) -> Checkpoint {
        Checkpoint { run, node: 0, input_hash: self.world.input_hash, output: output(0), at: self.at() }
    }

    async fn submit(&mut self, run: usize, shape: usize, carried: bool) -> Result<Outcome, String> {
        let record = self.record(run);
        let mut batch = self.insert(&record);
        batch.ops.extend(carried.then(|| Op::PutCheckpoint(self.carried(record.id))));
        let outcome = self.commit(batch).await?;
        if outcome == Outcome::Done {
            self.shapes.insert(run, shape);
        }
        Ok(outcome)
    }

    async fn launch(
        &mut self,
        boot: usize,
        run: usize,
        shape: usize,
        carried: bool,
        slots: u32,
    ) -> Result<Outcome, String> {
        if !self.processes[boot].lives {
            return Ok(Outcome::Nothing);
        }
        let mut record = self.record(run);
        (record.state.owner, record.state.epoch) = (Some(boot_id(boot)), 1);
        let checkpoint = carried.then(|| self.carried(record.id));
        let known = checkpoint.iter().cloned().collect();
        let mut state = State::carrying(&self.world.plans[shape], &record, known);
        let mut first = self.insert(&record).require(Require::BootOpen(boot_id(boot)));
        first.ops.extend(checkpoint.map(Op::PutCheckpoint));
        first.ops.push(Op::Beat { boot: boot_id(boot), at: self.at() });
        let mut fx = Effects { ops: first.ops, ..Effects::default() };
        if !step(&mut state, &self.world.plans[shape], self.at(), Event::Started { slots }, &mut fx)? {
            return Ok(Outcome::Illegal);
        }
        let outcome = self.seal(boot, run, (state, 1), fx, first.require, None).await?;
        if matches!(outcome, Outcome::Stepped(_)) {
            self.shapes.insert(run, shape);
        }
        Ok(outcome)
    }

    /// What a claimed run is for its new owner, from its rows.
    async fn restore(&self, boot: usize, run: usize) -> Result<Option<(State, RunRecord)>, String> {
        let Some(record) = self.processes[boot].claimed.get(&run) else { return Ok(None) };
        let store = self.store();
        let rows = store.nodes(record.id).await.map_err(text)?;
        let checkpoints = store.checkpoints(record.id).await.map_err(text)?;
        let seq = store.last_seq(record.id).await.map_err(text)?;
        let plan = self.plan(run);
        let state =
            State::restore(plan, record, seq, rows, checkpoints).map_err(|error| error.to_string())?;
        Ok(Some((state, record.clone())))
    }

    fn plan(&self, run: usize) -> &'a Plan {
        let world: &'a World = self.world;
        &world.plans[self.shapes.get(&run).copied().unwrap_or_default()]
    }

    async fn begin(
        &mut self,
        boot: usize,
        run: usize,
        unknown: UnknownNodes,
        slots: u32,
    ) -> Result<Outcome, String> {
        let Some((mut state, record)) = self.restore(boot, run).await? else { return Ok(Outcome::Nothing) };
        let event = match record.state.status {
            RunStatus::Pending => Event::Started { slots },
            _ => Event::Resumed { unknown, deaths: record.state.deaths, slots },
        };
        let mut fx = Effects::default();
        if !step(&mut state, self.plan(run), self.at(), event, &mut fx)? {
            return Ok(Outcome::Illegal);
        }
        self.processes[boot].claimed.remove(&run);
        self.seal(boot, run, (state, record.state.epoch), fx, Vec::new(), None).await
    }

    async fn aside(&mut self, boot: usize, run: usize, ask: &Ask) -> Result<Outcome, String> {
        let Some((mut state, mut record)) = self.restore(boot, run).await? else {
            return Ok(Outcome::Nothing);
        };
        let event = self.event(self.plan(run), &state, &What::Asked(ask.clone()), 0);
        let mut fx = Effects::default();
        if !step(&mut state, self.plan(run), self.at(), event, &mut fx)? {
            return Ok(Outcome::Illegal);
        }
        self.processes[boot].claimed.remove(&run);
        let outcome = self.seal(boot, run, (state, record.state.epoch), fx, Vec::new(), None).await?;
        if self.processes[boot].works.remove(&run).is_some() {
            let now = self.store().run(record.id).await.map_err(text)?;
            record = now.ok_or_else(|| format!("run {run} is gone"))?;
            self.processes[boot].claimed.insert(run, record);
        }
        Ok(outcome)
    }

    async fn tell(&mut self, boot: usize, run: usize, event: Event) -> Result<Outcome, String> {
        let (plan, at) = (self.plan(run), self.at());
        let Some((mut state, epoch)) = self.processes[boot].works.remove(&run) else {
            return Ok(Outcome::Nothing);
        };
        let mut fx = Effects::default();
        if step(&mut state, plan, at, event, &mut fx)? {
            return self.seal(boot, run, (state, epoch), fx, Vec::new(), None).await;
        }
        self.processes[boot].works.insert(run, (state, epoch));
        Ok(Outcome::Illegal)
    }

    /// As the executor does it: rows and what was obeyed in one batch, and commands nobody will obey go
    /// with the run's end.
    async fn seal(
        &mut self,
        boot: usize,
        run: usize,
        (state, epoch): (State, u64),
        fx: Effects,
        mut require: Vec<Require>,
        obeyed: Option<u128>,
    ) -> Result<Outcome, String> {
        if require.is_empty() {
            require.push(Require::RunEpoch { run: run_id(run), epoch });
        }
        let mut ops = fx.ops;
        ops.extend(obeyed.map(|id| Op::DropCommand { run: run_id(run), id }));
        if fx.ended.is_some_and(RunStatus::is_terminal) {
            ops.push(Op::DropCommands(run_id(run)));
        }
        if let Some(refused) = answer(self.store().commit(Batch { require, ops }).await)? {
            return Ok(Outcome::Refused(refused));
        }
        if state.status() == RunStatus::Running {
            self.processes[boot].works.insert(run, (state, epoch));
        }
        Ok(Outcome::Stepped(Stepped {
            start: fx.start.iter().map(|start| (start.node, start.attempt)).collect(),
            timers: fx.timers.iter().map(|timer| (timer.node, timer.attempt, timer.at.as_micros())).collect(),
            returned: fx.returned,
            cancel: fx.cancel,
            abort: fx.abort,
            ended: fx.ended,
        }))
    }

    async fn obey(&mut self, boot: usize, run: usize) -> Result<Outcome, String> {
        let commands = self.store().commands(WhoseCommands::Run(run_id(run))).await.map_err(text)?;
        let Some(first) = commands.into_iter().next() else { return Ok(Outcome::Nothing) };
        let (plan, at) = (self.plan(run), self.at());
        let Some((mut state, epoch)) = self.processes[boot].works.remove(&run) else {
            return Ok(Outcome::Nothing);
        };
        let mut fx = Effects::default();
        match state.obey(plan, at, &first.command, &mut fx) {
            Obeyed::Done => self.seal(boot, run, (state, epoch), fx, Vec::new(), Some(first.id)).await,
            Obeyed::Already | Obeyed::Stale(_) => {
                // There is nothing to do about it: it is asked no more.
                let batch = Batch::of([Op::DropCommand { run: run_id(run), id: first.id }])
                    .require(Require::RunEpoch { run: run_id(run), epoch });
                let outcome = self.commit(batch).await?;
                if outcome != Outcome::Done {
                    return Ok(outcome);
                }
                self.processes[boot].works.insert(run, (state, epoch));
                Ok(Outcome::Illegal)
            }
        }
    }

    fn event(&self, plan: &Plan, state: &State, what: &What, slots: u32) -> Event {
        let attempt = |node: u32, late: bool| {
            let known = (node as usize) < plan.graph().len();
            if known { state.node(node).attempt + u32::from(late) } else { 1 }
        };
        match what {
            What::Started => Event::Started { slots },
            What::Resumed(unknown) => Event::Resumed { unknown: *unknown, deaths: 0, slots },
            What::Succeeded { node, late } => {
                Event::Succeeded { node: *node, attempt: attempt(*node, *late), output: output(*node), slots }
            }
            What::Failed { node, late, how } => Event::Failed {
                node: *node,
                attempt: attempt(*node, *late),
                fault: fault(*how),
                chance: 0,
                slots,
            },
            What::Held { node, late, timed } => Event::Held {
                node: *node,
                attempt: attempt(*node, *late),
                until: timed.then(|| Timestamp::from_micros(self.now + HELD_FOR)),
                fault: Fault::denied("held", "its component is paused"),
                slots,
            },
            What::Due { node, named, late } => {
                Event::Due { node: *node, attempt: named.then(|| attempt(*node, *late)), slots }
            }
            What::Granted => Event::Granted { slots },
            What::Released(nodes) => Event::Released { nodes: nodes.clone(), slots },
            What::Reconciled { node, done } => Event::Reconciled {
                node: *node,
                found: if *done { Found::Done } else { Found::NotDone },
                output: output(*node),
                slots,
            },
            What::Asked(Ask::Pause(reason)) => Event::PauseRequested { reason: reason.to_string() },
            What::Asked(Ask::Resume) => Event::PauseWithdrawn { slots },
            What::Asked(Ask::Cancel { hard }) => {
                Event::CancelRequested { reason: "somebody".to_owned(), hard: *hard }
            }
            What::Asked(Ask::RetryNow(nodes)) => Event::Retried { nodes: nodes.clone(), slots },
            What::Asked(Ask::Extend(to)) => {
                Event::Extended { deadline: Timestamp::from_micros(deadline(*to)) }
            }
            What::TimedOut => Event::TimedOut,
        }
    }
}

/// Puts an event to the machine: whether it belonged there. A panic is a difference like any other.
fn step(
    state: &mut State,
    plan: &Plan,
    at: Timestamp,
    event: Event,
    fx: &mut Effects,
) -> Result<bool, String> {
    let name = event.name();
    std::panic::catch_unwind(AssertUnwindSafe(|| state.step(plan, at, event, fx).is_ok()))
        .map_err(|_| format!("`{name}` makes the machine panic"))
}

/// What a node answers, always the same.
pub(super) fn output(node: u32) -> Payload {
    Payload::from(serde_json::Value::from(node))
}

fn fault(how: How) -> Fault {
    let code = how.code();
    match how {
        How::Flaky => Fault::transient(code, "for now"),
        How::Broken => Fault::permanent(code, "for good"),
        How::Denied => Fault::denied(code, "the component is paused"),
        How::Stopped => Fault::permanent(code, "somebody stopped it"),
        How::Lost => Fault::unknown_outcome(code, "nobody knows"),
    }
}

pub(super) fn asked(ask: &Ask) -> Asked {
    match ask {
        Ask::Pause(reason) => Asked::Pause { reason: reason.to_string() },
        Ask::Resume => Asked::Resume { unknown: UnknownNodes::Keep },
        Ask::Cancel { hard } => Asked::Cancel { reason: "somebody".to_owned(), hard: *hard },
        Ask::RetryNow(nodes) => Asked::RetryNow { nodes: nodes.clone() },
        Ask::Extend(to) => Asked::Extend { deadline: Timestamp::from_micros(deadline(*to)) },
    }
}

fn answer(answer: Result<(), CommitError>) -> Result<Option<No>, String> {
    match answer {
        Ok(()) => Ok(None),
        Err(CommitError::Store(error)) => Err(error.to_string()),
        Err(CommitError::Refused(refusal)) => match refusal {
            Refusal::RunExists(_) => Ok(Some(No::RunExists)),
            Refusal::RunMissing(_) => Ok(Some(No::RunMissing)),
            Refusal::RunOver { .. } => Ok(Some(No::RunOver)),
            Refusal::StaleEpoch { .. } => Ok(Some(No::StaleEpoch)),
            Refusal::BootEnded(_) => Ok(Some(No::BootEnded)),
            Refusal::BlobMissing(_)
            | Refusal::OutOfSequence { .. }
            | Refusal::ActivityChanged { .. }
            | Refusal::EventExists(_)
            | Refusal::EventMissing(_)
            | Refusal::EventOpen(_)
            | Refusal::DeliveryExists { .. }
            | Refusal::DeliveryMissing { .. }
            | Refusal::StaleDelivery { .. }
            | Refusal::Version { .. } => Err(refusal.to_string()),
        },
    }
}

fn text(error: StoreError) -> String {
    error.to_string()
}
