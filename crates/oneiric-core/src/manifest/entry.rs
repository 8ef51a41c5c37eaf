//! One entry of a manifest: a candidate component and what is known about it.

use serde_json::{Map, Value as Json};

use super::capability::{Capability, capability};
use super::dag::{Dag, dag, placed};
use super::event::{self, FanoutPolicy, MOST_BUFFERED, Overflow};
use super::read::{Fields, Shape};
use super::values::{choice, digest, flag, list, map, parsed, retry, text, timeout, whole};
use crate::retry::RetryPolicy;
use crate::roles::{DeliveryMode, Priority};
use crate::text::problem::Position;
use crate::text::reader::{Reader, short};
use crate::text::tree::Tree;
use crate::{Digest, Domain, Factory, Key, Provider};

/// One entry. Optional fields are `None` or empty where the file does not state them, or states null.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// What kind of thing it is.
    pub domain: Domain,
    /// What it is asked for by.
    pub key: Key,
    /// Who offers it.
    pub provider: Provider,
    /// How it is built; whether that is allowed is decided when it is loaded.
    pub factory: Factory,
    /// Where its artifact is fetched from; does not start with `..`.
    pub uri: Option<String>,
    /// What its artifact must hash to.
    pub sha256: Option<Digest>,
    /// Breaks ties of priority, from -100 to 100.
    pub stack_level: Option<i32>,
    /// From -1000 to 1000, higher wins.
    pub priority: Option<i32>,
    /// Free text.
    pub version: Option<String>,
    /// Anything; `scheduler` and `notifications` of a workflow are looked for here.
    pub metadata: Map<String, Json>,
    /// What it can do.
    pub capabilities: Vec<Capability>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Whether it cannot work without secrets.
    pub requires_secrets: bool,
    /// The name of its settings' model.
    pub settings_model: Option<String>,
    /// Whether calling it changes nothing.
    pub side_effect_free: bool,
    /// Seconds that one call may take, more than 0.
    pub timeout_seconds: Option<f64>,
    /// When to try again.
    pub retry_policy: Option<RetryPolicy>,
    /// Whether calling it twice under one idempotency key is as good as once. Not known upstream.
    pub idempotent: Option<bool>,
    /// Seconds that a call may be silent, more than 0. Not known upstream.
    pub heartbeat_timeout: Option<f64>,
    /// The task that finds out what became of a call. Not known upstream.
    pub reconcile: Option<Key>,
    /// What has to be there as well.
    pub requires: Vec<String>,
    /// What must not be there.
    pub conflicts_with: Vec<String>,
    /// For factories of Python.
    pub python_version: Option<String>,
    /// Where it runs; empty means everywhere.
    pub os_platform: Vec<String>,
    /// Under which terms.
    pub license: Option<String>,
    /// Where it is documented.
    pub documentation_url: Option<String>,
    /// Topics that an event handler listens to; empty means all.
    pub event_topics: Vec<String>,
    /// How many events it handles at once, at least 1.
    pub event_max_concurrency: Option<u32>,
    /// Mappings of `path`, `equals`, `any_of` and `exists`, all of which must hold.
    pub event_filters: Vec<Json>,
    /// Goes before `priority` when handlers are ordered.
    pub event_priority: Option<i32>,
    /// Whether others get the event too.
    pub event_fanout_policy: Option<FanoutPolicy>,
    /// A condition on the event, in CEL. Not known upstream, as little as the rest of these.
    pub event_when: Option<String>,
    /// Tags that the event must have.
    pub event_tags: Vec<String>,
    /// Sources that it may be from; empty means any.
    pub event_sources: Vec<String>,
    /// Routing keys that it may have; empty means any, or none.
    pub event_routing_keys: Vec<String>,
    /// How urgent it must be.
    pub event_min_priority: Option<Priority>,
    /// What is promised of events that say nothing themselves.
    pub event_delivery: Option<DeliveryMode>,
    /// How many events may wait for the handler in memory, at least 1.
    pub event_buffer: Option<u32>,
    /// What becomes of those for which there is no room.
    pub event_overflow: Option<Overflow>,
    /// Whether it gets events although another candidate of its key serves.
    pub event_shadowed: bool,
    /// The graph of a workflow.
    pub dag: Option<Dag>,
    /// Where the entry starts.
    pub position: Position,
    /// Where its key stands.
    pub key_position: Position,
}

pub(super) const ENTRY: Shape = Shape {
    what: "entry",
    names: &[
        "domain",
        "key",
        "provider",
        "factory",
        "uri",
        "sha256",
        "stack_level",
        "priority",
        "version",
        "metadata",
        "capabilities",
        "owner",
        "requires_secrets",
        "settings_model",
        "side_effect_free",
        "timeout_seconds",
        "retry_policy",
        "idempotent",
        "heartbeat_timeout",
        "reconcile",
        "requires",
        "conflicts_with",
        "python_version",
        "os_platform",
        "license",
        "documentation_url",
        "event_topics",
        "event_max_concurrency",
        "event_filters",
        "event_priority",
        "event_fanout_policy",
        "event_when",
        "event_tags",
        "event_sources",
        "event_routing_keys",
        "event_min_priority",
        "event_delivery",
        "event_buffer",
        "event_overflow",
        "event_shadowed",
        "dag",
    ],
    aliases: &[],
};

pub(super) fn entry<'t>(reader: &mut Reader<'t>, _: &'static str, tree: Tree<'t>) -> Option<Entry> {
    let mut fields = Fields::open(reader, &ENTRY, tree)?;
    let position = reader.position(fields.span);
    let domain = fields.required(reader, "domain", domain);
    let key = fields.required(reader, "key", placed(str::parse::<Key>));
    let provider = fields.required(reader, "provider", parsed(str::parse::<Provider>));
    let factory = fields.required(reader, "factory", parsed(factory));
    let texts = |reader: &mut Reader<'t>, fields: &mut Fields<'t>, name| {
        fields.optional(reader, name, list(text)).unwrap_or_default()
    };
    Some(Entry {
        uri: fields.optional(reader, "uri", parsed(uri)),
        sha256: fields.optional(reader, "sha256", digest),
        stack_level: fields.optional(reader, "stack_level", whole(-100..=100)),
        priority: fields.optional(reader, "priority", whole(-1000..=1000)),
        version: fields.optional(reader, "version", text),
        metadata: fields.optional(reader, "metadata", map).unwrap_or_default(),
        capabilities: fields.optional(reader, "capabilities", list(capability)).unwrap_or_default(),
        owner: fields.optional(reader, "owner", text),
        requires_secrets: fields.optional(reader, "requires_secrets", flag).unwrap_or(false),
        settings_model: fields.optional(reader, "settings_model", text),
        side_effect_free: fields.optional(reader, "side_effect_free", flag).unwrap_or(false),
        timeout_seconds: fields.optional(reader, "timeout_seconds", timeout),
        retry_policy: fields.optional(reader, "retry_policy", retry),
        idempotent: fields.optional(reader, "idempotent", flag),
        heartbeat_timeout: fields.optional(reader, "heartbeat_timeout", timeout),
        reconcile: fields.optional(reader, "reconcile", parsed(str::parse::<Key>)),
        requires: texts(reader, &mut fields, "requires"),
        conflicts_with: texts(reader, &mut fields, "conflicts_with"),
        python_version: fields.optional(reader, "python_version", text),
        os_platform: texts(reader, &mut fields, "os_platform"),
        license: fields.optional(reader, "license", text),
        documentation_url: fields.optional(reader, "documentation_url", text),
        event_topics: texts(reader, &mut fields, "event_topics"),
        event_max_concurrency: fields.optional(
            reader,
            "event_max_concurrency",
            whole(1..=i64::from(u32::MAX)),
        ),
        event_filters: fields.optional(reader, "event_filters", list(event::filter)).unwrap_or_default(),
        event_priority: fields.optional(
            reader,
            "event_priority",
            whole(i64::from(i32::MIN)..=i64::from(i32::MAX)),
        ),
        event_fanout_policy: fields.optional(reader, "event_fanout_policy", choice(FanoutPolicy::WORDS)),
        event_when: fields.optional(reader, "event_when", text),
        event_tags: texts(reader, &mut fields, "event_tags"),
        event_sources: texts(reader, &mut fields, "event_sources"),
        event_routing_keys: texts(reader, &mut fields, "event_routing_keys"),
        event_min_priority: fields.optional(reader, "event_min_priority", choice(Priority::WORDS)),
        event_delivery: fields.optional(reader, "event_delivery", choice(DeliveryMode::WORDS)),
        event_buffer: fields.optional(reader, "event_buffer", whole(1..=MOST_BUFFERED)),
        event_overflow: fields.optional(reader, "event_overflow", choice(Overflow::WORDS)),
        event_shadowed: fields.optional(reader, "event_shadowed", flag).unwrap_or(false),
        dag: fields.optional(reader, "dag", dag),
        position,
        key_position: key.as_ref().map(|(_, position)| *position).unwrap_or_default(),
        domain: domain?,
        key: key?.0,
        provider: provider?,
        factory: factory?,
    })
}

/// Other domains than the six belong to the embedder, so that only what looks like a slip is refused.
fn domain<'t>(reader: &mut Reader<'t>, name: &'static str, tree: Tree<'t>) -> Option<Domain> {
    let span = tree.span;
    let domain = parsed(str::parse::<Domain>)(reader, name, tree)?;
    if domain.is_well_known() {
        return Some(domain);
    }
    let help = reader.suggest(domain.name(), Domain::WELL_KNOWN.iter().map(Domain::name));
    if help.is_none() {
        return Some(domain);
    }
    reader.problem(span, format!("`domain` cannot be `{domain}`"), help);
    None
}

/// The longest factory, in bytes: longer than any command line that a person writes into a manifest.
pub(super) const LONGEST_FACTORY: usize = 4096;

fn factory(text: &str) -> Result<Factory, String> {
    if text.trim().is_empty() {
        return Err("factory is empty".to_owned());
    }
    if text.len() > LONGEST_FACTORY {
        return Err(format!("factory is {} bytes long, at most {LONGEST_FACTORY} are allowed", text.len()));
    }
    match text.chars().find(|c| c.is_control()) {
        Some(found) => Err(format!("factory contains {found:?}")),
        None => Ok(Factory::new(text)),
    }
}

fn uri(text: &str) -> Result<String, String> {
    if text.starts_with("..") {
        return Err(format!("uri `{}` leaves its folder", short(text)));
    }
    Ok(text.to_owned())
}

/// Capabilities that `metadata` names where the entry itself names none: older manifests keep them
/// there, as texts or as mappings with a name, and upstream's resolver looks at both.
pub(super) fn capabilities_of_metadata(metadata: &Map<String, Json>) -> Vec<String> {
    let name = |item: &Json| item.as_str().or_else(|| item.get("name")?.as_str()).map(str::to_owned);
    match metadata.get("capabilities") {
        Some(Json::Array(items)) => items.iter().filter_map(name).collect(),
        Some(Json::String(one)) => vec![one.clone()],
        _ => Vec::new(),
    }
}
