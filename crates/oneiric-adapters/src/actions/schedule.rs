//! `task.schedule`: when a cron line or an interval would fire. A preview: nothing here fires.

mod cron;
mod when;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use oneiric_core::roles::{Action, Schema};
use oneiric_core::{Clock, Fault, Payload, Rng};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::kit::Kit;
use super::python::lax;
use super::python::time::civil;
use super::settings::{self, must};
use super::{chance, payload, schema};
use cron::Cron;
use when::{Interval, Moment, written};

pub(super) const KIT: Kit = Kit {
    key: "task.schedule",
    provider: "builtin-task-schedule",
    python: "oneiric.actions.task:TaskScheduleAction",
    description: "says when a cron line or an interval would fire",
    domains: &["task", "workflow"],
    capabilities: &["schedule", "plan", "cron"],
    stack_level: 45,
    priority: 360,
    side_effect_free: true,
    check: settings::check::<ScheduleSettings>,
    make: |settings, parts| {
        let settings = settings::read(KIT.key, settings)?;
        Ok(Arc::new(Scheduler::new(settings, parts.clock.clone(), parts.rng.clone())))
    },
};

const INVALID: &str = "task-schedule-payload-invalid";

#[derive(Debug, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ScheduleSettings {
    default_queue: String,
    default_priority: i64,
    timezone: String,
    max_preview_runs: i64,
}

impl Default for ScheduleSettings {
    fn default() -> Self {
        Self {
            default_queue: "default".to_owned(),
            default_priority: 100,
            timezone: "UTC".to_owned(),
            max_preview_runs: 5,
        }
    }
}

impl settings::Settings for ScheduleSettings {
    fn check(&self) -> Result<(), (&'static str, String)> {
        must("default_priority", self.default_priority >= 0, "0 or more")?;
        must("timezone", zone(&self.timezone).is_some(), "the name of a zone, such as `Europe/Berlin`")?;
        must("max_preview_runs", (1..=50).contains(&self.max_preview_runs), "1 to 50")
    }
}

/// What is to be scheduled.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Request {
    /// What is put into the queue.
    task_type: String,
    /// Which queue.
    #[serde(default, alias = "queue_name")]
    queue: Option<String>,
    /// For people.
    #[serde(default, alias = "rule_name")]
    name: Option<String>,
    /// Which rule; a new id where it is unsaid.
    #[serde(default, alias = "id")]
    rule_id: Option<String>,
    /// What the task is given.
    #[serde(default)]
    payload: Map<String, Value>,
    /// 0 or more.
    #[serde(default, deserialize_with = "lax::some_int")]
    priority: Option<i64>,
    /// Five fields: minute, hour, day of month, month, day of week.
    #[serde(default, alias = "cron")]
    cron_expression: Option<String>,
    /// More than 0; not looked at where there is a cron line.
    #[serde(default, alias = "interval", alias = "every_seconds", deserialize_with = "lax::some_float")]
    interval_seconds: Option<f64>,
    /// ISO 8601; nothing fires before.
    #[serde(default, deserialize_with = "when::some_moment")]
    #[schemars(with = "Option<String>")]
    start_time: Option<Moment>,
    /// ISO 8601; nothing fires after.
    #[serde(default, deserialize_with = "when::some_moment")]
    #[schemars(with = "Option<String>")]
    end_time: Option<Moment>,
    /// How often in all; more than 0.
    #[serde(default, deserialize_with = "lax::some_int")]
    max_runs: Option<i64>,
    /// How many are shown.
    #[serde(default, deserialize_with = "lax::some_int")]
    preview_runs: Option<i64>,
    /// The zone that the cron line is meant in: `Europe/Berlin`.
    #[serde(default)]
    timezone: Option<String>,
    /// Go along with the task.
    #[serde(default)]
    tags: Map<String, Value>,
}

struct Scheduler {
    settings: ScheduleSettings,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
}

/// When something fires.
enum Timing {
    Cron(Cron),
    Every(Interval),
}

impl Timing {
    fn after(&self, last: DateTime) -> Result<DateTime, Fault> {
        let next = match self {
            Timing::Cron(cron) => cron.after(last),
            Timing::Every(interval) => interval.after(last),
        };
        next.ok_or_else(|| {
            let why = "nothing fires within a year of the run before, or before the year 10000";
            Fault::permanent("task-schedule-search-exceeded", why)
        })
    }
}

impl Scheduler {
    fn new(settings: ScheduleSettings, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Self {
        Self { settings, clock, rng }
    }

    fn schedule(&self, request: Request) -> Result<Value, Fault> {
        check(&request)?;
        let settings = &self.settings;
        let cron = request.cron_expression.as_deref().filter(|line| !line.is_empty());
        if cron.is_none() && request.interval_seconds.is_none() {
            return Err(fault(
                "timing-required",
                "there is neither `cron_expression` nor `interval_seconds`",
            ));
        }
        let name = request.timezone.as_deref().filter(|name| !name.is_empty()).unwrap_or(&settings.timezone);
        let zone =
            zone(name).ok_or_else(|| fault("timezone-invalid", &format!("`{name}` is no time zone")))?;
        let timing = match cron {
            Some(line) => Timing::Cron(
                Cron::parse(line)
                    .map_err(|why| fault("cron-invalid", &format!("`cron_expression` `{line}`: {why}")))?,
            ),
            None => Timing::Every(Interval::new(request.interval_seconds.unwrap_or_default())),
        };
        let task_type = request.task_type.trim();
        if task_type.is_empty() {
            return Err(fault("task-type-invalid", "`task_type` is empty"));
        }
        let queue = request.queue.as_deref().filter(|queue| !queue.is_empty());
        let queue = queue.unwrap_or(&settings.default_queue).trim();
        if queue.is_empty() {
            return Err(fault("queue-invalid", "`queue` is empty"));
        }
        let start = request.start_time.map(|moment| moment.at(&zone));
        let end = request.end_time.map(|moment| moment.at(&zone));
        if let (Some(start), Some(end)) = (start, end)
            && end <= start
        {
            return Err(fault("window-invalid", "`end_time` is not after `start_time`"));
        }
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let name = filled(request.name).unwrap_or_else(|| format!("{}-schedule", request.task_type));
        let mut tags = request.tags;
        for (tag, value) in [("scheduled", "true"), ("rule_name", &name), ("task_type", task_type)] {
            tags.entry(tag).or_insert_with(|| value.into());
        }
        let now = civil(self.clock.now(), &zone);
        let base = start.map_or(now, |start| start.max(now));
        let shown = request.preview_runs.unwrap_or(i64::MAX).min(settings.max_preview_runs);
        let (next, upcoming) = runs(&timing, base, end, request.max_runs, shown)?;
        let iso = |at: DateTime| written(at, &zone);
        Ok(json!({
            "status": if next.is_some() { "scheduled" } else { "unscheduled" },
            "rule": {
                "rule_id": filled(request.rule_id).unwrap_or_else(|| chance::uuid(&*self.rng)),
                "name": name,
                "task_type": task_type,
                "queue": queue,
                "priority": request.priority.unwrap_or(settings.default_priority),
                "cron_expression": request.cron_expression,
                "interval_seconds": request.interval_seconds,
                "start_time": start.map(iso),
                "end_time": end.map(iso),
                "max_runs": request.max_runs,
                "tags": tags,
            },
            "next_run": next.map(iso),
            "upcoming_runs": upcoming.into_iter().map(iso).collect::<Vec<_>>(),
            "payload": request.payload,
        }))
    }
}

/// The next run, and the first `shown` of them; at most 50, as the settings are checked for.
fn runs(
    timing: &Timing,
    base: DateTime,
    end: Option<DateTime>,
    max_runs: Option<i64>,
    shown: i64,
) -> Result<(Option<DateTime>, Vec<DateTime>), Fault> {
    let (mut next, mut upcoming, mut last) = (None, Vec::new(), base);
    // Where none is shown, the next run is looked for all the same.
    for _ in 0..max_runs.unwrap_or(i64::MAX).min(shown.max(1)) {
        let run = timing.after(last)?;
        if end.is_some_and(|end| run > end) {
            break;
        }
        next = next.or(Some(run));
        if shown > 0 {
            upcoming.push(run);
        }
        last = run;
    }
    Ok((next, upcoming))
}

fn check(request: &Request) -> Result<(), Fault> {
    let must = |name: &str, holds: bool, bound: &str| match holds {
        true => Ok(()),
        false => {
            Err(Fault::permanent(INVALID, format!("`{name}` in the payload of `{}` is not {bound}", KIT.key)))
        }
    };
    must("priority", request.priority.is_none_or(|priority| priority >= 0), "0 or more")?;
    must("interval_seconds", request.interval_seconds.is_none_or(|seconds| seconds > 0.0), "more than 0")?;
    must("max_runs", request.max_runs.is_none_or(|runs| runs > 0), "more than 0")?;
    must("preview_runs", request.preview_runs.is_none_or(|runs| runs >= 0), "0 or more")
}

fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}

fn fault(code: &str, why: &str) -> Fault {
    Fault::permanent(format!("task-schedule-{code}"), why)
}

#[async_trait]
impl Action for Scheduler {
    async fn apply(&self, input: Payload) -> Result<Payload, Fault> {
        self.schedule(payload::typed(KIT.key, &input, INVALID)?).map(Payload::from)
    }

    fn schema(&self) -> Option<Schema> {
        let rule = schema::object(
            &["rule_id", "name", "task_type", "queue", "priority", "tags"],
            [
                ("rule_id", schema::text("which rule")),
                ("name", schema::text("for people")),
                ("task_type", schema::text("what is put into the queue")),
                ("queue", schema::text("which queue")),
                ("priority", schema::of_type("integer", "0 or more")),
                ("cron_expression", schema::nullable("string", "as given")),
                ("interval_seconds", schema::nullable("number", "as given")),
                ("start_time", schema::nullable("string", "ISO 8601 in the zone")),
                ("end_time", schema::nullable("string", "ISO 8601 in the zone")),
                ("max_runs", schema::nullable("integer", "as given")),
                (
                    "tags",
                    schema::of_type("object", "as given, with `scheduled`, `rule_name` and `task_type`"),
                ),
            ],
        );
        let output = schema::object(
            &["status", "rule", "next_run", "upcoming_runs", "payload"],
            [
                ("status", schema::one_of(&["scheduled", "unscheduled"], "whether anything fires")),
                ("rule", rule),
                ("next_run", schema::nullable("string", "ISO 8601 in the zone")),
                ("upcoming_runs", schema::texts("the first runs, ISO 8601 in the zone")),
                ("payload", schema::of_type("object", "as given")),
            ],
        );
        schema::of(schema::derived::<Request>(), output)
    }
}
