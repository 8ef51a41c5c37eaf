//! The life of one service, as a pure function: what happened, at which moment, and what follows.
//!
//! It knows nothing of other services; whose turn it is to start or to stop is [`super::turn`]'s. Time comes in as
//! the monotonic moment of the event, and goes out as timers.

use std::collections::VecDeque;
use std::time::Duration;

use super::spec::{Probe, Restart, RestartPolicy, Spec};
use super::status::{Health, State};
use super::tally::Tally;

/// What happened to a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It is its turn to start. Nothing where it is under way already.
    Start,
    /// Its instance is there, and its work has begun.
    Began {
        /// Whether it says by itself when it is ready.
        says_ready: bool,
    },
    /// It said that it is ready.
    SaidReady,
    /// A probe was answered, or was not in time.
    Answered(Which, Result<(), String>),
    /// Its work has ended, whoever wanted that.
    Ended(End),
    /// Somebody wants it to stop.
    Stop,
    /// There is no more time: it is dropped.
    Abandon,
    /// It cannot start, for this reason.
    Block(String),
    /// Whatever became of it is forgotten: it may start again.
    Forget,
    /// A timer that was set has run out.
    Due(Timer),
}

/// How its work ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It returned.
    Well,
    /// It failed, or panicked.
    Failed(String),
    /// It did not come up, and trying again cannot help.
    Hopeless(String),
}

/// One of its probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Which {
    /// Whether it can do its work.
    Ready,
    /// Whether it has to be started anew.
    Live,
}

/// What it waits for. A timer that is set again runs from then on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// It must be ready.
    Start,
    /// It must have stopped.
    Stop,
    /// It is started again.
    Restart,
    /// A question is to be put.
    Ask(Which),
}

/// What is to be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Begin its work.
    Run,
    /// Ask it to stop.
    AskToStop,
    /// Drop its work.
    Drop,
    /// Wait.
    Set(Timer, Duration),
    /// Wait no longer; nothing where nobody does.
    Unset(Timer),
    /// Put the question of a probe.
    Put(Which),
    /// Tell people and figures.
    Tell(Tale),
}

/// What there is to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tale {
    /// Its work begins.
    Starts,
    /// It is ready, so long after its start.
    Ready(Duration),
    /// A probe failed, for this reason.
    ProbeFailed(Which, String),
    /// Its readiness probe says that it is not well any more.
    Unwell(String),
    /// It says that it is well again.
    Well,
    /// It has to stop, for this reason.
    Unfit(String),
    /// It ended as it should.
    Over,
    /// It failed for this reason, and is started again after this time.
    Again(String, Duration),
    /// It failed for this reason, and is not started again.
    GaveUp(String),
    /// It stopped because somebody wanted it, so long after it was asked.
    Stopped(Duration),
    /// It did not stop in time, and is dropped.
    Late,
}

/// Where it is in its life, as others wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stand {
    /// It can start.
    Idle,
    /// It cannot start, because of something that it needs.
    Blocked,
    /// It ended as it should.
    Over,
    /// It was given up.
    Failed,
    /// It is under way, and not ready.
    Coming,
    /// It is ready.
    Ready,
    /// It is to stop. Where nobody wanted that (`asked` is false), its restart policy has the next word.
    Stopping {
        /// Whether somebody wanted it.
        asked: bool,
    },
    /// It is started again after a wait.
    Waiting,
}

/// One service's life so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    rules: Rules,
    life: Life,
    /// Starts so far.
    attempt: u32,
    /// Those of them that were restarts.
    restarts: u32,
    /// When it was decided to start it again, within the window; never more than the limit.
    recent: VecDeque<Duration>,
    /// Restarts since it last ran for long.
    streak: u32,
    /// Whether its first attempt since it was idle came to something.
    tried: bool,
    error: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
struct Rules {
    start_timeout: Duration,
    stop_timeout: Duration,
    restart: Restart,
    window: Duration,
    ready: Option<Probe>,
    live: Option<Probe>,
}

#[derive(Debug, Clone, PartialEq)]
enum Life {
    Idle(Rest),
    Running(Running),
    Stopping { then: Then, asked_at: Duration, since: Duration, dropped: bool },
    Waiting { wait: Duration },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    Registered,
    Stopped,
    Over,
    Failed,
    Blocked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Running {
    since: Duration,
    began: bool,
    // Whether something has to be said, or was.
    says: bool,
    said: bool,
    ready: bool,
    readiness: Tally,
    liveness: Tally,
}

/// What comes after a stop.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Then {
    /// Nothing: somebody wanted it.
    Rest,
    /// The restart policy has its word.
    Judge(String),
}

impl Machine {
    /// A service that nobody has started.
    pub fn new(spec: &Spec) -> Self {
        let rules = Rules {
            start_timeout: duration(spec.start_timeout),
            stop_timeout: duration(spec.stop_timeout),
            restart: spec.restart.clone(),
            window: duration(spec.restart.window),
            ready: spec.ready.clone(),
            live: spec.live.clone(),
        };
        Self {
            rules,
            life: Life::Idle(Rest::Registered),
            attempt: 0,
            restarts: 0,
            recent: VecDeque::new(),
            streak: 0,
            tried: false,
            error: None,
        }
    }

    /// The same service with other rules, which nobody has started under them. What was counted stays.
    #[must_use]
    pub fn under(&self, spec: &Spec) -> Self {
        Self { attempt: self.attempt, restarts: self.restarts, ..Self::new(spec) }
    }

    /// The one transition. `now` never goes back. An event that does not belong changes nothing.
    pub fn step(&mut self, event: Event, now: Duration) -> Vec<Effect> {
        match event {
            Event::Start => self.start(now),
            Event::Began { says_ready } => self.began(says_ready, now),
            Event::SaidReady => match &mut self.life {
                Life::Running(running) => {
                    running.said = true;
                    self.whether_ready(now)
                }
                Life::Idle(_) | Life::Stopping { .. } | Life::Waiting { .. } => Vec::new(),
            },
            Event::Answered(which, answer) => self.answered(which, answer, now),
            Event::Ended(end) => self.ended(end, now),
            Event::Stop => self.stop(now),
            Event::Abandon => self.abandon(now),
            Event::Block(reason) => {
                if let Life::Idle(rest) = &mut self.life {
                    *rest = Rest::Blocked;
                    self.tried = true;
                    self.error = Some(reason);
                }
                Vec::new()
            }
            Event::Forget => {
                if let Life::Idle(rest) = &mut self.life {
                    *rest = Rest::Registered;
                    self.error = None;
                }
                Vec::new()
            }
            Event::Due(timer) => self.due(timer, now),
        }
    }

    /// Where it is, as others wait for it.
    pub fn stand(&self) -> Stand {
        match &self.life {
            Life::Idle(Rest::Registered | Rest::Stopped) => Stand::Idle,
            Life::Idle(Rest::Blocked) => Stand::Blocked,
            Life::Idle(Rest::Over) => Stand::Over,
            Life::Idle(Rest::Failed) => Stand::Failed,
            Life::Running(Running { ready: true, .. }) => Stand::Ready,
            Life::Running(_) => Stand::Coming,
            Life::Stopping { then, .. } => Stand::Stopping { asked: *then == Then::Rest },
            Life::Waiting { .. } => Stand::Waiting,
        }
    }

    /// Where it is, as people read it. Whether it is paused or drains is said elsewhere.
    pub fn state(&self) -> State {
        match &self.life {
            Life::Idle(Rest::Registered) => State::Registered,
            Life::Idle(Rest::Stopped | Rest::Over) => State::Stopped,
            Life::Idle(Rest::Failed | Rest::Blocked) => State::Failed,
            Life::Running(Running { ready: true, .. }) => State::Running,
            Life::Running(_) => State::Starting,
            Life::Stopping { .. } => State::Stopping,
            Life::Waiting { .. } => State::Backoff,
        }
    }

    /// Whether it does its work.
    pub fn health(&self) -> Health {
        match &self.life {
            Life::Running(Running { ready: true, readiness, .. }) => match readiness.well {
                Some(false) => Health::Degraded,
                Some(true) | None => Health::Ok,
            },
            Life::Running(_) | Life::Idle(Rest::Registered) => Health::Unknown,
            Life::Idle(_) | Life::Stopping { .. } | Life::Waiting { .. } => Health::Down,
        }
    }

    /// Starts so far; the number of the one that is under way.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// How often it was started again.
    pub fn restarts(&self) -> u32 {
        self.restarts
    }

    /// Whether its first attempt since somebody started it came to something: it was ready, ended, or was late.
    pub fn tried(&self) -> bool {
        self.tried
    }

    /// Why it last failed, or is not well.
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// The wait that it is in, for people.
    pub fn detail(&self) -> Option<String> {
        let Life::Waiting { wait } = self.life else { return None };
        let (so_far, limit) = (self.recent.len(), self.rules.restart.limit);
        Some(format!("waits {wait:?} before restart {so_far} of {limit}"))
    }

    fn start(&mut self, now: Duration) -> Vec<Effect> {
        if !matches!(self.life, Life::Idle(_)) {
            return Vec::new();
        }
        // Whoever starts it by hand does not pay for what was before.
        self.recent.clear();
        (self.streak, self.tried, self.error) = (0, false, None);
        self.begin(now)
    }

    fn begin(&mut self, now: Duration) -> Vec<Effect> {
        self.attempt = self.attempt.saturating_add(1);
        self.life = Life::Running(Running {
            since: now,
            began: false,
            says: false,
            said: false,
            ready: false,
            readiness: Tally::default(),
            liveness: Tally::default(),
        });
        vec![Effect::Tell(Tale::Starts), Effect::Set(Timer::Start, self.rules.start_timeout), Effect::Run]
    }

    fn began(&mut self, says_ready: bool, now: Duration) -> Vec<Effect> {
        let Life::Running(running) = &mut self.life else { return Vec::new() };
        if running.began {
            return Vec::new();
        }
        (running.began, running.says) = (true, says_ready);
        match &self.rules.ready {
            Some(probe) => vec![Effect::Set(Timer::Ask(Which::Ready), probe.initial_delay)],
            None => self.whether_ready(now),
        }
    }

    fn whether_ready(&mut self, now: Duration) -> Vec<Effect> {
        let Life::Running(running) = &mut self.life else { return Vec::new() };
        let passes = self.rules.ready.is_none() || running.readiness.well == Some(true);
        if running.ready || !running.began || (running.says && !running.said) || !passes {
            return Vec::new();
        }
        running.ready = true;
        self.tried = true;
        self.error = None;
        let took = now.saturating_sub(running.since);
        let mut effects = vec![Effect::Unset(Timer::Start), Effect::Tell(Tale::Ready(took))];
        if let Some(probe) = &self.rules.live {
            let left = probe.initial_delay.saturating_sub(took);
            effects.push(Effect::Set(Timer::Ask(Which::Live), left));
        }
        effects
    }

    fn answered(&mut self, which: Which, answer: Result<(), String>, now: Duration) -> Vec<Effect> {
        let probe = match which {
            Which::Ready => self.rules.ready.clone(),
            Which::Live => self.rules.live.clone(),
        };
        let (Life::Running(running), Some(probe)) = (&mut self.life, probe) else { return Vec::new() };
        let tally = match which {
            Which::Ready => &mut running.readiness,
            Which::Live => &mut running.liveness,
        };
        let was_ready = running.ready;
        let verdict = tally.count(answer.is_ok(), &probe);
        let reason = answer.err();
        let mut effects = vec![Effect::Set(Timer::Ask(which), probe.interval)];
        if let Some(reason) = &reason {
            effects.push(Effect::Tell(Tale::ProbeFailed(which, reason.clone())));
        }
        let reason = reason.unwrap_or_default();
        match (which, verdict) {
            (_, None) | (Which::Live, Some(true)) => {}
            (Which::Ready, Some(true)) if was_ready => {
                self.error = None;
                effects.push(Effect::Tell(Tale::Well));
            }
            (Which::Ready, Some(true)) => effects.extend(self.whether_ready(now)),
            (Which::Ready, Some(false)) => {
                self.error = Some(format!("its ready probe fails: {reason}"));
                if was_ready {
                    effects.push(Effect::Tell(Tale::Unwell(reason)));
                }
            }
            (Which::Live, Some(false)) => {
                let times = probe.failure_threshold;
                let reason = format!("its live probe failed {times} times in a row: {reason}");
                effects.extend(self.unfit(reason, now));
            }
        }
        effects
    }

    /// It is to end, and the restart policy has its word.
    fn unfit(&mut self, reason: String, now: Duration) -> Vec<Effect> {
        let mut effects = vec![Effect::Tell(Tale::Unfit(reason.clone()))];
        effects.extend(self.halt(Then::Judge(reason), now));
        effects
    }

    fn halt(&mut self, then: Then, now: Duration) -> Vec<Effect> {
        let since = match &self.life {
            Life::Running(running) => running.since,
            Life::Idle(_) | Life::Stopping { .. } | Life::Waiting { .. } => now,
        };
        self.life = Life::Stopping { then, asked_at: now, since, dropped: false };
        self.tried = true;
        let mut effects = self.unset();
        effects.extend([Effect::AskToStop, Effect::Set(Timer::Stop, self.rules.stop_timeout)]);
        effects
    }

    /// What is waited for while it runs is waited for no longer.
    fn unset(&self) -> Vec<Effect> {
        let timers = [Timer::Start, Timer::Ask(Which::Ready), Timer::Ask(Which::Live)];
        timers.map(Effect::Unset).into()
    }

    fn ended(&mut self, end: End, now: Duration) -> Vec<Effect> {
        let (since, end, mut effects) = match &self.life {
            Life::Idle(_) | Life::Waiting { .. } => return Vec::new(),
            Life::Running(running) => (running.since, end, self.unset()),
            Life::Stopping { then, asked_at, since, .. } => {
                let mut effects = vec![Effect::Unset(Timer::Stop)];
                match then {
                    Then::Judge(reason) => (*since, End::Failed(reason.clone()), effects),
                    Then::Rest => {
                        effects.push(Effect::Tell(Tale::Stopped(now.saturating_sub(*asked_at))));
                        self.life = Life::Idle(Rest::Stopped);
                        return effects;
                    }
                }
            }
        };
        self.tried = true;
        let policy = self.rules.restart.policy;
        let more = match (end, policy) {
            (End::Well, RestartPolicy::Never | RestartPolicy::OnFailure) => {
                (self.life, self.error) = (Life::Idle(Rest::Over), None);
                vec![Effect::Tell(Tale::Over)]
            }
            (End::Well, RestartPolicy::Always) => self.again("it ended".to_owned(), since, now),
            (End::Failed(reason), RestartPolicy::OnFailure | RestartPolicy::Always) => {
                self.again(reason, since, now)
            }
            (End::Failed(reason), RestartPolicy::Never) | (End::Hopeless(reason), _) => self.give_up(reason),
        };
        effects.extend(more);
        effects
    }

    fn again(&mut self, reason: String, since: Duration, now: Duration) -> Vec<Effect> {
        let Restart { delay, multiplier, max_delay, limit, .. } = self.rules.restart;
        let window = self.rules.window;
        self.recent.retain(|at| now.saturating_sub(*at) < window);
        if self.recent.len() >= limit as usize {
            let times = if limit == 1 { "1 restart".to_owned() } else { format!("{limit} restarts") };
            return self.give_up(format!("{reason}; given up after {times} within {window:?}"));
        }
        if now.saturating_sub(since) >= window {
            self.streak = 0;
        }
        // More of them make no difference that a float could tell.
        let grown = delay * multiplier.powi(i32::try_from(self.streak.min(64)).unwrap_or(64));
        let wait = duration(grown.min(max_delay));
        self.recent.push_back(now);
        self.streak = self.streak.saturating_add(1);
        self.restarts = self.restarts.saturating_add(1);
        self.error = Some(reason.clone());
        self.life = Life::Waiting { wait };
        vec![Effect::Tell(Tale::Again(reason, wait)), Effect::Set(Timer::Restart, wait)]
    }

    fn give_up(&mut self, reason: String) -> Vec<Effect> {
        self.life = Life::Idle(Rest::Failed);
        self.error = Some(reason.clone());
        vec![Effect::Tell(Tale::GaveUp(reason))]
    }

    fn stop(&mut self, now: Duration) -> Vec<Effect> {
        match &mut self.life {
            Life::Idle(_) => Vec::new(),
            Life::Running(_) => self.halt(Then::Rest, now),
            // It was asked already.
            Life::Stopping { then, .. } => {
                *then = Then::Rest;
                Vec::new()
            }
            Life::Waiting { .. } => {
                self.life = Life::Idle(Rest::Stopped);
                vec![Effect::Unset(Timer::Restart), Effect::Tell(Tale::Stopped(Duration::ZERO))]
            }
        }
    }

    fn abandon(&mut self, now: Duration) -> Vec<Effect> {
        let mut effects = self.stop(now);
        effects.extend(self.drop_it());
        effects
    }

    fn drop_it(&mut self) -> Vec<Effect> {
        let Life::Stopping { dropped, .. } = &mut self.life else { return Vec::new() };
        if *dropped {
            return Vec::new();
        }
        *dropped = true;
        vec![Effect::Unset(Timer::Stop), Effect::Tell(Tale::Late), Effect::Drop]
    }

    fn due(&mut self, timer: Timer, now: Duration) -> Vec<Effect> {
        match (timer, &self.life) {
            (Timer::Start, Life::Running(Running { ready: false, .. })) => {
                let mut reason = format!("it was not ready within {:?}", self.rules.start_timeout);
                if let Some(error) = &self.error {
                    reason = format!("{reason}: {error}");
                }
                self.unfit(reason, now)
            }
            (Timer::Stop, Life::Stopping { .. }) => self.drop_it(),
            (Timer::Restart, Life::Waiting { .. }) => self.begin(now),
            (Timer::Ask(Which::Ready), Life::Running(_)) => vec![Effect::Put(Which::Ready)],
            (Timer::Ask(Which::Live), Life::Running(Running { ready: true, .. })) => {
                vec![Effect::Put(Which::Live)]
            }
            (Timer::Start | Timer::Stop | Timer::Restart | Timer::Ask(_), _) => Vec::new(),
        }
    }
}

/// Seconds that were checked where they were read; what was made in code and is out of range is for ever.
pub(super) fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests;
