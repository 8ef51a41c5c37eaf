//! Python: how components are found and built.

use oneiric_adapters::{Limits, Parts};
use oneiric_core::roles::{Action, Envelope, EventHandler, Task};
use oneiric_core::{Class, Domain, Instance};
use serde_json::{Value, json};

use crate::module::{Module, build};
use crate::support::{Call, parts};

async fn given(source: &str, settings: Value) -> Result<Value, oneiric_core::Fault> {
    let module = Module::new(source);
    let instance = module.build_as(Domain::TASK, "Attr", json!({}), settings).await?;
    let answer = Call::new(json!(null)).run(&instance).await;
    instance.component().stop().await.unwrap();
    answer
}

#[tokio::test]
async fn settings_reach_the_constructor_in_the_way_in_which_it_takes_them() {
    let check = async |parameters: &str, body: &str, expected: Value| {
        let source = format!(
            "import dataclasses, typing\n@dataclasses.dataclass\nclass S:\n    size: int = 1\n    name: str = 'n'\n\
             class Attr:\n    def __init__(self{parameters}):\n        self.found = {body}\n    \
             def run(self):\n        return self.found\n"
        );
        let found = given(&source, json!({"size": 3, "name": "x"})).await;
        assert_eq!(found.as_ref().ok(), Some(&expected), "{parameters}: {found:?}");
    };
    check("", "'none'", json!("none")).await;
    check(", settings", "settings", json!({"size": 3, "name": "x"})).await;
    check(", settings, *, client=None", "[settings['size'], client]", json!([3, null])).await;
    check(", *, settings=None", "settings.size", json!(3)).await;
    check(", settings: S", "[type(settings).__name__, settings.size]", json!(["S", 3])).await;
    check(", settings: 'typing.Optional[S]' = None", "type(settings).__name__", json!("S")).await;
    check(", config: dict", "config['name']", json!("x")).await;
    check(", size, other=2", "[size, other]", json!([3, 2])).await;
    check(", name, /", "name", json!("x")).await;
    let fault =
        given("class Attr:\n    def __init__(self, note):\n        pass\n", json!({})).await.unwrap_err();
    assert_eq!((fault.class, fault.code.as_str()), (Class::Permanent, "bad-signature"));
    assert_eq!(fault.message, "`m:Attr`: `note` is required; put it into the settings of the provider");
}

#[tokio::test]
async fn upstreams_hooks_are_called_whether_async_or_not() {
    for word in ["def", "async def"] {
        let module = Module::new(&format!(
            "class Attr:\n    state = 'new'\n    {word} init(self):\n        self.state = 'begun'\n    \
             {word} run(self):\n        return self.state\n    {word} is_healthy(self):\n        \
             return self.state != 'ill'\n    {word} execute(self, x):\n        self.state = x\n    \
             {word} close(self):\n        open('closed', 'w').close()\n"
        ));
        let instance = module.build_as(Domain::ADAPTER, "Attr", json!({}), json!({})).await.unwrap();
        assert_eq!(Call::new(json!(null)).run(&instance).await.unwrap(), json!("begun"));
        instance.component().health().await.unwrap();
        instance.role::<dyn Action>().unwrap().apply(json!("ill").into()).await.unwrap();
        let fault = instance.component().health().await.unwrap_err();
        assert_eq!(
            (fault.class, fault.message.as_str()),
            (Class::Transient, "`m:Attr`: is_healthy() says False")
        );
        instance.component().stop().await.unwrap();
        assert!(module.0.path().join("closed").exists());
    }
}

#[tokio::test]
async fn what_cannot_be_loaded_is_a_permanent_fault_with_a_way_out() {
    let module = Module::new("class Charge:\n    def run(self): pass\nimport shop.orders\n");
    let shop = module.0.path().join("shop");
    std::fs::create_dir(&shop).unwrap();
    for (file, source) in [
        ("__init__.py", ""),
        ("orders.py", "class Order:\n    def run(self): pass\n"),
        ("broken.py", "def x(:\n"),
        ("needy.py", "import no_such_library\n"),
        ("angry.py", "raise RuntimeError('no')\n"),
        ("quits.py", "import sys; sys.exit(4)\n"),
        ("late.py", "class Late:\n    def __init__(self):\n        raise OSError('later')\n"),
    ] {
        std::fs::write(shop.join(file), source).unwrap();
    }
    let check = async |factory: &str, class: Class, code: &str, parts_of_message: &[&str]| {
        let blueprint = module.blueprint(Domain::TASK, factory, json!({}), json!({}));
        let fault = build(&parts(Limits::STANDARD), blueprint).await.unwrap_err();
        assert_eq!((fault.class, fault.code.as_str()), (class, code), "{factory}: {fault}");
        for part in parts_of_message {
            assert!(fault.message.contains(part), "{factory}: {fault}");
        }
    };
    let here = module.0.path().to_str().unwrap();
    let permanent = Class::Permanent;
    check(
        "shopp.orders:Order",
        permanent,
        "unknown-module",
        &["no module `shopp`", "did you mean `shop`?", here],
    )
    .await;
    check("shop.oders:Order", permanent, "unknown-module", &["no module `shop.oders`", "`shop.orders`?"])
        .await;
    check("m:Chrage", permanent, "unknown-attribute", &["`m` has no `Chrage`; did you mean `Charge`?"]).await;
    check(
        "m:Charge.ruin",
        permanent,
        "unknown-attribute",
        &["`m.Charge` has no `ruin`; did you mean `run`?"],
    )
    .await;
    check("shop.broken:X", permanent, "syntax-error", &["shop/broken.py, line 1"]).await;
    check("shop.needy:X", permanent, "import-failed", &["needs `no_such_library`, which is not installed"])
        .await;
    check("shop.angry:X", permanent, "import-failed", &["RuntimeError: no"]).await;
    check("shop.quits:X", permanent, "import-failed", &["SystemExit: 4"]).await;
    check("shop.late:Late", Class::Transient, "build-failed", &["OSError: later"]).await;
}

#[tokio::test]
async fn the_interpreter_is_the_entrys_the_operators_or_the_default_one() {
    let module = Module::new("import sys\nclass Attr:\n    def run(self):\n        return sys.executable\n");
    let missing = async |parts: &Parts, more: Value, expected: &str| {
        let blueprint = module.blueprint(Domain::TASK, "m:Attr", more, json!({}));
        let fault = build(parts, blueprint).await.unwrap_err();
        assert_eq!((fault.class, fault.code.as_str()), (Class::Permanent, "python-missing"));
        assert!(fault.message.starts_with(&format!("no Python interpreter `{expected}`")), "{fault}");
        assert!(fault.message.contains("metadata.python.executable"), "{fault}");
    };
    let mut parts = parts(Limits::STANDARD);
    missing(&parts, json!({"executable": "python9.9"}), "python9.9").await;
    missing(&parts, json!({"venv": "/no/venv"}), "/no/venv/bin/python").await;
    parts.python.executable = "no-python".to_owned();
    missing(&parts, json!({}), "no-python").await;
    parts.python.venv = Some("/no/such".into());
    missing(&parts, json!({}), "/no/such/bin/python").await;
    let other = json!({"executable": "/bin/true"});
    let blueprint = module.blueprint(Domain::TASK, "m:Attr", other, json!({}));
    let fault = build(&parts, blueprint).await.unwrap_err();
    assert_eq!(fault.message, "`m:Attr` exited with 0 before it was ready");
    let unknown = module.build("Attr", json!({"interpreter": "x"})).await.unwrap_err();
    assert!(unknown.message.starts_with("`metadata.python.interpreter` is unknown"), "{unknown}");
}

#[tokio::test]
async fn nothing_in_the_working_folder_stands_in_for_the_standard_library() {
    let module = Module::new("import json\nclass Attr:\n    def run(self):\n        return json.dumps(1)\n");
    std::fs::write(module.0.path().join("json.py"), "raise RuntimeError('mine')\n").unwrap();
    std::fs::write(module.0.path().join("asyncio.py"), "raise RuntimeError('mine')\n").unwrap();
    let instance = module.build("Attr", json!({})).await.unwrap();
    assert_eq!(Call::new(json!(null)).run(&instance).await.unwrap(), json!("1"));
    instance.component().stop().await.unwrap();
}

/// An interpreter that can import upstream's package: the one that is named, or `python3.13`.
fn interpreter_with_upstream() -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "a test is told by its environment what there is")]
    let named = std::env::var("ONEIRIC_TEST_PYTHON").ok();
    let candidates = named.into_iter().chain(["python3.13".to_owned()]);
    candidates.into_iter().find(|python| {
        let import =
            std::process::Command::new(python).args(["-c", "import oneiric.remote.samples"]).output();
        import.is_ok_and(|output| output.status.success())
    })
}

#[tokio::test]
async fn upstreams_own_samples_run_as_they_are() {
    let Some(python) = interpreter_with_upstream() else {
        if crate::module::upstream_cannot_be_had() {
            return;
        }
        #[expect(clippy::disallowed_methods, reason = "a test is told by its environment how strict to be")]
        let strict = std::env::var("ONEIRIC_TEST_STRICT").is_ok_and(|strict| strict == "1");
        assert!(!strict, "no Python that can import `oneiric`: set ONEIRIC_TEST_PYTHON");
        eprintln!("SKIPPED: no Python that can import `oneiric`: set ONEIRIC_TEST_PYTHON");
        return;
    };
    let module = Module::new("");
    let sample = async |domain: Domain, name: &str| -> Instance {
        let factory = format!("oneiric.remote.samples:{name}");
        let blueprint = module.blueprint(domain, &factory, json!({"executable": python}), json!({}));
        build(&parts(Limits::STANDARD), blueprint).await.unwrap()
    };
    let task = sample(Domain::TASK, "demo_remote_task").await;
    assert!(task.role::<dyn Task>().is_some());
    assert_eq!(Call::new(json!({"x": 1})).run(&task).await.unwrap(), json!("remote-task-run"));

    let handler = sample(Domain::EVENT, "demo_remote_event_handler").await;
    let envelope = Envelope::new("order.paid".parse().unwrap(), json!({"id": 7}));
    let answer = handler.role::<dyn EventHandler>().unwrap().handle(&envelope).await.unwrap();
    let expected = json!({"name": "remote-event", "topic": "order.paid", "payload": {"id": 7}});
    assert_eq!(answer.value(), &expected);

    for (domain, name, expected) in [
        (Domain::ADAPTER, "demo_remote_adapter", "hello from remote manifest"),
        (Domain::SERVICE, "demo_remote_service", "remote-service-ok"),
        (Domain::WORKFLOW, "demo_remote_workflow", "remote-workflow-complete"),
    ] {
        let instance = sample(domain, name).await;
        let action = instance.role::<dyn Action>().unwrap();
        assert_eq!(action.apply(json!({}).into()).await.unwrap().value(), expected);
    }
}
