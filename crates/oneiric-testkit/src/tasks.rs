//! Tasks for tests.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use oneiric_core::roles::{Task, TaskContext};
use oneiric_core::{Fault, Payload};

/// A task from a plain function.
pub struct FnTask<F>(F);

impl<F> FnTask<F>
where
    F: Fn(&TaskContext<'_>) -> Result<Payload, Fault> + Send + Sync + 'static,
{
    /// Wraps the function.
    #[expect(clippy::new_ret_no_self, reason = "a task is only ever used as its role")]
    pub fn new(function: F) -> Arc<dyn Task> {
        Arc::new(Self(function))
    }
}

impl<F> fmt::Debug for FnTask<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FnTask")
    }
}

#[async_trait]
impl<F> Task for FnTask<F>
where
    F: Fn(&TaskContext<'_>) -> Result<Payload, Fault> + Send + Sync,
{
    async fn run(&self, cx: TaskContext<'_>) -> Result<Payload, Fault> {
        (self.0)(&cx)
    }
}
