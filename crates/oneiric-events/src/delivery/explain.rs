//! Why a delivery stands where it stands, from what is stored of it. Pure: what is not in a row is not guessed.

use oneiric_core::{Domain, Fault, Timestamp};
use oneiric_store::{ActivityRecord, BootSeen, DeliveryRecord, DeliveryStatus};

/// What is known of a delivery.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The delivery.
    pub delivery: &'a DeliveryRecord,
    /// All of its event.
    pub siblings: &'a [DeliveryRecord],
    /// The processes that work on the store.
    pub boots: &'a [BootSeen],
    /// What operators said of components.
    pub activities: &'a [ActivityRecord],
    /// Now.
    pub now: Timestamp,
}

/// What a delivery waits for. A new one has to be explained: everything here matches exhaustively.
#[derive(Debug, Clone, PartialEq)]
pub enum Reason {
    /// Another handler is in front of it.
    Behind {
        /// Which.
        handler: String,
    },
    /// It has been put behind others, and none of them is in front of it any more.
    Forgotten,
    /// A process has it in hand.
    InHand {
        /// Which.
        pid: u32,
    },
    /// The process that has it in hand is dead.
    OwnerDead {
        /// Which.
        pid: u32,
    },
    /// The process that had it in hand has ended.
    OwnerEnded,
    /// It was tried, and is tried again later.
    Retry {
        /// When.
        at: Timestamp,
        /// How many tries there were.
        attempts: u32,
        /// Why the last one failed.
        fault: Fault,
    },
    /// It is not due yet.
    NotDue {
        /// When it is.
        at: Timestamp,
    },
    /// An operator paused its handler.
    Paused {
        /// The handler's key.
        key: String,
        /// Why.
        note: Option<String>,
    },
    /// An operator drains its handler.
    Draining {
        /// The handler's key.
        key: String,
        /// Why.
        note: Option<String>,
    },
    /// It is due, and no process serves.
    NobodyServes,
    /// It is due, and no process that serves has taken it.
    Untaken {
        /// Who serves.
        pids: Vec<u32>,
    },
}

/// What a delivery waits for; `None` where it is over.
pub fn explain(facts: &Facts<'_>) -> Option<Reason> {
    let Facts { delivery, siblings, boots, activities, now } = *facts;
    let state = &delivery.state;
    if state.status.is_over() {
        return None;
    }
    if state.status == DeliveryStatus::Held {
        let in_front = |other: &&DeliveryRecord| {
            !other.state.status.is_over() && other.behind.contains(&delivery.handler)
        };
        // The one right in front has the fewest behind it.
        let next = siblings.iter().filter(in_front).min_by_key(|other| other.behind.len());
        return Some(next.map_or(Reason::Forgotten, |next| Reason::Behind { handler: next.handler.clone() }));
    }
    if let Some(owner) = state.owner {
        return Some(match boots.iter().find(|seen| seen.boot.id == owner) {
            None => Reason::OwnerEnded,
            Some(seen) if seen.dead => Reason::OwnerDead { pid: seen.boot.pid },
            Some(seen) => Reason::InHand { pid: seen.boot.pid },
        });
    }
    if let Some(said) = activities.iter().find(|said| !said.accepts() && is_of(said, &delivery.handler)) {
        let (key, note) = (said.key.to_string(), said.note.clone());
        return Some(if said.paused { Reason::Paused { key, note } } else { Reason::Draining { key, note } });
    }
    if state.due_at > now {
        let (at, attempts) = (state.due_at, state.attempts);
        return Some(match &state.fault {
            Some(fault) => Reason::Retry { at, attempts, fault: fault.clone() },
            None => Reason::NotDue { at },
        });
    }
    let serving = boots.iter().filter(|seen| seen.boot.serves && !seen.dead);
    let pids: Vec<u32> = serving.map(|seen| seen.boot.pid).collect();
    Some(if pids.is_empty() { Reason::NobodyServes } else { Reason::Untaken { pids } })
}

/// Whether something was said of the component behind a handler: its name is `key:provider`, or what somebody
/// subscribed as.
fn is_of(said: &ActivityRecord, handler: &str) -> bool {
    let rest = handler.strip_prefix(said.key.as_str());
    said.domain == Domain::EVENT && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

impl Reason {
    /// The word in JSON.
    pub const fn name(&self) -> &'static str {
        match self {
            Reason::Behind { .. } => "behind",
            Reason::Forgotten => "forgotten",
            Reason::InHand { .. } => "in_hand",
            Reason::OwnerDead { .. } => "owner_dead",
            Reason::OwnerEnded => "owner_ended",
            Reason::Retry { .. } => "retry",
            Reason::NotDue { .. } => "not_due",
            Reason::Paused { .. } => "paused",
            Reason::Draining { .. } => "draining",
            Reason::NobodyServes => "nobody_serves",
            Reason::Untaken { .. } => "untaken",
        }
    }

    /// A sentence for people: lowercase, no full stop.
    pub fn text(&self) -> String {
        let because =
            |note: &Option<String>| note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
        match self {
            Reason::Behind { handler } => format!("it is `{handler}`'s turn first"),
            Reason::Forgotten => "nobody is in front of it any more, and nobody let it go".to_owned(),
            Reason::InHand { pid } => format!("process {pid} has it in hand"),
            Reason::OwnerDead { pid } => {
                format!("process {pid} died over it; whoever serves takes it up")
            }
            Reason::OwnerEnded => "its process has ended; whoever serves takes it up".to_owned(),
            Reason::Retry { attempts, fault, .. } => format!("try {attempts} failed: {}", fault.message),
            Reason::NotDue { .. } => "it is not due yet".to_owned(),
            Reason::Paused { key, note } => format!("its handler `{key}` is paused{}", because(note)),
            Reason::Draining { key, note } => format!("its handler `{key}` is draining{}", because(note)),
            Reason::NobodyServes => "it is due, and no process serves this state".to_owned(),
            Reason::Untaken { pids } => {
                let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
                let (noun, they) = if pids.len() == 1 { ("process", "it") } else { ("processes", "they") };
                let pids = pids.join(", ");
                format!(
                    "it is due, and {noun} {pids} did not take it: {they} may not know its handler, or have no room for it"
                )
            }
        }
    }

    /// When it ends by itself, where that is known.
    pub const fn until(&self) -> Option<Timestamp> {
        match self {
            Reason::Retry { at, .. } | Reason::NotDue { at } => Some(*at),
            Reason::Behind { .. }
            | Reason::Forgotten
            | Reason::InHand { .. }
            | Reason::OwnerDead { .. }
            | Reason::OwnerEnded
            | Reason::Paused { .. }
            | Reason::Draining { .. }
            | Reason::NobodyServes
            | Reason::Untaken { .. } => None,
        }
    }

    /// What a person may type: a command without `oneiric`.
    pub fn advice(&self) -> Option<String> {
        match self {
            Reason::Paused { key, .. } | Reason::Draining { key, .. } => {
                Some(format!("resume {key} --domain event"))
            }
            Reason::NobodyServes | Reason::OwnerDead { .. } | Reason::OwnerEnded => {
                Some("orchestrate --manifest PATH".to_owned())
            }
            Reason::Forgotten => Some("doctor".to_owned()),
            Reason::Behind { .. }
            | Reason::InHand { .. }
            | Reason::Retry { .. }
            | Reason::NotDue { .. }
            | Reason::Untaken { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use oneiric_core::BootId;
    use oneiric_core::roles::Priority;
    use oneiric_store::{BootRecord, ChainMode, DeliveryState};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000)
    }

    fn row(handler: &str, status: DeliveryStatus, behind: &[&str]) -> DeliveryRecord {
        DeliveryRecord {
            event: "e".parse().unwrap(),
            handler: handler.to_owned(),
            priority: Priority::Normal,
            chain: ChainMode::Ordered,
            behind: behind.iter().map(|name| (*name).to_owned()).collect(),
            state: DeliveryState { status, ..DeliveryState::due(at(5)) },
        }
    }

    fn boot(n: u8, serves: bool, dead: bool) -> BootSeen {
        let boot =
            BootRecord { serves, ..BootRecord::new(BootId::from_bytes([n; 16]), "h", n.into(), at(0)) };
        BootSeen { boot, owns: 0, deliveries: 0, dead }
    }

    #[test]
    fn every_reason_is_found_and_told() {
        use DeliveryStatus::{Dead, Done, Held, Pending, Running};
        let boots = [boot(1, false, false), boot(2, true, true), boot(3, true, false)];
        let mut paused = ActivityRecord::accepting(Domain::EVENT, "k".parse().unwrap(), at(0));
        (paused.paused, paused.note) = (true, Some("stocktaking".to_owned()));
        let draining = ActivityRecord { paused: false, draining: true, note: None, ..paused.clone() };
        let siblings =
            [row("a:p", Done, &["b:p", "c:p"]), row("b:p", Pending, &["c:p"]), row("c:p", Held, &[])];
        let check =
            |delivery: &DeliveryRecord, boots: &[BootSeen], said: &[ActivityRecord], text: Option<&str>| {
                let facts = Facts { delivery, siblings: &siblings, boots, activities: said, now: at(10) };
                assert_eq!(explain(&facts).map(|reason| reason.text()).as_deref(), text, "{delivery:?}");
            };
        let plain = row("k:p", Pending, &[]);
        let owned = |status, n| {
            let mut row = row("k:p", status, &[]);
            row.state.owner = Some(BootId::from_bytes([n; 16]));
            row
        };
        let mut later = plain.clone();
        later.state.due_at = at(20);
        let mut again = later.clone();
        (again.state.attempts, again.state.fault) = (2, Some(Fault::transient("x", "no answer")));
        let none: &[ActivityRecord] = &[];
        check(&row("k:p", Done, &[]), &boots, none, None);
        check(&row("k:p", Dead, &[]), &boots, none, None);
        check(&siblings[2], &boots, none, Some("it is `b:p`'s turn first"));
        check(
            &row("z:p", Held, &[]),
            &boots,
            none,
            Some("nobody is in front of it any more, and nobody let it go"),
        );
        check(&owned(Running, 1), &boots, none, Some("process 1 has it in hand"));
        check(&owned(Pending, 2), &boots, none, Some("process 2 died over it; whoever serves takes it up"));
        check(&owned(Pending, 9), &boots, none, Some("its process has ended; whoever serves takes it up"));
        check(&plain, &boots, &[paused.clone()], Some("its handler `k` is paused: stocktaking"));
        check(&plain, &boots, &[draining], Some("its handler `k` is draining"));
        check(
            &row("kk:p", Pending, &[]),
            &[],
            &[paused],
            Some("it is due, and no process serves this state"),
        );
        check(&later, &boots, none, Some("it is not due yet"));
        check(&again, &boots, none, Some("try 2 failed: no answer"));
        let untaken =
            "it is due, and process 3 did not take it: it may not know its handler, or have no room for it";
        check(&plain, &boots, none, Some(untaken));
    }
}
