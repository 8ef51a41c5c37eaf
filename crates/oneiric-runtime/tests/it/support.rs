//! What the tests of this crate share.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use oneiric_adapters::Parts;
use oneiric_core::environment::MapEnvironment;
use oneiric_core::{Clock as _, Environment, Key};
use oneiric_dag::{Ended, RunHandle};
use oneiric_runtime::{Builder, Oneiric, SystemClock, SystemEnvironment, SystemRng};
use oneiric_store::RunStatus;

/// Nothing here takes this long unless it hangs.
pub const LONG: Duration = Duration::from_secs(30);

/// Waits until `seen` says so.
pub async fn until(what: &str, mut seen: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !seen().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = waiting => {}
        () = SystemClock::default().sleep(LONG) => panic!("waited in vain: {what}"),
    }
}

pub fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

/// A builder with every runtime that is compiled in, and an environment that only has a PATH.
pub fn builder() -> Builder {
    let path = SystemEnvironment.get("PATH").unwrap();
    let environment = Arc::new(MapEnvironment::from_iter([("PATH", path)]));
    let parts = Parts::new(Arc::new(SystemClock::default()), environment.clone(), Arc::new(SystemRng));
    // Tests that recover something say so themselves.
    Oneiric::builder().serve(false).with(oneiric_adapters::enabled(&parts)).environment(environment)
}

/// A process of its own: when this returns, every task of it is gone.
pub fn process<T>(body: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let value = runtime.block_on(body);
    runtime.shutdown_timeout(Duration::from_secs(5));
    value
}

pub async fn status(run: &RunHandle) -> RunStatus {
    match run.ended().await {
        Ended::Reached(status) => status,
        other => panic!("{other:?}"),
    }
}
