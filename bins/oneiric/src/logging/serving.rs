//! The log of a long-lived process: begun once the settings are read, which say how it is written and where it goes.

use std::io;
use std::path::Path;

use oneiric_core::Environment as _;
use oneiric_core::environment::names;
use oneiric_core::settings::{Loaded, Logging, Origin, Settings, Sink as Said, SinkTarget};
use oneiric_runtime::SystemEnvironment;
use serde_json::{Map, Value};
use tracing_subscriber::Registry;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;

use super::records::{Dialect, Records, Style};
use super::sink::{Rotating, Shape, Sink};
use super::{filter, of_settings};
use crate::args::LogLevel;
use crate::exit::Code;
use crate::failure::Failure;
use crate::output::{Palette, terminal_width};

/// The profile whose platform reads standard output as Google Cloud Logging does.
const CLOUD: &str = "serverless";

/// Begins to log. `level` and `format` are what the command line says, where it says it.
///
/// # Errors
/// Where a sink cannot be had.
pub(crate) fn begin(loaded: &Loaded, level: Option<LogLevel>, format: Option<&str>) -> Result<(), Failure> {
    let settings = &loaded.settings;
    let level = match level {
        Some(level) => filter(level).unwrap_or(LevelFilter::OFF),
        None => of_settings(settings.logging.level),
    };
    if let Some(pattern) = pattern(&settings.logging) {
        check_time(pattern)?;
    }
    let chosen = match format {
        Some(word) => Some(word == "json"),
        // A default says nothing about terminals, somebody's word does.
        None if loaded
            .provenance
            .origin("logging.emit_json")
            .is_some_and(|origin| *origin != Origin::Default) =>
        {
            Some(settings.logging.emit_json)
        }
        None => None,
    };
    let sinks = match settings.logging.sinks.as_slice() {
        [] => vec![stream(&io::stdout(), Box::new(io::stdout()), level, chosen)],
        said => said
            .iter()
            .enumerate()
            .map(|(place, said)| sink(place, said, chosen))
            .collect::<Result<Vec<_>, _>>()?,
    };
    let records = Records::new(style(settings), sinks);
    // Whoever embeds this function twice keeps the first one.
    let _ = tracing::subscriber::set_global_default(Registry::default().with(level).with(records));
    if !settings.logging.extra_processors.is_empty() {
        tracing::warn!("`logging.extra_processors` names functions of another program; they are not called");
    }
    Ok(())
}

fn style(settings: &Settings) -> Style {
    let logging = &settings.logging;
    let environment = logging.environment.as_ref().unwrap_or(&settings.app.environment);
    let mut identity = Map::new();
    identity.insert("service.name".to_owned(), logging.service_name.as_str().into());
    identity.insert("deployment.environment".to_owned(), environment.as_str().into());
    if let Some(release) = &logging.release {
        identity.insert("service.version".to_owned(), Value::from(release.as_str()));
    }
    let is_cloud = settings.profile.name == CLOUD;
    Style {
        dialect: if is_cloud { Dialect::Cloud } else { Dialect::Plain },
        identity,
        traces: logging.include_trace_context,
        project: SystemEnvironment.get(names::GOOGLE_CLOUD_PROJECT).filter(|project| !project.is_empty()),
        time: pattern(logging).map(str::to_owned),
    }
}

/// The pattern of times, where it is none of RFC 3339.
fn pattern(logging: &Logging) -> Option<&str> {
    Some(logging.timestamper_format.as_str()).filter(|format| !format.eq_ignore_ascii_case("iso"))
}

fn check_time(pattern: &str) -> Result<(), Failure> {
    let epoch = jiff::Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC);
    jiff::fmt::strtime::format(pattern, &epoch).map(drop).map_err(|error| {
        let message = format!("`logging.timestamper_format` is `{pattern}`: {error}");
        Failure::said(Code::Configuration, message)
            .help("write `iso`, or a pattern such as `%Y-%m-%dT%H:%M:%SZ`")
    })
}

fn sink(place: usize, said: &Said, chosen: Option<bool>) -> Result<Sink, Failure> {
    let wrong =
        |message: String| Failure::said(Code::Configuration, format!("`logging.sinks[{place}]`: {message}"));
    let level = of_settings(said.level);
    match said.target {
        SinkTarget::Stdout => Ok(stream(&io::stdout(), Box::new(io::stdout()), level, chosen)),
        SinkTarget::Stderr => Ok(stream(&io::stderr(), Box::new(io::stderr()), level, chosen)),
        SinkTarget::File => {
            let path = said.path.as_deref().filter(|path| !path.is_empty());
            let path = path.ok_or_else(|| wrong("target `file` needs a `path`".to_owned()))?;
            let file = Rotating::open(Path::new(path), said.max_bytes, said.backup_count)
                .map_err(|error| wrong(format!("cannot write {path}: {error}")))?;
            let shape = if chosen.unwrap_or(true) { Shape::Json } else { PLAIN };
            Ok(Sink::new(level, shape, Box::new(file)))
        }
        SinkTarget::Http => {
            Err(wrong("target `http` is not supported: no work waits for a log server".to_owned())
                .help("log to stdout, and let whoever reads it (a collector, the platform) send it on"))
        }
    }
}

/// For people, in a file.
const PLAIN: Shape = Shape::Human { palette: Palette::PLAIN, width: 1000 };

fn stream(
    stream: &(impl io::IsTerminal + anstream::stream::RawStream + std::os::fd::AsFd),
    out: Box<dyn io::Write + Send>,
    level: LevelFilter,
    chosen: Option<bool>,
) -> Sink {
    let terminal = io::IsTerminal::is_terminal(stream);
    let shape = if chosen.unwrap_or(!terminal) {
        Shape::Json
    } else if terminal {
        let width = terminal_width(terminal_size::terminal_size_of(stream));
        Shape::Human { palette: Palette::of(anstream::AutoStream::choice(stream)), width }
    } else {
        PLAIN
    };
    Sink::new(level, shape, out)
}
