//! What a command works with, made when it is needed and not before.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::sync::Arc;

use oneiric_adapters::Parts;
use oneiric_core::clock::Timestamp;
use oneiric_core::{Clock as _, RunId};
use oneiric_runtime::{
    Builder, Bundle, Catalog, DEFAULT_STATE_DIR, Oneiric, SystemClock, SystemEnvironment, SystemRng,
};
use oneiric_store::sqlite::Options;
use oneiric_store::{SqliteStore, Store};

use crate::args::Global;
use crate::failure::{Failure, Manner};
use crate::find;
use crate::output::{Format, Palette, Screen, terminal_width};

/// The global options with what follows from them.
#[derive(Debug)]
pub(crate) struct Session {
    /// Manifests, in the order in which they were named.
    pub(crate) manifests: Vec<PathBuf>,
    state_dir: Option<PathBuf>,
    /// Whether the folder of the state was named on the command line, so that the next one needs it.
    said: bool,
    /// Whether a format was asked for, and which.
    pub(crate) asked: Option<Format>,
    /// Standard output.
    pub(crate) screen: Screen,
}

impl Session {
    /// Touches nothing. `said`: `--state-dir` stands on the command line.
    pub(crate) fn new(global: Global, said: bool) -> Self {
        let named = global.format.as_deref().and_then(Format::named);
        let asked = if global.json { Some(Format::Json) } else { named };
        Self {
            manifests: global.manifest,
            state_dir: global.state_dir.filter(|path| !path.is_empty()).map(PathBuf::from),
            said,
            asked,
            screen: Screen::stdout(asked.unwrap_or(Format::Human)),
        }
    }

    /// The folder of the state.
    pub(crate) fn state_dir(&self) -> PathBuf {
        self.state_dir.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_STATE_DIR))
    }

    /// What the manifests say.
    pub(crate) fn catalog(&self) -> Result<Catalog, Failure> {
        let files = self.manifests.iter().map(|path| oneiric_runtime::read_manifest(path));
        Ok(Catalog::load(Bundle { files: files.collect::<Result<_, _>>()? })?)
    }

    /// The state, for reading; `None` where there is none yet. Creates nothing.
    pub(crate) fn store(&self) -> Result<Option<SqliteStore>, Failure> {
        Ok(oneiric_runtime::open_store(&self.state_dir(), Options::READ_ONLY)?)
    }

    /// An orchestrator with every compiled-in component, without manifests and state.
    pub(crate) fn builder(&self) -> Builder {
        let parts =
            Parts::new(Arc::new(SystemClock::default()), Arc::new(SystemEnvironment), Arc::new(SystemRng));
        Oneiric::builder().with(oneiric_adapters::enabled(&parts))
    }

    /// A command to type next, about the same state.
    pub(crate) fn command(&self, rest: &str) -> String {
        match &self.state_dir {
            Some(path) if self.said => {
                format!("oneiric {rest} --state-dir {}", quoted(&path.display().to_string()))
            }
            _ => format!("oneiric {rest}"),
        }
    }

    /// A command to type next, about a run.
    pub(crate) fn run_command(&self, verb: &str, run: RunId) -> String {
        self.command(&format!("run {verb} {}", find::short(run)))
    }

    /// Whether results are for programs.
    pub(crate) fn for_programs(&self) -> bool {
        self.screen.format != Format::Human
    }
}

/// As a shell takes it for one word.
fn quoted(text: &str) -> String {
    let harmless = |c: char| c.is_alphanumeric() || "/._-+=:,@%".contains(c);
    if text.chars().all(harmless) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// A store as the trait that reading goes through.
pub(crate) fn reading(store: Option<&SqliteStore>) -> Option<&dyn Store> {
    store.map(|store| store as &dyn Store)
}

/// Now.
pub(crate) fn now() -> Timestamp {
    SystemClock::default().now()
}

/// How standard error shows things.
pub(crate) fn manner(json: bool) -> Manner {
    let stderr = io::stderr();
    let terminal = stderr.is_terminal();
    let width = if terminal { terminal_width(terminal_size::terminal_size_of(&stderr)) } else { 100 };
    let palette = Palette::of(anstream::AutoStream::choice(&stderr));
    Manner { json, palette, graphics: terminal && unicode(), width }
}

/// Whether the terminal cannot move its cursor.
#[expect(
    clippy::disallowed_methods,
    reason = "what the terminal can do is the terminal's, not configuration"
)]
pub(crate) fn is_dumb() -> bool {
    std::env::var("TERM").is_ok_and(|term| term == "dumb")
}

/// Whether the locale says that text is UTF-8.
#[expect(clippy::disallowed_methods, reason = "the locale is the terminal's, not configuration")]
pub(crate) fn unicode() -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    let utf8 = set.is_some_and(|locale| {
        let locale = locale.to_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    });
    utf8 && std::env::var("TERM").as_deref() != Ok("linux")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_for_the_shell() {
        assert_eq!(quoted("/var/lib/oneiric"), "/var/lib/oneiric");
        assert_eq!(quoted("it's here"), "'it'\\''s here'");
    }
}
