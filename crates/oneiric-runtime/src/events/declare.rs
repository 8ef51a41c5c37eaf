//! From candidates of domain `event` to subscriptions.

use std::sync::{Arc, MutexGuard, PoisonError};

use oneiric_core::{Candidate, Descriptor, Domain, Registry};
use oneiric_events::{Defaults, Dispatcher, Handler, Interest, Pattern, Subscribed, Subscription};

use crate::error::Error;
use crate::oneiric::Oneiric;

impl Oneiric {
    /// The subscriptions of this process: those of manifests, and those that came at run time.
    pub fn dispatcher(&self) -> &Dispatcher {
        &self.0.dispatcher
    }

    /// Adds a subscription at run time. Every event that is emitted in this process after this returns finds it;
    /// it ends with [`Oneiric::unsubscribe`], or with the process. See [`Oneiric::subscription`] for one to begin
    /// with.
    pub fn subscribe(&self, subscription: Subscription, handler: Handler) -> Subscribed {
        let subscribed = self.0.dispatcher.subscribe(subscription, handler);
        // Stored events may have waited for somebody who knows it.
        self.0.courier.nudge();
        subscribed
    }

    /// Removes a subscription. Whether it was there.
    pub fn unsubscribe(&self, subscribed: Subscribed) -> bool {
        self.0.dispatcher.unsubscribe(subscribed)
    }

    /// A subscription with the defaults of the settings.
    ///
    /// # Errors
    /// [`Error::Name`], [`Error::Setting`] for a pattern that is none.
    pub fn subscription(&self, name: &str, pattern: &str) -> Result<Subscription, Error> {
        let pattern = Pattern::new(pattern)
            .map_err(|error| Error::Setting { what: "topic".to_owned(), reason: error.to_string() })?;
        let plain = Subscription::new(name, name.parse()?, &self.event_defaults());
        Ok(Subscription { interest: Interest::topic(pattern), ..plain })
    }

    fn event_defaults(&self) -> Defaults {
        let settings = &self.settings().event_delivery;
        Defaults { timeout: settings.handler_timeout.duration(), buffer: settings.buffer as usize }
    }

    /// Makes the subscriptions of the candidates as they are now, and swaps them for those that were there. An
    /// entry that has left is gone; an event under way ends on the table that it began on.
    ///
    /// # Errors
    /// [`Error::Subscription`]; then nothing has changed.
    pub(crate) fn declare(&self) -> Result<(), Error> {
        let _one = self.rebuilding();
        let declared = self.declared(&self.lifecycle().registry())?;
        self.0.dispatcher.declare_of(declared, self.catalog());
        Ok(())
    }

    /// The subscriptions of these candidates.
    pub(crate) fn declared(&self, registry: &Registry) -> Result<Vec<(Subscription, Handler)>, Error> {
        let (lifecycle, defaults) = (self.lifecycle(), self.event_defaults());
        let active = registry.active(&Domain::EVENT).map(|candidate| (candidate, false));
        let shadowed = registry
            .shadowed(&Domain::EVENT)
            .filter(|candidate| Subscription::even_shadowed(candidate.descriptor()))
            .map(|candidate| (candidate, true));
        let declared = active.chain(shadowed).map(|(candidate, shadowed): (&Candidate, bool)| {
            let descriptor: &Arc<Descriptor> = candidate.descriptor();
            let subscription = Subscription::of(descriptor, &defaults).map_err(|error| {
                Error::Subscription { key: descriptor.key.clone(), error: Box::new(error) }
            })?;
            let (lifecycle, descriptor) = (lifecycle.clone(), Arc::clone(descriptor));
            let handler = if shadowed {
                Handler::candidate(lifecycle, descriptor)
            } else {
                Handler::component(lifecycle, descriptor)
            };
            Ok((subscription, handler))
        });
        declared.collect()
    }

    /// From candidates to subscriptions, one after the other.
    // Nothing under the lock can panic half way.
    pub(crate) fn rebuilding(&self) -> MutexGuard<'_, ()> {
        self.0.rebuilding.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
