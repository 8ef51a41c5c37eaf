//! The log of events, once more.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use oneiric_core::nearest::nearest;
use oneiric_events::{Fate, Gather, Repeat};
use oneiric_store::{CommitError, DeliveryFilter, EnvelopeRecord, Refusal};
use serde::Serialize;

use super::log::Logged;
use super::trigger::{Cause, causes};
use super::walk::{EventSelection, Walk};
use crate::catalog::Catalog;
use crate::error::Error;
use crate::oneiric::Oneiric;

/// The most events per second that can be asked for: beyond that there is nothing to slow down.
pub const MAX_RATE: u32 = 100_000;

/// How often one event is decided again that somebody else changes at the same time.
const TRIES: usize = 8;

/// How long others are left alone between two rings.
const RING: Duration = Duration::from_millis(200);

/// Which events are replayed, and how.
#[derive(Debug, Clone, Default)]
pub struct ReplayRequest {
    /// Which events, and for whom. A handler may be named by its key as well.
    pub of: EventSelection,
    /// Which of their deliveries.
    pub repeat: Repeat,
    /// Whether they also start the workflows that they should have started and did not.
    pub triggers: bool,
    /// The most events per second, at most [`MAX_RATE`]; as fast as possible where there is none.
    pub rate: Option<NonZeroU32>,
    /// Whether it is only said what would happen.
    pub dry_run: bool,
}

/// What a replay did.
///
/// Shape in JSON: `{"dry_run":false,"events":3,"expired":0,"handlers":{"k:p":{"made":1,"again":0,"there":2,
/// "open":0}},"runs":0,"unstarted":0}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ReplayReport {
    /// Whether nothing was written.
    pub dry_run: bool,
    /// How many events were met that are meant.
    pub events: u64,
    /// How many of them had expired: they are of no use to anybody.
    pub expired: u64,
    /// What became of their deliveries, by handler.
    pub handlers: BTreeMap<String, Replayed>,
    /// How many runs were started.
    pub runs: u64,
    /// How many runs could not be started; the log says why.
    pub unstarted: u64,
}

/// What became of the deliveries to one handler: how many of each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// They were missing, and were made.
    pub made: u64,
    /// They were over, and began anew.
    pub again: u64,
    /// They are over, and stay so.
    pub there: u64,
    /// They are on their way, and were left alone.
    pub open: u64,
}

impl ReplayReport {
    /// How many deliveries were made or began anew.
    pub fn changed(&self) -> u64 {
        self.handlers.values().map(|handler| handler.made + handler.again).sum()
    }

    fn count(&mut self, fates: Vec<(String, Fate)>) {
        for (handler, fate) in fates {
            let counts = self.handlers.entry(handler).or_default();
            match fate {
                Fate::Made => counts.made += 1,
                Fate::Again => counts.again += 1,
                Fate::There => counts.there += 1,
                Fate::Open => counts.open += 1,
            }
        }
    }
}

impl Oneiric {
    /// Makes the deliveries that events of the log should have by the subscriptions of this process and do not
    /// have, from the oldest event on; with [`Repeat::Over`] or [`Repeat::Dead`], those that are over as well.
    /// Events that are accepted meanwhile are not met: they have their deliveries already.
    ///
    /// A delivery is one event and one handler, so that a replay which is repeated, or was killed in the middle,
    /// changes nothing of what is there. When this returns, the deliveries are durable; they are carried out as
    /// any others are, here where this process serves or in [`Oneiric::carry_out`], or by another one.
    ///
    /// `tell` hears how far it is after every event. Dropping the future ends it between two events.
    ///
    /// # Errors
    /// [`Error::UnknownEvent`], [`Error::UnknownHandler`], [`Error::Setting`] for a request that cannot be; then
    /// nothing was done. [`Error::Store`]; what was told of is done.
    pub async fn replay(
        &self,
        request: ReplayRequest,
        mut tell: impl FnMut(&ReplayReport),
    ) -> Result<ReplayReport, Error> {
        let request = self.checked(request)?;
        let store = self.store();
        let clock = &self.executor().parts().clock;
        let mut walk = Walk::begin(&**store, request.of.clone(), request.repeat).await?;
        let mut report = ReplayReport { dry_run: request.dry_run, ..ReplayReport::default() };
        let (began, mut paced, mut rung) = (clock.monotonic(), 0_u32, None::<Duration>);
        loop {
            let page = walk.next(&**store).await?;
            if page.is_empty() {
                break;
            }
            for logged in page {
                if let Some(rate) = request.rate.filter(|_| !request.dry_run) {
                    let due =
                        began + Duration::from_secs(1).mul_f64(f64::from(paced) / f64::from(rate.get()));
                    clock.sleep(due.saturating_sub(clock.monotonic())).await;
                }
                if self.repeat_one(&request, logged, &mut report).await? {
                    paced = paced.saturating_add(1);
                    self.0.courier.nudge();
                    let now = clock.monotonic();
                    if rung.is_none_or(|rung| now.saturating_sub(rung) >= RING) {
                        rung = Some(now);
                        self.offer().await;
                    }
                }
                tell(&report);
            }
        }
        if rung.is_some() {
            self.offer().await;
        }
        Ok(report)
    }

    /// Takes events that wait in the store to the handlers of this process, as one that serves does, until `more`
    /// has ended and nothing is left of what is due. What waits for a later try or for a handler that is paused or
    /// not known here is left to others.
    pub async fn carry_out(&self, more: impl Future<Output = ()>) {
        self.0.courier.settle(more).await;
    }

    /// The request with the names of its handlers.
    fn checked(&self, mut request: ReplayRequest) -> Result<ReplayRequest, Error> {
        if request.rate.is_some_and(|rate| rate.get() > MAX_RATE) {
            let reason = format!("allowed are 1 to {MAX_RATE} events per second");
            return Err(Error::Setting { what: "rate".to_owned(), reason });
        }
        if let (Some(since), Some(until)) = (request.of.since, request.of.until)
            && since >= until
        {
            let reason = "it lies at or behind the end, so that no event can be meant".to_owned();
            return Err(Error::Setting { what: "the beginning of the replay".to_owned(), reason });
        }
        // Of a dead letter the row says whose it is, whoever is known here.
        if request.repeat != Repeat::Dead {
            let known = self.dispatcher().subscriptions();
            let mut names = std::collections::BTreeSet::new();
            for handler in &request.of.handlers {
                let fits = |name: &str, key: &str| handler == name || handler == key;
                let before = names.len();
                let found = known.iter().filter(|one| fits(&one.name, one.key.as_str()));
                names.extend(found.map(|one| one.name.to_string()));
                if names.len() == before && !names.contains(handler) {
                    let all = known.iter().flat_map(|one| [&*one.name, one.key.as_str()]);
                    let near = nearest(handler, all).map(str::to_owned);
                    return Err(Error::UnknownHandler { handler: handler.clone(), near });
                }
            }
            request.of.handlers = names;
        }
        Ok(request)
    }

    /// One event; whether something was written.
    async fn repeat_one(
        &self,
        request: &ReplayRequest,
        logged: Logged,
        report: &mut ReplayReport,
    ) -> Result<bool, Error> {
        let Logged { event, mut deliveries } = logged;
        let clock = &self.executor().parts().clock;
        report.events += 1;
        if event.envelope.has_expired(clock.now()) {
            report.expired += 1;
            return Ok(false);
        }
        let mut written = false;
        for tries in 1.. {
            let of = &request.of.handlers;
            let repeated = self.dispatcher().repeat(&event, &deliveries, request.repeat, of, clock.now());
            if request.dry_run || !repeated.is_something() {
                report.count(repeated.fates);
                break;
            }
            match self.store().commit(repeated.batch).await {
                Ok(()) => {
                    report.count(repeated.fates);
                    written = true;
                    break;
                }
                // It was dropped from the log.
                Err(CommitError::Refused(Refusal::EventMissing(_))) => return Ok(false),
                Err(CommitError::Refused(
                    Refusal::DeliveryExists { .. }
                    | Refusal::StaleDelivery { .. }
                    | Refusal::DeliveryMissing { .. },
                )) if tries < TRIES => {
                    let rows = self.store().deliveries(DeliveryFilter::of(event.id.clone())).await?;
                    deliveries = rows.into_iter().map(|(_, delivery)| delivery).collect();
                }
                Err(error) => return Err(error.into()),
            }
        }
        if request.triggers {
            written |= self.start_missing(request, &event, report).await?;
        }
        Ok(written)
    }

    /// Starts the runs that an event should have started and did not; whether there was one.
    async fn start_missing(
        &self,
        request: &ReplayRequest,
        event: &EnvelopeRecord,
        report: &mut ReplayReport,
    ) -> Result<bool, Error> {
        let plan = self.dispatcher().plan(&event.envelope);
        let catalog = plan.origin::<Catalog>().unwrap_or_else(|| self.catalog());
        let mut started = false;
        for cause in causes(&plan, event) {
            let Cause { run: id, handler, trigger, .. } = &cause;
            if !request.of.handlers.is_empty() && !request.of.handlers.contains(&**handler) {
                continue;
            }
            let why = match self.store().run(*id).await? {
                Some(_) => continue,
                None if trigger.gather != Gather::Each => {
                    Err("it gathers events as they come, which those of the log did already".to_owned())
                }
                None if !trigger.rules().keep_nothing() => {
                    Err("whether it starts one depended on others of then".to_owned())
                }
                None => self.start_of(&catalog, &cause, event),
            };
            match why {
                Ok(None) => {}
                Ok(Some(_)) if request.dry_run => report.runs += 1,
                Ok(Some(batch)) => match self.store().commit(batch).await {
                    Ok(()) => {
                        report.runs += 1;
                        started = true;
                    }
                    // Somebody else replays the same.
                    Err(CommitError::Refused(Refusal::RunExists(_))) => {}
                    Err(error) => return Err(error.into()),
                },
                Err(reason) => {
                    report.unstarted += 1;
                    let (workflow, event) = (&trigger.workflow, &event.id);
                    tracing::warn!(%handler, %workflow, %event, reason, "a replayed event starts no run");
                }
            }
        }
        Ok(started)
    }
}
