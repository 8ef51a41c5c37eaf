//! What the crates below log, on standard error and never through the live rows.

use std::io::{self, Write};

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::args::LogLevel;
use crate::live;

/// Logs from `level` on. Off is silent and costs nothing.
pub(crate) fn to_stderr(level: LogLevel) {
    let level = match level {
        LogLevel::Off => return,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let colour = anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never;
    let subscriber =
        tracing_subscriber::fmt().with_max_level(level).with_ansi(colour).with_writer(Above).finish();
    // Whoever embeds this function twice keeps the first one.
    let _ = tracing::subscriber::set_global_default(subscriber);
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
