//! From what is told to a line: one JSON object, or a line for people.

use std::collections::HashSet;
use std::fmt::{self, Write as _};

use jiff::tz::TimeZone;
use oneiric_core::settings::masked;
use oneiric_core::{Clock as _, Timestamp};
use oneiric_runtime::SystemClock;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::sink::Sink;
use crate::output::Palette;
use crate::output::palette::Tone;
use crate::output::text::{clean, columns};

/// The field in which a span or an event carries its W3C trace context:
/// <https://www.w3.org/TR/trace-context/#traceparent-header>.
const TRACEPARENT: &str = "traceparent";

/// How JSON is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `{"timestamp":"...","level":"INFO","message":"...", fields, "target":"..."}`.
    Plain,
    /// The special fields of Google Cloud Logging: <https://cloud.google.com/logging/docs/structured-logging>.
    Cloud,
}

/// What stands in every record.
#[derive(Debug, Clone)]
pub(crate) struct Style {
    pub(crate) dialect: Dialect,
    /// `service.name`, `deployment.environment` and `service.version`, as far as they are said.
    pub(crate) identity: Map<String, Value>,
    /// Whether records carry the ids of trace and span.
    pub(crate) traces: bool,
    /// The project of Google Cloud, for the full name of a trace.
    pub(crate) project: Option<String>,
    /// A pattern of strftime; RFC 3339 where nothing is said.
    pub(crate) time: Option<String>,
}

/// Writes every record to its sinks.
#[derive(Debug)]
pub(crate) struct Records {
    style: Style,
    sinks: Vec<Sink>,
}

impl Records {
    pub(crate) fn new(style: Style, sinks: Vec<Sink>) -> Self {
        Self { style, sinks }
    }
}

/// What a span said of itself.
struct Said(Map<String, Value>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Records {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, cx: Context<'_, S>) {
        let Some(span) = cx.span(id) else { return };
        let mut said = Fields::default();
        attributes.record(&mut said);
        span.extensions_mut().insert(Said(said.0));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, cx: Context<'_, S>) {
        let Some(span) = cx.span(id) else { return };
        if let Some(said) = span.extensions_mut().get_mut::<Said>() {
            let mut fields = Fields(std::mem::take(&mut said.0));
            values.record(&mut fields);
            said.0 = fields.0;
        }
    }

    fn on_event(&self, event: &Event<'_>, cx: Context<'_, S>) {
        let metadata = event.metadata();
        let mut fields = Map::new();
        let mut innermost = None;
        // From the outermost inwards: what stands nearer to the event counts.
        for span in cx.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(said) = span.extensions().get::<Said>() {
                fields.extend(said.0.clone());
            }
            innermost = Some(span.name());
        }
        let mut own = Fields::default();
        event.record(&mut own);
        fields.extend(own.0);
        let record = Entry::new(*metadata.level(), metadata.target(), innermost, fields, now());
        for sink in self.sinks.iter().filter(|sink| sink.takes(*metadata.level())) {
            sink.write(&record, &self.style);
        }
    }
}

fn now() -> Timestamp {
    SystemClock::default().now()
}

/// One record, before it is written anywhere.
#[derive(Debug)]
pub(crate) struct Entry {
    level: Level,
    target: String,
    span: Option<&'static str>,
    message: String,
    fields: Map<String, Value>,
    trace: Option<Trace>,
    at: Timestamp,
}

/// The ids of a `traceparent`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Trace {
    trace: String,
    span: String,
    sampled: bool,
}

impl Trace {
    /// Nothing where it is not as the standard says.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (_version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let hex = |text: &str, digits| {
            text.len() == digits
                && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
                && text.bytes().any(|byte| byte != b'0')
        };
        let sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
        (hex(trace, 32) && hex(span, 16)).then(|| Self {
            trace: trace.to_owned(),
            span: span.to_owned(),
            sampled,
        })
    }
}

impl Trace {
    fn put(&self, style: &Style, line: &mut Line) {
        match style.dialect {
            Dialect::Plain => {
                line.put("trace_id", &self.trace.as_str().into());
                line.put("span_id", &self.span.as_str().into());
            }
            Dialect::Cloud => {
                let name = match &style.project {
                    Some(project) => format!("projects/{project}/traces/{}", self.trace),
                    None => self.trace.clone(),
                };
                line.put("logging.googleapis.com/trace", &name.into());
                line.put("logging.googleapis.com/spanId", &self.span.as_str().into());
                line.put("logging.googleapis.com/trace_sampled", &self.sampled.into());
            }
        }
    }
}

/// An object that is written in the order in which it is told.
#[derive(Debug, Default)]
struct Line {
    text: String,
    names: HashSet<String>,
}

impl Line {
    /// Of two values of one name the first counts: no field takes the place of what every line has.
    fn put(&mut self, name: &str, value: &Value) {
        if self.names.insert(name.to_owned()) {
            self.text.push(if self.names.len() == 1 { '{' } else { ',' });
            self.text.push_str(&Value::from(name).to_string());
            self.text.push(':');
            self.text.push_str(&value.to_string());
        }
    }

    fn end(mut self) -> String {
        self.text.push_str("}\n");
        self.text
    }
}

impl Entry {
    fn new(
        level: Level,
        target: &str,
        span: Option<&'static str>,
        mut fields: Map<String, Value>,
        at: Timestamp,
    ) -> Self {
        let trace = fields.remove(TRACEPARENT);
        let trace = trace.as_ref().and_then(Value::as_str).and_then(Trace::parse);
        // A line without a message helps nobody: what it is about is said at least.
        let message = match fields.remove("message") {
            Some(Value::String(text)) if !text.trim().is_empty() => text,
            Some(other) if !other.is_null() && other != "" => other.to_string(),
            _ => span.unwrap_or(target).to_owned(),
        };
        let Value::Object(fields) = masked(&Value::Object(fields)) else { unreachable!("a map stays one") };
        Self { level, target: target.to_owned(), span, message, fields, trace, at }
    }

    fn time(&self, pattern: Option<&str>) -> String {
        let zoned = jiff::Timestamp::from_microsecond(self.at.as_micros()).unwrap_or_default();
        match pattern {
            Some(pattern) => {
                let mut text = String::new();
                // A pattern that cannot be written is told when it is read; here it must not cost the line.
                match write!(text, "{}", zoned.to_zoned(TimeZone::UTC).strftime(pattern)) {
                    Ok(()) => text,
                    Err(fmt::Error) => zoned.to_string(),
                }
            }
            None => crate::output::time::rfc3339(self.at),
        }
    }

    /// As one JSON object with a line feed: what people look for first comes first.
    pub(super) fn json(&self, style: &Style) -> String {
        let mut line = Line::default();
        let (time, level) = match style.dialect {
            Dialect::Plain => ("timestamp", "level"),
            Dialect::Cloud => ("time", "severity"),
        };
        line.put(time, &self.time(style.time.as_deref()).into());
        line.put(level, &self.severity(style.dialect).into());
        line.put("message", &self.message.as_str().into());
        self.fields.iter().for_each(|(name, value)| line.put(name, value));
        line.put("target", &self.target.as_str().into());
        if let Some(span) = self.span {
            line.put("span", &span.into());
        }
        style.identity.iter().for_each(|(name, value)| line.put(name, value));
        if let Some(trace) = self.trace.as_ref().filter(|_| style.traces) {
            trace.put(style, &mut line);
        }
        line.end()
    }

    fn severity(&self, dialect: Dialect) -> &'static str {
        match (self.level, dialect) {
            (Level::ERROR, _) => "ERROR",
            (Level::WARN, Dialect::Plain) => "WARN",
            (Level::WARN, Dialect::Cloud) => "WARNING",
            (Level::INFO, _) => "INFO",
            (Level::TRACE, Dialect::Plain) => "TRACE",
            _ => "DEBUG",
        }
    }

    /// For people: time, level, message, fields; on a further line where they do not fit.
    pub(super) fn human(&self, palette: Palette, width: usize) -> String {
        let time = jiff::Timestamp::from_microsecond(self.at.as_micros()).unwrap_or_default();
        let time = time.to_zoned(TimeZone::system()).strftime("%H:%M:%S%.3f").to_string();
        let (word, tone) = match self.level {
            Level::ERROR => ("ERROR", Tone::Bad),
            Level::WARN => ("WARN ", Tone::Odd),
            Level::INFO => ("INFO ", Tone::Good),
            Level::DEBUG => ("DEBUG", Tone::Faint),
            Level::TRACE => ("TRACE", Tone::Faint),
        };
        let message = clean(&self.message);
        let mut text =
            format!("{} {} {message}", palette.paint(Tone::Faint, &time), palette.paint(tone, word));
        let mut used = time.len() + 1 + word.len() + 1 + columns(&message);
        for (name, value) in &self.fields {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let value = clean(&value);
            let needed = columns(name) + 1 + columns(&value);
            // A line feed of our own is better than one in the middle of a value.
            if used + 2 + needed > width && used > INDENT {
                text.push_str(&format!("\n{:INDENT$}", ""));
                used = INDENT;
            } else {
                text.push_str("  ");
                used += 2;
            }
            text.push_str(&palette.paint(Tone::Faint, &format!("{name}=")));
            text.push_str(&value);
            used += needed;
        }
        text.push('\n');
        text
    }
}

/// Under the message.
const INDENT: usize = 19;

/// Fields as JSON.
#[derive(Debug, Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        // What macros call `r#type` is `type`.
        let name = field.name().trim_start_matches("r#");
        self.0.insert(name.to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, value.to_string());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const AT: Timestamp = Timestamp::from_micros(1_767_225_600_123_456);
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn style(dialect: Dialect) -> Style {
        let identity = json!({"service.name": "shop"}).as_object().unwrap().clone();
        Style { dialect, identity, traces: true, project: Some("p1".to_owned()), time: None }
    }

    fn entry(level: Level, fields: Value) -> Entry {
        Entry::new(level, "oneiric_dag", Some("workflow.run"), fields.as_object().unwrap().clone(), AT)
    }

    #[test]
    fn a_line_is_one_object_with_a_message() {
        let read = |entry: Entry| serde_json::from_str::<Value>(&entry.json(&style(Dialect::Plain))).unwrap();
        let line =
            read(entry(Level::WARN, json!({"message": "two\nlines", "run": "a", TRACEPARENT: PARENT})));
        let expected = json!({"timestamp": "2026-01-01T00:00:00.123456Z", "level": "WARN", "message": "two\nlines",
            "run": "a", "target": "oneiric_dag", "span": "workflow.run", "service.name": "shop",
            "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "00f067aa0ba902b7"});
        assert_eq!(line, expected);
        for nothing in [json!({}), json!({"message": ""}), json!({"message": null})] {
            assert_eq!(read(entry(Level::INFO, nothing))["message"], "workflow.run");
        }
        // No field takes the place of what every line has.
        let line = read(entry(Level::INFO, json!({"message": "m", "level": "none", "timestamp": 1})));
        assert_eq!((&line["level"], line["timestamp"].is_string()), (&json!("INFO"), true));
    }

    #[test]
    fn cloud_logging_finds_its_own_fields() {
        let entry = entry(Level::WARN, json!({"message": "m", TRACEPARENT: PARENT}));
        let line: Value = serde_json::from_str(&entry.json(&style(Dialect::Cloud))).unwrap();
        let expected = json!({"time": "2026-01-01T00:00:00.123456Z", "severity": "WARNING", "message": "m",
            "target": "oneiric_dag", "span": "workflow.run", "service.name": "shop",
            "logging.googleapis.com/trace": "projects/p1/traces/4bf92f3577b34da6a3ce929d0e0e4736",
            "logging.googleapis.com/spanId": "00f067aa0ba902b7", "logging.googleapis.com/trace_sampled": true});
        assert_eq!(line, expected);
    }

    #[test]
    fn what_looks_like_a_secret_is_not_written() {
        let entry =
            entry(Level::INFO, json!({"message": "m", "api_key": "k-1", "url": "redis://a:k-2@host/0"}));
        let palette = Palette::PLAIN;
        for text in [entry.json(&style(Dialect::Plain)), entry.human(palette, 80)] {
            assert!(!text.contains("k-1") && !text.contains("k-2") && text.contains("***"), "{text}");
        }
    }

    #[test]
    fn a_broken_traceparent_is_none() {
        for text in ["", "00", "00-xyz-00f067aa0ba902b7-01", &PARENT.replace("4bf9", "4BF9"), &PARENT[..50]] {
            assert_eq!(Trace::parse(text), None, "{text}");
        }
        assert!(Trace::parse(&"00-0-0-01".replace("-0", &format!("-{}", "0".repeat(32)))).is_none());
        assert!(!Trace::parse(&PARENT.replace("-01", "-00")).unwrap().sampled);
    }

    #[test]
    fn lines_for_people_fit_the_terminal() {
        let entry = entry(
            Level::INFO,
            json!({"message": "orchestrator started", "version": "0.1.0", "pid": 4711, "state_dir": "/var/lib/oneiric",
                "profile": "serverless", "lease_seconds": 10.0}),
        );
        for width in [80, 100] {
            let text = entry.human(Palette::PLAIN, width);
            assert!(text.lines().all(|line| columns(line) <= width), "{text}");
            assert!(text.contains("INFO  orchestrator started"), "{text}");
        }
    }
}
