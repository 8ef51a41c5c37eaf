//! A dispatcher in virtual time, and handlers of all kinds.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use oneiric_core::gate::Pipeline;
use oneiric_core::linked::handler_fn;
use oneiric_core::rng::SeededRng;
use oneiric_core::roles::Envelope;
use oneiric_core::{Clock as _, Fault};
use oneiric_events::{
    Defaults, Dispatched, Dispatcher, Handler, Interest, Outcome, Parts, Pattern, Subscribed, Subscription,
};
use oneiric_testkit::{ManualClock, virtual_time};
use serde_json::{Value, json};

/// A dispatcher, and what its handlers have seen.
pub(crate) struct World {
    pub(crate) clock: ManualClock,
    pub(crate) dispatcher: Dispatcher,
    seen: Arc<Mutex<Vec<String>>>,
}

impl World {
    pub(crate) fn new() -> Self {
        let clock = ManualClock::new();
        let parts = Parts {
            clock: Arc::new(clock.clone()),
            rng: Arc::new(SeededRng::new(1)),
            gate: Arc::new(Pipeline::standard()),
        };
        Self { clock, dispatcher: Dispatcher::new(parts), seen: Arc::default() }
    }

    /// A handler that writes down its name when it begins, works for so many seconds, and answers its name.
    pub(crate) fn works(&self, name: &str, seconds: u64) -> Handler {
        let (name, clock, seen) = (name.to_owned(), self.clock.clone(), Arc::clone(&self.seen));
        Handler::fixed(Arc::new(handler_fn(move |_: Envelope| {
            let (name, clock) = (name.clone(), clock.clone());
            seen.lock().unwrap().push(name.clone());
            async move {
                if seconds > 0 {
                    clock.sleep(Duration::from_secs(seconds)).await;
                }
                Ok::<_, Fault>(name)
            }
        })))
    }

    /// A handler of a topic that works.
    pub(crate) fn on(&self, name: &str, topic: &str) -> Subscribed {
        self.dispatcher.subscribe(subscription(name, topic), self.works(name, 0))
    }

    /// A handler of everything that has this interest.
    pub(crate) fn interested(&self, name: &str, interest: Interest) -> Subscribed {
        self.dispatcher.subscribe(Subscription { interest, ..plain(name) }, self.works(name, 0))
    }

    /// Gives an event to everybody who wants it.
    pub(crate) fn dispatch(&self, event: &Envelope) -> Dispatched {
        virtual_time(&self.clock, self.dispatcher.dispatch(event))
    }

    /// The names of those who get an event.
    #[track_caller]
    pub(crate) fn reaches(&self, event: &Envelope) -> Vec<String> {
        let dispatched = self.dispatch(event);
        assert!(dispatched.is_success(), "{dispatched:?}");
        names(&dispatched)
    }

    /// Who began, in that order, since this was asked last.
    pub(crate) fn began(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

/// An event with a payload.
pub(crate) fn event(topic: &str, payload: Value) -> Envelope {
    Envelope::new(topic.parse().unwrap(), payload)
}

/// An event that says nothing.
pub(crate) fn about(topic: &str) -> Envelope {
    event(topic, json!({}))
}

/// A subscription to everything.
pub(crate) fn plain(name: &str) -> Subscription {
    Subscription::new(name, "k".parse().unwrap(), &Defaults::default())
}

/// A subscription to a topic.
pub(crate) fn subscription(name: &str, topic: &str) -> Subscription {
    Subscription { interest: Interest::topic(pattern(topic)), ..plain(name) }
}

pub(crate) fn pattern(text: &str) -> Pattern {
    Pattern::new(text).unwrap()
}

/// The handlers of an event, in the order of its results.
pub(crate) fn names(dispatched: &Dispatched) -> Vec<String> {
    dispatched.results.iter().map(|outcome| outcome.handler.to_string()).collect()
}

/// What became of an event at one handler.
#[track_caller]
pub(crate) fn at<'d>(dispatched: &'d Dispatched, name: &str) -> &'d Outcome {
    dispatched.results.iter().find(|outcome| &*outcome.handler == name).unwrap()
}

/// The code with which one handler failed.
#[track_caller]
pub(crate) fn code<'d>(dispatched: &'d Dispatched, name: &str) -> &'d str {
    &at(dispatched, name).result.as_ref().unwrap_err().code
}
