//! Services that do what they are told, a supervisor over them, and what happened when.

use std::collections::HashMap;
use std::future::{Future, pending};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use oneiric_core::gate::{Admission, Check as _, Permit, Purpose};
use oneiric_core::lifecycle::{NoSettings, Parts as LifeParts, Timeouts};
use oneiric_core::linked::Linked;
use oneiric_core::probe::{Prober, Question};
use oneiric_core::roles::{Service, ServiceContext, Stream};
use oneiric_core::{
    Allowlist, Blueprint, Clock as _, ComponentRuntime, Descriptor, Domain, Fault, Instance, Key, Lifecycle,
    Registry,
};
use oneiric_store::ActivityRecord;
use oneiric_supervisor::service::roster::Member;
use oneiric_supervisor::service::{Roster, Spec, State, Status};
use oneiric_supervisor::supervisor::{Lines, Parts};
use oneiric_supervisor::{Activity, Change, Supervisor, Wish};
use oneiric_testkit::{ManualClock, virtual_time};

/// What a service does in one start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Act {
    /// Works until it is asked to stop.
    Steady,
    /// Says that it is ready after so many seconds, and works on.
    SaysReady(f64),
    /// Fails after so many seconds.
    Fails(f64),
    /// Returns after so many seconds.
    Ends(f64),
    /// Panics after so many seconds.
    Panics(f64),
    /// Takes so many seconds to stop.
    Slow(f64),
    /// Does not hear that it is to stop.
    Deaf,
}

/// What happened, with the second.
pub(crate) type Log = Arc<Mutex<Vec<(f64, String)>>>;

struct Actor {
    acts: Arc<[Act]>,
    clock: ManualClock,
    log: Log,
}

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

impl Actor {
    fn note(&self, what: String) {
        self.log.lock().unwrap().push((self.clock.monotonic().as_secs_f64(), what));
    }
}

#[async_trait]
impl Service for Actor {
    async fn run(&self, cx: ServiceContext) -> Result<(), Fault> {
        let act = self.acts[(cx.attempt as usize - 1).min(self.acts.len() - 1)];
        self.note(format!("+{}", cx.key));
        cx.line(Stream::Stdout, &format!("attempt {}", cx.attempt));
        let work = async {
            match act {
                Act::Steady | Act::Slow(_) | Act::Deaf => pending().await,
                Act::SaysReady(after) => {
                    self.clock.sleep(secs(after)).await;
                    cx.ready();
                    pending().await
                }
                Act::Fails(after) => {
                    self.clock.sleep(secs(after)).await;
                    Err(Fault::transient("no", "it broke"))
                }
                Act::Ends(after) => {
                    self.clock.sleep(secs(after)).await;
                    Ok(())
                }
                Act::Panics(after) => {
                    self.clock.sleep(secs(after)).await;
                    panic!("a panic of `{}`", cx.key)
                }
            }
        };
        let stop = async {
            cx.stop.cancelled().await;
            self.note(format!("?{}", cx.key));
            match act {
                Act::Deaf => pending().await,
                Act::Slow(takes) => self.clock.sleep(secs(takes)).await,
                _ => {}
            }
        };
        let done = tokio::select! {
            biased;
            done = work => done,
            () = stop => Ok(()),
        };
        self.note(format!("-{}", cx.key));
        done
    }

    fn says_ready(&self) -> bool {
        self.acts.iter().any(|act| matches!(act, Act::SaysReady(_)))
    }
}

#[derive(Debug)]
struct Closures(Mutex<HashMap<Key, Linked>>);

#[async_trait]
impl ComponentRuntime for Closures {
    fn name(&self) -> &'static str {
        "closures"
    }

    fn recognises(&self, of: &Descriptor) -> bool {
        self.0.lock().unwrap().contains_key(&of.key)
    }

    fn check(&self, _: &Blueprint) -> Result<(), Fault> {
        Ok(())
    }

    async fn build(&self, of: &Blueprint) -> Result<Instance, Fault> {
        let make = Arc::clone(self.0.lock().unwrap()[&of.descriptor.key].make());
        make(of)
    }
}

/// Lines as they came.
#[derive(Debug, Default)]
pub(crate) struct Written(pub(crate) Mutex<Vec<String>>);

impl Lines for Written {
    fn line(&self, key: &Key, stream: Stream, line: &str) {
        self.0.lock().unwrap().push(format!("{key} {stream:?} {line}"));
    }
}

/// Answers by the table: what is asked of `tcp` is the name of a row.
#[derive(Debug, Default)]
pub(crate) struct Answers(pub(crate) Mutex<HashMap<String, bool>>, pub(crate) Mutex<u32>);

#[async_trait]
impl Prober for Answers {
    fn check(&self, question: &Question) -> Result<(), Fault> {
        match question {
            Question::Tcp(_) => Ok(()),
            _ => Err(Fault::permanent("no", "only tcp here")),
        }
    }

    async fn ask(&self, question: &Question) -> Result<(), Fault> {
        *self.1.lock().unwrap() += 1;
        let Question::Tcp(name) = question else { return Err(Fault::permanent("no", "only tcp here")) };
        let answer = self.0.lock().unwrap().get(name).copied();
        match answer {
            Some(true) => Ok(()),
            Some(false) => Err(Fault::transient("refused", "refused")),
            None => pending().await,
        }
    }
}

/// One service of a stage.
#[derive(Debug)]
pub(crate) struct Cast {
    key: Key,
    spec: Spec,
    acts: Vec<Act>,
}

/// A service that does this, start by start; the last one goes on.
pub(crate) fn cast(key: &str, acts: &[Act]) -> Cast {
    Cast { key: key.parse().unwrap(), spec: Spec::default(), acts: acts.to_vec() }
}

impl Cast {
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Spec)) -> Self {
        change(&mut self.spec);
        self
    }

    pub(crate) fn order(self, order: i32) -> Self {
        self.with(|spec| spec.startup_order = order)
    }

    pub(crate) fn needs(self, keys: &[&str]) -> Self {
        self.with(|spec| spec.dependencies = keys.iter().map(|key| key.parse().unwrap()).collect())
    }

    pub(crate) fn optional(self) -> Self {
        self.with(|spec| spec.critical = false)
    }

    pub(crate) fn member(&self) -> Member {
        Member { key: self.key.clone(), provider: "stage".parse().unwrap(), spec: self.spec.clone() }
    }
}

pub(crate) struct Stage {
    pub(crate) supervisor: Supervisor,
    pub(crate) clock: ManualClock,
    pub(crate) activity: Activity,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) written: Arc<Written>,
    pub(crate) answers: Arc<Answers>,
    log: Log,
    closures: Arc<Closures>,
}

impl Stage {
    fn new(clock: &ManualClock, cast: &[Cast]) -> Self {
        let (log, closures) = (Log::default(), Arc::new(Closures(Mutex::default())));
        let lifecycle = Lifecycle::new(LifeParts {
            registry: Registry::new(),
            runtimes: vec![Arc::clone(&closures) as Arc<dyn ComponentRuntime>],
            allowlist: Allowlist::default(),
            settings: Arc::new(NoSettings),
            hooks: Vec::new(),
            timeouts: Timeouts::default(),
            clock: Arc::new(clock.clone()),
        });
        let (activity, written) = (Activity::default(), Arc::new(Written::default()));
        let answers = Arc::new(Answers::default());
        let roster = Roster::new(cast.iter().map(Cast::member)).unwrap();
        let parts = Parts {
            lifecycle: lifecycle.clone(),
            activity: activity.clone(),
            prober: Some(Arc::clone(&answers) as Arc<dyn Prober>),
            lines: Arc::clone(&written) as Arc<dyn Lines>,
            clock: Arc::new(clock.clone()),
        };
        let supervisor = Supervisor::new(parts, &roster);
        let stage =
            Self { supervisor, clock: clock.clone(), activity, lifecycle, written, answers, log, closures };
        cast.iter().for_each(|one| stage.link(one));
        stage
    }

    /// Makes a service known to the lifecycle.
    pub(crate) fn link(&self, cast: &Cast) {
        let actor =
            Actor { acts: cast.acts.clone().into(), clock: self.clock.clone(), log: Arc::clone(&self.log) };
        let linked = Linked::service(cast.key.clone(), actor);
        let descriptor = linked.descriptor().unwrap().clone();
        self.closures.0.lock().unwrap().insert(cast.key.clone(), linked);
        self.lifecycle.register(|registry| registry.register(descriptor));
    }

    /// Lets so many seconds pass.
    pub(crate) async fn pass(&self, seconds: f64) {
        self.clock.sleep(secs(seconds)).await;
    }

    /// What happened so far: `+key` began, `?key` was asked to stop, `-key` ended.
    pub(crate) fn story(&self) -> String {
        let log = self.log.lock().unwrap();
        log.iter().map(|(_, what)| what.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// When one of these happened.
    pub(crate) fn times(&self, what: &str) -> Vec<f64> {
        let log = self.log.lock().unwrap();
        log.iter().filter(|(_, found)| found == what).map(|(at, _)| *at).collect()
    }

    pub(crate) fn status(&self, name: &str) -> Status {
        let found = self.supervisor.statuses().into_iter().find(|status| status.name.as_str() == name);
        found.unwrap()
    }

    pub(crate) fn state(&self, key: &str) -> State {
        self.status(key).state
    }

    /// An operator says something of a service.
    pub(crate) fn say(&self, key: &str, wish: Wish) {
        let (key, now) = (key.parse().unwrap(), self.clock.now());
        let before = ActivityRecord::accepting(Domain::SERVICE, key, now);
        self.activity.set(vec![Change::of(wish).apply(before, now)]);
        self.supervisor.reconsider();
    }

    /// Whether the gate lets a call of a service pass.
    pub(crate) fn admits(&self, key: &str) -> Option<Permit> {
        let key: Key = key.parse().unwrap();
        let admission = Admission {
            purpose: Purpose::Call,
            domain: &Domain::SERVICE,
            key: &key,
            descriptor: None,
            run: None,
            deadline: None,
            now: self.clock.now(),
        };
        self.activity.ask(&admission).ok()
    }
}

/// Plays a story in virtual time.
pub(crate) fn play<T>(cast: Vec<Cast>, story: impl AsyncFnOnce(&Stage) -> T) -> T {
    let clock = ManualClock::new();
    virtual_time(&clock, async {
        let stage = Stage::new(&clock, &cast);
        stage.supervisor.start();
        story(&stage).await
    })
}

/// That a future does not end before so many seconds have passed.
pub(crate) async fn waits(stage: &Stage, seconds: f64, future: impl Future) -> bool {
    tokio::select! {
        biased;
        _ = future => false,
        () = stage.pass(seconds) => true,
    }
}
