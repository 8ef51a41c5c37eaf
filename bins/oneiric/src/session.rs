//! What a command works with, made when it is needed and not before.

use std::cell::OnceCell;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use oneiric_adapters::Parts;
use oneiric_core::clock::Timestamp;
use oneiric_core::secret::Secrets;
use oneiric_core::settings::{Loaded as Settings, Loader, Origin};
use oneiric_core::{Class, Clock as _, ComponentRuntime, Registry, RunId};
use oneiric_runtime::{
    Builder, Catalog, Loaded, Oneiric, SystemClock, SystemEnvironment, SystemFiles, SystemRng,
};
use oneiric_store::sqlite::Options;
use oneiric_store::{SqliteStore, Store};

use crate::args::{Global, LogLevel};
use crate::exit::Code;
use crate::failure::{Failure, Manner};
use crate::find;
use crate::logging::Control;
use crate::output::{Format, Palette, Screen, terminal_width};
use crate::packaged::{self, Packaged};

/// Which global options were said, where that makes a difference.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said {
    /// `--state-dir` stands on the command line, so that settings do not count and the next command needs
    /// it, too.
    pub(crate) state_dir: bool,
    /// The level stands on the command line or in its variable, so that settings do not count.
    pub(crate) log_level: bool,
}

/// The global options with what follows from them.
#[derive(Debug)]
pub(crate) struct Session {
    /// Manifests, in the order in which they were named.
    pub(crate) manifests: Vec<PathBuf>,
    state_dir: Option<PathBuf>,
    said: Said,
    config: Option<PathBuf>,
    profile: Option<String>,
    set: Vec<String>,
    loaded: OnceCell<Settings>,
    log: Option<Control>,
    log_level: LogLevel,
    /// Whether a format was asked for, and which.
    pub(crate) asked: Option<Format>,
    /// Standard output.
    pub(crate) screen: Screen,
}

impl Session {
    /// Touches nothing.
    pub(crate) fn new(global: Global, said: Said, log: Option<Control>) -> Self {
        let named = global.format.as_deref().and_then(Format::named);
        let asked = if global.json { Some(Format::Json) } else { named };
        Self {
            manifests: global.manifest,
            state_dir: global.state_dir.filter(|path| !path.is_empty() && said.state_dir).map(PathBuf::from),
            said,
            config: global.config,
            profile: global.profile,
            set: global.set,
            loaded: OnceCell::new(),
            log,
            log_level: global.log_level,
            asked,
            screen: Screen::stdout(asked.unwrap_or(Format::Human)),
        }
    }

    /// Adds settings that other options of the command line stand for; before they are read.
    pub(crate) fn say(&mut self, settings: impl IntoIterator<Item = String>) {
        self.set.extend(settings);
    }

    /// The level that the command line or its variable says, where one does.
    pub(crate) fn said_level(&self) -> Option<LogLevel> {
        self.said.log_level.then_some(self.log_level)
    }

    /// Takes the manifests that come with the program, where none is named and the profile counts those only.
    pub(crate) fn find_packaged(&mut self) -> Result<Packaged, Failure> {
        let profile = &self.settings()?.settings.profile;
        if !self.manifests.is_empty() || !profile.inline_manifest_only {
            return Ok(Packaged::NotAsked);
        }
        Ok(match packaged::find()? {
            Ok(found) => {
                self.manifests.clone_from(&found);
                Packaged::Found(found)
            }
            Err(folders) => Packaged::Missing { profile: profile.name.clone(), folders },
        })
    }

    /// The settings, read when they are first asked for.
    pub(crate) fn settings(&self) -> Result<&Settings, Failure> {
        if let Some(loaded) = self.loaded.get() {
            return Ok(loaded);
        }
        let loaded = self.loader().load().map_err(Failure::settings)?;
        let level = loaded.provenance.origin("logging.level");
        if let Some(control) = &self.log
            && !self.said.log_level
            && level.is_some_and(|origin| *origin != Origin::Default)
        {
            control.level(loaded.settings.logging.level);
        }
        Ok(self.loaded.get_or_init(|| loaded))
    }

    /// The same, by the one name that it has wherever this process was started. Need not exist.
    fn place(&self) -> Result<PathBuf, Failure> {
        let folder = self.state_dir()?;
        let Ok(absolute) = std::path::absolute(&folder) else { return Ok(folder) };
        // What is there of it has its real name, so that it has the same one before and after it is made.
        let real = |above: &Path| Some(above.canonicalize().ok()?.join(absolute.strip_prefix(above).ok()?));
        Ok(absolute.ancestors().find_map(real).unwrap_or(absolute.clone()).components().collect())
    }

    /// The level of the log, where nobody said it on the command line.
    pub(crate) fn log_of_settings(&self) -> Option<Control> {
        self.log.clone().filter(|_| !self.said.log_level)
    }

    /// All layers of settings.
    pub(crate) fn loader(&self) -> Loader<'static> {
        let mut loader = Loader::new("oneiric", &SystemEnvironment, &SystemFiles);
        if let Some(path) = &self.config {
            loader = loader.config(path);
        }
        if let Some(name) = &self.profile {
            loader = loader.profile(name);
        }
        self.set.iter().fold(loader, |loader, option| loader.set(option))
    }

    /// The folder of the state.
    pub(crate) fn state_dir(&self) -> Result<PathBuf, Failure> {
        match &self.state_dir {
            Some(path) => {
                // What was said of settings is checked, also where it changes nothing.
                if self.config.is_some() || self.profile.is_some() || !self.set.is_empty() {
                    self.settings()?;
                }
                Ok(path.clone())
            }
            None => Ok(PathBuf::from(self.settings()?.settings.state_dir())),
        }
    }

    /// Every candidate: of the manifests, and of what is compiled in; with the selections of the settings.
    pub(crate) fn catalog(&self) -> Result<Catalog, Failure> {
        let catalog = self.load()?.into_catalog();
        warn_of_unmet(catalog.registry());
        Ok(catalog)
    }

    /// An orchestrator with the manifests, without state; nothing is opened.
    pub(crate) fn load(&self) -> Result<Loaded, Failure> {
        let paths = self.manifests.iter();
        Ok(paths.fold(self.builder()?, |builder, path| builder.manifest(path)).load()?)
    }

    /// The state, for reading; `None` where there is none yet. Creates nothing.
    pub(crate) fn store(&self) -> Result<Option<SqliteStore>, Failure> {
        Ok(oneiric_runtime::open_store(&self.state_dir()?, Options::READ_ONLY)?)
    }

    /// What compiled-in components are made from.
    pub(crate) fn parts() -> Parts {
        Parts::new(Arc::new(SystemClock::default()), Arc::new(SystemEnvironment), Arc::new(SystemRng))
    }

    /// Every compiled-in component runtime.
    pub(crate) fn runtimes() -> Vec<Arc<dyn ComponentRuntime>> {
        oneiric_adapters::enabled(&Self::parts())
    }

    /// The stores of secrets, in the order that the settings say.
    pub(crate) fn secrets(&self) -> Result<Secrets, Failure> {
        let settings = &self.settings()?.settings;
        oneiric_adapters::secrets::chain(settings, &Self::parts(), Vec::new()).map_err(|fault| {
            let code = if fault.class == Class::Denied { Code::Security } else { Code::Configuration };
            Failure::said(code, fault.message)
        })
    }

    /// An orchestrator with every compiled-in component, the settings and their secrets, without
    /// manifests and state.
    pub(crate) fn builder(&self) -> Result<Builder, Failure> {
        let settings = self.settings()?.settings.clone();
        let parts = Self::parts().with_settings(&settings).with_state_dir(self.place()?);
        let runtimes = oneiric_adapters::enabled(&parts);
        let builder = Oneiric::builder().serve(false).with(runtimes).prober(oneiric_adapters::prober(&parts));
        Ok(builder.settings(settings).secrets(self.secrets()?))
    }

    /// A command to type next, about the same state.
    pub(crate) fn command(&self, rest: &str) -> String {
        let mut command = format!("oneiric {rest}");
        let path = |path: &PathBuf| quoted(&path.display().to_string());
        // The other values of `--set` are not repeated: one of them may be a secret.
        let set = self.loaded.get().and_then(|loaded| match loaded.provenance.origin("cache_dir") {
            Some(Origin::Flag(_)) => loaded.settings.cache_dir.as_deref().map(quoted),
            _ => None,
        });
        let options = [
            ("--state-dir", self.state_dir.as_ref().map(path).or(set)),
            ("--config", self.config.as_ref().map(path)),
            ("--profile", self.profile.as_deref().map(quoted)),
        ];
        for (option, value) in options {
            if let Some(value) = value {
                command.push_str(&format!(" {option} {value}"));
            }
        }
        command
    }

    /// A command to type next that needs the manifests, too.
    pub(crate) fn command_on_manifests(&self, rest: &str) -> String {
        let manifests = self.manifests.iter().map(|path| quoted(&path.display().to_string()));
        let manifests: String = manifests.map(|path| format!(" --manifest {path}")).collect();
        self.command(&format!("{rest}{manifests}"))
    }

    /// A command to type next, about a run.
    pub(crate) fn run_command(&self, verb: &str, run: RunId) -> String {
        self.command(&format!("run {verb} {}", find::short(run)))
    }

    /// Prints one of several results that come as they happen: a line of JSON, or a document of YAML.
    pub(crate) fn lines<T: serde::Serialize>(&mut self, value: &T) -> Result<(), Failure> {
        self.screen.line(value)
    }

    /// Whether results are for programs.
    pub(crate) fn for_programs(&self) -> bool {
        self.screen.format != Format::Human
    }
}

/// A selection of a provider that is not there is no error: it may be that of another program, or of a
/// manifest that comes later.
pub(crate) fn warn_of_unmet(registry: &Registry) {
    for unmet in registry.unmet_selections() {
        let known: Vec<&str> = unmet.known.iter().map(|provider| provider.as_str()).collect();
        tracing::warn!(
            domain = %unmet.domain,
            key = %unmet.key,
            provider = %unmet.provider,
            known = known.join(","),
            "a selection names a provider that is not there"
        );
    }
}

/// As a shell takes it for one word.
pub(crate) fn quoted(text: &str) -> String {
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
