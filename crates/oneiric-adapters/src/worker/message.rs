//! The lines of the protocol; `docs/worker-protocol.md` describes them.

use std::io::Write as _;

use oneiric_core::roles::{Progress, Stream};
use oneiric_core::{Class, Descriptor, Fault};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::json;
use crate::Limits;
use crate::foreign::{Call, Role};

/// The version that is spoken here.
pub(crate) const PROTOCOL: u32 = 1;

/// The role of a call that asks for the health of the component.
pub(super) const HEALTH: &str = "health";

/// Bytes of a message beside the result in it.
const FRAME_BYTES: usize = 64 * 1024;

/// Why writing to a buffer is no error.
const MEMORY: &str = "a buffer in memory takes whatever is written";

/// What a call with a small input needs.
const CALL_BYTES: usize = 512;

/// The longest code and message of a fault: what a person reads and what the store keeps.
const CODE_BYTES: usize = 100;
const MESSAGE_BYTES: usize = 8 * 1024;

pub(super) const PING: &[u8] = b"{\"type\":\"ping\"}\n";
pub(super) const STOP: &[u8] = b"{\"type\":\"stop\"}\n";

/// The longest line that a worker may write.
pub(super) const fn most_bytes(limits: Limits) -> usize {
    limits.stdout_bytes.saturating_add(FRAME_BYTES)
}

#[derive(Serialize)]
struct Hello<'a> {
    r#type: &'static str,
    protocol: u32,
    component: Identity<'a>,
    settings: &'a Map<String, Value>,
    concurrency: u32,
    result_bytes: usize,
    line_bytes: usize,
    /// That messages of type `progress` are understood.
    progress: bool,
    #[serde(flatten)]
    more: Map<String, Value>,
}

#[derive(Serialize)]
struct Identity<'a> {
    domain: &'a str,
    key: &'a str,
    provider: &'a str,
    factory: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
}

/// The first line; `more` are further keys, for workers that are ours.
pub(crate) fn hello(
    descriptor: &Descriptor,
    settings: &Map<String, Value>,
    concurrency: u32,
    limits: Limits,
    more: Map<String, Value>,
) -> Vec<u8> {
    let component = Identity {
        domain: descriptor.domain.name(),
        key: descriptor.key.as_str(),
        provider: descriptor.provider.as_str(),
        factory: descriptor.factory.as_str(),
        version: descriptor.version.as_deref(),
    };
    line(&Hello {
        r#type: "hello",
        protocol: PROTOCOL,
        component,
        settings,
        concurrency,
        result_bytes: limits.stdout_bytes,
        line_bytes: limits.line_bytes,
        progress: true,
        more,
    })
}

/// A call; `key` is the idempotency key of a task. Written by hand, because it is what every call pays for.
pub(super) fn call(id: u64, call: &Call<'_>, key: Option<&str>) -> Vec<u8> {
    let mut line = begin_call(id, call.role.name(), call.input.value());
    if let (Some(cx), Some(key)) = (call.cx, key) {
        // Ids, keys and names hold nothing that JSON would have to escape.
        let (run, workflow, node, attempt) = (cx.run, cx.workflow, cx.node, cx.attempt);
        let written = write!(
            line,
            ",\"run\":\"{run}\",\"workflow\":\"{workflow}\",\"node\":\"{node}\",\"attempt\":{attempt},\
             \"idempotency_key\":\"{key}\""
        );
        written.expect(MEMORY);
    }
    line.extend_from_slice(b"}\n");
    line
}

/// The question for health.
pub(super) fn health(id: u64) -> Vec<u8> {
    let mut line = begin_call(id, HEALTH, &Value::Null);
    line.extend_from_slice(b"}\n");
    line
}

fn begin_call(id: u64, role: &str, input: &Value) -> Vec<u8> {
    let mut line = Vec::with_capacity(CALL_BYTES);
    write!(line, "{{\"type\":\"call\",\"id\":{id},\"role\":\"{role}\",\"input\":").expect(MEMORY);
    json::write(&mut line, input);
    line
}

/// The wish that a call should stop.
pub(super) fn cancel(id: u64) -> Vec<u8> {
    format!("{{\"type\":\"cancel\",\"id\":{id}}}\n").into_bytes()
}

fn line(message: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(message).expect("text keys and JSON values are JSON");
    bytes.push(b'\n');
    bytes
}

/// What a worker says.
#[derive(Debug)]
pub(super) enum Message {
    Ready(Ready),
    Result { id: u64, output: Value },
    Fault { id: Option<u64>, fault: Fault },
    Log { id: Option<u64>, stream: Stream, line: String },
    Progress { id: Option<u64>, progress: Progress },
    Pong,
}

/// What a worker says of itself.
#[derive(Debug, Clone)]
pub(crate) struct Ready {
    pub(crate) protocol: u32,
    /// Its own name, for logs.
    pub(crate) name: Option<String>,
    /// The roles it plays; all where it does not say.
    pub(crate) roles: Vec<Role>,
    /// How many calls it takes at once.
    pub(crate) concurrency: u32,
    /// Whether it answers calls for health.
    pub(crate) health: bool,
}

/// Why a line is no message.
#[derive(Debug)]
pub(super) struct Unreadable {
    /// What is wrong with it.
    pub(super) why: String,
    /// The call that it answers, where that much could be read.
    pub(super) id: Option<u64>,
}

/// All keys of all messages: a tagged enum would copy every result once more.
#[derive(Deserialize)]
struct Flat {
    r#type: String,
    id: Option<u64>,
    #[serde(default)]
    output: Value,
    class: Option<Class>,
    code: Option<String>,
    message: Option<String>,
    retry_after_ms: Option<u64>,
    stream: Option<String>,
    line: Option<String>,
    // Of any type: other messages may have keys of these names, which are passed over.
    #[serde(default)]
    fraction: Value,
    #[serde(default)]
    text: Value,
    protocol: Option<u32>,
    name: Option<String>,
    roles: Option<Vec<String>>,
    concurrency: Option<u32>,
    #[serde(default)]
    health: bool,
}

/// Which call a line answers, whatever the rest of it is.
#[derive(Deserialize)]
struct Head {
    id: Option<u64>,
    #[serde(default, rename = "output")]
    _output: IgnoredAny,
}

/// Reads one line.
///
/// # Errors
/// [`Unreadable`] where it is not JSON, or not a message.
pub(super) fn read(line: &[u8]) -> Result<Message, Unreadable> {
    let flat: Flat = serde_json::from_slice(line).map_err(|error| Unreadable {
        why: error.to_string(),
        id: serde_json::from_slice::<Head>(line).ok().and_then(|head| head.id),
    })?;
    let id = flat.id;
    let wrong = |why: &str| Unreadable { why: why.to_owned(), id };
    Ok(match flat.r#type.as_str() {
        "result" => Message::Result { id: id.ok_or_else(|| wrong("no `id`"))?, output: flat.output },
        "fault" => Message::Fault { id, fault: flat.fault() },
        "log" => Message::Log {
            id,
            stream: match flat.stream.as_deref() {
                Some("stdout") => Stream::Stdout,
                None | Some("stderr") => Stream::Stderr,
                Some(other) => return Err(wrong(&format!("`stream` is `{other}`"))),
            },
            line: flat.line.unwrap_or_default(),
        },
        "progress" => {
            Message::Progress { id, progress: Progress::new(flat.fraction.as_f64(), flat.text.as_str()) }
        }
        "pong" => Message::Pong,
        "ready" => Message::Ready(Ready {
            protocol: flat.protocol.unwrap_or(PROTOCOL),
            name: flat.name,
            roles: roles(flat.roles).map_err(|role| wrong(&format!("`{role}` is no role")))?,
            concurrency: flat.concurrency.unwrap_or(1).max(1),
            health: flat.health,
        }),
        other => return Err(wrong(&format!("`{other}` is no type of message"))),
    })
}

impl Flat {
    fn fault(&self) -> Fault {
        let class = match self.class {
            // A worker has no say in whether this process goes down.
            None | Some(Class::Shutdown) => Class::Transient,
            Some(class) => class,
        };
        let code = self.code.as_deref().filter(|code| !code.is_empty()).unwrap_or("failed");
        let message = self.message.as_deref().unwrap_or("the worker did not say why");
        let mut fault = Fault::new(class, cut(code, CODE_BYTES), cut(message, MESSAGE_BYTES));
        fault.retry_after_ms = self.retry_after_ms;
        fault
    }
}

fn roles(names: Option<Vec<String>>) -> Result<Vec<Role>, String> {
    let Some(names) = names else { return Ok(Role::ALL.to_vec()) };
    let role = |name: String| Role::ALL.into_iter().find(|role| role.name() == name).ok_or(name);
    names.into_iter().map(role).collect()
}

fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(line: &str) -> Fault {
        match read(line.as_bytes()).unwrap() {
            Message::Fault { fault, .. } => fault,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_fault_has_a_class_a_code_and_a_message_whatever_is_left_out() {
        let check = |line: &str, class: Class, code: &str, message: &str| {
            let found = fault(line);
            assert_eq!((found.class, found.code.as_str(), found.message.as_str()), (class, code, message));
        };
        check(r#"{"type":"fault","id":1}"#, Class::Transient, "failed", "the worker did not say why");
        check(
            r#"{"type":"fault","id":1,"class":"denied","code":"x","message":"m"}"#,
            Class::Denied,
            "x",
            "m",
        );
        check(
            r#"{"type":"fault","class":"shutdown","code":"","message":""}"#,
            Class::Transient,
            "failed",
            "",
        );
        let long = fault(&format!(r#"{{"type":"fault","message":"{}"}}"#, "é".repeat(9000)));
        assert_eq!(long.message.len(), MESSAGE_BYTES);
    }

    #[test]
    fn what_is_no_message_says_why_and_which_call_it_was() {
        let check = |line: &str, why: &str, id: Option<u64>| {
            let unreadable = read(line.as_bytes()).unwrap_err();
            assert!(unreadable.why.contains(why), "{line}: {unreadable:?}");
            assert_eq!(unreadable.id, id, "{line}");
        };
        check("hello", "expected value", None);
        check(r#"{"type":"results","id":3}"#, "`results` is no type of message", Some(3));
        check(r#"{"type":"result"}"#, "no `id`", None);
        check(r#"{"type":"ready","roles":["tusk"]}"#, "`tusk` is no role", None);
        check(&format!(r#"{{"type":"result","id":4,"output":{}1"#, "[".repeat(200)), "recursion", None);
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        check(&format!(r#"{{"type":"result","id":4,"output":{deep}}}"#), "recursion", Some(4));
        check(r#"{"type":"result","id":5,"output":"\ud800"}"#, "hex escape", Some(5));
    }

    #[test]
    fn a_worker_that_says_nothing_plays_every_role_one_call_at_a_time() {
        let Message::Ready(ready) = read(br#"{"type":"ready"}"#).unwrap() else { panic!() };
        assert_eq!((ready.roles.len(), ready.concurrency, ready.health), (3, 1, false));
    }
}
