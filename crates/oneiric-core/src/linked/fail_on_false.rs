//! For tasks that say with `false` that they did not succeed.

use async_trait::async_trait;

use crate::roles::{Reconciled, Task, TaskContext};
use crate::{Fault, Payload};

/// A task whose `false` is a failure; see [`fail_on_false`].
#[derive(Debug)]
pub struct FailOnFalse<T>(T);

/// Makes a failure of `false`, where a task has that convention. Every other output is one, `null`
/// and `0` too.
///
/// The fault is transient, code `returned-false`: what a task that raises would have done, so that a
/// `retry_policy` applies. Nobody has this rule who did not ask for it.
///
/// ```
/// use oneiric_core::Fault;
/// use oneiric_core::linked::{fail_on_false, task_fn};
///
/// let tests = fail_on_false(task_fn(|_: serde_json::Value| async { Ok::<_, Fault>(false) }));
/// ```
pub fn fail_on_false<T: Task>(task: T) -> FailOnFalse<T> {
    FailOnFalse(task)
}

#[async_trait]
impl<T: Task> Task for FailOnFalse<T> {
    async fn run(&self, cx: TaskContext<'_>) -> Result<Payload, Fault> {
        let output = self.0.run(cx).await?;
        if *output.value() == false {
            return Err(Fault::transient("returned-false", "the task returned false"));
        }
        Ok(output)
    }

    fn reconciles(&self) -> bool {
        self.0.reconciles()
    }

    async fn reconcile(&self, cx: TaskContext<'_>) -> Result<Reconciled, Fault> {
        self.0.reconcile(cx).await
    }
}
