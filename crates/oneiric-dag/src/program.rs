//! A plan with the tasks that its nodes run.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use oneiric_core::roles::Task;
use oneiric_core::{Descriptor, Domain, Factory, Key, Provider, Source};

use crate::plan::Plan;

/// A task and what is known about it.
#[derive(Clone)]
pub struct Bound {
    /// What runs.
    pub task: Arc<dyn Task>,
    /// What the gate may look at.
    pub descriptor: Arc<Descriptor>,
}

impl Bound {
    /// A task that was linked in, without a manifest entry.
    pub fn linked(key: &Key, task: Arc<dyn Task>) -> Self {
        let provider = Provider::new("linked").expect("a literal name is well formed");
        let descriptor =
            Descriptor::new(Domain::TASK, key.clone(), provider, Factory::new(key.as_str()), Source::Manual);
        Self { task, descriptor: Arc::new(descriptor) }
    }
}

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bound").field("key", &self.descriptor.key).finish_non_exhaustive()
    }
}

/// A plan with a task for each of its task keys. A clone shares both.
#[derive(Debug, Clone)]
pub struct Program {
    plan: Arc<Plan>,
    tasks: Arc<[Bound]>,
    // Who finds out what became of others, by key.
    hooks: Arc<HashMap<Key, Bound>>,
}

impl Program {
    /// Binds a plan: `bind` is asked once for every task key of the graph, and for every one of
    /// [`Plan::hooks`].
    ///
    /// # Errors
    /// The first that `bind` returns.
    pub fn bind<E>(plan: Arc<Plan>, mut bind: impl FnMut(&Key) -> Result<Bound, E>) -> Result<Self, E> {
        let tasks = plan.graph().tasks().iter().map(&mut bind).collect::<Result<_, E>>()?;
        let hooks = plan.hooks().into_iter().map(|key| Ok((key.clone(), bind(key)?)));
        let hooks = Arc::new(hooks.collect::<Result<_, E>>()?);
        Ok(Self { plan, tasks, hooks })
    }

    /// The plan.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// A task of [`Plan::hooks`].
    pub fn hook(&self, key: &Key) -> Option<&Bound> {
        self.hooks.get(key)
    }

    /// What the node at `place` runs.
    pub fn task(&self, place: u32) -> &Bound {
        &self.tasks[self.plan.graph().node(place).task as usize]
    }
}
