//! Mistakes about components: their names, providers, factories and payloads.

use super::Case;

/// Two components of one key, an action and a factory that is not allowed.
const COMPONENTS: &str = "entries:
- {domain: task, key: shop.charge, provider: old, factory: 'builtin:noop'}
- {domain: task, key: shop.charge, provider: new, factory: 'builtin:noop'}
- {domain: adapter, key: queue, provider: remote, factory: 'shop.adapters:Queue'}
- {domain: adapter, key: cache, provider: none, factory: 'exec:no-such-program'}
- {domain: adapter, key: clock, provider: p, factory: 'builtin:slep'}
- {domain: action, key: shop.price, provider: p, factory: 'builtin:echo'}
- {domain: action, key: shop.slow, provider: p, factory: 'exec:sleep 100'}
- {domain: action, key: shop.nap, provider: p, factory: 'builtin:sleep'}
";

pub(super) fn cases() -> Vec<Case> {
    let case = |name: &'static str, arguments: &str, code: i32, says: &[&'static str]| {
        Case::new(name, &format!("--manifest m.yaml {arguments}"), code, says)
            .given(|home| drop(home.file("m.yaml", COMPONENTS)))
    };
    let task = "--domain task";
    let price = "action-invoke shop.price";
    vec![
        case(
            "the status of an unknown key",
            "status --key shop.chrge",
            3,
            &["`shop.chrge`", "did you mean `shop.charge`"],
        ),
        case(
            "the status of another domain's key",
            "status --domain adapter --key shop.charge",
            3,
            &["adapter `shop.charge` is unknown", "--domain task"],
        ),
        case(
            "the status of an unknown domain",
            "status --domain taks",
            3,
            &["`taks`", "did you mean `task`", "well-known"],
        ),
        case("the status of a domain that is no name", "status --domain a/b", 2, &["--domain", "a/b"]),
        case(
            "a list of an unknown domain",
            "list --domain actoin",
            3,
            &["`actoin`", "did you mean `action`"],
        ),
        case("the health of an unknown key", "health --key quee", 3, &["`quee`", "did you mean `queue`"]),
        case(
            "a probe of an unknown key",
            "health --probe --key nobody",
            3,
            &["`nobody` is unknown", "oneiric status"],
        ),
        case(
            "the health of an unknown domain",
            "health --probe --domain adpater",
            3,
            &["`adpater`", "`adapter`"],
        ),
        case("a swap of nothing", "swap", 2, &["KEY", "--key"]),
        case("a swap of a key twice", "swap shop.charge --key shop.charge", 2, &["--key", "cannot be used"]),
        case(
            "a swap of an unknown key",
            &format!("swap shop.chrge {task}"),
            3,
            &["`shop.chrge`", "did you mean `shop.charge`"],
        ),
        case(
            "a swap in the wrong domain",
            "swap shop.charge",
            3,
            &["adapter `shop.charge`", "--domain task"],
        ),
        case(
            "a swap to a provider that is not there",
            &format!("swap shop.charge {task} --provider bold"),
            3,
            &["`bold`", "`new`", "`old`"],
        ),
        case(
            "a swap to what is not allowed",
            "swap queue",
            5,
            &["`shop.adapters:Queue`", "ONEIRIC_FACTORY_ALLOWLIST"],
        ),
        case("a swap to a program that is not there", "swap cache", 2, &["`no-such-program`", "PATH"]),
        case("a swap to an unknown built-in", "swap clock", 3, &["did you mean `builtin:sleep`"]),
        case("a swap in a process that is none", "swap queue --pid x", 2, &["--pid", "x"]),
        case(
            "a swap in a process that is not there",
            "swap queue --pid 1",
            3,
            &["no live process 1", ".oneiric_cache", "leave `--pid` out"],
        ),
        case("an action of nothing", "action-invoke", 2, &["KEY"]),
        case(
            "an unknown action",
            "action-invoke shop.prise",
            3,
            &["`shop.prise`", "did you mean `shop.price`"],
        ),
        case("an action that is a task", "action-invoke shop.charge", 3, &["`shop.charge`", "domain `task`"]),
        case(
            "an action of a provider that is not there",
            &format!("{price} --provider q"),
            3,
            &["`q`", "`p`"],
        ),
        case(
            "an action without the role",
            "action-invoke shop.nap",
            3,
            &["`shop.nap`", "role `action`", "`task`"],
        ),
        case(
            "a payload that is not JSON",
            &format!("{price} --payload {{order"),
            2,
            &["payload", "JSON", "--payload:1:2", "--payload @payload.json"],
        ),
        case(
            "a payload that is no object",
            &format!("{price} --payload [1]"),
            2,
            &["payload is a list", "object"],
        ),
        case(
            "a payload in a file that is not there",
            &format!("{price} --payload @order.json"),
            2,
            &["order.json"],
        ),
        case(
            "a payload from an empty standard input",
            &format!("{price} --payload -"),
            2,
            &["standard input:1:0"],
        ),
        case(
            "a payload beside a schema",
            &format!("{price} --payload {{}} --schema"),
            2,
            &["--payload", "--schema"],
        ),
        case(
            "the schema of an action without one",
            &format!("{price} --schema"),
            3,
            &["`shop.price`", "what it takes"],
        ),
        case("a timeout that is none", &format!("{price} --timeout 0"), 2, &["--timeout", "more than 0"]),
        case("a manual into a file", "man m.yaml", 2, &["m.yaml", "name a folder"]),
        case("an unknown option of a swap", "swap queue --provder x", 2, &["--provder", "--provider"]),
    ]
}
