//! A bound instance, and how one learns that its last user has left.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::{Descriptor, Instance};

use super::hook::Side;

/// An instance in service. Whoever uses it holds an `Arc` of this.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) instance: Instance,
    pub(super) descriptor: Arc<Descriptor>,
    // Never sent to: dropping it, with the last `Arc`, is the message.
    _last: oneshot::Sender<()>,
}

/// An instance out of service, on its way to its stop.
#[derive(Debug)]
pub(super) struct Retired {
    pub(super) instance: Instance,
    pub(super) descriptor: Arc<Descriptor>,
    users: Users,
}

/// Completes when nobody uses an instance any more.
#[derive(Debug)]
pub(super) struct Users(oneshot::Receiver<()>);

impl Live {
    pub(super) fn new(instance: Instance, descriptor: Arc<Descriptor>) -> (Arc<Self>, Users) {
        let (last, users) = oneshot::channel();
        (Arc::new(Self { instance, descriptor, _last: last }), Users(users))
    }

    pub(super) fn side(&self) -> Side<'_> {
        Side { descriptor: &self.descriptor, instance: &self.instance }
    }

    /// Takes it out of service; the caller's own use ends here.
    pub(super) fn retire(self: Arc<Self>, users: Users) -> Retired {
        Retired { instance: self.instance.clone(), descriptor: Arc::clone(&self.descriptor), users }
    }
}

impl Retired {
    /// One that nobody ever used.
    pub(super) fn unused(instance: Instance, descriptor: Arc<Descriptor>) -> Self {
        let (_, users) = oneshot::channel();
        Self { instance, descriptor, users: Users(users) }
    }

    pub(super) fn side(&self) -> Side<'_> {
        Side { descriptor: &self.descriptor, instance: &self.instance }
    }

    /// Waits until nobody uses it. Cancellation loses nothing.
    pub(super) async fn unused_by_now(&mut self) {
        if !self.users.0.is_terminated() {
            // Nobody sends: the error is the news.
            let _ = (&mut self.users.0).await;
        }
    }
}
