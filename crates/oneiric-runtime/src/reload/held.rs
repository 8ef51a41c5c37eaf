//! Swaps that an operator's word holds back: done when it allows them, and not forgotten.

use std::sync::{Arc, Weak};

use futures_util::future::select_all;
use oneiric_core::gate::Purpose;
use oneiric_core::{Domain, Key};
use oneiric_supervisor::Activity;
use oneiric_supervisor::activity::{Answer, decide};
use tokio::sync::Notify;

use super::{Brought, Held};
use crate::oneiric::{Inner, Oneiric};

/// Whether a component may be swapped as operators have it now. Asked and not counted: a swap is no work.
fn may_swap(activity: &Activity, domain: &Domain, key: &Key) -> bool {
    let busy = activity.in_flight(domain, key) > 0;
    decide(Purpose::Swap { forced: false }, activity.marks(domain, key), busy) == Answer::Passed
}

impl Oneiric {
    /// Replaces the instances that were built from something else than what counts. Those that may not be
    /// replaced now are remembered. The caller has the turn.
    pub(super) async fn bring_in(&self) -> (Vec<Brought>, Vec<(Domain, Key)>) {
        let activity = self.activities().clone();
        let refreshed =
            self.lifecycle().refresh_where(move |domain, key| may_swap(&activity, domain, key)).await;
        self.0.reloads.hold(refreshed.held.clone());
        let swapped = refreshed.swapped.into_iter();
        let swapped =
            swapped.map(|(domain, key, swapped)| (domain, key, swapped.map(|swapped| swapped.provider)));
        (swapped.collect(), refreshed.held)
    }

    /// The components whose swap is held back, and why.
    pub(super) fn held(&self) -> Vec<Held> {
        let held = self.0.reloads.held().into_iter();
        let why = |(domain, key): (Domain, Key)| {
            let reason = self.activities().marks(&domain, &key).to_string();
            Held { domain, key, reason }
        };
        held.map(why).collect()
    }
}

/// Swaps what was held back as soon as it may be. Runs until it is dropped.
pub(crate) async fn bring_in_held(inner: Weak<Inner>, news: Arc<Notify>, activity: Activity) {
    loop {
        let Some(held) = inner.upgrade().map(|inner| inner.reloads.held()) else { return };
        // Looked at in front of the question whether it may go, so that no change between the two is missed.
        let seen: Vec<_> = held
            .into_iter()
            .map(|(domain, key)| {
                let (count, marks) = (activity.in_flight(&domain, &key), activity.marks(&domain, &key));
                (domain, key, count, marks)
            })
            .collect();
        if seen.iter().any(|(domain, key, ..)| may_swap(&activity, domain, key)) {
            let Some(inner) = inner.upgrade() else { return };
            let oneiric = Oneiric(inner);
            let _one = oneiric.0.reloads.turn().await;
            for (domain, key, swapped) in oneiric.bring_in().await.0 {
                match swapped {
                    Ok(provider) => {
                        tracing::info!(%domain, %key, %provider, "a swap that was held back is done")
                    }
                    Err(error) => {
                        tracing::warn!(%domain, %key, %error, "a component did not come up; the one before goes on serving");
                    }
                }
            }
            continue;
        }
        let changes: Vec<_> = seen
            .iter()
            .map(|(domain, key, count, marks)| Box::pin(activity.changed(domain, key, *count, *marks)))
            .collect();
        if changes.is_empty() {
            news.notified().await;
            continue;
        }
        tokio::select! {
            _ = select_all(changes) => {}
            () = news.notified() => {}
        }
    }
}
