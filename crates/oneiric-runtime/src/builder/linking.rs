//! What an orchestrator runs: component runtimes, linked components, manifests.

use std::path::PathBuf;
use std::sync::Arc;

use oneiric_core::id::IdError;
use oneiric_core::linked::{Linked, PROVIDER};
use oneiric_core::roles::{Action, EventHandler, Service, Task};
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
        if let Err(error) = self.linked.add(component) {
            self.wrong.get_or_insert(error);
        }
        self
    }

    /// Links a task in: a struct, or [`task_fn`](oneiric_core::linked::task_fn) of a closure.
    #[must_use]
    pub fn task(self, key: impl TryInto<Key, Error: Into<IdError>>, task: impl Task + 'static) -> Self {
        self.component(Linked::task(key, task))
    }

    /// Links an action in: a struct, or [`action_fn`](oneiric_core::linked::action_fn) of a closure.
    #[must_use]
    pub fn action(self, key: impl TryInto<Key, Error: Into<IdError>>, action: impl Action + 'static) -> Self {
        self.component(Linked::action(key, action))
    }

    /// Links a handler of events in: a struct, or [`handler_fn`](oneiric_core::linked::handler_fn) of
    /// a closure.
    #[must_use]
    pub fn handler(
        self,
        key: impl TryInto<Key, Error: Into<IdError>>,
        handler: impl EventHandler + 'static,
    ) -> Self {
        self.component(Linked::handler(key, handler))
    }

    /// Links a handler in for the events of a topic, under the key `on-1`, `on-2` and so on, in the order of
    /// adding: the short way. One that is to be delivered at least once is better named, and so is one with more
    /// to say: `.component(Linked::handler("mail", ...).topics(["order.*"]).delivery(...))`.
    ///
    /// ```
    /// use oneiric_core::Fault;
    /// use oneiric_core::linked::Linked;
    /// use oneiric_core::manifest::Overflow;
    /// use oneiric_runtime::{Oneiric, typed};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Order { id: u64 }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let confirm = typed(|order: Order| async move { Ok::<_, Fault>(format!("order {}", order.id)) });
    /// let count = typed(|_: serde_json::Value| async move { Ok::<_, Fault>(()) });
    /// let oneiric = Oneiric::builder()
    ///     .on("order.*", confirm)
    ///     .component(
    ///         Linked::handler("count", count)
    ///             .topics(["order.paid"])
    ///             .when("payload.id > 5")
    ///             .max_concurrency(8)
    ///             .buffer(10_000, Overflow::DropOldest),
    ///     )
    ///     .start()
    ///     .await?;
    /// let paid = oneiric_core::roles::Envelope::new("order.paid".parse()?, serde_json::json!({"id": 7}));
    /// let report = oneiric.emit_and_wait(paid, std::time::Duration::from_secs(5)).await?;
    /// let answers = report.dispatched.results.iter().map(|result| &*result.handler);
    /// assert_eq!(answers.collect::<Vec<_>>(), ["on-1:linked", "count:linked"]);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn on(mut self, topic: impl Into<String>, handler: impl EventHandler + 'static) -> Self {
        self.unnamed += 1;
        let key = format!("on-{}", self.unnamed);
        self.component(Linked::handler(key.as_str(), handler).topics([topic]))
    }

    /// Links a service in.
    #[must_use]
    pub fn service(
        self,
        key: impl TryInto<Key, Error: Into<IdError>>,
        service: impl Service + 'static,
    ) -> Self {
        self.component(Linked::service(key, service))
    }

    /// Allows what `ONEIRIC_FACTORY_ALLOWLIST` would allow: the scheme of a component runtime of your
    /// own (`shout:`), a Python package. It adds to what the variable says.
    #[must_use]
    pub fn allow(mut self, entry: impl Into<String>) -> Self {
        self.allowed.push(entry.into());
        self
    }

    /// Names a function that manifest entries may use as their factory.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use oneiric_core::linked::task_fn;
    /// # use oneiric_core::roles::Task;
    /// # use oneiric_core::{Component, Fault, Instance};
    /// # use oneiric_runtime::Oneiric;
    /// struct Greeter;
    /// impl Component for Greeter {}
    ///
    /// let builder = Oneiric::builder()
    ///     .factory("greeter", |_| {
    ///         let greet: Arc<dyn Task> =
    ///             Arc::new(task_fn(|name: String| async move { Ok::<_, Fault>(format!("hi {name}")) }));
    ///         Ok(Instance::new(Arc::new(Greeter)).plays::<dyn Task>(greet))
    ///     })
    ///     .manifest_text("greet.yaml", *b"entries: [{domain: task, key: greet, provider: me, factory: greeter}]");
    /// builder.load()?;
    /// # Ok::<(), oneiric_runtime::Error>(())
    /// ```
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
    pub fn workflow(mut self, key: impl TryInto<Key, Error: Into<IdError>>, dag: &serde_json::Value) -> Self {
        let key = match key.try_into() {
            Ok(key) => key,
            Err(error) => {
                self.wrong.get_or_insert(error.into());
                return self;
            }
        };
        let entry = serde_json::json!({
            "domain": "workflow", "key": key, "provider": PROVIDER, "factory": key, "dag": dag,
        });
        let manifest = serde_json::json!({ "source": PROVIDER, "entries": [entry] });
        self.code.push(ManifestFile::new(format!("{key} (in code).json"), manifest.to_string().into_bytes()));
        self
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
