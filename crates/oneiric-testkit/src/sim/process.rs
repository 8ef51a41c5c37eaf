//! One process: an executor, a courier, a custodian and a lease, on a runtime of their own, so that it can be stopped
//! between two steps of any of its tasks, and be gone with all of them.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oneiric_core::gate::{Admission, Check, Gate, No, Permit, Pipeline, Purpose, Step, Wait};
use oneiric_core::rng::SeededRng;
use oneiric_core::roles::Task;
use oneiric_core::{Clock, Fault, Rng, Timestamp};
use oneiric_dag::custody::{Custodian, IDLE, Programs};
use oneiric_dag::{Executor, NoLog, Parts, Program};
use oneiric_events::{Courier, CourierParts, Dispatcher};
use oneiric_store::{BootRecord, Lease, RunRecord, Store, WhoseCommands};
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::audit::Who;
use super::clock::OwnClock;
use super::disk::Disk;
use super::events;
use super::fuse::{Fuse, Stopped};
use super::scene::Scene;
use super::store::SimStore;
use super::work::Work;

/// What a process is started with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setup {
    pub(super) who: Who,
    pub(super) seed: u64,
    /// Microseconds by which its wall clock differs from the world's time.
    pub(super) wall: i64,
    pub(super) lease: Duration,
    pub(super) max_parallel: u32,
}

/// One process.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) setup: Setup,
    pub(super) frozen: bool,
    runtime: Runtime,
    pub(super) fuse: Arc<Fuse>,
    store: Arc<SimStore>,
    wall: Arc<AtomicI64>,
    bell: Arc<Notify>,
    gate: Door,
    leaving: CancellationToken,
    /// There once the process has entered its store.
    executor: Arc<Mutex<Option<Executor>>>,
    courier: Arc<Mutex<Option<Courier>>>,
    task: Arc<Work>,
}

impl Process {
    pub(super) fn start(setup: Setup, scene: &Arc<Scene>, disk: &Arc<Disk>) -> Self {
        let who = setup.who;
        disk.open(who);
        scene.audit().note(format_args!("p{} begins", who.number));
        scene.audit().began(who, setup.max_parallel);
        let fuse = Arc::new(Fuse::default());
        let idle = Arc::clone(&fuse);
        let runtime = tokio::runtime::Builder::new_current_thread()
            // One task at a time, then the fuse is asked whether to go on.
            .event_interval(1)
            .on_thread_park(move || idle.park())
            .build()
            .expect("a runtime without I/O and time driver needs nothing that could be missing");
        let wall = Arc::new(AtomicI64::new(setup.wall));
        let clock = OwnClock::new(scene.clock.clone(), Arc::clone(&wall), Arc::clone(&fuse));
        let process = Self {
            setup,
            frozen: false,
            runtime,
            store: SimStore::new(who, Arc::clone(disk), scene.clock.clone(), Arc::clone(&fuse)),
            wall,
            bell: Arc::new(Notify::new()),
            gate: Door::default(),
            leaving: CancellationToken::new(),
            executor: Arc::default(),
            courier: Arc::default(),
            task: Work::new(who, Arc::clone(scene), Arc::clone(&fuse)),
            fuse,
        };
        process.runtime.spawn(process.life(clock, Arc::clone(scene), Arc::clone(disk)));
        process
    }

    /// What it does from its first moment on.
    fn life(
        &self,
        clock: OwnClock,
        scene: Arc<Scene>,
        disk: Arc<Disk>,
    ) -> impl Future<Output = ()> + Send + use<> {
        let Setup { who, seed, lease, max_parallel, .. } = self.setup;
        let (store, bell, slot) =
            (Arc::clone(&self.store), Arc::clone(&self.bell), Arc::clone(&self.executor));
        let (hands, fuse) = (Arc::clone(&self.courier), Arc::clone(&self.fuse));
        let (gate, task, leaving) = (self.gate.clone(), Arc::clone(&self.task), self.leaving.clone());
        let clock: Arc<dyn Clock> = Arc::new(clock);
        async move {
            let lease_ms = u64::try_from(lease.as_millis()).unwrap_or(u64::MAX);
            let record = BootRecord::new(who.boot, "sim", who.number, clock.now());
            let record = BootRecord { lease_ms, serves: true, ..record };
            while store.enter(record.clone()).await.is_err() {
                clock.sleep(lease / 4).await;
            }
            let lease = Lease::new(record, Arc::clone(&clock));
            let gate: Arc<dyn Gate> = Arc::new(Pipeline::standard().with(gate));
            let rng = Arc::new(SeededRng::new(seed));
            let dispatcher = Dispatcher::new(oneiric_events::Parts {
                clock: Arc::clone(&clock),
                rng: Arc::clone(&rng) as Arc<dyn Rng>,
                gate: Arc::clone(&gate),
            });
            let parts = CourierParts {
                store: Arc::clone(&store) as Arc<dyn Store>,
                lease: Arc::clone(&lease),
                in_hand: 4,
                // It is no event that kills here.
                max_deliveries: u32::MAX,
            };
            let courier = Courier::new(dispatcher, parts);
            events::subscribe(&courier, who, &scene, &disk, &fuse);
            *hands.lock().unwrap_or_else(PoisonError::into_inner) = Some(courier.clone());
            let tending = courier.clone();
            let tends = async move { tending.tend().await };
            tokio::spawn(leaving.clone().run_until_cancelled_owned(tends));
            let executor = Executor::new(Parts {
                store: Arc::clone(&store) as Arc<dyn Store>,
                clock: Arc::clone(&clock),
                rng,
                gate,
                log: Arc::new(NoLog),
                observer: None,
                lease: Arc::clone(&lease),
                max_parallel,
            });
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(executor.clone());
            tokio::spawn(leaving.clone().run_until_cancelled_owned(beat(lease, store, Arc::clone(&clock))));
            tokio::spawn(
                leaving.clone().run_until_cancelled_owned(deliver(executor.clone(), Arc::clone(&clock))),
            );
            let custodian = Custodian::new(executor, Arc::new(Book { scene, task }));
            leaving.run_until_cancelled(tend(custodian, courier, bell, clock)).await;
        }
    }

    /// Lets its tasks run until nothing can at this instant, or something interrupts it.
    pub(super) fn step(&self) -> Stopped {
        self.runtime.block_on(poll_fn(|cx| self.fuse.poll(cx)))
    }

    /// Another task of the process.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        drop(self.runtime.spawn(work));
    }

    /// Takes leave in an orderly way, within `patience`; `gone` is true once it has.
    pub(super) fn leave(&self, patience: Duration, gone: Arc<AtomicBool>) {
        let (store, boot, executor) = (Arc::clone(&self.store), self.setup.who.boot, self.executor());
        let (leaving, courier) = (self.leaving.clone(), self.courier());
        self.spawn(async move {
            // Nobody takes anything from here on, and the heart beats until the last is over.
            if let Some((executor, courier)) = executor.zip(courier) {
                tokio::join!(executor.shutdown(patience), courier.shutdown(patience));
            }
            leaving.cancel();
            // A boot that cannot leave is found dead.
            store.leave(boot).await.ok();
            gone.store(true, Ordering::Relaxed);
        });
    }

    /// Its executor, once it has one.
    pub(super) fn executor(&self) -> Option<Executor> {
        self.executor.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Its courier, once it has one.
    pub(super) fn courier(&self) -> Option<Courier> {
        self.courier.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What its nodes do.
    pub(super) fn task(&self) -> Arc<dyn Task> {
        Arc::clone(&self.task) as Arc<dyn Task>
    }

    pub(super) fn ring(&self) {
        self.bell.notify_one();
    }

    /// Sets its wall clock, by so many microseconds.
    pub(super) fn jump(&self, micros: i64) {
        self.wall.fetch_add(micros, Ordering::Relaxed);
    }

    /// Closes its door to nodes and handlers, or opens it and says so.
    pub(super) fn shut(&self, wait: Option<Wait>) {
        *self.gate.0.lock().unwrap_or_else(PoisonError::into_inner) = wait;
        if wait.is_none()
            && let Some(executor) = self.executor()
        {
            let _entered = self.runtime.enter();
            executor.reconsider();
            self.courier().iter().for_each(Courier::reconsider);
        }
    }

    /// Its clock, as it reads it.
    pub(super) fn wall(&self, world: Duration) -> Timestamp {
        let passed = i64::try_from(world.as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(passed.saturating_add(self.wall.load(Ordering::Relaxed)))
    }

    /// It is gone. Nothing it still says is heard.
    pub(super) fn kill(self, scene: &Scene, disk: &Disk) {
        self.fuse.kill();
        disk.kill(self.setup.who);
        scene.audit().died(self.setup.who);
    }
}

/// Beats, as the heart of a real process does from its thread.
async fn beat(lease: Arc<Lease>, store: Arc<SimStore>, clock: Arc<dyn Clock>) {
    loop {
        clock.sleep(lease.interval()).await;
        if lease.is_owning() {
            // What went wrong shows: the lease runs out.
            lease.beat(&*store).await.ok();
        }
    }
}

/// Obeys what was asked through the store, as a real process does.
async fn deliver(executor: Executor, clock: Arc<dyn Clock>) {
    let parts = executor.parts();
    let whose = WhoseCommands::Owner(parts.lease.boot());
    loop {
        clock.sleep(parts.lease.interval()).await;
        if executor.runs_under_way() == 0 {
            continue;
        }
        for asked in parts.store.commands(whose).await.unwrap_or_default() {
            if let Some(run) = executor.find(asked.run) {
                run.obey(&asked.command, Some(asked.id)).await;
            }
        }
    }
}

/// Takes over what others leave, as a real process does.
async fn tend(mut custodian: Custodian, courier: Courier, bell: Arc<Notify>, clock: Arc<dyn Clock>) {
    loop {
        let next = match custodian.round().await {
            Ok(round) => round.next,
            Err(_) => IDLE,
        };
        // Whom a look has buried may have had events in hand.
        courier.nudge();
        tokio::select! {
            biased;
            () = bell.notified() => {}
            () = clock.sleep(next) => {}
        }
    }
}

/// Makes programs of stored runs.
#[derive(Debug)]
struct Book {
    scene: Arc<Scene>,
    task: Arc<Work>,
}

impl Programs for Book {
    fn program<'a>(
        &'a self,
        record: &'a RunRecord,
    ) -> Pin<Box<dyn Future<Output = Result<Program, Fault>> + Send + 'a>> {
        Box::pin(async move {
            if self.scene.faults() && self.scene.tasks.chance(20) {
                return Err(Fault::shutdown("its manifests could not be read"));
            }
            let audit = self.scene.audit();
            let known = audit.workflow(record.id);
            let known = known.ok_or_else(|| Fault::permanent("nowhere", "nobody expected this run"))?;
            Ok(known.0.program(&(Arc::clone(&self.task) as Arc<dyn Task>)))
        })
    }
}

/// A check that lets nodes and handlers wait while it is shut.
#[derive(Debug, Clone, Default)]
struct Door(Arc<Mutex<Option<Wait>>>);

impl Check for Door {
    fn step(&self) -> Step {
        Step::Breaker
    }

    fn ask(&self, admission: &Admission<'_>) -> Result<Permit, No> {
        match *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(wait) if matches!(admission.purpose, Purpose::Node | Purpose::Event) => {
                Err(No { reason: "the target is down".to_owned(), wait })
            }
            Some(_) | None => Ok(Permit::none()),
        }
    }
}
