//! What handlers work with.

use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use oneiric_core::{Clock, Domain, Key, Rng};
use oneiric_runtime::health::HealthSource;
use oneiric_runtime::{Oneiric, Phase};
use tokio_util::sync::CancellationToken;

use crate::authority::{Authority, NamedError};
use crate::guard::Room;
use crate::options::Options;
use crate::problem::Problem;
use crate::system::Sample;
use crate::traffic::Traffic;

/// Seconds after which a process that goes down has most likely been replaced.
const REPLACED: u32 = 5;

/// Seconds after which it makes sense to ask again for what a person closed.
pub(crate) const REOPENED: u32 = 30;

/// The process, as its handlers see it. A clone is the same one.
#[derive(Debug, Clone)]
pub(crate) struct App(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    oneiric: Oneiric,
    options: Options,
    authority: Authority,
    room: Room,
    /// Cancelled when nobody is answered any more.
    ending: CancellationToken,
    /// Cancelled when somebody asks the process to stop.
    stop: CancellationToken,
    /// How busy the machine was when somebody last asked.
    sampled: Mutex<Option<Sample>>,
    traffic: Arc<Traffic>,
}

impl App {
    pub(crate) fn new(oneiric: Oneiric, options: Options) -> Result<Self, NamedError> {
        let (store, clock) = (Arc::clone(oneiric.store()), Arc::clone(oneiric.clock()));
        let authority = Authority::new(&options, store, clock)?;
        let room = Room::new(&options.http.limits);
        let (ending, stop) = (CancellationToken::new(), CancellationToken::new());
        let sampled = Mutex::default();
        let traffic = Arc::new(Traffic::new(Arc::clone(oneiric.clock())));
        oneiric.report_also(Arc::clone(&traffic) as Arc<dyn HealthSource>);
        Ok(Self(Arc::new(Inner { oneiric, options, authority, room, ending, stop, sampled, traffic })))
    }

    /// What is counted of requests.
    pub(crate) fn traffic(&self) -> &Arc<Traffic> {
        &self.0.traffic
    }

    /// Whether whoever asks for health without a token is told the names of components and services.
    pub(crate) fn tells_details(&self) -> bool {
        self.0.options.is_local
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

    pub(crate) fn ending(&self) -> &CancellationToken {
        &self.0.ending
    }

    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.0.stop
    }

    pub(crate) fn sampled(&self) -> &Mutex<Option<Sample>> {
        &self.0.sampled
    }

    /// The longest time that a handler may wait for something: it answers before its time is up.
    pub(crate) fn patience(&self) -> std::time::Duration {
        self.options().http.limits.request_seconds.duration().mul_f64(0.9)
    }

    /// That the process takes new work.
    ///
    /// # Errors
    /// A [`Problem`] that says when to ask again.
    pub(crate) fn expect_serving(&self) -> Result<(), Problem> {
        let phase = self.oneiric().phase();
        if phase == Phase::Serving {
            return Ok(());
        }
        let message = format!("the process is {} and takes no new work", phase.name());
        Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-serving", message).retry_after(REPLACED))
    }

    /// That a component takes new work.
    ///
    /// # Errors
    /// A [`Problem`] that says when to ask again.
    pub(crate) fn expect_open(&self, domain: &Domain, key: &Key) -> Result<(), Problem> {
        let marks = self.oneiric().marks(domain, key);
        if marks.accepts() {
            return Ok(());
        }
        let code = if marks.paused { "paused" } else { "draining" };
        Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, format!("{domain} `{key}` is {marks}"))
            .help(format!("`oneiric resume {key} --domain {domain}` takes work again"))
            .retry_after(REOPENED))
    }
}
