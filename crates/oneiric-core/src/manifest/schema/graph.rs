//! The graph of a workflow, its nodes, and when they are tried again.

use serde_json::{Value as Json, json};

use super::kinds::{any, choice, defined, flag, list, map, named, object, text, timeout, whole};
use crate::manifest::dag::{DAG, NODE, OnFailure};
use crate::manifest::values::RETRY_POLICY;
use crate::retry::{Exhausted, MAX_ATTEMPTS, MAX_DELAY};

pub(super) fn dag() -> Json {
    object(
        &DAG,
        "The graph of a workflow.",
        &[
            (
                "nodes",
                json!({
                    "type": "array",
                    "items": { "$ref": "#/$defs/node" },
                    "description": "A node starts when all that it depends on has finished.",
                }),
            ),
            ("queue_category", text("The queue that `enqueue` uses unless told otherwise.")),
            ("retry_policy", defined("retryPolicy", "For nodes that state none.")),
            ("scheduler", map("`queue_category` and `provider` of the queue.")),
            ("notifications", map("Whom to tell.")),
            (
                "on_failure",
                choice(
                    OnFailure::WORDS,
                    "What a failed node means for the others; `finish_independent` unless said.",
                ),
            ),
            ("max_parallel", whole(1, i64::from(u32::MAX), "How many nodes may run at once.")),
            ("timeout_seconds", timeout("Seconds that the whole run may take.")),
        ],
        &["nodes"],
    )
}

pub(super) fn node() -> Json {
    object(
        &NODE,
        "One step: a task, with what it gets.",
        &[
            ("id", named("Its name in the graph; no other node has it.")),
            ("task", named("The key of the task that it runs.")),
            (
                "depends_on",
                list(
                    json!({ "$ref": "#/$defs/name" }),
                    "The nodes that have to be finished before; none starts at once.",
                ),
            ),
            (
                "payload",
                any(
                    "What the task gets; the context of the run where it is not said. A text that is wholly `${{ ... }}` is a CEL expression.",
                ),
            ),
            (
                "retry_policy",
                defined("retryPolicy", "When to try again; goes before that of the graph and of the task."),
            ),
            ("checkpoint", any("Kept as written and shown by `plan`.")),
            ("when", text("A CEL expression; the node is skipped where it yields false.")),
            ("timeout_seconds", timeout("Seconds that one try may take.")),
            (
                "idempotent",
                flag(
                    None,
                    "Whether running it twice under one idempotency key is as good as once; false waits for a person after a crash.",
                ),
            ),
            (
                "heartbeat_timeout",
                timeout("Seconds that one try may be silent; it tells that it is alive, or how far it is."),
            ),
            (
                "reconcile",
                named(
                    "The task that is asked what became of a try, before an unknown outcome waits for a person.",
                ),
            ),
        ],
        &["id", "task"],
    )
}

pub(super) fn retry() -> Json {
    let seconds = |description: &str| {
        json!({
            "type": ["number", "null"],
            "minimum": 0,
            "maximum": MAX_DELAY.as_secs(),
            "description": description,
        })
    };
    object(
        &RETRY_POLICY,
        "When to try again after a failure.",
        &[
            (
                "attempts",
                whole(1, i64::from(MAX_ATTEMPTS), "Tries in all, the first one included; 1 unless said."),
            ),
            ("base_delay", seconds("Seconds before the second try; doubled with each further one.")),
            ("max_delay", seconds("The most seconds between two tries, without the jitter.")),
            ("jitter", seconds("Up to so many seconds are added by chance.")),
            (
                "on_exhausted",
                choice(Exhausted::WORDS, "Whether the node fails after the last try, or waits for a person."),
            ),
            (
                "retriable_status_codes",
                list(
                    json!({ "type": "integer", "minimum": 100, "maximum": 599 }),
                    "Taken and without effect: whether trying again can help is what a fault says.",
                ),
            ),
        ],
        &[],
    )
}
