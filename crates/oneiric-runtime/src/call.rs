//! Pieces of work that an embedder does with a component: asked for at the gate, and counted.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use oneiric_core::gate::{Admission, Denial, Permit, Purpose, Step, Wait};
use oneiric_core::id::IdError;
use oneiric_core::lifecycle::{Current, Handle, Swap};
use oneiric_core::roles::Action;
use oneiric_core::{Descriptor, Domain, Key, Payload, Role};

use crate::error::Error;
use crate::oneiric::Oneiric;

/// How long a swap waits for a draining component to have nothing in flight: who drains wants it idle, and
/// who waits longer than this asks again.
const SWAP_PATIENCE: Duration = Duration::from_secs(60);

/// One piece of work with a component: the instance that serves now, in flight until this is dropped.
#[must_use = "the work is in flight only for as long as this is held"]
pub struct Call<R: ?Sized> {
    current: Current<R>,
    _permit: Permit,
}

impl Oneiric {
    /// Begins a piece of work with a component, unless it is paused or draining. A drain waits until the
    /// answer is dropped; keep the [`Handle`] for longer than that, and not the call.
    ///
    /// # Errors
    /// [`Error::Denied`] with the step of the gate that said no; [`Error::Call`] where nothing serves.
    pub async fn call<R: ?Sized + Role>(&self, handle: &Handle<R>) -> Result<Call<R>, Error>
    where
        Arc<R>: Send + Sync,
    {
        let current = handle.current().map_err(|fault| failed(handle.domain(), handle.key(), fault))?;
        let known = Some(&**current.descriptor());
        let permit = self.admit(Purpose::Call, handle.domain(), handle.key(), known).await?;
        Ok(Call { current, _permit: permit })
    }

    /// Applies an action once: `invoke("shop.price", payload)`.
    ///
    /// # Errors
    /// [`Error`] of resolving it, [`Error::Denied`] where it is paused or draining, [`Error::Call`] with
    /// the action's own fault.
    pub async fn invoke(
        &self,
        key: impl TryInto<Key, Error: Into<IdError>>,
        input: Payload,
    ) -> Result<Payload, Error> {
        let handle = self.resolve::<dyn Action>(key).await?;
        let done = self.call(&handle).await?.apply(input).await;
        done.map_err(|fault| failed(handle.domain(), handle.key(), fault))
    }

    /// Asks whether what serves a key may be replaced. While the component drains, this waits until nothing
    /// of it is in flight here.
    pub(crate) async fn admit_swap(&self, domain: &Domain, key: &Key, swap: &Swap<'_>) -> Result<(), Error> {
        let clock = Arc::clone(&self.executor().parts().clock);
        let mut late = clock.sleep(SWAP_PATIENCE);
        loop {
            let activity = self.activities();
            let (count, marks) = (activity.in_flight(domain, key), activity.marks(domain, key));
            match self.admit(Purpose::Swap { forced: swap.force }, domain, key, None).await {
                Err(Denial { step: Step::Activity, wait: Wait::Change, .. }) => {}
                verdict => return Ok(verdict.map(drop)?),
            }
            tokio::select! {
                // What changed since the look above is seen at once.
                () = activity.changed(domain, key, count, marks) => {}
                () = &mut late => {
                    let reason = format!("{domain}:{key} is {marks}, and {count} of it in flight");
                    return Err(Denial { step: Step::Activity, reason, wait: Wait::Change }.into());
                }
            }
        }
    }

    async fn admit(
        &self,
        purpose: Purpose,
        domain: &Domain,
        key: &Key,
        descriptor: Option<&Descriptor>,
    ) -> Result<Permit, Denial> {
        let parts = self.executor().parts();
        let now = parts.clock.now();
        let admission = Admission { purpose, domain, key, descriptor, run: None, deadline: None, now };
        parts.gate.admit(&admission).verdict().await
    }
}

fn failed(domain: &Domain, key: &Key, fault: oneiric_core::Fault) -> Error {
    Error::Call { domain: domain.to_string(), key: key.clone(), fault }
}

impl<R: ?Sized> Call<R> {
    /// The candidate that the instance was built from.
    pub fn descriptor(&self) -> &Arc<Descriptor> {
        self.current.descriptor()
    }
}

impl<R: ?Sized + Role> Deref for Call<R>
where
    Arc<R>: Send + Sync,
{
    type Target = R;

    #[inline]
    fn deref(&self) -> &R {
        &self.current
    }
}

impl<R: ?Sized> fmt::Debug for Call<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("of", self.descriptor()).finish()
    }
}
