//! `worker:` with a worker in Python, which speaks the protocol by itself.

use std::sync::Arc;

use oneiric_adapters::Limits;
use oneiric_adapters::worker::Worker;
use oneiric_core::{Blueprint, Clock, ComponentRuntime, Domain};
use oneiric_testkit::contract::runtime::{Behaviour, Site};
use serde_json::json;
use tempfile::TempDir;

use crate::support::{RealClock, parts};

struct Workers(TempDir);

fn site() -> Arc<dyn Site> {
    Arc::new(Workers(tempfile::tempdir().unwrap()))
}

impl Site for Workers {
    fn runtime(&self) -> Arc<dyn ComponentRuntime> {
        Arc::new(Worker::new(&parts(Limits::STANDARD)))
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(RealClock)
    }

    fn component(&self, behaviour: Behaviour, domain: Domain) -> Result<Blueprint, &'static str> {
        let args = ["-c", include_str!("worker.py"), &format!("{behaviour:?}")];
        let worker = json!({"args": args, "cwd": self.0.path().to_str().unwrap()});
        Ok(super::blueprint(domain, "worker:python3", "worker", worker))
    }

    fn is_at_work(&self) -> bool {
        super::is_alive_in(&self.0.path().join("pid"))
    }
}

oneiric_testkit::runtime_contract!(site);
