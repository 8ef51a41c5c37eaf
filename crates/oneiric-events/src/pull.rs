//! Subscriptions whose events are fetched.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use oneiric_core::manifest::FanoutPolicy;
use oneiric_core::roles::{DeliveryMode, Envelope};

use crate::buffer::Job;
use crate::dispatcher::{Dispatcher, Subscribed};
use crate::handler::Handler;
use crate::stats::Stats;
use crate::subscription::{Subscription, SubscriptionError};
use crate::table::{Live, Mode};

/// The events of a subscription, for whoever fetches them. Dropping it ends the subscription, and drops what
/// waits.
///
/// Whoever emits is held up, or an event is dropped, as the subscription's `overflow` says, when more than
/// `buffer` wait. What waits is lost with the process: nothing is promised beyond it.
pub struct Pull {
    dispatcher: Dispatcher,
    live: Arc<Live>,
    subscribed: Subscribed,
}

impl Dispatcher {
    /// Adds a subscription whose events wait until they are fetched. Every event that is emitted after this
    /// returns waits for it. Who emits and waits for handlers only waits until it is in the buffer.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use oneiric_core::gate::Pipeline;
    /// # use oneiric_core::rng::SeededRng;
    /// # use oneiric_core::roles::Envelope;
    /// # use oneiric_events::{Defaults, Dispatcher, Interest, Parts, Pattern, Subscription};
    /// # use oneiric_testkit::ManualClock;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (clock, rng) = (Arc::new(ManualClock::new()), Arc::new(SeededRng::new(1)));
    /// # let dispatcher = Dispatcher::new(Parts { clock, rng, gate: Arc::new(Pipeline::standard()) });
    /// let orders = dispatcher.subscribe_pull(Subscription {
    ///     interest: Interest::topic(Pattern::new("order.*")?),
    ///     ..Subscription::new("orders", "orders".parse()?, &Defaults::default())
    /// })?;
    /// dispatcher.emit(Envelope::new("order.paid".parse()?, serde_json::json!({"id": 7}))).await;
    /// let paid = orders.next().await.expect("the subscription is there");
    /// assert_eq!(paid.payload.value()["id"], 7);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`SubscriptionError::Value`] for one that is to be delivered at least once (what is fetched is promised
    /// nothing: a handler with a name of its own is), or that is part of a chain (nobody could tell when it is
    /// the next one's turn).
    pub fn subscribe_pull(&self, subscription: Subscription) -> Result<Pull, SubscriptionError> {
        check(&subscription)?;
        Ok(self.pull(Live::pulled(subscription, None)))
    }

    /// Adds a subscription whose events go to a handler, and can be fetched as well: each goes to who is first.
    /// Whoever fetches takes what the handler has not got to; while the subscription is paused
    /// ([`Dispatcher::pause`]), that is all of it.
    ///
    /// # Errors
    /// As of [`Dispatcher::subscribe_pull`].
    pub fn subscribe_hybrid(
        &self,
        subscription: Subscription,
        handler: Handler,
    ) -> Result<Pull, SubscriptionError> {
        check(&subscription)?;
        Ok(self.pull(Live::pulled(subscription, Some(handler))))
    }

    fn pull(&self, live: Arc<Live>) -> Pull {
        let subscribed = self.add(Arc::clone(&live));
        Pull { dispatcher: self.clone(), live, subscribed }
    }
}

fn check(subscription: &Subscription) -> Result<(), SubscriptionError> {
    let wrong = |name, reason: &str| Err(SubscriptionError::Value { name, reason: reason.to_owned() });
    match subscription.fanout {
        FanoutPolicy::Broadcast | FanoutPolicy::Exclusive => {}
        FanoutPolicy::Ordered | FanoutPolicy::FirstSuccess => {
            return wrong("fanout_policy", "a subscription whose events are fetched is no part of a chain");
        }
    }
    match subscription.delivery {
        DeliveryMode::FireAndForget => Ok(()),
        DeliveryMode::AtLeastOnce => {
            wrong("event_delivery", "a subscription whose events are fetched is promised nothing")
        }
    }
}

impl Pull {
    /// What the subscription is told apart by.
    pub fn subscribed(&self) -> Subscribed {
        self.subscribed
    }

    /// How many events wait.
    pub fn len(&self) -> usize {
        self.live.buffer.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next event, if one waits. Those that have expired are left out, and counted.
    pub fn try_next(&self) -> Option<Arc<Envelope>> {
        let now = self.dispatcher.0.parts.clock.now();
        loop {
            let envelope = match self.live.buffer.take()? {
                Job::One(envelope) => envelope,
                Job::Chain(chain) => chain.envelope,
            };
            if envelope.has_expired(now) {
                Stats::count(&self.live.stats.expired);
            } else {
                Stats::count(&self.live.stats.pulled);
                return Some(envelope);
            }
        }
    }

    /// The next event, waited for. `None` once the subscription has ended and nothing waits any more. Dropping
    /// the future loses nothing.
    pub async fn next(&self) -> Option<Arc<Envelope>> {
        loop {
            // Asked first: what came before the end is to be seen.
            let closed = self.live.buffer.is_closed();
            if let Some(envelope) = self.try_next() {
                return Some(envelope);
            }
            if closed {
                // Others may wait beside this one.
                self.live.buffer.wake_pullers();
                return None;
            }
            self.live.buffer.arrival().await;
        }
    }

    /// Up to `most` events: as soon as there are as many, or those that have come when `wait` has passed, which
    /// may be none. Dropping the future loses what had been gathered.
    pub async fn batch(&self, most: usize, wait: Duration) -> Vec<Arc<Envelope>> {
        let mut batch = Vec::new();
        let gather = async {
            while batch.len() < most {
                match self.next().await {
                    Some(envelope) => batch.push(envelope),
                    None => return,
                }
            }
        };
        tokio::select! {
            biased;
            () = gather => {}
            () = self.dispatcher.0.parts.clock.sleep(wait) => {}
        }
        batch
    }
}

impl Drop for Pull {
    fn drop(&mut self) {
        self.dispatcher.unsubscribe(self.subscribed);
        // A handler beside it gets what waits, but not once the process goes down.
        if self.live.mode == Mode::Pull || self.dispatcher.0.stop.is_cancelled() {
            self.dispatcher.abandon(&self.live, 0);
        }
    }
}

impl fmt::Debug for Pull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.live.subscription.name;
        f.debug_struct("Pull").field("name", name).field("len", &self.len()).finish_non_exhaustive()
    }
}
