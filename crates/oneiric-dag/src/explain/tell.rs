//! Reasons as sentences, and what to do about them.

use oneiric_core::{NodeId, RunId, Timestamp};
use oneiric_store::RunStatus;

use super::{Explained, Reason};

impl Reason {
    /// The word in JSON: `owner_dead`.
    pub const fn name(&self) -> &'static str {
        match self {
            Reason::Ended { .. } => "ended",
            Reason::Command { .. } => "command",
            Reason::NobodyServes => "nobody_serves",
            Reason::TakeoverDue { .. } => "takeover_due",
            Reason::OwnerDead { .. } => "owner_dead",
            Reason::OwnerSilent { .. } => "owner_silent",
            Reason::CannotResume { .. } => "cannot_resume",
            Reason::Paused { .. } => "paused",
            Reason::Pausing { .. } => "pausing",
            Reason::Stopping { .. } => "stopping",
            Reason::UnknownOutcome { .. } => "unknown_outcome",
            Reason::Exhausted { .. } => "exhausted",
            Reason::Deadly { .. } => "deadly",
            Reason::TaskPaused { .. } => "task_paused",
            Reason::TaskDraining { .. } => "task_draining",
            Reason::BreakerOpen { .. } => "breaker_open",
            Reason::Held { .. } => "held",
            Reason::Retry { .. } => "retry",
            Reason::Running { .. } => "running",
            Reason::RunSlots { .. } => "run_slots",
            Reason::ProcessSlots { .. } => "process_slots",
            Reason::Dependencies { .. } => "dependencies",
            Reason::Deadline { .. } => "deadline",
        }
    }

    /// The node that it is about.
    pub const fn node(&self) -> Option<&NodeId> {
        match self {
            Reason::UnknownOutcome { node, .. }
            | Reason::Exhausted { node, .. }
            | Reason::Deadly { node, .. }
            | Reason::TaskPaused { node, .. }
            | Reason::TaskDraining { node, .. }
            | Reason::BreakerOpen { node, .. }
            | Reason::Held { node, .. }
            | Reason::Retry { node, .. }
            | Reason::Running { node, .. } => Some(node),
            Reason::Ended { .. }
            | Reason::Command { .. }
            | Reason::NobodyServes
            | Reason::TakeoverDue { .. }
            | Reason::OwnerDead { .. }
            | Reason::OwnerSilent { .. }
            | Reason::CannotResume { .. }
            | Reason::Paused { .. }
            | Reason::Pausing { .. }
            | Reason::Stopping { .. }
            | Reason::RunSlots { .. }
            | Reason::ProcessSlots { .. }
            | Reason::Dependencies { .. }
            | Reason::Deadline { .. } => None,
        }
    }

    /// The time that ends it, where there is one.
    pub const fn until(&self) -> Option<Timestamp> {
        match self {
            Reason::BreakerOpen { until, .. } | Reason::Held { until, .. } => *until,
            Reason::Retry { at, .. } | Reason::Deadline { at } => Some(*at),
            Reason::Ended { .. }
            | Reason::Command { .. }
            | Reason::NobodyServes
            | Reason::TakeoverDue { .. }
            | Reason::OwnerDead { .. }
            | Reason::OwnerSilent { .. }
            | Reason::CannotResume { .. }
            | Reason::Paused { .. }
            | Reason::Pausing { .. }
            | Reason::Stopping { .. }
            | Reason::UnknownOutcome { .. }
            | Reason::Exhausted { .. }
            | Reason::Deadly { .. }
            | Reason::TaskPaused { .. }
            | Reason::TaskDraining { .. }
            | Reason::Running { .. }
            | Reason::RunSlots { .. }
            | Reason::ProcessSlots { .. }
            | Reason::Dependencies { .. } => None,
        }
    }
}

impl Explained {
    /// What it is, in a sentence without a full stop.
    pub fn text(&self) -> String {
        match &self.reason {
            Reason::Ended { status, why: None } => format!("it has ended: {status}"),
            Reason::Ended { status, why: Some(why) } => format!("it has ended: {status}, because {why}"),
            Reason::Command { verb, actor, pid } => {
                let who = actor.as_ref().map_or("somebody", String::as_str);
                let whom =
                    pid.map_or_else(String::new, |pid| format!(", which process {pid} has not done yet"));
                format!("{who} asked to {verb} it{whom}")
            }
            Reason::NobodyServes => "nobody has it, and no process serves this state".to_owned(),
            Reason::TakeoverDue { pid } => format!("nobody has it; process {pid} serves and takes it up"),
            Reason::OwnerDead { pid, .. } => format!("process {pid}, which had it, is dead"),
            Reason::OwnerSilent { pid, .. } => {
                format!("process {pid}, which has it, gives no sign of life: it may be suspended or starved")
            }
            Reason::CannotResume { why } => format!("it cannot go on: {why}"),
            Reason::Paused { why } => format!("somebody paused it: {why}"),
            Reason::Pausing { why, running } => {
                format!("somebody paused it ({why}), and {} still under way", these(running))
            }
            Reason::Stopping { why, running } => {
                format!("it is being stopped ({why}), and {} still under way", these(running))
            }
            Reason::UnknownOutcome { node, why } => {
                format!("nobody knows whether `{node}` happened{}", because(why))
            }
            Reason::Exhausted { node, attempts, why } => {
                format!("`{node}` was tried {} and waits for a person{}", times(*attempts), because(why))
            }
            Reason::Deadly { node, deaths } => {
                format!("its process ended {} while `{node}` ran, and it waits for a person", times(*deaths))
            }
            Reason::TaskPaused { node, task, note } => {
                format!("`{node}` is held: task {task} is paused{}", because(note.as_deref().unwrap_or("")))
            }
            Reason::TaskDraining { node, task, note } => {
                format!("`{node}` is held: task {task} is draining{}", because(note.as_deref().unwrap_or("")))
            }
            Reason::BreakerOpen { node, why, .. } => {
                format!("`{node}` is held: what it calls is known to be down{}", because(why))
            }
            Reason::Held { node, why, .. } => format!("`{node}` is held{}", because(why)),
            Reason::Retry { node, attempt, attempts, why, .. } => {
                let of = if *attempts == 0 { String::new() } else { format!(" of {attempts}") };
                format!("`{node}` waits for try {attempt}{of}{}", because(why))
            }
            Reason::Running { node, attempt: 1 } => format!("`{node}` runs"),
            Reason::Running { node, attempt } => format!("`{node}` runs, try {attempt}"),
            Reason::RunSlots { nodes, limit } => {
                format!("{} ready, but of this run at most {limit} may run at a time", these(nodes))
            }
            Reason::ProcessSlots { nodes } => {
                format!("{} ready, but its process has no slot free for it", these(nodes))
            }
            Reason::Dependencies { nodes, more } => match nodes.as_slice() {
                [] => "its process has just begun with it".to_owned(),
                nodes => {
                    let each = |(node, open): &(NodeId, Vec<NodeId>)| format!("`{node}` for {}", list(open));
                    let each: Vec<_> = nodes.iter().map(each).collect();
                    let more = if *more > 0 { format!(", and {more} more") } else { String::new() };
                    format!("what comes before is waited for: {}{more}", each.join(", "))
                }
            },
            Reason::Deadline { .. } => "it has to end by its deadline".to_owned(),
        }
    }

    /// What ends it, in a sentence without a full stop; a time is told by [`Reason::until`].
    pub fn ends(&self) -> &'static str {
        match &self.reason {
            Reason::Ended { .. } => "a new run repeats it; this one does not change any more",
            Reason::Command { .. } => "whoever has the run does it, as soon as it can",
            Reason::NobodyServes => "a process that serves takes it up, or somebody resumes it",
            Reason::TakeoverDue { .. } => "it is taken up within a moment",
            Reason::OwnerDead { heir: Some(_), .. } => "it is taken over within a moment",
            Reason::OwnerSilent { heir: Some(_), .. } => {
                "a sign of life, or the end of its lease: then it is taken over"
            }
            Reason::OwnerDead { heir: None, .. } => {
                "a process that serves takes it over, or somebody resumes it"
            }
            Reason::OwnerSilent { heir: None, .. } => "a sign of life; nobody serves who would take it over",
            Reason::CannotResume { .. } => "somebody puts right what is missing and resumes it",
            Reason::Paused { .. } | Reason::Pausing { .. } => "somebody resumes it",
            Reason::Stopping { .. } => "what runs stops, or is dropped at the end of its grace",
            Reason::UnknownOutcome { .. } => {
                "somebody finds out, and says whether to retry or to count it as failed"
            }
            Reason::Exhausted { .. } | Reason::Deadly { .. } => {
                "somebody has it tried again, or counts it as failed"
            }
            Reason::TaskPaused { .. } => "somebody resumes the task",
            Reason::TaskDraining { .. } => "the drain is over and somebody resumes the task",
            Reason::BreakerOpen { .. } => "it is tried again, and answers",
            Reason::Held { .. } => "it asks again, and is let through",
            Reason::Retry { .. } => "it is tried again",
            Reason::Running { .. } => "it finishes",
            Reason::RunSlots { .. } => "something of this run finishes",
            Reason::ProcessSlots { .. } => "something that its process does finishes",
            Reason::Dependencies { .. } => "they finish",
            Reason::Deadline { .. } => "what runs then is asked to stop, and the run fails",
        }
    }

    /// What a person can do: the command behind `oneiric`. `None` where waiting is all there is.
    pub fn advice(&self, run: RunId, short: &str) -> Option<String> {
        debug_assert!(run.to_string().ends_with(short), "it is another run");
        let again = |node: &NodeId| Some(format!("run retry-now {short} --node {node}"));
        match &self.reason {
            Reason::Ended { status: RunStatus::Completed, .. } => None,
            Reason::Ended { .. } => Some(format!("run rerun {short} --failed")),
            Reason::NobodyServes
            | Reason::OwnerDead { heir: None, .. }
            | Reason::CannotResume { .. }
            | Reason::Paused { .. }
            | Reason::Pausing { .. } => Some(format!("run resume {short}")),
            Reason::Stopping { .. } => Some(format!("run cancel {short} --now")),
            Reason::UnknownOutcome { .. } => Some(format!("run resume {short} --unknown retry")),
            Reason::Exhausted { node, .. }
            | Reason::Deadly { node, .. }
            | Reason::BreakerOpen { node, .. }
            | Reason::Retry { node, .. } => again(node),
            Reason::TaskPaused { task, .. } | Reason::TaskDraining { task, .. } => {
                Some(format!("resume {task} --domain task"))
            }
            Reason::Running { .. } => Some(format!("run watch {short}")),
            Reason::ProcessSlots { .. } => Some("config explain execution.max_parallel".to_owned()),
            Reason::Deadline { .. } => Some(format!("run extend {short} --by 10m")),
            Reason::Command { .. }
            | Reason::TakeoverDue { .. }
            | Reason::OwnerDead { heir: Some(_), .. }
            | Reason::OwnerSilent { .. }
            | Reason::Held { .. }
            | Reason::RunSlots { .. }
            | Reason::Dependencies { .. } => None,
        }
    }
}

fn because(why: &str) -> String {
    if why.is_empty() { String::new() } else { format!(": {why}") }
}

fn times(count: u32) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        _ => format!("{count} times"),
    }
}

/// "`a` is", "`a` and `b` are"; nothing is "nothing is".
fn these(nodes: &[NodeId]) -> String {
    match nodes {
        [] => "nothing is".to_owned(),
        [one] => format!("`{one}` is"),
        many => format!("{} are", list(many)),
    }
}

fn list(nodes: &[NodeId]) -> String {
    const NAMED: usize = 4;
    let named: Vec<_> = nodes.iter().take(NAMED).map(|node| format!("`{node}`")).collect();
    match (nodes.len().saturating_sub(NAMED), named.as_slice()) {
        (0, [first @ .., last]) if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        (0, named) => named.join(", "),
        (more, named) => format!("{} and {more} more", named.join(", ")),
    }
}
