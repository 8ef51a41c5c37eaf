//! What an orchestrator runs: component runtimes, linked components, manifests.

use std::path::PathBuf;
use std::sync::Arc;

use oneiric_core::linked::{Linked, PROVIDER};
use oneiric_core::roles::Task;
use oneiric_core::{Blueprint, ComponentRuntime, Fault, Instance, Key};

use super::Builder;
use crate::bundle::ManifestFile;

impl Builder {
    /// Adds component runtimes: `oneiric_adapters::enabled(..)`. Asked in the order of adding.
    #[must_use]
    pub fn with(mut self, runtimes: impl IntoIterator<Item = Arc<dyn ComponentRuntime>>) -> Self {
        self.runtimes.extend(runtimes);
        self
    }

    /// Links a component in, as if a manifest had named it; its factory's name, the key unless said,
    /// can be used in manifests, too.
    #[must_use]
    pub fn component(mut self, component: Linked) -> Self {
        self.linked.add(component);
        self
    }

    /// Links a task in: a struct, or [`task_fn`](oneiric_core::linked::task_fn) of a closure.
    #[must_use]
    pub fn task(self, key: Key, task: impl Task + 'static) -> Self {
        self.component(Linked::task(key, task))
    }

    /// Names a function that manifest entries may use as their factory.
    #[must_use]
    pub fn factory(
        mut self,
        name: impl Into<String>,
        make: impl Fn(&Blueprint) -> Result<Instance, Fault> + Send + Sync + 'static,
    ) -> Self {
        self.linked.factory(name.into(), Arc::new(make));
        self
    }

    /// Adds a workflow whose graph is made in code: upstream's `dag`, for example
    /// `json!({"nodes": [{"id": "a", "task": "greet"}]})`. It is kept with its runs like a manifest.
    #[must_use]
    pub fn workflow(self, key: &Key, dag: &serde_json::Value) -> Self {
        let entry = serde_json::json!({
            "domain": "workflow", "key": key, "provider": PROVIDER, "factory": key, "dag": dag,
        });
        let manifest = serde_json::json!({ "source": PROVIDER, "entries": [entry] });
        self.manifest_text(format!("{key} (in code).json"), manifest.to_string().into_bytes())
    }

    /// Adds a manifest file; read by [`Builder::start`].
    #[must_use]
    pub fn manifest(mut self, path: impl Into<PathBuf>) -> Self {
        self.paths.push(path.into());
        self
    }

    /// Adds a manifest from memory, behind those from files.
    #[must_use]
    pub fn manifest_text(mut self, name: impl Into<String>, text: impl Into<Arc<[u8]>>) -> Self {
        self.files.push(ManifestFile::new(name, text));
        self
    }
}
