//! One instance, from its build to the end of its stop, and how one learns that its users have left.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::BoxFuture;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{Descriptor, Fault, Instance};

use super::hook::Side;

/// An instance that was built and is not stopped yet.
#[derive(Debug)]
pub(super) struct Unit {
    /// Its place in the order of building.
    pub(super) id: u64,
    pub(super) instance: Instance,
    pub(super) descriptor: Arc<Descriptor>,
    /// Of the settings that it was built with.
    pub(super) edition: u64,
    /// Cancelled when nobody uses it and nobody will.
    pub(super) left: CancellationToken,
    /// Held by whoever drives its stop. The stop itself lies in here, so that the next one goes on
    /// where a driver gave up: a component is asked to stop once, and never half.
    pub(super) end: tokio::sync::Mutex<End>,
    // The place of its slot in the order of binding; 0 where it was never bound.
    order: AtomicU64,
}

/// How far its stop is.
pub(super) enum End {
    /// Not asked to stop.
    Due,
    /// Asked. Its time is counted by whoever drives it: none passes while nobody does.
    Stopping(BoxFuture<'static, Result<(), Fault>>),
    /// Stopped; the hooks are told.
    Telling(BoxFuture<'static, ()>),
    /// Stopped, and told.
    Done,
}

/// A unit in service. Whoever uses it holds an `Arc` of this; the last one to let go says so.
#[derive(Debug)]
pub(super) struct Live {
    // Here as well as in the unit: one step less for every call.
    pub(super) instance: Instance,
    pub(super) unit: Arc<Unit>,
    _left: DropGuard,
}

impl Unit {
    pub(super) fn new(id: u64, instance: Instance, descriptor: Arc<Descriptor>, edition: u64) -> Self {
        Self {
            id,
            instance,
            descriptor,
            edition,
            left: CancellationToken::new(),
            end: tokio::sync::Mutex::new(End::Due),
            order: AtomicU64::new(0),
        }
    }

    pub(super) fn side(&self) -> Side<'_> {
        Side { descriptor: &self.descriptor, instance: &self.instance }
    }

    pub(super) fn ordered(&self, order: u64) {
        self.order.store(order, Ordering::Relaxed);
    }

    /// The order in which instances are stopped: what was never bound came last.
    pub(super) fn order(&self) -> (u64, u64) {
        (self.order.load(Ordering::Relaxed).wrapping_sub(1), self.id)
    }
}

impl Live {
    pub(super) fn new(unit: Arc<Unit>) -> Self {
        let left = unit.left.clone().drop_guard();
        Self { instance: unit.instance.clone(), unit, _left: left }
    }
}

impl fmt::Debug for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            End::Due => "Due",
            End::Stopping(_) => "Stopping",
            End::Telling(_) => "Telling",
            End::Done => "Done",
        })
    }
}
