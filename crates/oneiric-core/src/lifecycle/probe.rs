//! Asking what serves whether it is healthy.

use std::time::Duration;

use futures_util::StreamExt as _;

use crate::{Domain, Fault, Key};

use super::Inner;
use super::slot::Slot;
use super::status::Status;
use super::timeouts::within;

/// How many components are asked at a time: some answer by starting a program.
const AT_A_TIME: usize = 64;

/// What a probe found.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// The status after the probe.
    pub status: Status,
    /// The component's own answer; `None` where there is no instance to ask.
    pub answer: Option<Result<(), Fault>>,
    /// How long it took to answer; `None` where nobody was asked.
    pub took: Option<Duration>,
}

impl Inner {
    /// `limit` is for each answer; zero is none.
    pub(super) async fn probe_all(
        &self,
        domain: Option<&Domain>,
        key: Option<&Key>,
        limit: Duration,
    ) -> Vec<Probe> {
        let slots = self.shelves.all();
        let wanted = slots.iter().filter(|slot| {
            domain.is_none_or(|domain| slot.id.domain == *domain) && key.is_none_or(|key| slot.id.key == *key)
        });
        let asking: Vec<_> = wanted.map(|slot| self.probe(slot, limit)).collect();
        futures_util::stream::iter(asking).buffered(AT_A_TIME).collect().await
    }

    async fn probe(&self, slot: &Slot, limit: Duration) -> Probe {
        let Some(live) = slot.live.load_full() else {
            return Probe { status: slot.status(), answer: None, took: None };
        };
        let began = self.clock.monotonic();
        let asked = async { live.instance.component().health().await };
        let answer = within(&*self.clock, limit, asked).await;
        let took = Some(self.clock.monotonic().saturating_sub(began));
        if answer.is_ok() {
            let now = self.clock.now();
            slot.record(|status| status.last_health_at = Some(now));
        }
        Probe { status: slot.status(), answer: Some(answer), took }
    }
}
