//! How much does it cost that an event finds its handlers?
//!
//! Ten handlers, each of one topic with two conditions on the payload; five of them want the event. The limit is
//! a loop over the ten that compares the same three values and awaits the same boxed calls: no slot, no gate, no
//! time, no panic caught, no result kept. Ours is `Dispatcher::dispatch`, result included.
//!
//! `cargo bench -p oneiric-events --bench dispatch`; the figures are kept in `docs/benchmarks.md`.
#![expect(clippy::print_stdout, reason = "a bench prints")]

use std::future::poll_fn;
use std::hint::black_box;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use oneiric_core::gate::Pipeline;
use oneiric_core::rng::SeededRng;
use oneiric_core::roles::{Envelope, EventHandler};
use oneiric_core::{Clock, Fault, Payload, Timestamp};
use oneiric_events::{Defaults, Dispatcher, Filter, Handler, Interest, Parts, Pattern, Subscription};
use oneiric_testkit::bench::compare;
use serde_json::{Value, json};

const EVENTS: usize = 50_000;
const HANDLERS: usize = 10;
const BYSTANDERS: usize = 10_000;

/// The system's clocks, as a process has them.
#[derive(Debug)]
struct Wall(std::time::Instant);

impl Clock for Wall {
    #[expect(clippy::disallowed_methods, reason = "a bench measures with the real clock")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Timestamp::from_micros(i64::try_from(since.unwrap_or_default().as_micros()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn sleep(&self, delay: Duration) -> oneiric_core::clock::Sleep {
        Box::pin(tokio::time::sleep(delay))
    }
}

/// Answers at once, or after everybody else had a turn.
struct Answers {
    later: bool,
}

#[async_trait]
impl EventHandler for Answers {
    async fn handle(&self, envelope: &Envelope) -> Result<Payload, Fault> {
        let mut turns = u32::from(self.later);
        poll_fn(|cx| {
            if turns == 0 {
                return Poll::Ready(());
            }
            turns -= 1;
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        black_box(envelope);
        Ok(Payload::NULL)
    }
}

/// What the limit compares.
struct Raw {
    topic: String,
    tenant: Value,
    region: Value,
    handler: Arc<dyn EventHandler>,
}

/// Every second handler wants the event.
fn region(n: usize) -> &'static str {
    if n.is_multiple_of(2) { "eu" } else { "us" }
}

fn envelope() -> Envelope {
    let payload = json!({"tenant": "shop", "region": "eu", "order": 7});
    Envelope::new("order.paid".parse().expect("a topic"), payload).with_header("event_id", "e-1")
}

fn raw() -> Vec<Raw> {
    let of = |n| Raw {
        topic: "order.paid".to_owned(),
        tenant: json!("shop"),
        region: json!(region(n)),
        handler: Arc::new(Answers { later: false }),
    };
    (0..HANDLERS).map(of).collect()
}

#[expect(clippy::disallowed_methods, reason = "a bench measures with the real clock")]
fn dispatcher(later: bool, bystanders: usize) -> Dispatcher {
    let dispatcher = Dispatcher::new(Parts {
        clock: Arc::new(Wall(std::time::Instant::now())),
        rng: Arc::new(SeededRng::new(1)),
        gate: Arc::new(Pipeline::standard()),
    });
    let subscribe = |name: String, topic: String, region: &str| {
        let filter = |filter| Filter::new(&filter).expect("a filter");
        let interest = Interest {
            filters: vec![
                filter(json!({"path": "payload.tenant", "any_of": ["shop"]})),
                filter(json!({"path": "payload.region", "equals": region})),
            ],
            ..Interest::topic(Pattern::new(topic).expect("a pattern"))
        };
        let key = name.parse().expect("a key");
        let subscription = Subscription { interest, ..Subscription::new(name, key, &Defaults::default()) };
        dispatcher.subscribe(subscription, Handler::fixed(Arc::new(Answers { later })));
    };
    for n in 0..HANDLERS {
        subscribe(format!("h{n}"), "order.paid".to_owned(), region(n));
    }
    for n in 0..bystanders {
        // Some of each kind, all with a word in common with the event's topic.
        let topic = match n % 3 {
            0 => format!("order.other-{n}"),
            1 => format!("order.*.other-{n}"),
            _ => format!("other-{n}.>"),
        };
        subscribe(format!("b{n}"), topic, "eu");
    }
    dispatcher
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("one thread");
    let event = envelope();
    let limit = || {
        let handlers = raw();
        runtime.block_on(async {
            timed_async(async {
                for _ in 0..EVENTS {
                    for raw in &handlers {
                        let payload = event.payload.value();
                        if raw.topic == event.topic.as_str()
                            && payload.get("tenant") == Some(&raw.tenant)
                            && payload.get("region") == Some(&raw.region)
                        {
                            black_box(raw.handler.handle(&event).await).expect("it answers");
                        }
                    }
                }
            })
            .await
        })
    };
    let ours = |dispatcher: &Dispatcher| {
        runtime.block_on(async {
            timed_async(async {
                for _ in 0..EVENTS {
                    let done = black_box(dispatcher.dispatch(&event).await);
                    assert_eq!(done.results.len(), HANDLERS / 2);
                }
            })
            .await
        })
    };
    println!("10 handlers, a topic and two conditions each, 5 match; limit: a loop over boxed calls");
    let inline = dispatcher(false, 0);
    compare("answers at once, one after the other", EVENTS as u32, limit, || ours(&inline)).print();
    let concurrent = dispatcher(true, 0);
    compare("each waits for a turn, all at a time", EVENTS as u32, limit, || ours(&concurrent)).print();
    println!("the same beside 10,000 handlers of other topics; limit: without them");
    let crowded = dispatcher(false, BYSTANDERS);
    compare("10,010 handlers", EVENTS as u32, || ours(&inline), || ours(&crowded)).print();
}

#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
async fn timed_async(work: impl Future<Output = ()>) -> Duration {
    let began = std::time::Instant::now();
    work.await;
    began.elapsed()
}
