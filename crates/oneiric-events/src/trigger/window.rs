//! What a trigger keeps of the events of one value of its key, and what it starts of them. Pure.
//!
//! [`decide`] takes an event, [`fire`] the time. Both take the window as it stood and give it back as it stands
//! then; who keeps windows is not said here. A window that has gathered enough is fired before it takes another
//! event, however late that is: so a timer that comes late changes when a run starts, and not of what.

use std::fmt;
use std::time::Duration;

use oneiric_core::roles::{EventId, MAX_PAYLOAD_BYTES};
use oneiric_core::{Digest, Payload, RunId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Gather, Singleton, Throttle, Trigger};

/// A batch that keeps so many bytes of inputs is full, whatever its size: one largest payload. A window is
/// written anew with every event that it gathers.
pub const MAX_KEPT_BYTES: usize = MAX_PAYLOAD_BYTES;

/// How a trigger treats the events of one value of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Whether each event starts a run of its own.
    pub gather: Gather,
    /// How many runs are started in which time.
    pub throttle: Option<Throttle>,
    /// What happens while a run is under way.
    pub singleton: Option<Singleton>,
}

/// Where a run comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The manifests of whoever accepted the event, by the digest of their bundle.
    pub bundle: Digest,
    /// The event; of several the last one.
    pub event: EventId,
    /// What its headers tie it to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
    /// W3C trace context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

/// What one event brings.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// The context of the run that it would start alone.
    pub input: Payload,
    /// Where it comes from.
    pub origin: Origin,
}

/// What a decision needs to know beside the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Now.
    pub now: Timestamp,
    /// The id of the run, if one starts.
    pub run: RunId,
    /// Whether the run that the window last started has not ended.
    pub under_way: bool,
}

/// What a trigger keeps of the events of one value of its key.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// That value.
    pub key: String,
    /// Events that will start a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gathered: Option<Gathered>,
    /// When runs were started, as far as the throttle still counts them; the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub starts: Vec<Timestamp>,
    /// Until when it counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts_until: Option<Timestamp>,
    /// The run that was started last, where there may be only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// How many events started none.
    #[serde(default)]
    pub unstarted: u64,
}

/// Events that will start a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gathered {
    /// The contexts of the runs that they would have started alone; of a debounce only the last one.
    pub inputs: Vec<Payload>,
    /// Whether they start one together, or the last of them does.
    pub together: bool,
    /// How many bytes the inputs have as JSON.
    pub bytes: usize,
    /// How many events there were.
    pub events: u64,
    /// When the first one came.
    pub since: Timestamp,
    /// When they start a run.
    pub due: Timestamp,
    /// Where the last one comes from.
    pub origin: Origin,
    /// How many runs are started in which time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttle: Option<Throttle>,
    /// What happens while a run is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub singleton: Option<Singleton>,
}

/// What becomes of an event, or of those that were gathered.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// A run starts.
    Start(Box<Start>),
    /// One will, then at the latest.
    Wait(Timestamp),
    /// None does.
    Skip(Skip),
}

/// A run that starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// Its id.
    pub run: RunId,
    /// Its context.
    pub input: Payload,
    /// Where it comes from.
    pub origin: Origin,
    /// Of how many events.
    pub events: u64,
    /// The run that is cancelled for it.
    pub cancels: Option<RunId>,
}

/// Why no run starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Skip {
    /// So many were started lately.
    Throttled {
        /// The rule.
        throttle: Throttle,
        /// When the next one may.
        until: Timestamp,
    },
    /// One is under way.
    UnderWay(RunId),
    /// There is no room for what has to be kept of it.
    NoRoom {
        /// Where.
        reason: String,
    },
    /// The context of the run would be larger than an event's payload may be.
    TooLarge {
        /// In bytes of JSON.
        bytes: usize,
    },
}

impl Trigger {
    /// How it treats the events of one value of its key.
    pub fn rules(&self) -> Rules {
        Rules { gather: self.gather, throttle: self.throttle, singleton: self.singleton }
    }
}

impl Rules {
    /// Whether every event starts a run, whatever others there were: then there is nothing to keep.
    pub fn keep_nothing(&self) -> bool {
        matches!(self.gather, Gather::Each) && self.throttle.is_none() && self.singleton.is_none()
    }
}

impl Window {
    /// A window in which nothing has happened.
    pub fn new(key: impl Into<String>) -> Self {
        Self { key: key.into(), ..Self::default() }
    }

    /// When what it has gathered starts a run.
    pub fn due(&self) -> Option<Timestamp> {
        self.gathered.as_ref().map(|gathered| gathered.due)
    }

    /// Whether what it has gathered starts a run before it takes another event under these rules: its time has
    /// come, or it was gathered under others.
    pub fn is_ripe(&self, rules: &Rules, now: Timestamp) -> bool {
        let Some(gathered) = &self.gathered else { return false };
        let alike = match rules.gather {
            Gather::Each => false,
            Gather::Debounce { .. } => !gathered.together,
            Gather::Batch { .. } => gathered.together,
        };
        gathered.due <= now || !alike
    }

    /// Whether it says nothing that matters any more. `is_over` says whether a run has ended.
    pub fn is_idle(&self, now: Timestamp, is_over: impl Fn(RunId) -> bool) -> bool {
        self.gathered.is_none()
            && self.counts_until.is_none_or(|until| until <= now)
            && self.run.is_none_or(is_over)
    }
}

/// What becomes of an event. A window that is ripe was fired before.
pub fn decide(rules: &Rules, mut window: Window, offer: Offer, moment: Moment) -> (Window, Decision) {
    debug_assert!(!window.is_ripe(rules, moment.now), "what was gathered is fired first");
    let Rules { gather, throttle, singleton } = *rules;
    let now = moment.now;
    let (together, wait) = match gather {
        Gather::Each => {
            let Offer { input, origin } = offer;
            let decision =
                start(&mut window, Ready { input, origin, events: 1, throttle, singleton }, moment);
            return (window, decision);
        }
        Gather::Debounce { quiet, .. } => (false, quiet),
        Gather::Batch { wait, .. } => (true, wait),
    };
    let bytes = size(&offer.input);
    if bytes > MAX_PAYLOAD_BYTES {
        window.unstarted += 1;
        return (window, Decision::Skip(Skip::TooLarge { bytes }));
    }
    let mut gathered = window.gathered.take().unwrap_or_else(|| Gathered {
        inputs: Vec::new(),
        together,
        bytes: 0,
        events: 0,
        since: now,
        due: now.after(wait),
        origin: offer.origin.clone(),
        throttle,
        singleton,
    });
    gathered.events += 1;
    (gathered.origin, gathered.throttle, gathered.singleton) = (offer.origin, throttle, singleton);
    let full = match gather {
        Gather::Debounce { quiet, most } => {
            let due = now.after(quiet);
            gathered.due = most.map_or(due, |most| due.min(gathered.since.after(most)));
            (gathered.inputs, gathered.bytes) = (vec![offer.input], bytes);
            false
        }
        Gather::Each | Gather::Batch { .. } => {
            gathered.inputs.push(offer.input);
            gathered.bytes += bytes;
            let size = if let Gather::Batch { size, .. } = gather { size as usize } else { 1 };
            gathered.inputs.len() >= size || gathered.bytes >= MAX_KEPT_BYTES
        }
    };
    let decision = if full {
        start(&mut window, gathered.ready(), moment)
    } else {
        let due = gathered.due;
        window.gathered = Some(gathered);
        Decision::Wait(due)
    };
    (window, decision)
}

/// Starts a run of what was gathered, due or not; `None` where nothing was.
pub fn fire(mut window: Window, moment: Moment) -> (Window, Option<Decision>) {
    let gathered = window.gathered.take();
    let decision = gathered.map(|gathered| start(&mut window, gathered.ready(), moment));
    (window, decision)
}

/// Events that start a run now, if one may.
struct Ready {
    input: Payload,
    origin: Origin,
    events: u64,
    throttle: Option<Throttle>,
    singleton: Option<Singleton>,
}

impl Gathered {
    fn ready(mut self) -> Ready {
        let input = if self.together {
            Payload::from(json!({ "events": self.inputs }))
        } else {
            self.inputs.pop().unwrap_or(Payload::NULL)
        };
        let Self { origin, events, throttle, singleton, .. } = self;
        Ready { input, origin, events, throttle, singleton }
    }
}

fn start(window: &mut Window, ready: Ready, moment: Moment) -> Decision {
    let Moment { now, run, under_way } = moment;
    if let Some(until) = ready.throttle.and_then(|throttle| window.shut_until(throttle, now)) {
        window.unstarted += ready.events;
        let throttle = ready.throttle.unwrap_or(Throttle { limit: 1, per: Duration::ZERO });
        return Decision::Skip(Skip::Throttled { throttle, until });
    }
    let other = window.run.filter(|_| under_way);
    let cancels = match (ready.singleton, other) {
        (Some(Singleton::Skip), Some(other)) => {
            window.unstarted += ready.events;
            return Decision::Skip(Skip::UnderWay(other));
        }
        (Some(Singleton::Cancel), other) => other,
        (Some(Singleton::Skip) | None, _) => None,
    };
    match ready.throttle {
        Some(throttle) => {
            window.starts.push(now);
            window.counts_until = Some(now.after(throttle.per));
        }
        None => (window.starts, window.counts_until) = (Vec::new(), None),
    }
    window.run = ready.singleton.map(|_| run);
    let Ready { input, origin, events, .. } = ready;
    Decision::Start(Box::new(Start { run, input, origin, events, cancels }))
}

impl Window {
    /// Until when the throttle lets nothing start, where it does not.
    fn shut_until(&mut self, throttle: Throttle, now: Timestamp) -> Option<Timestamp> {
        // A clock that was set back makes nobody wait for longer than the throttle says.
        self.starts.iter_mut().for_each(|at| *at = (*at).min(now));
        self.starts.retain(|at| at.after(throttle.per) > now);
        let beyond = self.starts.len().checked_sub(throttle.limit as usize)?;
        self.starts.get(beyond).map(|at| at.after(throttle.per))
    }
}

/// How many bytes a payload has as JSON.
fn size(payload: &Payload) -> usize {
    serde_json::to_vec(payload.value()).map_or(usize::MAX, |bytes| bytes.len())
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Skip::Throttled { throttle: Throttle { limit, per }, .. } => {
                write!(
                    f,
                    "{limit} runs were started within {} s, as many as its throttle allows",
                    per.as_secs_f64()
                )
            }
            Skip::UnderWay(run) => write!(f, "run {run} is under way, and its trigger allows one at a time"),
            Skip::NoRoom { reason } => f.write_str(reason),
            Skip::TooLarge { bytes } => write!(
                f,
                "the input that its event makes has {bytes} bytes, and at most {MAX_PAYLOAD_BYTES} are gathered"
            ),
        }
    }
}

#[cfg(test)]
mod tests;
