//! Printing: one place that writes results, in one of three formats.

pub(crate) mod file;
pub(crate) mod palette;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod time;

use std::fmt;
use std::io::{self, BufWriter, IsTerminal as _, Write};

use serde::Serialize;

use crate::failure::Failure;
pub(crate) use palette::Palette;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Human,
    /// Indented by two spaces.
    Json,
    /// For people who feed it to something.
    Yaml,
}

impl Format {
    /// By its name on the command line.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "human" => Some(Format::Human),
            "json" => Some(Format::Json),
            "yaml" => Some(Format::Yaml),
            _ => None,
        }
    }
}

/// Columns where nobody looks at a terminal: wide enough to cut nothing that somebody may search for.
const WIDE: usize = 1000;

/// Narrower terminals are treated as this wide.
const NARROWEST: usize = 40;

/// Standard output. A reader that goes away early (`| head`) is no failure: what follows is dropped.
pub(crate) struct Screen {
    out: Box<dyn Write>,
    gone: bool,
    /// The format of results.
    pub(crate) format: Format,
    /// Colours, or none.
    pub(crate) palette: Palette,
    /// Columns.
    pub(crate) width: usize,
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screen")
            .field("format", &self.format)
            .field("width", &self.width)
            .finish_non_exhaustive()
    }
}

impl Screen {
    /// Standard output of the process.
    pub(crate) fn stdout(format: Format) -> Self {
        let stdout = io::stdout();
        let choice = anstream::AutoStream::choice(&stdout);
        let width = if stdout.is_terminal() { terminal_width(terminal_size::terminal_size()) } else { WIDE };
        Self {
            palette: Palette::of(choice),
            out: Box::new(BufWriter::with_capacity(16 * 1024, stdout)),
            gone: false,
            format,
            width,
        }
    }

    /// Prints a result: `human` writes it for people, the other formats follow from the value.
    pub(crate) fn emit<T: Serialize + ?Sized>(
        &mut self,
        value: &T,
        human: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let printed = match self.format {
            Format::Human => human(self),
            Format::Json => self.json(value),
            Format::Yaml => serde_saphyr::to_io_writer(&mut *self, &value).map_err(io::Error::other),
        };
        printed.and_then(|()| self.flush()).map_err(Failure::Output)
    }

    /// Prints one of several results that come as they happen: a line of JSON, or a document of YAML.
    pub(crate) fn line<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failure> {
        let printed = match self.format {
            Format::Human | Format::Json => {
                let line = serde_json::to_writer(&mut *self, value).map_err(io::Error::other);
                line.and_then(|()| self.write_all(b"\n"))
            }
            Format::Yaml => {
                let document = serde_saphyr::to_io_writer(&mut *self, &value).map_err(io::Error::other);
                document.and_then(|()| self.write_all(b"---\n"))
            }
        };
        printed.and_then(|()| self.flush()).map_err(Failure::Output)
    }

    /// Whether nobody reads any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone
    }

    /// Prints text as it is.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), Failure> {
        self.write_all(text.as_bytes()).and_then(|()| self.flush()).map_err(Failure::Output)
    }

    fn json<T: Serialize + ?Sized>(&mut self, value: &T) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *self, value)?;
        self.write_all(b"\n")
    }

    fn heard(&mut self, result: io::Result<usize>, all: usize) -> io::Result<usize> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.gone = true;
                Ok(all)
            }
            other => other,
        }
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.gone {
            return Ok(bytes.len());
        }
        let written = self.out.write(bytes);
        self.heard(written, bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.gone {
            return Ok(());
        }
        let flushed = self.out.flush();
        self.heard(flushed.map(|()| 0), 0).map(|_| ())
    }
}

/// The width of a terminal; 80 where it does not say.
pub(crate) fn terminal_width(size: Option<(terminal_size::Width, terminal_size::Height)>) -> usize {
    match size {
        Some((terminal_size::Width(columns), _)) if columns > 0 => usize::from(columns).max(NARROWEST),
        _ => 80,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What `print` writes on a screen without colour.
    pub(crate) fn printed(width: usize, print: impl FnOnce(&mut Screen) -> io::Result<()>) -> String {
        let shared = Shared::default();
        let mut screen = Screen {
            out: Box::new(shared.clone()),
            gone: false,
            format: Format::Human,
            palette: Palette::PLAIN,
            width,
        };
        print(&mut screen).unwrap();
        let text = String::from_utf8(shared.0.lock().unwrap().clone()).unwrap();
        for line in text.lines() {
            assert!(text::columns(line) <= width, "wider than {width}: {line}");
        }
        text
    }

    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let mut screen = Screen {
            out: Box::new(Gone),
            gone: false,
            format: Format::Json,
            palette: Palette::PLAIN,
            width: 80,
        };
        assert!(screen.emit(&[1, 2, 3], |_| Ok(())).is_ok());
        assert!(screen.text("more").is_ok());
    }
}
