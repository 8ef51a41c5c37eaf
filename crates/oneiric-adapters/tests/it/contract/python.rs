//! Python's `pkg.mod:Attr`, with one class per behaviour.

use std::sync::Arc;

use oneiric_adapters::Limits;
use oneiric_adapters::python::Python;
use oneiric_core::{Blueprint, Clock, ComponentRuntime, Domain};
use oneiric_testkit::contract::runtime::{Behaviour, Site};
use serde_json::json;
use tempfile::TempDir;

use crate::support::{RealClock, parts};

struct Modules(TempDir);

fn site() -> Arc<dyn Site> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("behaviours.py"), include_str!("behaviours.py")).unwrap();
    Arc::new(Modules(folder))
}

impl Site for Modules {
    fn runtime(&self) -> Arc<dyn ComponentRuntime> {
        Arc::new(Python::new(&parts(Limits::STANDARD)))
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(RealClock)
    }

    fn component(&self, behaviour: Behaviour, domain: Domain) -> Result<Blueprint, &'static str> {
        let python = json!({"cwd": self.0.path().to_str().unwrap()});
        Ok(super::blueprint(domain, &format!("behaviours:{behaviour:?}"), "python", python))
    }

    fn is_at_work(&self) -> bool {
        super::is_alive_in(&self.0.path().join("pid"))
    }
}

oneiric_testkit::runtime_contract!(site);
