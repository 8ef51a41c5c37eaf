//! Python modules as components.

use oneiric_adapters::python::Python;
use oneiric_adapters::{Limits, Parts};
use oneiric_core::{Blueprint, ComponentRuntime, Descriptor, Domain, Factory, Fault, Instance, Source};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::parts;

/// A folder with a module `m`.
pub(crate) struct Module(pub(crate) TempDir);

impl Module {
    pub(crate) fn new(source: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("m.py"), source).unwrap();
        Self(folder)
    }

    /// An attribute of it as a task; `more` is merged into `metadata.python`.
    pub(crate) async fn build(&self, attr: &str, more: Value) -> Result<Instance, Fault> {
        self.build_as(Domain::TASK, attr, more, json!({})).await
    }

    pub(crate) async fn build_as(
        &self,
        domain: Domain,
        attr: &str,
        more: Value,
        settings: Value,
    ) -> Result<Instance, Fault> {
        build(&parts(Limits::STANDARD), self.blueprint(domain, &format!("m:{attr}"), more, settings)).await
    }

    pub(crate) fn blueprint(&self, domain: Domain, factory: &str, more: Value, settings: Value) -> Blueprint {
        let mut python = json!({"cwd": self.0.path().to_str().unwrap()});
        for (key, value) in more.as_object().into_iter().flatten() {
            python[key] = value.clone();
        }
        let (key, provider) = ("demo".parse().unwrap(), "test".parse().unwrap());
        let mut descriptor = Descriptor::new(domain, key, provider, Factory::new(factory), Source::Manual);
        descriptor.metadata.insert("python".to_owned(), python);
        Blueprint::from(descriptor).with_settings(settings.as_object().unwrap().clone())
    }
}

pub(crate) async fn build(parts: &Parts, blueprint: Blueprint) -> Result<Instance, Fault> {
    let runtime = Python::new(parts);
    runtime.check(&blueprint)?;
    runtime.build(&blueprint).await
}

/// Whether `tests/run` has found that this machine has no Python for upstream's package; said loudly.
pub(crate) fn upstream_cannot_be_had() -> bool {
    #[expect(clippy::disallowed_methods, reason = "a test is told by its environment what there is")]
    let none = std::env::var("ONEIRIC_TEST_PYTHON").is_ok_and(|named| named == "none");
    if none {
        #[expect(clippy::print_stderr, reason = "a test that was skipped is told")]
        let () = eprintln!("SKIPPED: no Python 3.13 with the package `oneiric` can be had on this machine");
    }
    none
}
