//! What can be linked in, and what is said where it does not fit.

use std::sync::Arc;

use async_trait::async_trait;
use oneiric_core::linked::{Linked, action_fn, handler_fn, task_fn};
use oneiric_core::roles::{Action, Envelope, EventHandler, Service, ServiceContext, Task, TaskContext};
use oneiric_core::{Blueprint, Class, Component, Descriptor, Domain, Fault, Instance, Payload, Role};
use oneiric_runtime::{Builder, Error, Kind, Oneiric, RunRequest};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

#[derive(Serialize, Deserialize)]
struct Order {
    item: String,
    counts: Vec<u32>,
}

/// A workflow `one` of one node `a`, whose task `task` is retried if its fault allows it.
fn one(builder: Builder) -> Builder {
    let retry = json!({"attempts": 3, "base_delay": 0});
    builder.workflow("one", &json!({"nodes": [{"id": "a", "task": "task", "retry_policy": retry}]}))
}

fn counting() -> impl Task + 'static {
    task_fn(|order: Order| async move { Ok::<_, Fault>(order.counts.iter().sum::<u32>()) })
}

#[tokio::test]
async fn an_input_of_another_type_is_a_permanent_fault_that_names_the_field() {
    let oneiric = one(Oneiric::builder()).task("task", counting()).start().await.unwrap();
    let check = async |input: Value, expected: &str| {
        let run = oneiric.run(RunRequest::of("one", &input).unwrap()).await.unwrap();
        run.ended().await;
        let report = run.report();
        let node = report.node("a").unwrap();
        let fault = node.fault.as_ref().unwrap();
        assert_eq!(fault.message, format!("the input cannot be read: {expected}"));
        assert_eq!((fault.class, fault.code.as_str(), node.attempts), (Class::Permanent, "bad-payload", 1));
    };
    check(json!({"item": 3, "counts": []}), "field `item`: invalid type: integer `3`, expected a string")
        .await;
    check(
        json!({"item": "tea", "counts": [1, -2]}),
        "field `counts[1]`: invalid value: integer `-2`, expected u32",
    )
    .await;
    check(json!({"item": "tea"}), "missing field `counts`").await;

    let tea = Order { item: "tea".to_owned(), counts: vec![2, 3] };
    let run = oneiric.run(RunRequest::of("one", &tea).unwrap()).await.unwrap();
    assert_eq!(run.completed().await.unwrap().output::<u32>("a").unwrap(), 5);
}

#[tokio::test]
async fn an_input_that_json_cannot_hold_is_no_request() {
    let odd = std::collections::HashMap::from([((1, 2), 3)]);
    let error = RunRequest::of("one", &odd).unwrap_err();
    assert_eq!(error.to_string(), "the input of `one`: key must be a string");
    assert_eq!(error.kind(), Kind::Configuration);
}

struct Upper;

#[async_trait]
impl Action for Upper {
    async fn apply(&self, input: Payload) -> Result<Payload, Fault> {
        Ok(json!(input.read::<String>()?.to_uppercase()).into())
    }
}

#[async_trait]
impl Task for Upper {
    async fn run(&self, cx: TaskContext<'_>) -> Result<Payload, Fault> {
        self.apply(cx.input).await
    }
}

#[async_trait]
impl Service for Upper {
    async fn run(&self, cx: ServiceContext) -> Result<(), Fault> {
        cx.stop.cancelled().await;
        Ok(())
    }
}

#[tokio::test]
async fn structs_and_closures_play_every_role() {
    let oneiric = one(Oneiric::builder())
        .task("task", Upper)
        .action("upper", Upper)
        .action("double", action_fn(|n: u32| async move { Ok::<_, Fault>(2 * n) }))
        .handler("audit", handler_fn(|event: Envelope| async move { Ok::<_, Fault>(event.topic) }))
        .service("watch", Upper)
        .start()
        .await
        .unwrap();
    let run = oneiric.run(RunRequest::of("one", "tea").unwrap()).await.unwrap();
    assert_eq!(run.completed().await.unwrap().output::<String>("a").unwrap(), "TEA");
    let upper = oneiric.resolve::<dyn Action>("upper").await.unwrap();
    assert_eq!(upper.apply(json!("x").into()).await.unwrap().value(), "X");
    let double = oneiric.resolve::<dyn Action>("double").await.unwrap();
    assert_eq!(double.apply(json!(21).into()).await.unwrap().value(), 42);
    let audit = oneiric.resolve::<dyn EventHandler>("audit").await.unwrap();
    let envelope = Envelope::new("order.paid".parse().unwrap(), Value::Null);
    assert_eq!(audit.handle(&envelope).await.unwrap().value(), "order.paid");
    let stop = CancellationToken::new();
    stop.cancel();
    let watch = oneiric.resolve::<dyn Service>("watch").await.unwrap();
    let cx = ServiceContext::alone("watch".parse().unwrap(), stop);
    watch.current().unwrap().run(cx).await.unwrap();
}

const SHAPES: Domain = Domain::from_static("shapes");

trait Shape: Send + Sync {
    fn area(&self) -> u32;
}

impl Role for dyn Shape {
    const NAME: &'static str = "shape";
    const DOMAIN: Domain = SHAPES;
}

#[derive(Deserialize)]
struct Square {
    side: u32,
}

impl Component for Square {}

impl Shape for Square {
    fn area(&self) -> u32 {
        self.side * self.side
    }
}

// A struct may be its own role.
impl Role for Square {
    const NAME: &'static str = "square";
    const DOMAIN: Domain = SHAPES;
}

fn square(blueprint: &Blueprint) -> Result<Instance, Fault> {
    let square: Arc<Square> = Arc::new(blueprint.read()?);
    Ok(Instance::new(square.clone()).plays::<dyn Shape>(square.clone()).plays::<Square>(square))
}

fn sides(side: Value) -> Builder {
    let settings = move |descriptor: &Descriptor| {
        assert_eq!(descriptor.domain, SHAPES);
        [("side".to_owned(), side.clone())].into_iter().collect()
    };
    Oneiric::builder()
        .component(Linked::new(SHAPES, "s", square).provider("geometry"))
        .provider_settings(Arc::new(settings))
}

#[tokio::test]
async fn a_domain_of_ones_own_has_roles_and_settings() {
    let oneiric = sides(json!(4)).start().await.unwrap();
    assert_eq!(oneiric.resolve::<dyn Shape>("s").await.unwrap().current().unwrap().area(), 16);
    assert_eq!(oneiric.get::<Square>("shapes", "s").await.unwrap().current().unwrap().side, 4);

    let error = oneiric.get::<dyn Action>("shapes", "s").await.unwrap_err();
    assert_eq!(error.to_string(), "shapes `s` does not play the role `action`; it plays `shape`, `square`");
    assert_eq!(error.kind(), Kind::Resolution);
}

#[tokio::test]
async fn settings_select_and_build_the_providers_of_a_domain_of_ones_own() {
    let settings = json!({"domains": {"shapes": {
        "selections": {"s": "small"},
        "provider_settings": {"small": {"side": 2}, "large": {"side": 9}},
    }}});
    let oneiric = Oneiric::builder()
        .component(Linked::new(SHAPES, "s", square).provider("small"))
        .component(Linked::new(SHAPES, "s", square).provider("large"))
        .settings(serde_json::from_value(settings).unwrap())
        .start()
        .await
        .unwrap();
    let shape = oneiric.resolve::<dyn Shape>("s").await.unwrap();
    assert_eq!(shape.current().unwrap().area(), 4);
    oneiric.swap_to("shapes", "s", "large").await.unwrap();
    assert_eq!(shape.current().unwrap().area(), 81);
}

#[tokio::test]
async fn a_wrong_setting_is_an_error_that_names_provider_and_field() {
    let oneiric = sides(json!("four")).start().await.unwrap();
    let error = oneiric.resolve::<dyn Shape>("s").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "shapes `s`: the settings of `geometry`: field `side`: invalid type: string \"four\", expected u32"
    );
    assert_eq!(error.kind(), Kind::Configuration);
}

#[tokio::test]
async fn a_manifest_names_linked_factories_and_a_slip_is_told_with_the_nearest() {
    let manifest = |factory: &str| {
        format!("entries: [{{domain: task, key: task, provider: shop, factory: {factory}}}]").into_bytes()
    };
    let builder = |factory: &str| {
        let task = Arc::new(counting());
        one(Oneiric::builder())
            .factory("shop-counting", move |_| {
                let task: Arc<dyn Task> = task.clone();
                Ok(Instance::new(Arc::new(Square { side: 0 })).plays::<dyn Task>(task))
            })
            .manifest_text("shop.yaml", manifest(factory))
    };
    let tea = RunRequest::of("one", &json!({"item": "tea", "counts": [7]})).unwrap();
    let oneiric = builder("shop-counting").start().await.unwrap();
    let run = oneiric.run(tea.clone()).await.unwrap();
    assert_eq!(run.completed().await.unwrap().output::<u32>("a").unwrap(), 7);

    let oneiric = builder("shop-countign").start().await.unwrap();
    let error = oneiric.run(tea).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "task `task`: nothing is linked in under the name `shop-countign`; did you mean `shop-counting`?"
    );
    assert_eq!(error.kind(), Kind::Resolution);
}

#[tokio::test]
async fn a_text_that_is_no_name_is_an_error_of_load() {
    let check = |builder: Builder, expected: &str| {
        let error = builder.load().unwrap_err();
        assert!(matches!(error, Error::Name(_)), "{error:?}");
        assert_eq!((error.to_string().as_str(), error.kind()), (expected, Kind::Configuration));
    };
    let why = "contains ' '; allowed are letters, digits, `_`, `-` and `.`";
    check(Oneiric::builder().task("a b", Upper).task("c d", Upper), &format!("key `a b` {why}"));
    check(Oneiric::builder().workflow("a b", &json!({"nodes": []})), &format!("key `a b` {why}"));
    let linked = Linked::task("a", Upper).provider("x y").describe(|it| it.priority = 1);
    check(Oneiric::builder().component(linked), &format!("provider `x y` {why}"));
    let oneiric = Oneiric::builder().start().await.unwrap();
    assert!(matches!(oneiric.get::<dyn Task>("task", "a b").await, Err(Error::Name(_))));
}
