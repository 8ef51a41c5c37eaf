//! Lays the layers on top of each other.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::error::{SettingsError, SourceError};
use super::files::Files;
use super::loaded::{Loaded, misfit};
use super::merge::{Assignment, assemble, merge};
use super::origin::Origin;
use super::path::Path;
use super::provenance::Provenance;
use super::schema::{Field, Kind};
use super::{MAX_SETTINGS_BYTES, PROFILE_NAME, PROFILES, Settings, alias, file, places, profiles, variables};
use crate::Environment;
use crate::nearest::nearest;

/// Loads settings; see [`super`].
pub struct Loader<'a> {
    project: String,
    environment: &'a dyn Environment,
    files: &'a dyn Files,
    base: PathBuf,
    explicit: Option<PathBuf>,
    profile: Option<String>,
    options: Vec<String>,
    typed: Vec<(String, Value)>,
    sections: BTreeMap<String, Section>,
}

/// What was set may be a secret and is not printed.
impl fmt::Debug for Loader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader")
            .field("project", &self.project)
            .field("base", &self.base)
            .field("explicit", &self.explicit)
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

/// A section that the program adds.
#[derive(Debug, Clone)]
struct Section {
    schema: Value,
    check: fn(Value) -> Result<(), String>,
}

impl<'a> Loader<'a> {
    /// A loader for a project: its name is that of its files (`settings/oneiric.yaml`) and, in upper
    /// case, the beginning of its variables (`ONEIRIC_`). Touches nothing yet.
    pub fn new(project: impl Into<String>, environment: &'a dyn Environment, files: &'a dyn Files) -> Self {
        Self {
            project: project.into(),
            environment,
            files,
            base: PathBuf::new(),
            explicit: None,
            profile: None,
            options: Vec::new(),
            typed: Vec::new(),
            sections: BTreeMap::new(),
        }
    }

    /// The folder from which `settings/` and a relative file are looked for; the working folder unless
    /// said.
    #[must_use]
    pub fn base(mut self, folder: impl Into<PathBuf>) -> Self {
        self.base = folder.into();
        self
    }

    /// A file that has to be there (`--config`); goes before `{PROJECT}_CONFIG`.
    #[must_use]
    pub fn config(mut self, path: impl Into<PathBuf>) -> Self {
        self.explicit = Some(path.into());
        self
    }

    /// The profile (`--profile`).
    #[must_use]
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.profile = Some(name.into());
        self
    }

    /// `KEY=VALUE` (`--set`); the type of the key decides what the text means. May be repeated, a later
    /// one wins.
    #[must_use]
    pub fn set(mut self, option: impl Into<String>) -> Self {
        self.options.push(option.into());
        self
    }

    /// A value that the program sets. Above the environment, below the command line.
    #[must_use]
    pub fn value(mut self, path: impl Into<String>, value: Value) -> Self {
        self.typed.push((path.into(), value));
        self
    }

    /// Adds a section of the program's own. Its fields are checked and explained like all others; read it
    /// with [`Loaded::section`]. A field is secret where its schema says `x-secret`, as that of
    /// [`crate::secret::Secret`] does.
    #[must_use]
    pub fn section<T: DeserializeOwned + JsonSchema + Default>(mut self, name: impl Into<String>) -> Self {
        let section = Section {
            schema: schema_of::<T>(true),
            check: |value| serde_json::from_value::<T>(value).map(drop).map_err(|error| error.to_string()),
        };
        self.sections.insert(name.into(), section);
        self
    }

    /// The JSON Schema (draft 2020-12) of a file of settings.
    pub fn json_schema(&self) -> Value {
        let mut schema = schema_of::<Settings>(false);
        let overlay = json!({
            "description": "Settings that count where the profile of that name is chosen.",
            "type": "object",
            "additionalProperties": {"$ref": "#"},
        });
        if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            properties.insert(PROFILES.to_owned(), overlay);
            for (name, section) in &self.sections {
                properties.insert(name.clone(), section.schema.clone());
            }
        }
        schema
    }

    /// Every key, as Markdown tables: see `docs/configuration.md`.
    pub fn reference(&self) -> String {
        super::reference::render(&self.root(), &self.prefix())
    }

    /// Checks one file alone, as if nothing else were there.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn check_file(&self, path: impl Into<PathBuf>) -> Result<(), SettingsError> {
        let root = self.root();
        let path = path.into();
        let name = path.display().to_string();
        let wrong = |error| SettingsError { sources: vec![error] };
        let bytes = match self.files.read(&path, MAX_SETTINGS_BYTES + 1) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Err(wrong(SourceError::without_place(&name, "there is no such file", None))),
            Err(error) => {
                return Err(wrong(SourceError::without_place(
                    &name,
                    format!("cannot be read: {error}"),
                    None,
                )));
            }
        };
        file::read(&name, &bytes, &root, Origin::File).map(drop).map_err(wrong)
    }

    /// Every file that [`Loader::load`] reads where it is there, lowest first: what to watch for changes.
    pub fn places(&self) -> Vec<PathBuf> {
        places::all(&self.project, &self.base, self.explicit().as_deref(), self.environment)
    }

    /// The file that has to be there, if one has to.
    fn explicit(&self) -> Option<PathBuf> {
        let variable = format!("{}CONFIG", self.prefix());
        let named = || self.environment.get(&variable).filter(|path| !path.is_empty()).map(PathBuf::from);
        self.explicit.clone().or_else(named)
    }

    /// Reads all layers.
    ///
    /// # Errors
    /// [`SettingsError`] with everything that is wrong in any layer.
    pub fn load(&self) -> Result<Loaded, SettingsError> {
        let (root, prefix) = (self.root(), self.prefix());
        let mut wrong = Vec::new();
        let explicit = self.explicit();
        let found = places::found(
            &self.project,
            &self.base,
            explicit.as_deref(),
            self.environment,
            self.files,
            &mut wrong,
        );
        let mut layers = Vec::new();
        for found in &found {
            match file::read(&found.name, &found.bytes, &root, Origin::File) {
                Ok(layer) => layers.push(layer),
                Err(error) => wrong.push(error),
            }
        }
        let mut top = variables::environment(self.environment, &prefix, &root, &mut wrong);
        for (path, value) in &self.typed {
            top.extend(variables::typed(path, value.clone(), &root, &mut wrong));
        }
        for option in &self.options {
            top.extend(variables::option(option, &root, &mut wrong));
        }
        let path = Path::new(PROFILE_NAME);
        if let Some(name) = &self.profile {
            let origin = Origin::Flag("--profile".to_owned());
            top.push(Assignment { path: path.clone(), value: name.as_str().into(), origin });
        }
        let known: Vec<&str> = profiles::BUILT_IN.iter().map(|(name, _)| *name).collect();
        let own = layers.iter().flat_map(|layer| layer.profiles.keys().map(String::as_str));
        let known: Vec<&str> = known.into_iter().chain(own).collect();
        let base: Vec<Assignment> = layers.iter().flat_map(|layer| layer.said.iter().cloned()).collect();
        let chosen = base.iter().chain(&top).rfind(|said| said.path == path);
        let profile = chosen.and_then(|said| said.value.as_str()).unwrap_or("default").to_owned();
        // Where a file is broken, the profile may be in it.
        if wrong.is_empty() && !known.contains(&profile.as_str()) {
            wrong.push(unknown_profile(&profile, chosen.map(|said| &said.origin), &known));
        }
        if !wrong.is_empty() {
            return Err(SettingsError { sources: wrong });
        }
        let mut said = defaults(&root);
        said.extend(overlay(&profile, &root)?);
        said.extend(base);
        for layer in &mut layers {
            said.extend(layer.profiles.remove(&profile).unwrap_or_default());
        }
        said.extend(top);
        self.finish(said, root, prefix, found.into_iter().map(|found| found.name).collect())
    }

    fn finish(
        &self,
        said: Vec<Assignment>,
        root: Field,
        prefix: String,
        files: Vec<String>,
    ) -> Result<Loaded, SettingsError> {
        let stacks = merge(said);
        let whole = assemble(stacks.iter().map(|(path, stack)| (path.names(), &stack.winner.value)));
        let Value::Object(mut whole) = whole else { return Err(misfit("settings", "no mapping")) };
        let mut sections = Map::new();
        for (name, section) in &self.sections {
            if let Some(value) = whole.remove(name) {
                (section.check)(value.clone()).map_err(|why| misfit(name, &why))?;
                sections.insert(name.clone(), value);
            }
        }
        let settings = serde_json::from_value(Value::Object(whole))
            .map_err(|error| misfit("settings", &error.to_string()))?;
        let provenance = Provenance::new(stacks, Arc::new(root), prefix);
        Ok(Loaded { settings, provenance, files, sections })
    }

    /// `ONEIRIC_` for `oneiric`.
    fn prefix(&self) -> String {
        let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        self.project.chars().map(letter).chain(['_']).collect()
    }

    /// All keys with their second names.
    fn root(&self) -> Field {
        let mut root = Field::read(&schema_of::<Settings>(true));
        if let Kind::Section(fields) = &mut root.kind {
            for (name, section) in &self.sections {
                fields.insert(name.clone(), Field::read(&section.schema));
            }
        }
        for (name, key) in alias::KEYS {
            if let (Ok(name), Ok(key)) = (Path::parse(name), Path::parse(key))
                && let Ok((_, target)) = super::locate::locate(&root, key.names())
            {
                let target = target.clone();
                root.alias(name.names(), &key, target);
            }
        }
        root
    }
}

fn schema_of<T: JsonSchema>(inline: bool) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = inline);
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

fn defaults(root: &Field) -> Vec<Assignment> {
    let leaves =
        root.leaves().into_iter().filter(|(_, field)| !matches!(field.kind, Kind::Map { .. } | Kind::Any));
    leaves
        .filter_map(|(path, field)| {
            let value = field.default.clone()?;
            Some(Assignment { path, value, origin: Origin::Default })
        })
        .collect()
}

/// What a built-in profile says; nothing where the profile is a file's.
fn overlay(profile: &str, root: &Field) -> Result<Vec<Assignment>, SettingsError> {
    let Some(text) = profiles::overlay(profile) else { return Ok(Vec::new()) };
    let name = format!("{profile}.toml");
    let layer = file::read(&name, text.as_bytes(), root, |_| Origin::Profile(profile.to_owned()));
    layer.map(|layer| layer.said).map_err(|error| SettingsError { sources: vec![error] })
}

fn unknown_profile(name: &str, origin: Option<&Origin>, known: &[&str]) -> SourceError {
    let help = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? Known are {}", known.join(", ")),
        None => format!("known are {}; a file may define its own in `{PROFILES}`", known.join(", ")),
    };
    let source = origin.map_or_else(|| "profile.name".to_owned(), ToString::to_string);
    SourceError::without_place(&source, format!("there is no profile `{name}`"), Some(help))
}
