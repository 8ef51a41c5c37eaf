//! Asking what serves whether it is healthy.

use futures_util::future::join_all;

use crate::{Domain, Fault, Key};

use super::Inner;
use super::slot::Slot;
use super::status::Status;
use super::timeouts::within;

/// What a probe found.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// The status after the probe.
    pub status: Status,
    /// The component's own answer; `None` where there is no instance to ask.
    pub answer: Option<Result<(), Fault>>,
}

impl Inner {
    pub(super) async fn probe_all(&self, domain: Option<&Domain>, key: Option<&Key>) -> Vec<Probe> {
        let slots = self.shelves.all();
        let wanted = slots.iter().filter(|slot| {
            domain.is_none_or(|domain| slot.id.domain == *domain) && key.is_none_or(|key| slot.id.key == *key)
        });
        join_all(wanted.map(|slot| self.probe(slot))).await
    }

    async fn probe(&self, slot: &Slot) -> Probe {
        let Some(live) = slot.live.load_full() else {
            return Probe { status: slot.status(), answer: None };
        };
        let asked = async { live.instance.component().health().await };
        let answer = within(&*self.clock, self.timeouts().health, asked).await;
        if answer.is_ok() {
            let now = self.clock.now();
            slot.record(|status| status.last_health_at = Some(now));
        }
        Probe { status: slot.status(), answer: Some(answer) }
    }
}
