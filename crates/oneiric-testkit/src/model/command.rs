//! What can be done to the whole: by processes, by their runs' tasks, by people.

use oneiric_store::{NodeStatus, RunStatus, UnknownNodes};

/// How many processes there are at most.
pub const BOOTS: usize = 4;
/// How many runs.
pub const RUNS: usize = 3;
/// Of how many components people say something.
pub const KEYS: usize = 2;

/// One command. Who has nothing to do it with does nothing, so that any part of a sequence is a sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields say which process, which run, how many slots")]
pub enum Command {
    /// A process starts.
    Enter { boot: usize, serves: bool },
    /// Its heart beats.
    Beat { boot: usize },
    /// It ends in an orderly way.
    Leave { boot: usize },
    /// It is killed.
    Die { boot: usize },
    /// It was taken for dead, and gets up again.
    Rise { boot: usize },
    /// It takes what it may, from the dead and from one that it saw silent: at the beat that it has, or at
    /// the one before.
    Claim { boot: usize, run: Option<usize>, limit: usize, dead: bool, silent: Option<(usize, bool)> },
    /// Somebody asks for a run, which nobody begins.
    Submit { run: usize, shape: usize, carried: bool },
    /// A process begins a run of its own.
    Launch { boot: usize, run: usize, shape: usize, carried: bool, slots: u32 },
    /// A process begins, or goes on with, what it has claimed.
    Begin { boot: usize, run: usize, unknown: UnknownNodes, slots: u32 },
    /// It does something to what it has claimed without going on with it.
    Aside { boot: usize, run: usize, ask: Ask },
    /// Something happens to a run that is under way.
    Tell { boot: usize, run: usize, what: What, slots: u32 },
    /// Somebody asks something of a run.
    Put { run: usize, id: u8, ask: Ask },
    /// Its owner does what was asked first.
    Obey { boot: usize, run: usize },
    /// Somebody says something of a component.
    Say { key: usize, paused: bool, draining: bool, note: bool },
}

/// What people ask of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// With a reason.
    Pause(u8),
    /// Takes a pause back.
    Resume,
    /// At once, or asking first.
    Cancel {
        /// At once.
        hard: bool,
    },
    /// These nodes are tried at once; the plan may not have all of them.
    RetryNow(Vec<u32>),
    /// A new deadline.
    Extend(u8),
}

/// What happens to a run that is under way. A late word is about another try than the current one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields say which node, which try")]
pub enum What {
    Started,
    Resumed(UnknownNodes),
    Succeeded { node: u32, late: bool },
    Failed { node: u32, late: bool, how: How },
    Held { node: u32, late: bool, timed: bool },
    Due { node: u32, named: bool, late: bool },
    Granted,
    Released(Vec<u32>),
    Reconciled { node: u32, done: bool },
    Asked(Ask),
    TimedOut,
}

/// How a try fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Trying again may help.
    Flaky,
    /// It cannot.
    Broken,
    /// Somebody said no, in the very words with which a run is paused.
    Denied,
    /// Somebody stopped it, in the very words with which a run is cancelled.
    Stopped,
    /// Nobody knows.
    Lost,
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// There was nobody to do it, or nothing to do it to.
    Nothing,
    /// It was done.
    Done,
    /// It does not belong to where the run stands; nothing changed.
    Illegal,
    /// The store refused; nothing changed.
    Refused(No),
    /// The runs that were taken.
    Took(Vec<usize>),
    /// What the owner has to do next.
    Stepped(Stepped),
}

/// Why the store refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are those of `Refusal`")]
pub enum No {
    RunExists,
    RunMissing,
    RunOver,
    StaleEpoch,
    BootEnded,
}

/// What a run's owner has to do next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stepped {
    /// Tries to begin: node and try.
    pub start: Vec<(u32, u32)>,
    /// Waits to begin: node, try and when they end.
    pub timers: Vec<(u32, u32, i64)>,
    /// Slots that are not needed.
    pub returned: u32,
    /// What runs is asked to stop.
    pub cancel: bool,
    /// What runs is dropped.
    pub abort: bool,
    /// It ended, or paused.
    pub ended: Option<RunStatus>,
}

/// Where nodes stand that wait for something.
pub(super) const WAITING: [NodeStatus; 4] =
    [NodeStatus::Waiting, NodeStatus::Held, NodeStatus::Unknown, NodeStatus::Parked];
