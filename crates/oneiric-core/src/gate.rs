//! Whether work may start: the port, and the ordered pipeline that decides it.
//!
//! Every start passes the gate (a run, a node, a retry, a resume), and every denial names the step
//! that said no, and whether it is worth waiting for another answer. A yes is a [`Permit`], which is held
//! for as long as the work is under way: what counts work in flight hangs off it. Claims (dedupe, budget,
//! rate) are operations of the store and join as their capabilities do.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::{Descriptor, Domain, Fault, Key, RunId, Timestamp};

/// What asks to be admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A new run of a workflow.
    Run,
    /// A run that goes on after an interruption.
    Resume,
    /// A try of a node.
    Node,
    /// A try of a handler with an event.
    Event,
    /// A call of a component by whoever embeds the orchestrator: an adapter, an action.
    Call,
    /// A change of the instance that serves a key.
    Swap {
        /// Whoever asks knows what speaks against it.
        forced: bool,
    },
}

/// One question to the gate. Borrowed: it is asked for every node.
#[derive(Debug, Clone, Copy)]
pub struct Admission<'a> {
    /// What asks.
    pub purpose: Purpose,
    /// The domain of the component that would run.
    pub domain: &'a Domain,
    /// Its key.
    pub key: &'a Key,
    /// The component, where it has been resolved.
    pub descriptor: Option<&'a Descriptor>,
    /// The run it belongs to; a call or a swap has none.
    pub run: Option<RunId>,
    /// The time after which it must not start.
    pub deadline: Option<Timestamp>,
    /// Now.
    pub now: Timestamp,
}

/// The steps of the pipeline in the order in which they decide: cheap and without side effect first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Paused or draining.
    Activity,
    /// Deprecated, disabled, past its deadline.
    Lifecycle,
    /// A factory that is not allowed here.
    Trust,
    /// Another tenant's.
    Tenant,
    /// A rule of the operator.
    Policy,
    /// A capability that was not granted.
    Capability,
    /// A target that is known to be down.
    Breaker,
    /// The same work was accepted before.
    Dedupe,
}

impl Step {
    /// The name in denials and in `explain`.
    pub const fn name(self) -> &'static str {
        match self {
            Step::Activity => "activity",
            Step::Lifecycle => "lifecycle",
            Step::Trust => "trust",
            Step::Tenant => "tenant",
            Step::Policy => "policy",
            Step::Capability => "capability",
            Step::Breaker => "breaker",
            Step::Dedupe => "dedupe",
        }
    }
}

/// Whether the same question may get another answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Not in this life: the work is denied.
    Never,
    /// Not before this time.
    Until(Timestamp),
    /// When somebody changes something: whoever does so tells those who wait.
    Change,
}

/// A no, with who said it and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("denied by {}: {reason}", step.name())]
pub struct Denial {
    /// The step that said no.
    pub step: Step,
    /// Lowercase, no full stop.
    pub reason: String,
    /// Whether it is worth asking again.
    pub wait: Wait,
}

/// One check's no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct No {
    /// Lowercase, no full stop.
    pub reason: String,
    /// Whether it is worth asking again.
    pub wait: Wait,
}

impl No {
    /// A no that stays one.
    pub fn never(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), wait: Wait::Never }
    }

    /// A no until somebody changes something.
    pub fn until_change(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), wait: Wait::Change }
    }

    /// A no until then.
    pub fn until(at: Timestamp, reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), wait: Wait::Until(at) }
    }
}

/// Hears how the work ended.
type Tell = Box<dyn FnOnce(Result<(), Fault>) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A yes, held for as long as the work is under way; dropping it says that the work is over, and
/// [`Permit::settle`] says how.
#[derive(Default)]
pub struct Permit {
    // Nearly always one or none: it is made for every node and every event.
    guard: Option<Guard>,
    more: Option<Box<More>>,
}

type Guard = Box<dyn Any + Send + Sync>;

/// Whatever else hangs off a permit.
#[derive(Default)]
struct More {
    guards: Vec<Guard>,
    told: Vec<Tell>,
}

impl Permit {
    /// A yes that nobody counts. Costs nothing.
    pub const fn none() -> Self {
        Self { guard: None, more: None }
    }

    /// A yes that keeps `guard` until the work is over.
    pub fn holding(guard: impl Any + Send + Sync) -> Self {
        Self { guard: Some(Box::new(guard)), more: None }
    }

    /// A yes whose giver wants to know how the work ends. Work that is dropped tells nobody.
    pub fn telling<F>(tell: impl FnOnce(Result<(), Fault>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let tell: Tell = Box::new(|end| Box::pin(tell(end)));
        Self { guard: None, more: Some(Box::new(More { guards: Vec::new(), told: vec![tell] })) }
    }

    /// Whether nobody wants to know how the work ends: dropping it is as good as settling it.
    pub fn is_silent(&self) -> bool {
        self.more.as_ref().is_none_or(|more| more.told.is_empty())
    }

    /// The work is over, like this; a shutdown says that it was cut short, and judges nothing. When this
    /// returns, whoever wanted to know has taken note.
    pub async fn settle(mut self, end: Result<(), &Fault>) {
        let Some(more) = &mut self.more else { return };
        for tell in std::mem::take(&mut more.told) {
            tell(end.map_err(Clone::clone)).await;
        }
    }

    /// Both.
    #[must_use]
    pub fn and(mut self, other: Permit) -> Self {
        if other.guard.is_none() && other.more.is_none() {
            return self;
        }
        if self.guard.is_none() && self.more.is_none() {
            return other;
        }
        let more = self.more.get_or_insert_default();
        let others = other.more.map(|more| *more).unwrap_or_default();
        match self.guard {
            Some(_) => more.guards.extend(other.guard),
            None => self.guard = other.guard,
        }
        more.guards.extend(others.guards);
        more.told.extend(others.told);
        self
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = self.more.as_ref().map_or(0, |more| more.guards.len());
        f.debug_struct("Permit")
            .field("guards", &(usize::from(self.guard.is_some()) + more))
            .finish_non_exhaustive()
    }
}

impl From<Denial> for Fault {
    fn from(denial: Denial) -> Fault {
        Fault::denied(format!("denied-{}", denial.step.name()), denial.to_string())
    }
}

/// The gate's answer.
pub type Verdict = Result<Permit, Denial>;

/// A verdict now or later: the common answer costs no allocation, a policy engine may take its time.
pub enum Decision<'a> {
    /// Decided.
    Now(Verdict),
    /// Being decided. Dropping it withdraws the question.
    Later(Pin<Box<dyn Future<Output = Verdict> + Send + 'a>>),
}

impl fmt::Debug for Decision<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Decision::Now(verdict) => f.debug_tuple("Now").field(verdict).finish(),
            Decision::Later(_) => f.write_str("Later"),
        }
    }
}

/// Decides every start.
pub trait Gate: Send + Sync + fmt::Debug {
    /// Answers one question.
    fn admit<'a>(&'a self, admission: &'a Admission<'a>) -> Decision<'a>;
}

const _: fn(&dyn Gate) = |_| {};

impl Decision<'_> {
    /// The verdict, waited for where it is being made.
    ///
    /// # Errors
    /// The [`Denial`].
    pub async fn verdict(self) -> Verdict {
        match self {
            Decision::Now(verdict) => verdict,
            Decision::Later(verdict) => verdict.await,
        }
    }
}

/// One check of the pipeline.
pub trait Check: Send + Sync + fmt::Debug {
    /// Its place in the order.
    fn step(&self) -> Step;

    /// Yes, with what counts the work while it is under way; or no. Decides at once, from what it knows.
    ///
    /// # Errors
    /// The [`No`].
    fn ask(&self, admission: &Admission<'_>) -> Result<Permit, No>;
}

const _: fn(&dyn Check) = |_| {};

/// The checks in the order of their [`Step`]; the first no decides.
#[derive(Debug, Default)]
pub struct Pipeline(Vec<Box<dyn Check>>);

impl Pipeline {
    /// The checks that need no source of their own.
    pub fn standard() -> Self {
        Self::default().with(Deadline).with(Enabled)
    }

    /// Adds a check at the place its step gives it, behind those of the same step.
    #[must_use]
    pub fn with(mut self, check: impl Check + 'static) -> Self {
        self.0.push(Box::new(check));
        self.0.sort_by_key(|check| check.step());
        self
    }

    /// Asks the checks in order. What earlier ones counted is over again where a later one says no.
    ///
    /// # Errors
    /// The first no.
    pub fn decide(&self, admission: &Admission<'_>) -> Verdict {
        let mut permit = Permit::none();
        for check in &self.0 {
            match check.ask(admission) {
                Ok(further) => permit = permit.and(further),
                Err(No { reason, wait }) => return Err(Denial { step: check.step(), reason, wait }),
            }
        }
        Ok(permit)
    }
}

impl Gate for Pipeline {
    fn admit<'a>(&'a self, admission: &'a Admission<'a>) -> Decision<'a> {
        Decision::Now(self.decide(admission))
    }
}

/// Nothing starts after its deadline.
#[derive(Debug)]
pub struct Deadline;

impl Check for Deadline {
    fn step(&self) -> Step {
        Step::Lifecycle
    }

    fn ask(&self, admission: &Admission<'_>) -> Result<Permit, No> {
        let Some(deadline) = admission.deadline.filter(|deadline| *deadline <= admission.now) else {
            return Ok(Permit::none());
        };
        let late = admission.now.since(deadline);
        Err(No::never(format!("the deadline passed {late:?} ago")))
    }
}

/// A component whose `metadata.lifecycle` is `disabled` or `archived` is not started.
#[derive(Debug)]
pub struct Enabled;

impl Check for Enabled {
    fn step(&self) -> Step {
        Step::Lifecycle
    }

    fn ask(&self, admission: &Admission<'_>) -> Result<Permit, No> {
        let state = admission.descriptor.and_then(|known| known.metadata.get("lifecycle")?.as_str());
        match state {
            Some(state @ ("disabled" | "archived")) => {
                Err(No::never(format!("{} `{}` is {state}", admission.domain, admission.key)))
            }
            Some(_) | None => Ok(Permit::none()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question<'a>(key: &'a Key, deadline: Option<i64>) -> Admission<'a> {
        Admission {
            purpose: Purpose::Node,
            domain: &Domain::TASK,
            key,
            descriptor: None,
            run: None,
            deadline: deadline.map(Timestamp::from_micros),
            now: Timestamp::from_micros(1_000_000),
        }
    }

    #[derive(Debug)]
    struct Never(Step);
    impl Check for Never {
        fn step(&self) -> Step {
            self.0
        }
        fn ask(&self, _: &Admission<'_>) -> Result<Permit, No> {
            Err(No::never(self.0.name()))
        }
    }

    #[test]
    fn the_earliest_step_decides_in_whatever_order_checks_were_added() {
        let gate = Pipeline::default()
            .with(Never(Step::Dedupe))
            .with(Never(Step::Activity))
            .with(Never(Step::Policy));
        let key = Key::new("k").unwrap();
        assert_eq!(gate.decide(&question(&key, None)).unwrap_err().step, Step::Activity);
    }

    #[test]
    fn nothing_starts_after_its_deadline() {
        let key = Key::new("k").unwrap();
        let gate = Pipeline::standard();
        assert!(gate.decide(&question(&key, None)).is_ok());
        assert!(gate.decide(&question(&key, Some(2_000_000))).is_ok());
        let denial = gate.decide(&question(&key, Some(500_000))).unwrap_err();
        assert_eq!(denial.to_string(), "denied by lifecycle: the deadline passed 500ms ago");
        assert_eq!(Fault::from(denial).code, "denied-lifecycle");
    }
}
