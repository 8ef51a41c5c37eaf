//! Who looks after the runs of others, and hears the doorbell.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};

use oneiric_core::Fault;
use oneiric_dag::custody::{Custodian, IDLE, Programs};
use oneiric_dag::{Executor, Program};
use oneiric_events::Courier;
use oneiric_store::RunRecord;
use oneiric_store::liveness::CANNOT_RESUME;
use tokio::sync::Notify;

use crate::error::{Error, Kind};
use crate::oneiric::{Inner, Oneiric};

/// Makes programs of stored runs, for as long as the orchestrator is there.
#[derive(Debug)]
struct Stored(Weak<Inner>);

impl Programs for Stored {
    fn program<'a>(
        &'a self,
        record: &'a RunRecord,
    ) -> Pin<Box<dyn Future<Output = Result<Program, Fault>> + Send + 'a>> {
        Box::pin(async move {
            let Some(inner) = self.0.upgrade() else {
                return Err(Fault::shutdown("the orchestrator is gone"));
            };
            Oneiric(inner).program_of(record).await.map_err(|error| unable(&error))
        })
    }
}

/// What keeps a run from going on here. A store that fails says nothing about the run.
fn unable(error: &Error) -> Fault {
    match (error, error.kind()) {
        (Error::Store(_), _) => Fault::shutdown(error.to_string()),
        (_, Kind::Execution) => Fault::transient(CANNOT_RESUME, error.to_string()),
        (_, Kind::Configuration | Kind::Resolution | Kind::Security) => {
            Fault::permanent(CANNOT_RESUME, error.to_string())
        }
    }
}

/// Takes over what others leave, from the start on and whenever the bell rings. Runs until it is dropped.
pub(crate) async fn tend(inner: Weak<Inner>, executor: Executor, courier: Courier, bell: Arc<Notify>) {
    let clock = Arc::clone(&executor.parts().clock);
    let mut custodian = Custodian::new(executor, Arc::new(Stored(inner)));
    loop {
        let next = match custodian.round().await {
            Ok(round) => round.next,
            Err(error) => {
                tracing::error!(%error, "cannot see what others left");
                IDLE
            }
        };
        // Whom a look has buried may have had events in hand.
        courier.nudge();
        tokio::select! {
            () = bell.notified() => custodian.rung(),
            () = clock.sleep(next) => {}
        }
    }
}

/// Rings at the others when this process begins to own something, so that they watch it from then on: they
/// look once a minute where nobody owns anything. At most once in the time of a lease, which they count on
/// (see [`oneiric_store::Watch::vigil`]). Runs until it is dropped.
#[cfg(feature = "sqlite")]
pub(crate) async fn herald(inner: Weak<Inner>, executor: Executor) {
    let (lease, clock) = (&executor.parts().lease, &executor.parts().clock);
    loop {
        lease.begun().await;
        let Some(inner) = inner.upgrade() else { return };
        Oneiric(inner).ring_others().await;
        clock.sleep(lease.length()).await;
    }
}
