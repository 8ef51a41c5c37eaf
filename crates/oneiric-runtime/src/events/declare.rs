//! From candidates of domain `event` to subscriptions.

use std::sync::{Arc, MutexGuard, PoisonError};

use oneiric_core::roles::EventHandler;
use oneiric_core::settings::Settings;
use oneiric_core::{Candidate, Descriptor, Domain, Key, Registry};
use oneiric_events::{
    Defaults, Dispatcher, Handler, Interest, Pattern, Pull, Subscribed, Subscription, SubscriptionError,
};

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

    /// Subscribes a handler to a topic, with the defaults of the settings: the short way. A struct, or
    /// [`typed`](oneiric_events::typed) of a closure that takes the payload, or
    /// [`handler_fn`](oneiric_core::linked::handler_fn) of one that takes the envelope; see [`Oneiric::emit`].
    ///
    /// It is about this process and has a name that another one need not know: what is to be delivered at least
    /// once is linked in under a key ([`Builder::handler`](crate::Builder::handler)).
    ///
    /// # Errors
    /// [`Error::Setting`] for a pattern that is none.
    pub fn on(&self, topic: &str, handler: impl EventHandler + 'static) -> Result<Subscribed, Error> {
        Ok(self.0.dispatcher.on(pattern(topic)?, handler, &self.event_defaults()))
    }

    /// Adds a subscription whose events wait until they are fetched, within its buffer. Nothing is promised of
    /// them beyond this process.
    ///
    /// ```
    /// # use oneiric_core::roles::Envelope;
    /// # use oneiric_runtime::Oneiric;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let oneiric = Oneiric::builder().start().await?;
    /// let orders = oneiric.pull(oneiric.subscription("orders", "order.*")?)?;
    /// oneiric.emit(Envelope::new("order.paid".parse()?, serde_json::json!(7))).await?;
    /// assert_eq!(orders.next().await.expect("it is there").payload.value(), 7);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Subscription`] for one that is to be delivered at least once, or is part of a chain.
    pub fn pull(&self, subscription: Subscription) -> Result<Pull, Error> {
        let key = subscription.key.clone();
        self.0.dispatcher.subscribe_pull(subscription).map_err(|error| of(key, error))
    }

    /// Adds a subscription whose events go to a handler and can be fetched as well: each goes to who is first.
    ///
    /// # Errors
    /// As of [`Oneiric::pull`].
    pub fn subscribe_hybrid(&self, subscription: Subscription, handler: Handler) -> Result<Pull, Error> {
        let key = subscription.key.clone();
        self.0.dispatcher.subscribe_hybrid(subscription, handler).map_err(|error| of(key, error))
    }

    /// Keeps events from one subscription of this process, by its name (`key:provider`), until
    /// [`Oneiric::resume_subscription`]: they wait in its buffer, within its bound; stored ones wait in the
    /// store, for this process or another one. Whether there is one. A component is paused for every process
    /// with [`Oneiric::pause_component`], which refuses what nothing is promised of.
    pub fn pause_subscription(&self, name: &str) -> bool {
        self.0.dispatcher.pause(name)
    }

    /// Lets events pass again. Whether there is a subscription of this name.
    pub fn resume_subscription(&self, name: &str) -> bool {
        let there = self.0.dispatcher.resume(name);
        self.0.courier.nudge();
        there
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
        let plain = Subscription::new(name, name.parse()?, &self.event_defaults());
        Ok(Subscription { interest: Interest::topic(self::pattern(pattern)?), ..plain })
    }

    fn event_defaults(&self) -> Defaults {
        defaults_of(&self.settings())
    }

    /// Makes the subscriptions of the candidates as they are now, and swaps them for those that were there. An
    /// entry that has left is gone; an event under way ends on the table that it began on.
    ///
    /// # Errors
    /// [`Error::Subscription`]; then nothing has changed.
    pub(crate) fn declare(&self) -> Result<(), Error> {
        let _one = self.rebuilding();
        let declared = self.declared(&self.lifecycle().registry(), &self.settings())?;
        self.0.dispatcher.declare_of(declared, self.catalog());
        Ok(())
    }

    /// The subscriptions of these candidates, under these settings.
    pub(crate) fn declared(
        &self,
        registry: &Registry,
        settings: &Settings,
    ) -> Result<Vec<(Subscription, Handler)>, Error> {
        let (lifecycle, defaults) = (self.lifecycle(), defaults_of(settings));
        let active = registry.active(&Domain::EVENT).map(|candidate| (candidate, false));
        let shadowed = registry
            .shadowed(&Domain::EVENT)
            .filter(|candidate| Subscription::even_shadowed(candidate.descriptor()))
            .map(|candidate| (candidate, true));
        let declared = active.chain(shadowed).map(|(candidate, shadowed): (&Candidate, bool)| {
            let descriptor: &Arc<Descriptor> = candidate.descriptor();
            let subscription =
                Subscription::of(descriptor, &defaults).map_err(|error| of(descriptor.key.clone(), error))?;
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

fn defaults_of(settings: &Settings) -> Defaults {
    let said = &settings.event_delivery;
    Defaults { timeout: said.handler_timeout.duration(), buffer: said.buffer as usize }
}

fn of(key: Key, error: SubscriptionError) -> Error {
    Error::Subscription { key, error: Box::new(error) }
}

fn pattern(text: &str) -> Result<Pattern, Error> {
    Pattern::new(text).map_err(|error| Error::Setting { what: "topic".to_owned(), reason: error.to_string() })
}
