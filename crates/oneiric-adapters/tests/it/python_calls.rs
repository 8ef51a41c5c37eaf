//! Python: how components are called and what comes of it.

use oneiric_core::roles::{Action, Stream};
use oneiric_core::{Class, Domain};
use serde_json::{Value, json};

use crate::module::Module;
use crate::support::Call;

/// Calls `m:Attr` of a module once, as a task.
async fn run(source: &str, input: Value) -> Result<Value, oneiric_core::Fault> {
    let module = Module::new(source);
    let instance = module.build("Attr", json!({})).await?;
    let answer = Call::new(input).run(&instance).await;
    instance.component().stop().await.unwrap();
    answer
}

async fn gives(source: &str, input: Value, expected: Value) {
    let found = run(source, input.clone()).await;
    assert_eq!(found.as_ref().ok(), Some(&expected), "{source} {input}: {found:?}");
}

async fn fails(source: &str, class: Class, code: &str, message: &str) {
    let fault = run(source, json!({"a": 1, "b": 2})).await.unwrap_err();
    assert_eq!((fault.class, fault.code.as_str()), (class, code), "{source}: {fault}");
    assert!(fault.message.contains(message), "{source}: {fault}");
}

#[tokio::test]
async fn upstreams_signatures_get_their_input_each_in_its_way() {
    let given = json!({"a": 1, "b": 2});
    let check = async |parameters: &str, body: &str, expected: Value| {
        for word in ["def", "async def"] {
            let source = format!("class Attr:\n    {word} run(self{parameters}):\n        return {body}\n");
            gives(&source, given.clone(), expected.clone()).await;
        }
    };
    check("", "'none'", json!("none")).await;
    check(", payload", "payload", given.clone()).await;
    check(", payload=None", "payload", given.clone()).await;
    check(", *, payload", "payload", given.clone()).await;
    check(", *, context", "[context.node, context.attempt]", json!(["charge", 1])).await;
    check(", **fields", "fields", given.clone()).await;
    check(", *args", "args", json!([given])).await;
    check(", a, b", "[a, b]", json!([1, 2])).await;
    check(", a, b, c=3", "[a, b, c]", json!([1, 2, 3])).await;
    check(", *, b, c=3", "[b, c]", json!([2, 3])).await;
    check(", payload, context", "[payload['a'], context.workflow]", json!([1, "shop"])).await;
}

#[tokio::test]
async fn a_function_is_the_component_or_makes_it() {
    gives("def Attr(payload):\n    return payload['a']\n", json!({"a": 1}), json!(1)).await;
    gives("async def Attr(payload):\n    return payload\n", json!(null), json!(null)).await;
    gives("def Attr():\n    return 'work'\n", json!(7), json!("work")).await;
    gives("async def Attr():\n    return {'a': 1}\n", json!(7), json!({"a": 1})).await;
    let class = "class T:\n    def run(self, payload):\n        return payload\n";
    for made in ["def Attr():\n    return T()\n", "async def Attr() -> T:\n    return T()\n", "Attr = T()\n"]
    {
        gives(&format!("{class}{made}"), json!(7), json!(7)).await;
    }
    gives("class Attr:\n    def __call__(self, x):\n        return x\n", json!(7), json!(7)).await;
    let fallback = "class Attr:\n    def execute(self, x):\n        return x\n";
    gives(fallback, json!(7), json!(7)).await;
    let nested = "class Attr:\n    class run:\n        pass\n    def execute(self, x):\n        return x\n";
    assert!(run(nested, json!(1)).await.is_err());
}

#[tokio::test]
async fn results_of_many_types_become_json() {
    let source = "import collections, dataclasses, datetime, decimal, enum, pathlib, uuid\n\
        @dataclasses.dataclass\nclass Point:\n    x: int\n    when: datetime.date\n\
        class Colour(enum.Enum):\n    RED = 'red'\n\
        class Level(enum.IntEnum):\n    HIGH = 3\n\
        class Model:\n    def model_dump(self, mode):\n        return {'mode': mode}\n\
        Pair = collections.namedtuple('Pair', 'a b')\n\
        def Attr(payload):\n    return [\n\
        Point(1, datetime.date(2026, 11, 21)), Colour.RED, Level.HIGH, Model(), Pair(1, 2),\n\
        datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc),\n\
        datetime.timedelta(seconds=1.5), pathlib.Path('/a/b'), b'\\xff\\x00', {3, 1, 2}, (1, 2),\n\
        uuid.UUID(int=0), decimal.Decimal('1.10'), {1: 'one', None: 'none'}, collections.OrderedDict(a=1)]\n";
    let expected = json!([
        {"x": 1, "when": "2026-11-21"}, "red", 3, {"mode": "json"}, [1, 2],
        "2026-01-02T03:04:05+00:00", 1.5, "/a/b", "/wA=", [1, 2, 3], [1, 2],
        "00000000-0000-0000-0000-000000000000", "1.10", {"1": "one", "null": "none"}, {"a": 1},
    ]);
    gives(source, json!(null), expected).await;
}

#[tokio::test]
async fn what_is_no_json_is_a_permanent_fault_that_names_the_type() {
    let check = async |value: &str, message: &str| {
        let source = format!("class Odd: pass\ndef Attr(payload):\n    return {value}\n");
        fails(&source, Class::Permanent, "bad-output", message).await;
    };
    check("Odd()", "a value of type `m.Odd` is no JSON").await;
    check("[object()]", "a value of type `object` is no JSON").await;
    check("float('nan')", "Out of range float values").await;
    check("'\\ud800'", "not text in UTF-8").await;
    check("(lambda x: x.append(x) or x)([])", "Circular reference").await;
    check("__import__('functools').reduce(lambda x, _: [x], range(5000), 1)", "nested too deeply").await;
    // Python writes what Rust does not read back: the call fails, the process lives.
    check("__import__('functools').reduce(lambda x, _: [x], range(500), 1)", "recursion limit").await;
}

#[tokio::test]
async fn an_exception_is_a_fault_with_its_name() {
    let check = async |body: &str, class: Class, code: &str, message: &str| {
        let source = format!("class HTTPGone(Exception): pass\ndef Attr(payload):\n    {body}\n");
        fails(&source, class, code, message).await;
    };
    check("raise ValueError('bad')", Class::Transient, "value-error", "`m:Attr`: ValueError: bad").await;
    check("payload['x']", Class::Transient, "key-error", "KeyError: 'x'").await;
    check("raise HTTPGone()", Class::Transient, "http-gone", "`m:Attr`: HTTPGone").await;
    check("Attr(payload)", Class::Transient, "recursion-error", "maximum recursion depth").await;
    check("raise SystemExit(3)", Class::Transient, "system-exit", "SystemExit: 3").await;
    check("e = OSError('x'); e.retryable = False; raise e", Class::Permanent, "os-error", "x").await;
    check("e = OSError('x'); e.oneiric_class = 'denied'; raise e", Class::Denied, "os-error", "x").await;
    check("raise ValueError('\\ud800')", Class::Transient, "value-error", "?").await;
    let source = "def Attr(payload):\n    e = OSError('busy'); e.retry_after = 1.5; raise e\n";
    assert_eq!(run(source, json!(1)).await.unwrap_err().retry_after_ms, Some(1500));
}

#[tokio::test]
async fn the_traceback_and_what_is_printed_are_logged() {
    let module = Module::new(
        "import os, subprocess, sys\ndef Attr(payload):\n    print('a', end='')\n    print('b\\nc')\n    \
         os.write(1, b'raw \\xff\\n')\n    sys.stdout.buffer.write(b'\\xfe\\n')\n    \
         subprocess.run(['echo', 'child'])\n    print('\\ud800')\n    raise ValueError('why')\n",
    );
    let instance = module.build("Attr", json!({})).await.unwrap();
    let call = Call::new(json!(1));
    call.run(&instance).await.unwrap_err();
    assert_eq!(call.log.lines(Stream::Stdout), ["ab", "c", "\u{fffd}", "\\ud800"]);
    let stderr = call.log.lines(Stream::Stderr);
    assert!(stderr.iter().any(|line| line == "raw \u{fffd}"), "{stderr:?}");
    assert!(stderr.iter().any(|line| line == "child"), "{stderr:?}");
    assert!(stderr.iter().any(|line| line.starts_with("Traceback")), "{stderr:?}");
    assert!(stderr.iter().any(|line| line == "ValueError: why"), "{stderr:?}");
    instance.component().stop().await.unwrap();
}

#[tokio::test]
async fn lines_of_calls_at_the_same_time_go_to_their_own_calls() {
    let module = Module::new(
        "import asyncio\nclass Attr:\n    waiting = []\n    async def run(self, n):\n        print('begin', n)\n        \
         self.waiting.append(n)\n        while len(self.waiting) < 4:\n            await asyncio.sleep(0)\n        \
         print('end', n)\n",
    );
    let instance = module.build("Attr", json!({"concurrency": 4, "workers": 1})).await.unwrap();
    let calls: Vec<_> = (0..4).map(|n| Call::new(json!(n))).collect();
    let (a, b, c, d) = tokio::join!(
        calls[0].run(&instance),
        calls[1].run(&instance),
        calls[2].run(&instance),
        calls[3].run(&instance)
    );
    for answer in [a, b, c, d] {
        answer.unwrap();
    }
    for (n, call) in calls.iter().enumerate() {
        assert_eq!(call.log.lines(Stream::Stdout), [format!("begin {n}"), format!("end {n}")]);
    }
    instance.component().stop().await.unwrap();
}

#[tokio::test]
async fn a_forked_child_that_comes_back_says_nothing() {
    let fork = "import os\ndef Attr(payload):\n    child = os.fork()\n    if child:\n        os.waitpid(child, 0)\n        \
                return 'parent'\n    print('from the child')\n    return 'child'\n";
    gives(fork, json!(1), json!("parent")).await;
    let fork = fork.replace("def Attr", "async def Attr");
    gives(&fork, json!(1), json!("parent")).await;
}

#[tokio::test]
async fn an_adapter_is_an_action_by_whatever_method_it_has() {
    let module = Module::new("class Attr:\n    def describe(self):\n        return 'an adapter'\n");
    let instance = module.build_as(Domain::ADAPTER, "Attr", json!({}), json!({})).await.unwrap();
    let action = instance.role::<dyn Action>().unwrap();
    assert_eq!(action.apply(json!({}).into()).await.unwrap().value(), "an adapter");
    let fault = module.build("Attr", json!({})).await.unwrap_err();
    assert_eq!(fault.message, "`m:Attr` offers no role; domain `task` needs task");
    instance.component().stop().await.unwrap();
}

#[tokio::test]
async fn a_component_says_how_far_it_is() {
    let source = "
import sys
class Attr:
    def run(self, payload, context):
        if payload == 'line':
            print('::progress 40% by a line', file=sys.stderr)
        elif payload == 'beat':
            context.heartbeat()
        else:
            context.progress(0.5, 'half of it')
            context.progress(float('nan'), payload)
        return 1
";
    let module = Module::new(source);
    let instance = module.build("Attr", json!({})).await.unwrap();
    for (input, expected) in [("line", "40% by a line"), ("beat", "alive"), ("later", "later")] {
        let call = Call::new(json!(input));
        call.run(&instance).await.unwrap();
        assert_eq!(call.pulse.said().unwrap().progress.to_string(), expected);
        assert_eq!(call.log.lines(Stream::Stderr), [""; 0]);
    }
    instance.component().stop().await.unwrap();
}
