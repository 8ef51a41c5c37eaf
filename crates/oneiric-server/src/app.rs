//! What handlers work with.

use std::sync::Arc;

use oneiric_core::{Clock, Rng};
use oneiric_runtime::Oneiric;

use crate::authority::{Authority, NamedError};
use crate::guard::Room;
use crate::options::Options;

/// The process, as its handlers see it. A clone is the same one.
#[derive(Debug, Clone)]
pub(crate) struct App(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    oneiric: Oneiric,
    options: Options,
    authority: Authority,
    room: Room,
}

impl App {
    pub(crate) fn new(oneiric: Oneiric, options: Options) -> Result<Self, NamedError> {
        let (store, clock) = (Arc::clone(oneiric.store()), Arc::clone(oneiric.clock()));
        let authority = Authority::new(&options, store, clock)?;
        let room = Room::new(&options.http.limits);
        Ok(Self(Arc::new(Inner { oneiric, options, authority, room })))
    }

    pub(crate) fn oneiric(&self) -> &Oneiric {
        &self.0.oneiric
    }

    pub(crate) fn options(&self) -> &Options {
        &self.0.options
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.0.oneiric.clock().as_ref()
    }

    pub(crate) fn rng(&self) -> &dyn Rng {
        self.0.oneiric.rng().as_ref()
    }

    /// Who may come in.
    pub(crate) fn authority(&self) -> &Authority {
        &self.0.authority
    }

    /// How much goes on at a time.
    pub(crate) fn room(&self) -> &Room {
        &self.0.room
    }
}
