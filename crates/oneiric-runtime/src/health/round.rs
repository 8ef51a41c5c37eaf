//! Asking, by one for all, and not too often.

use std::sync::Arc;
use std::time::Duration;

use oneiric_supervisor::health::Report;
use tokio::sync::Mutex;

use super::{Depth, lock, name};
use crate::oneiric::Oneiric;
use crate::phase::Phase;

/// For how long a report counts: nobody makes a process ask more often by asking it more often.
const FRESH: Duration = Duration::from_secs(1);

/// How long the store, or a component, may take to answer; `lifecycle.health_timeout` where that is shorter.
const PATIENCE: Duration = Duration::from_secs(2);

/// The last report of each depth. Whoever holds the lock asks; the others wait for it, and find the report.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    store: Mutex<Last>,
    components: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    /// When somebody began to ask; whoever gave up leaves no report.
    began: Option<Duration>,
    report: Option<(Duration, Phase, Arc<Report>)>,
}

impl Rounds {
    pub(super) async fn report(&self, oneiric: &Oneiric, depth: Depth) -> Arc<Report> {
        let mut last = match depth {
            Depth::Store => self.store.lock().await,
            Depth::Components => self.components.lock().await,
        };
        let clock = &oneiric.executor().parts().clock;
        let phase = oneiric.phase();
        match &last.report {
            Some((at, then, report)) if *then == phase && clock.monotonic().saturating_sub(*at) < FRESH => {
                return Arc::clone(report);
            }
            // A phase is told at once. What was asked is known, and asking again is for later.
            Some((..)) => {}
            None => {
                let since = last.began.map(|began| clock.monotonic().saturating_sub(began));
                if let Some(wait) = since.and_then(|since| FRESH.checked_sub(since)) {
                    clock.sleep(wait).await;
                }
            }
        }
        last.report = None;
        last.began = Some(clock.monotonic());
        let (store, ()) = tokio::join!(ask_store(oneiric), async {
            if depth == Depth::Components {
                ask_components(oneiric).await;
            }
        });
        let report = Arc::new(oneiric.judged_health(Some(store)));
        last.report = Some((clock.monotonic(), phase, Arc::clone(&report)));
        report
    }
}

/// One row that is always there: that of this process.
async fn ask_store(oneiric: &Oneiric) -> Result<Duration, String> {
    let parts = oneiric.executor().parts();
    let began = parts.clock.monotonic();
    tokio::select! {
        answer = parts.store.boot(parts.lease.boot()) => match answer {
            Ok(_) => Ok(parts.clock.monotonic().saturating_sub(began)),
            Err(error) => Err(error.to_string()),
        },
        () = parts.clock.sleep(PATIENCE) => {
            Err(format!("the store did not answer within {} seconds", PATIENCE.as_secs()))
        }
    }
}

async fn ask_components(oneiric: &Oneiric) {
    let probes = oneiric.lifecycle().probe_within(PATIENCE).await;
    let now = oneiric.executor().parts().clock.now();
    let mut answers = lock(&oneiric.0.health.answers);
    // What is in service no more is forgotten.
    answers.clear();
    for probe in probes {
        if let (Some(answer), Some(took)) = (probe.answer, probe.took) {
            answers.insert(name(&probe.status), (now, took, answer.map_err(|fault| fault.to_string())));
        }
    }
}
