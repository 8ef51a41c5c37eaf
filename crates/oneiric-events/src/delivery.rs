//! What becomes of a delivery when a try has ended. Pure.

pub mod explain;

use std::time::Duration;

use oneiric_core::{BootId, Fault, Payload, Timestamp};
use oneiric_store::{Batch, ChainMode, DeliveryRecord, DeliveryState, DeliveryStatus, Op, Require};

/// The code of the fault of a delivery whose event killed its handler's process too often.
pub const POISON: &str = "poison";

/// How a try ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    /// The handler has succeeded.
    Done(Payload),
    /// It has failed, and is tried again after this time.
    Again(Fault, Duration),
    /// It has failed for good.
    Dead(Fault),
    /// The event was of no use any more.
    Expired,
    /// The handler was not asked: the gate said no, or the process goes down. It is due at this time.
    Unasked(Timestamp),
}

/// What a delivery is after a try. It has an owner only where it is tried again and `keep` says who.
pub fn after(
    state: &DeliveryState,
    ended: Ended,
    now: Timestamp,
    took: Duration,
    keep: Option<BootId>,
) -> DeliveryState {
    let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let tried = DeliveryState {
        owner: None,
        attempts: state.attempts.saturating_add(1),
        deaths: 0,
        at: now,
        took_us,
        value: Payload::NULL,
        fault: None,
        ..state.clone()
    };
    match ended {
        Ended::Done(value) => DeliveryState { status: DeliveryStatus::Done, value, ..tried },
        Ended::Again(fault, delay) => DeliveryState {
            status: DeliveryStatus::Pending,
            owner: keep,
            due_at: now.after(delay),
            fault: Some(fault),
            ..tried
        },
        Ended::Dead(fault) => DeliveryState { status: DeliveryStatus::Dead, fault: Some(fault), ..tried },
        Ended::Expired => {
            DeliveryState { status: DeliveryStatus::Expired, owner: None, at: now, ..state.clone() }
        }
        Ended::Unasked(due_at) => DeliveryState {
            status: DeliveryStatus::Pending,
            owner: None,
            due_at: due_at.max(state.due_at),
            ..state.clone()
        },
    }
}

/// A try of which the beginning is put on record: of one whose owner has died before.
pub fn begun(state: &DeliveryState, now: Timestamp) -> DeliveryState {
    DeliveryState { status: DeliveryStatus::Running, at: now, ..state.clone() }
}

/// Whether the event has killed too many owners to be tried again.
pub fn is_poison(state: &DeliveryState, most: u32) -> Option<Fault> {
    (state.deaths >= most).then(|| {
        let deaths = state.deaths;
        Fault::permanent(
            POISON,
            format!("the process died {deaths} times in a row while the handler was at work"),
        )
    })
}

/// A delivery that becomes its handler's turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Next {
    /// The handler.
    pub handler: String,
    /// Those behind it.
    pub behind: Vec<String>,
    /// Where it stands now.
    pub state: DeliveryState,
}

/// What is written when a delivery changes: itself, under its fence, and those behind it where it is over.
/// Returns the one whose turn it is then. `owner` says who sees to that one, by name; it may name somebody only
/// where the chain has never left that process.
///
/// Writing the same twice changes nothing the second time, also where others went on with it in between: those
/// behind it are changed only while they are held, and are somebody's only under the fence that they begin with.
pub fn write(
    record: &DeliveryRecord,
    state: DeliveryState,
    now: Timestamp,
    owner: impl FnOnce(&str) -> Option<BootId>,
) -> (Batch, Option<Next>) {
    let event = || record.event.clone();
    let held = |handler: &str, state| Op::SetHeldDelivery {
        event: event(),
        handler: handler.to_owned(),
        state: Box::new(state),
    };
    let fence =
        |handler: &str, epoch| Require::DeliveryEpoch { event: event(), handler: handler.to_owned(), epoch };
    let (status, mut next) = (state.status, None);
    let set = Op::SetDelivery { event: event(), handler: record.handler.clone(), state: Box::new(state) };
    let mut batch = Batch::of([set]).require(fence(&record.handler, record.state.epoch));
    if !status.is_over() {
        return (batch, None);
    }
    let enough = record.chain == ChainMode::FirstSuccess && status == DeliveryStatus::Done;
    if enough {
        let skipped = |handler: &String| {
            held(handler, DeliveryState { status: DeliveryStatus::Skipped, ..DeliveryState::due(now) })
        };
        batch.ops.extend(record.behind.iter().map(skipped));
    } else if let Some((handler, behind)) = record.behind.split_first() {
        let state = DeliveryState { owner: owner(handler), ..DeliveryState::due(now) };
        batch.ops.push(held(handler, state.clone()));
        if state.owner.is_some() {
            batch = batch.require(fence(handler, 0));
        }
        next = Some(Next { handler: handler.clone(), behind: behind.to_vec(), state });
    }
    (batch, next)
}

#[cfg(test)]
mod tests {
    use oneiric_core::roles::Priority;

    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn record(chain: ChainMode, behind: &[&str]) -> DeliveryRecord {
        DeliveryRecord {
            event: "e".parse().unwrap(),
            handler: "a".to_owned(),
            priority: Priority::Normal,
            chain,
            behind: behind.iter().map(|name| (*name).to_owned()).collect(),
            state: DeliveryState {
                owner: Some(BootId::from_bytes([1; 16])),
                epoch: 3,
                deaths: 2,
                ..DeliveryState::due(at(5))
            },
        }
    }

    #[test]
    fn a_try_ends_in_one_of_five_ways() {
        let me = Some(BootId::from_bytes([1; 16]));
        let fault = || Fault::transient("x", "y");
        let check = |ended: Ended, expected: (DeliveryStatus, u32, u32, bool, i64)| {
            let state =
                after(&record(ChainMode::Ordered, &[]).state, ended, at(10), Duration::from_micros(4), me);
            let found =
                (state.status, state.attempts, state.deaths, state.owner.is_some(), state.due_at.as_micros());
            assert_eq!(found, expected);
        };
        check(Ended::Done(Payload::NULL), (DeliveryStatus::Done, 1, 0, false, 5));
        check(Ended::Again(fault(), Duration::from_micros(7)), (DeliveryStatus::Pending, 1, 0, true, 17));
        check(Ended::Dead(fault()), (DeliveryStatus::Dead, 1, 0, false, 5));
        check(Ended::Expired, (DeliveryStatus::Expired, 0, 2, false, 5));
        check(Ended::Unasked(at(20)), (DeliveryStatus::Pending, 0, 2, false, 20));
        check(Ended::Unasked(at(0)), (DeliveryStatus::Pending, 0, 2, false, 5));
    }

    #[test]
    fn a_chain_goes_on_when_the_one_in_front_is_over() {
        let check = |chain, status, expected: &[(&str, DeliveryStatus)], next: Option<&str>| {
            let record = record(chain, &["b", "c"]);
            let state = DeliveryState { status, ..record.state.clone() };
            let (batch, found) = write(&record, state, at(10), |_| None);
            assert_eq!(batch.require.len(), 1);
            let written: Vec<_> = batch
                .ops
                .iter()
                .map(|op| match op {
                    Op::SetDelivery { handler, state, .. } | Op::SetHeldDelivery { handler, state, .. } => {
                        (handler.as_str(), state.status)
                    }
                    other => panic!("{other:?}"),
                })
                .collect();
            assert_eq!(written, [&[("a", status)], expected].concat());
            assert_eq!(found.as_ref().map(|next| &*next.handler), next);
            if let Some(next) = found {
                assert_eq!(next.behind, ["c"]);
            }
        };
        use ChainMode::{FirstSuccess, Ordered};
        use DeliveryStatus::{Dead, Done, Expired, Pending, Skipped};
        check(Ordered, Pending, &[], None);
        check(Ordered, Done, &[("b", Pending)], Some("b"));
        check(Ordered, Dead, &[("b", Pending)], Some("b"));
        check(FirstSuccess, Done, &[("b", Skipped), ("c", Skipped)], None);
        check(FirstSuccess, Dead, &[("b", Pending)], Some("b"));
        check(FirstSuccess, Expired, &[("b", Pending)], Some("b"));
        check(FirstSuccess, Pending, &[], None);
    }

    #[test]
    fn an_event_that_kills_too_often_is_left_alone() {
        let with = |deaths| DeliveryState { deaths, ..DeliveryState::due(at(0)) };
        assert_eq!(is_poison(&with(4), 5), None);
        let fault = is_poison(&with(5), 5).unwrap();
        assert_eq!(fault.to_string(), "the process died 5 times in a row while the handler was at work");
    }
}
