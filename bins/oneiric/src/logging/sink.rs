//! Where records go: the two streams of the process, and files that do not grow without bound.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tracing::Level;
use tracing_subscriber::filter::LevelFilter;

use super::records::{Entry, Style};
use crate::output::Palette;

/// How a sink writes a record.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// One JSON object per line.
    Json,
    /// For people.
    Human {
        /// Colours, or none.
        palette: Palette,
        /// Columns.
        width: usize,
    },
}

/// A place where records go.
pub(crate) struct Sink {
    level: LevelFilter,
    shape: Shape,
    out: Mutex<Box<dyn Write + Send>>,
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink").field("level", &self.level).field("shape", &self.shape).finish_non_exhaustive()
    }
}

impl Sink {
    pub(crate) fn new(level: LevelFilter, shape: Shape, out: Box<dyn Write + Send>) -> Self {
        Self { level, shape, out: Mutex::new(out) }
    }

    pub(super) fn takes(&self, level: Level) -> bool {
        self.level >= level
    }

    /// Writes a record, whole. A reader that went away, or a disk that is full, is no reason to stop working.
    pub(super) fn write(&self, entry: &Entry, style: &Style) {
        let text = match self.shape {
            Shape::Json => entry.json(style),
            Shape::Human { palette, width } => entry.human(palette, width),
        };
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

/// A file that is put aside when it is full: `log` becomes `log.1`, `log.1` becomes `log.2`, and the last one goes.
#[derive(Debug)]
pub(crate) struct Rotating {
    path: PathBuf,
    file: File,
    size: u64,
    max_bytes: u64,
    backups: u32,
}

impl Rotating {
    /// Goes on with the file, and makes its folder where it is missing.
    pub(crate) fn open(path: &Path, max_bytes: u64, backups: u32) -> io::Result<Self> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let size = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, size, max_bytes, backups })
    }

    fn aside(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }

    fn rotate(&mut self) -> io::Result<()> {
        if self.backups == 0 {
            self.file.set_len(0)?;
        } else {
            for number in (1..self.backups).rev() {
                match std::fs::rename(self.aside(number), self.aside(number + 1)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            std::fs::rename(&self.path, self.aside(1))?;
            self.file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        }
        self.size = 0;
        Ok(())
    }
}

impl Write for Rotating {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.size > 0 && self.size + bytes.len() as u64 > self.max_bytes {
            // Where the files cannot be moved, a long one is better than none.
            let _ = self.rotate();
        }
        self.file.write_all(bytes)?;
        self.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_is_put_aside_and_the_oldest_one_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/oneiric.log");
        let mut file = Rotating::open(&path, 10, 2).unwrap();
        for line in ["first.\n", "second.\n", "third.\n", "fourth.\n"] {
            file.write_all(line.as_bytes()).unwrap();
        }
        drop(file);
        let read = |name: &str| std::fs::read_to_string(folder.path().join("logs").join(name));
        assert_eq!(read("oneiric.log").unwrap(), "fourth.\n");
        assert_eq!(read("oneiric.log.1").unwrap(), "third.\n");
        assert_eq!(read("oneiric.log.2").unwrap(), "second.\n");
        assert!(read("oneiric.log.3").is_err());
        // It goes on where the last process stopped.
        let mut file = Rotating::open(&path, 10, 0).unwrap();
        file.write_all(b"x\n").unwrap();
        file.write_all(b"y\n").unwrap();
        assert_eq!(read("oneiric.log").unwrap(), "y\n");
        assert_eq!(read("oneiric.log.1").unwrap(), "third.\n");
    }
}
