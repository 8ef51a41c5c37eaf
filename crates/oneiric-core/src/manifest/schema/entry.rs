//! An entry, what it can do, and which events it wants.

use serde_json::{Value as Json, json};

use super::kinds::{any, choice, defined, flag, list, map, named, object, text, texts, timeout, whole};
use crate::Domain;
use crate::manifest::capability::{CAPABILITY, SECURITY};
use crate::manifest::entry::{ENTRY, LONGEST_FACTORY};
use crate::manifest::event::{FILTER, FanoutPolicy, MOST_BUFFERED, Overflow};
use crate::roles::{DeliveryMode, Priority};

pub(super) fn entry() -> Json {
    object(
        &ENTRY,
        "A candidate: a component that could be meant by a key.",
        &[
            ("domain", domain()),
            ("key", named("What it is asked for by.")),
            ("provider", named("Who offers it.")),
            ("factory", factory()),
            ("uri", uri()),
            ("sha256", digest()),
            ("stack_level", whole(-100, 100, "Breaks ties of priority; higher wins.")),
            ("priority", whole(-1000, 1000, "Ranks the candidates of a key; higher wins.")),
            ("version", text("Free text.")),
            (
                "metadata",
                map(
                    "Anything; `scheduler` and `notifications` of a workflow, and settings of its runtime such as `exec`.",
                ),
            ),
            ("capabilities", list(json!({ "$ref": "#/$defs/capability" }), "What it can do.")),
            ("owner", text("Who answers for it.")),
            ("requires_secrets", flag(Some(false), "Whether it cannot work without secrets.")),
            ("settings_model", text("The name of its settings' model.")),
            ("side_effect_free", flag(Some(false), "Whether calling it changes nothing.")),
            ("timeout_seconds", timeout("Seconds that one call may take; a node may say otherwise.")),
            (
                "retry_policy",
                defined("retryPolicy", "When to try again; a node or a graph may say otherwise."),
            ),
            (
                "idempotent",
                flag(None, "Whether calling it twice under one idempotency key is as good as once."),
            ),
            ("heartbeat_timeout", timeout("Seconds that one call may be silent; a node may say otherwise.")),
            ("reconcile", named("The task that finds out what became of a call; a node may say otherwise.")),
            ("requires", texts("What has to be there as well.")),
            ("conflicts_with", texts("What must not be there.")),
            ("python_version", text("For factories of Python.")),
            ("os_platform", texts("Where it runs; empty means everywhere.")),
            ("license", text("Under which terms.")),
            ("documentation_url", text("Where it is documented.")),
            ("event_topics", texts("Topics that an event handler listens to; empty means all.")),
            ("event_max_concurrency", whole(1, i64::from(u32::MAX), "How many events it handles at once.")),
            ("event_filters", list(json!({ "$ref": "#/$defs/eventFilter" }), "All of them must hold.")),
            (
                "event_priority",
                whole(
                    i64::from(i32::MIN),
                    i64::from(i32::MAX),
                    "Goes before `priority` when handlers are ordered.",
                ),
            ),
            (
                "event_fanout_policy",
                choice(FanoutPolicy::WORDS, "Whether other handlers get the event, too."),
            ),
            ("event_when", text("A condition on the event, in CEL.")),
            ("event_tags", texts("Tags that the event must have.")),
            ("event_sources", texts("Sources that it may be from; empty means any.")),
            ("event_routing_keys", texts("Routing keys that it may have; empty means any, or none.")),
            ("event_min_priority", choice(Priority::WORDS, "How urgent it must be.")),
            (
                "event_delivery",
                choice(DeliveryMode::WORDS, "What is promised of events that say nothing themselves."),
            ),
            ("event_buffer", whole(1, MOST_BUFFERED, "How many events may wait for the handler in memory.")),
            ("event_overflow", choice(Overflow::WORDS, "What becomes of those for which there is no room.")),
            (
                "event_shadowed",
                flag(Some(false), "Whether it gets events although another candidate of its key serves."),
            ),
            ("dag", defined("dag", "The graph of a workflow.")),
        ],
        &["domain", "key", "provider", "factory"],
    )
}

fn domain() -> Json {
    let known: Vec<_> = Domain::WELL_KNOWN.iter().map(Domain::name).collect();
    json!({
        "description": "What kind of component it is; an embedder may have domains of its own.",
        "anyOf": [{ "enum": known }, { "$ref": "#/$defs/name" }],
    })
}

fn factory() -> Json {
    json!({
        "type": "string",
        "description": "How it is built: `builtin:NAME`, `exec:PROGRAM ARGUMENTS`, the name of a linked component, \
                        or Python's `pkg.mod:Attr`.",
        "pattern": "\\S",
        "maxLength": LONGEST_FACTORY,
        "not": { "pattern": "[\\u0000-\\u001f\\u007f-\\u009f]" },
    })
}

fn uri() -> Json {
    json!({
        "type": ["string", "null"],
        "description": "Where its artifact is fetched from; does not leave its folder.",
        "not": { "type": "string", "pattern": "^\\.\\." },
    })
}

fn digest() -> Json {
    json!({
        "type": ["string", "null"],
        "description": "What its artifact must hash to: 64 hexadecimal digits.",
        "pattern": "^[0-9A-Fa-f]{64}$",
    })
}

/// A name, or a mapping with one.
pub(super) fn capability() -> Json {
    let mapping = object(
        &CAPABILITY,
        "A capability with details.",
        &[
            ("name", json!({ "type": "string", "minLength": 1, "description": "What it is asked for by." })),
            ("description", text("For people.")),
            ("event_types", texts("Events that it speaks about.")),
            (
                "payload_schema",
                json!({
                    "type": ["object", "string", "null"],
                    "description": "A JSON Schema, or the text of a reference to one.",
                }),
            ),
            ("schema_format", text("Which dialect the schema is in.")),
            ("security", defined("security", "What using it asks for.")),
            ("metadata", map("Anything else.")),
        ],
        &["name"],
    );
    json!({
        "description": "What it can do: a name, or a name with details.",
        "oneOf": [{ "type": "string", "minLength": 1 }, mapping],
    })
}

pub(super) fn security() -> Json {
    object(
        &SECURITY,
        "What using a capability asks for.",
        &[
            ("classification", text("How confidential its data is.")),
            ("auth_required", flag(Some(true), "Whether a caller has to be known.")),
            ("scopes", texts("What a caller has to be allowed.")),
            ("encryption", text("How its data is encrypted.")),
            ("signature_required", flag(Some(false), "Whether a message has to be signed.")),
            ("audience", texts("Whom it is for.")),
            ("notes", text("For people.")),
        ],
        &[],
    )
}

pub(super) fn filter() -> Json {
    let mut schema = object(
        &FILTER,
        "A condition on an event: a place in it, and what has to be found there.",
        &[
            (
                "path",
                json!({
                    "type": "string",
                    "minLength": 1,
                    "description": "`topic`, `payload.a.b`, `headers.x`, or a place in the payload.",
                }),
            ),
            ("equals", any("What has to be there.")),
            (
                "any_of",
                json!({
                    "description": "A list of which one has to be there, or a single value.",
                    "not": { "type": "array", "maxItems": 0 },
                }),
            ),
            ("exists", flag(None, "Whether something has to be there at all.")),
        ],
        &["path"],
    );
    // Null is a value to compare with, and elsewhere as good as absent.
    let given =
        |name: &str| json!({ "required": [name], "properties": { name: { "not": { "type": "null" } } } });
    let conditions = [
        json!({ "required": ["equals"] }),
        json!({ "required": ["value"] }),
        given("any_of"),
        given("one_of"),
        given("in"),
        given("exists"),
    ];
    if let Some(rules) = schema["allOf"].as_array_mut() {
        rules.push(json!({ "anyOf": conditions }));
    }
    schema
}
