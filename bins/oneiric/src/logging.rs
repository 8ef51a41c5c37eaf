//! What the crates below log: on standard error and never through the live rows; what a long-lived process tells is in
//! [`serving`].

mod records;
pub(crate) mod serving;
mod sink;

use std::io::{self, Write};

use oneiric_core::settings::Level;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::reload::{self, Handle};

use crate::args::LogLevel;
use crate::live;

/// The level, changed after logging has begun: settings are read later than arguments.
#[derive(Debug, Clone)]
pub(crate) struct Control(Handle<LevelFilter, Registry>);

impl Control {
    /// Logs from `level` on.
    pub(crate) fn level(&self, level: Level) {
        // It fails where the subscriber is gone, and then nobody logs.
        let _ = self.0.reload(of_settings(level));
    }
}

/// Logs from `level` on. Off is silent and costs nothing.
pub(crate) fn to_stderr(level: LogLevel) -> Option<Control> {
    let level = filter(level)?;
    let colour = anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never;
    let (filter, handle) = reload::Layer::new(level);
    let lines = tracing_subscriber::fmt::layer().with_ansi(colour).with_writer(Above);
    // Whoever embeds this function twice keeps the first one.
    let _ = tracing::subscriber::set_global_default(Registry::default().with(filter).with(lines));
    Some(Control(handle))
}

fn of_settings(level: Level) -> LevelFilter {
    match level {
        Level::Trace => LevelFilter::TRACE,
        Level::Debug => LevelFilter::DEBUG,
        Level::Info => LevelFilter::INFO,
        Level::Warning => LevelFilter::WARN,
        Level::Error | Level::Critical => LevelFilter::ERROR,
        Level::Off => LevelFilter::OFF,
    }
}

fn filter(level: LogLevel) -> Option<LevelFilter> {
    match level {
        LogLevel::Off => None,
        LogLevel::Error => Some(LevelFilter::ERROR),
        LogLevel::Warn => Some(LevelFilter::WARN),
        LogLevel::Info => Some(LevelFilter::INFO),
        LogLevel::Debug => Some(LevelFilter::DEBUG),
        LogLevel::Trace => Some(LevelFilter::TRACE),
    }
}

/// Above the live rows where there are any.
struct Above;

impl<'a> MakeWriter<'a> for Above {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line
    }
}

struct Line;

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(board) = live::shown() {
            let text = String::from_utf8_lossy(bytes);
            text.lines().for_each(|line| board.say(line.to_owned()));
            return Ok(bytes.len());
        }
        io::stderr().write_all(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
