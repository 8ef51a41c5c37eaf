//! What the crates below log, on standard error and never through the live rows.

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
#[derive(Debug)]
pub(crate) struct Control(Handle<LevelFilter, Registry>);

impl Control {
    /// Logs from `level` on.
    pub(crate) fn level(&self, level: Level) {
        let filter = match level {
            Level::Trace => LevelFilter::TRACE,
            Level::Debug => LevelFilter::DEBUG,
            Level::Info => LevelFilter::INFO,
            Level::Warning => LevelFilter::WARN,
            Level::Error | Level::Critical => LevelFilter::ERROR,
            Level::Off => LevelFilter::OFF,
        };
        // It fails where the subscriber is gone, and then nobody logs.
        let _ = self.0.reload(filter);
    }
}

/// Logs from `level` on. Off is silent and costs nothing.
pub(crate) fn to_stderr(level: LogLevel) -> Option<Control> {
    let level = match level {
        LogLevel::Off => return None,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let colour = anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never;
    let (filter, handle) = reload::Layer::new(level);
    let lines = tracing_subscriber::fmt::layer().with_ansi(colour).with_writer(Above);
    // Whoever embeds this function twice keeps the first one.
    let _ = tracing::subscriber::set_global_default(Registry::default().with(filter).with(lines));
    Some(Control(handle))
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
