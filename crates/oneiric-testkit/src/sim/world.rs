//! The world: time, processes that come and go, and people who want something.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use oneiric_core::gate::Wait;
use oneiric_core::{BootId, Clock as _, RunId};
use oneiric_store::{DeliveryFilter, DeliveryRecord, Store};

use super::audit::{Broken, Invariant, Kept, Rest, Who};
use super::dice::{Dice, Stream};
use super::disk::Disk;
use super::fuse::{Interruption, Stopped};
use super::people::People;
use super::process::{Process, Setup};
use super::scene::{Scene, now};
use super::{Failure, Report};

/// The most that a world may take to come to rest: two hundred leases of the longest.
const PATIENCE: Duration = Duration::from_secs(900);

/// The most instants of one world; half a million are hours of heartbeats.
const TURNS: u32 = 500_000;

/// What happens at a time.
#[derive(Debug)]
pub(super) enum Act {
    Submit(usize),
    Emit(u64),
    Ask,
    Person,
    Arm(usize, Interruption),
    Thaw(usize, u32),
    Start(usize),
    Declare(BootId),
    Leave(usize),
    Jump(usize),
    Shut(usize),
    Open(usize, u32),
    Calm,
    Rest,
}

/// A place for a process; whoever is started in it is another one.
#[derive(Debug, Default)]
struct Place {
    process: Option<Process>,
    gone: Arc<AtomicBool>,
}

/// Everything there is.
pub(super) struct World {
    seed: u64,
    pub(super) scene: Arc<Scene>,
    pub(super) disk: Arc<Disk>,
    faults: Dice,
    engine: Dice,
    places: Vec<Place>,
    starts: u32,
    agenda: BTreeMap<(Duration, u64), Act>,
    planned: u64,
    lease: Duration,
    max_parallel: u32,
    people: People,
    calm_since: Option<Duration>,
    resting: bool,
    /// There are events. Then all wall clocks agree: when a delivery is due is written down in wall time, and the
    /// processes of one host have one wall clock.
    events: bool,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let scene = Scene::new(Dice::new(seed, Stream::Tasks));
        let disk = Disk::new(Arc::clone(&scene), Dice::new(seed, Stream::Disk));
        let faults = Dice::new(seed, Stream::Faults);
        let count = faults.between(1, 3) as usize;
        let lease = Duration::from_millis(*faults.pick(&[800, 2_000, 4_000]).unwrap_or(&2_000));
        let max_parallel = if faults.chance(500) { 64 } else { faults.between(1, 6) as u32 };
        let people = People::new(seed, &scene, &disk);
        let mut world = Self {
            seed,
            scene,
            disk,
            faults,
            engine: Dice::new(seed, Stream::Engine),
            places: (0..count).map(|_| Place::default()).collect(),
            starts: 0,
            agenda: BTreeMap::new(),
            planned: 0,
            lease,
            max_parallel,
            people,
            calm_since: None,
            resting: false,
            events: false,
        };
        world.plan();
        world
    }

    pub(super) fn at(&mut self, when: Duration, act: Act) {
        self.planned += 1;
        self.agenda.insert((when, self.planned), act);
    }

    fn after(&mut self, delay: Duration, act: Act) {
        let when = self.scene.clock.monotonic() + delay;
        self.at(when, act);
    }

    /// What goes wrong, and who wants what. Each kind of fault is absent from many worlds: what one hides
    /// another would have shown.
    fn plan(&mut self) {
        let window = self.faults.between(1_000, 12_000);
        for (number, when) in self.people.emissions(window) {
            self.events = true;
            self.at(when, Act::Emit(number));
        }
        for place in 0..self.places.len() {
            let delay = if place == 0 { Duration::ZERO } else { self.faults.millis(0, 2_000) };
            self.at(delay, Act::Start(place));
        }
        let kinds: [(u64, u64); 5] = [(600, 4), (600, 3), (400, 2), (400, 2), (300, 3)];
        for (kind, (permille, most)) in kinds.into_iter().enumerate() {
            if !self.faults.chance(permille) {
                continue;
            }
            for _ in 0..self.faults.between(1, most) {
                let place = self.faults.below(self.places.len() as u64) as usize;
                let when = self.faults.millis(0, window);
                let act = match kind {
                    0 => Act::Arm(place, Interruption::Crash),
                    1 => Act::Arm(place, Interruption::Freeze),
                    2 => Act::Leave(place),
                    3 if self.events => continue,
                    3 => Act::Jump(place),
                    _ => Act::Shut(place),
                };
                self.at(when, act);
            }
        }
        for (number, when) in self.people.submissions(window) {
            self.at(when, Act::Submit(number));
        }
        if self.faults.chance(500) {
            for _ in 0..self.faults.between(1, 4) {
                let when = self.faults.millis(0, window);
                self.at(when, Act::Ask);
            }
        }
        self.at(Duration::from_millis(300), Act::Person);
        self.at(Duration::from_millis(window), Act::Calm);
    }

    /// Runs the world to its end.
    pub(super) fn run(mut self) -> Result<Report, Box<Failure>> {
        for _ in 0..TURNS {
            self.let_run();
            let broken = self.scene.audit().broken().cloned();
            if let Some(broken) = broken {
                return Err(self.failure(broken));
            }
            let agenda = self.agenda.first_key_value().map(|((when, _), _)| *when);
            let next = [agenda, self.disk.next(), self.scene.clock.next_wait()].into_iter().flatten().min();
            let Some(next) = next else {
                return Err(self.stuck("nothing will ever happen again"));
            };
            self.scene.clock.advance_to(next);
            for who in self.disk.finish() {
                self.dies(who);
            }
            let now = self.scene.clock.monotonic();
            while let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= now) {
                let act = entry.remove();
                if matches!(act, Act::Rest) && self.is_at_rest() {
                    return self.judge();
                }
                self.act(act);
            }
            self.bury_who_left();
            if self.calm_since.is_some_and(|since| now > since + PATIENCE) {
                let open = self.scene.audit().open().next();
                return Err(match open {
                    Some(run) => self.stuck(&format!("{} does not end", super::audit::short(run))),
                    None => self.stuck("the world does not come to rest"),
                });
            }
            if self.calm_since.is_some() && !self.resting && self.is_at_rest() {
                self.resting = true;
                let long = self.lease * 4 + Duration::from_secs(2);
                self.after(long, Act::Rest);
            }
        }
        Err(self.stuck("the world goes on and on"))
    }

    fn is_at_rest(&mut self) -> bool {
        let audit = self.scene.audit();
        let rest = self.calm_since.is_some() && audit.open().next().is_none() && self.people.are_done(&audit);
        drop(audit);
        let rest = rest && self.deliveries().iter().all(|delivery| delivery.state.status.is_over());
        self.resting &= rest;
        rest
    }

    fn deliveries(&self) -> Vec<DeliveryRecord> {
        let all = now(self.disk.memory().deliveries(DeliveryFilter::any(usize::MAX))).unwrap_or_default();
        all.into_iter().map(|(_, delivery)| delivery).collect()
    }

    /// Lets every process run until nothing can at this instant. Nobody hears of another but through the
    /// disk, so that once round is enough.
    fn let_run(&mut self) {
        let first = self.engine.below(self.places.len() as u64) as usize;
        for offset in 0..self.places.len() {
            self.step((first + offset) % self.places.len());
        }
        self.disk.kick();
    }

    fn step(&mut self, number: usize) {
        let Some(process) = self.places[number].process.as_mut().filter(|process| !process.frozen) else {
            return;
        };
        let who = process.setup.who;
        match process.step() {
            Stopped::Idle => {}
            Stopped::Loops => {
                let what = format!("p{} does not come to the end of what it does", who.number);
                self.scene.audit().breach(Invariant::NothingIsStuck, what);
            }
            Stopped::Interrupted(Interruption::Crash) => self.dies(who),
            Stopped::Interrupted(Interruption::Freeze) => {
                process.frozen = true;
                self.disk.freeze(who, true);
                self.scene.audit().note(format_args!("p{} is frozen", who.number));
                let lease = u64::try_from(self.lease.as_millis()).unwrap_or(u64::MAX);
                let long = self.faults.millis(10, lease * 4);
                self.after(long, Act::Thaw(number, who.number));
            }
        }
    }

    fn act(&mut self, act: Act) {
        let faults = self.scene.faults();
        match act {
            Act::Start(place) => self.start(place),
            Act::Arm(place, interruption) if faults => {
                let after = self.faults.between(1, 60);
                if let Some(process) = self.process(place) {
                    process.fuse.arm(after, interruption);
                }
            }
            Act::Thaw(place, number) => self.thaw(place, number),
            Act::Declare(boot) => self.declare(boot),
            Act::Leave(place) if faults => self.leave(place),
            Act::Jump(place) if faults => self.jump(place),
            Act::Shut(place) if faults => self.shut(place),
            Act::Open(place, number) => {
                if let Some(process) =
                    self.process(place).filter(|process| process.setup.who.number == number)
                {
                    process.shut(None);
                }
            }
            Act::Submit(number) => {
                self.people.submit(number, &awake(&self.places), &self.scene);
                self.ring();
            }
            Act::Emit(number) => self.people.emit(number, &awake(&self.places), &self.scene),
            Act::Ask => {
                self.people.interfere(&awake(&self.places), &self.scene);
                self.ring();
            }
            Act::Person => {
                self.people.look(&awake(&self.places), &self.scene);
                let again = self.engine.millis(200, 1_200);
                self.after(again, Act::Person);
            }
            Act::Calm => self.calm(),
            Act::Arm(..) | Act::Leave(_) | Act::Jump(_) | Act::Shut(_) | Act::Rest => {}
        }
    }

    fn process(&self, place: usize) -> Option<&Process> {
        self.places[place].process.as_ref()
    }

    fn ring(&self) {
        awake(&self.places).into_iter().for_each(Process::ring);
    }

    fn start(&mut self, place: usize) {
        if self.places[place].process.is_some() {
            return;
        }
        self.starts += 1;
        let number = self.starts;
        let boot = BootId::from_bytes(u128::from(number).to_be_bytes());
        let year = 31_557_600_000_000i64;
        let skew = if self.faults.chance(200) { self.faults.between(0, 20) as i64 * year } else { 0 };
        let skew = if self.events { 0 } else { skew };
        let setup = Setup {
            who: Who { number, boot },
            seed: self.engine.bits(),
            wall: 56 * year + skew - 10 * year * i64::from(skew != 0),
            lease: self.lease,
            max_parallel: self.max_parallel,
        };
        self.places[place].gone = Arc::default();
        self.places[place].process = Some(Process::start(setup, &self.scene, &self.disk));
    }

    fn place_of(&self, who: Who) -> Option<usize> {
        self.places
            .iter()
            .position(|place| place.process.as_ref().is_some_and(|process| process.setup.who == who))
    }

    /// A process is gone. Others hear of it at once, later, or never, and then only through its lease.
    fn dies(&mut self, who: Who) {
        let Some(place) = self.place_of(who) else { return };
        let Some(process) = self.places[place].process.take() else { return };
        self.scene.audit().note(format_args!("p{} dies", who.number));
        process.kill(&self.scene, &self.disk);
        match self.faults.below(10) {
            0..4 => self.declare(who.boot),
            4..7 => {
                let delay = self.faults.millis(1, 3_000);
                self.after(delay, Act::Declare(who.boot));
            }
            _ => {}
        }
        let delay = if self.scene.faults() { self.faults.millis(0, 4_000) } else { Duration::ZERO };
        self.after(delay, Act::Start(place));
    }

    /// The system says that a process has ended.
    fn declare(&mut self, boot: BootId) {
        let known = now(self.disk.memory().boots()).unwrap_or_default();
        if known.iter().any(|seen| seen.boot.id == boot) {
            self.scene.audit().note(format_args!("{boot} is known to be dead"));
            self.disk.memory().bury(boot);
            self.ring();
        }
    }

    fn thaw(&mut self, place: usize, number: u32) {
        let process = self.places[place].process.as_mut();
        if let Some(process) = process.filter(|process| process.setup.who.number == number && process.frozen)
        {
            process.frozen = false;
            self.disk.freeze(process.setup.who, false);
            self.scene.audit().note(format_args!("p{number} goes on"));
        }
    }

    fn leave(&mut self, place: usize) {
        let patience = self.faults.millis(0, 2_000);
        let gone = Arc::clone(&self.places[place].gone);
        if let Some(process) = self.process(place).filter(|process| process.executor().is_some()) {
            self.scene.audit().note(format_args!("p{} leaves", process.setup.who.number));
            process.leave(patience, gone);
        }
    }

    fn bury_who_left(&mut self) {
        for number in 0..self.places.len() {
            let place = &self.places[number];
            let Some(process) = place.process.as_ref().filter(|_| place.gone.load(Ordering::Relaxed)) else {
                continue;
            };
            self.dies(process.setup.who);
        }
    }

    fn jump(&mut self, place: usize) {
        let hour = 3_600_000_000i64;
        let by = *self
            .faults
            .pick(&[hour, -hour, 87_660 * hour, -87_660 * hour, 50_000, -50_000])
            .unwrap_or(&hour);
        if let Some(process) = self.process(place) {
            self.scene
                .audit()
                .note(format_args!("p{}'s wall clock jumps by {by} us", process.setup.who.number));
            process.jump(by);
        }
    }

    fn shut(&mut self, place: usize) {
        let long = self.faults.millis(50, 4_000);
        let until = self.faults.chance(500);
        let Some(process) = self.process(place) else { return };
        let number = process.setup.who.number;
        let now = self.scene.clock.monotonic();
        let wait = if until { Wait::Until(process.wall(now + long)) } else { Wait::Change };
        self.scene.audit().note(format_args!("p{number} lets nodes wait: {wait:?}"));
        process.shut(Some(wait));
        self.after(long, Act::Open(place, number));
    }

    /// From now on nothing goes wrong.
    fn calm(&mut self) {
        self.scene.audit().note(format_args!("all is calm"));
        self.scene.calm();
        self.calm_since = Some(self.scene.clock.monotonic());
        for place in 0..self.places.len() {
            match self.process(place).map(|process| process.setup.who.number) {
                Some(number) => {
                    self.thaw(place, number);
                    if let Some(process) = self.process(place) {
                        process.fuse.disarm();
                        process.shut(None);
                    }
                }
                None => self.start(place),
            }
        }
        self.ring();
    }

    fn judge(self) -> Result<Report, Box<Failure>> {
        let memory = self.disk.memory();
        let records = now(memory.runs(oneiric_store::RunFilter::newest(usize::MAX))).unwrap_or_default();
        let runs = records.into_iter().map(|record| {
            let run: RunId = record.id;
            Kept {
                record,
                rows: now(memory.nodes(run)).unwrap_or_default(),
                journal: now(memory.journal(run, 0, usize::MAX)).unwrap_or_default(),
            }
        });
        let rest = Rest {
            runs: runs.collect(),
            deliveries: self.deliveries(),
            violations: now(memory.violations()).unwrap_or_default(),
            integrity: now(memory.check()).unwrap_or_default(),
        };
        self.scene.audit().end(&rest);
        let broken = self.scene.audit().broken().cloned();
        match broken {
            Some(broken) => Err(self.failure(broken)),
            None => Ok(self.report()),
        }
    }

    fn report(&self) -> Report {
        let mut audit = self.scene.audit();
        let (runs, starts, repeats) = audit.figures();
        let calls = audit.heard().calls;
        Report {
            seed: self.seed,
            fingerprint: audit.trace().fingerprint(),
            lines: audit.trace().lines(),
            runs,
            starts,
            repeats,
            calls,
            processes: self.starts,
        }
    }

    fn stuck(&self, what: &str) -> Box<Failure> {
        self.failure(Broken { invariant: Invariant::NothingIsStuck, what: what.to_owned() })
    }

    fn failure(&self, broken: Broken) -> Box<Failure> {
        Box::new(Failure { seed: self.seed, broken, tail: self.scene.audit().trace().tail() })
    }
}

/// The processes that are there and not stopped.
fn awake(places: &[Place]) -> Vec<&Process> {
    let there = places.iter().filter_map(|place| place.process.as_ref());
    there.filter(|process| !process.frozen).collect()
}
