//! What handles the events of a subscription.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use oneiric_core::lifecycle::{Handle, Lifecycle, LifecycleError};
use oneiric_core::resolver::Query;
use oneiric_core::roles::{Envelope, EventHandler};
use oneiric_core::{Descriptor, Fault, Payload};
use tokio::sync::OnceCell;

use crate::buffer::{Buffer, Job, Offered};

/// What handles the events of a subscription. A clone is the same one.
#[derive(Clone)]
pub struct Handler(Kind);

#[derive(Clone)]
enum Kind {
    /// A closure or a struct of the program.
    Fixed(Arc<dyn EventHandler>),
    /// A component, brought up for its first event; follows swaps.
    Component(Arc<Component>),
    /// Nobody: events wait until they are fetched.
    Buffer(Arc<Buffer>),
}

/// One event being handled.
pub(crate) type Call<'a> = Pin<Box<dyn Future<Output = Result<Payload, Fault>> + Send + 'a>>;

struct Component {
    lifecycle: Lifecycle,
    descriptor: Arc<Descriptor>,
    /// Exactly this candidate, whatever serves its key.
    pinned: bool,
    handle: OnceCell<Handle<dyn EventHandler>>,
}

impl Handler {
    /// A closure or a struct.
    pub fn fixed(handler: Arc<dyn EventHandler>) -> Self {
        Self(Kind::Fixed(handler))
    }

    /// The component that serves the key of a candidate; it is brought up for its first event.
    pub fn component(lifecycle: Lifecycle, descriptor: Arc<Descriptor>) -> Self {
        Self(Kind::Component(Arc::new(Component {
            lifecycle,
            descriptor,
            pinned: false,
            handle: OnceCell::new(),
        })))
    }

    /// Exactly this candidate, although another one may serve its key.
    pub fn candidate(lifecycle: Lifecycle, descriptor: Arc<Descriptor>) -> Self {
        Self(Kind::Component(Arc::new(Component {
            lifecycle,
            descriptor,
            pinned: true,
            handle: OnceCell::new(),
        })))
    }

    /// Nobody: events wait in a buffer.
    pub(crate) fn buffered(buffer: Arc<Buffer>) -> Self {
        Self(Kind::Buffer(buffer))
    }

    /// Whether the one is as good as the other: the same value, or the same component meant in the same way.
    pub(crate) fn is_as(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Kind::Fixed(one), Kind::Fixed(other)) => Arc::ptr_eq(one, other),
            (Kind::Component(one), Kind::Component(other)) => {
                one.pinned == other.pinned && one.descriptor == other.descriptor
            }
            (Kind::Buffer(one), Kind::Buffer(other)) => Arc::ptr_eq(one, other),
            (Kind::Fixed(_) | Kind::Component(_) | Kind::Buffer(_), _) => false,
        }
    }

    /// Begins to handle one event.
    pub(crate) fn call<'a>(&'a self, envelope: &'a Envelope) -> Call<'a> {
        match &self.0 {
            Kind::Fixed(handler) => handler.handle(envelope),
            Kind::Component(component) => Box::pin(async move {
                let current = component.handle().await?.current()?;
                current.handle(envelope).await
            }),
            Kind::Buffer(buffer) => Box::pin(keep(buffer, envelope)),
        }
    }
}

/// Whoever waits for the handlers of an event waits until it is in the buffer.
async fn keep(buffer: &Buffer, envelope: &Envelope) -> Result<Payload, Fault> {
    let taken = match buffer.offer(Job::One(Arc::new(envelope.clone()))) {
        Offered::Taken => true,
        Offered::Wait(entering) => entering.enter().await,
        Offered::Full | Offered::Gone => false,
    };
    let no = || Fault::transient("no-room", "there was no room for the event, or nobody fetches it any more");
    taken.then_some(Payload::NULL).ok_or_else(no)
}

impl Component {
    async fn handle(&self) -> Result<&Handle<dyn EventHandler>, Fault> {
        self.handle.get_or_try_init(|| self.bring_up()).await.map_err(Fault::from)
    }

    async fn bring_up(&self) -> Result<Handle<dyn EventHandler>, LifecycleError> {
        if self.pinned {
            return self.lifecycle.handle_of(&self.descriptor).await;
        }
        let (domain, key) = (&self.descriptor.domain, &self.descriptor.key);
        match self.lifecycle.handle(domain, key, &Query::default()).await {
            // The key has left since; an event that was on its way already is handled all the same.
            Err(LifecycleError::Unknown(_)) => self.lifecycle.handle_of(&self.descriptor).await,
            found => found,
        }
    }
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Fixed(_) => f.write_str("Handler::Fixed"),
            Kind::Component(component) => {
                f.debug_tuple("Handler::Component").field(&component.descriptor.key).finish()
            }
            Kind::Buffer(_) => f.write_str("Handler::Buffer"),
        }
    }
}
