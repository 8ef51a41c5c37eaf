//! What nodes do: they take time, have an effect under their key, and end in every way there is.

use std::sync::Arc;

use async_trait::async_trait;
use oneiric_core::roles::{Task, TaskContext};
use oneiric_core::{Clock, Fault, Payload};
use serde_json::json;

use super::audit::{Try, Who};
use super::fuse::Fuse;
use super::scene::Scene;
use super::workflow::{durations, number, value};

/// The task of every node, as one process runs it.
#[derive(Debug)]
pub(super) struct Work {
    who: Who,
    scene: Arc<Scene>,
    fuse: Arc<Fuse>,
}

/// A try under way; dropping it says that it is over, however.
struct Flying<'a> {
    scene: &'a Scene,
    of: Try,
}

impl Drop for Flying<'_> {
    fn drop(&mut self) {
        self.scene.audit().over(&self.of);
    }
}

impl Work {
    pub(super) fn new(who: Who, scene: Arc<Scene>, fuse: Arc<Fuse>) -> Arc<Self> {
        Arc::new(Self { who, scene, fuse })
    }

    /// What a dead process does reaches nobody.
    async fn live(&self) {
        if !self.fuse.touch() {
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl Task for Work {
    async fn run(&self, cx: TaskContext<'_>) -> Result<Payload, Fault> {
        self.live().await;
        let (scene, dice) = (&*self.scene, &self.scene.tasks);
        let (workflow, place, of) = {
            let mut audit = scene.audit();
            let Some((workflow, _)) = audit.workflow(cx.run).cloned() else {
                return Err(Fault::permanent("nowhere", "nobody expected this run"));
            };
            let place = workflow.plan().place(cx.node.as_str()).unwrap_or_default();
            // Where something broke the simulation is over; what this gives does not matter.
            let Some(of) = audit.started(self.who, place, &cx) else {
                return Err(Fault::permanent("broken", "an invariant broke"));
            };
            (workflow, place, of)
        };
        let flying = Flying { scene, of };
        let behaviour = workflow.behaviour(place);
        let (before, after) = durations(dice, &behaviour);
        let listens = async {
            if behaviour.listens {
                cx.cancel.cancelled().await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        let work = async {
            scene.clock.sleep(before).await;
            if behaviour.broken {
                return Err(Fault::permanent("broken", "it never works"));
            }
            if dice.chance(behaviour.flaky / 2) {
                return Err(Fault::transient("flaky", "nothing was done"));
            }
            self.live().await;
            scene.audit().effect(&flying.of, cx.idempotency_key());
            scene.clock.sleep(after).await;
            if dice.chance(behaviour.unknown) {
                return Err(Fault::unknown_outcome("unknown", "the answer was lost"));
            }
            if dice.chance(behaviour.panics) {
                // Unlike `panic!`, without a word on standard error.
                std::panic::resume_unwind(Box::new("simulated"));
            }
            if dice.chance(behaviour.flaky / 2) {
                return Err(Fault::transient("flaky", "it was done, and failed all the same"));
            }
            let chance = if behaviour.fresh { dice.below(1000) } else { 0 };
            let output = Payload::from(json!({ "v": value(place, number(&cx.input)) + chance }));
            scene.audit().gives(&flying.of, &output);
            Ok(output)
        };
        tokio::select! {
            biased;
            answer = work => answer,
            () = listens => Err(Fault::transient("stopped", "was asked to stop")),
        }
    }
}
