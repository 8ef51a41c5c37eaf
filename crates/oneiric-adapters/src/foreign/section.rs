//! What an entry and its provider's settings say about a runtime, read strictly.
//!
//! The entry's own description is `metadata.<runtime>`. The provider's settings may hold a table of the
//! same name, whose keys win one by one: where and how large is the operator's to say. That table is the
//! runtime's; all other settings are handed on to the component.

use std::collections::BTreeMap;
#[cfg(feature = "process")]
use std::ops::RangeInclusive;
#[cfg(any(feature = "worker", feature = "service", feature = "http"))]
use std::time::Duration;

use oneiric_core::{Blueprint, Fault, Source, nearest::nearest};
use serde_json::{Map, Value};

/// What no fetched manifest may say: the allowlist judges the name of a program or module, and each of
/// these makes another one of it.
const OF_THE_OPERATOR: [&str; 5] = ["cwd", "env", "executable", "path", "venv"];

/// The table of one runtime. An unknown key or a value of the wrong type is an error at load.
#[derive(Debug)]
pub(crate) struct Section {
    name: &'static str,
    /// Each value with where it stands: `metadata` or `settings`.
    values: BTreeMap<String, (Origin, Value)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Metadata,
    Settings,
}

impl Origin {
    const fn name(self) -> &'static str {
        match self {
            Origin::Metadata => "metadata",
            Origin::Settings => "settings",
        }
    }
}

/// The settings that are meant for the component: all but the runtime's own table.
#[cfg(feature = "process")]
pub(crate) fn handed_on(settings: &Map<String, Value>, name: &str) -> Map<String, Value> {
    settings.iter().filter(|(key, _)| *key != name).map(|(key, value)| (key.clone(), value.clone())).collect()
}

impl Section {
    /// Reads the table `name`, which may hold the keys in `known`.
    ///
    /// # Errors
    /// The permanent fault `bad-metadata` or `bad-settings`, which names the key and what it may hold.
    /// So do those of all other methods. Denied `remote-metadata` where a fetched manifest says what is
    /// the operator's to say.
    #[cfg(feature = "process")]
    pub(crate) fn read(name: &'static str, known: &[&str], blueprint: &Blueprint) -> Result<Self, Fault> {
        Self::read_with(name, known, known, blueprint)
    }

    /// The same, where the entry and the settings may hold different keys.
    pub(crate) fn read_with(
        name: &'static str,
        of_entry: &[&str],
        of_settings: &[&str],
        blueprint: &Blueprint,
    ) -> Result<Self, Fault> {
        let mut section = Self { name, values: BTreeMap::new() };
        section.take(Origin::Metadata, &blueprint.descriptor.metadata, of_entry)?;
        if let Source::RemoteManifest(_) = blueprint.descriptor.source
            && let Some(key) = OF_THE_OPERATOR.iter().find(|key| section.values.contains_key(**key))
        {
            let message = format!(
                "`metadata.{name}.{key}` comes from a remote manifest, which may not say where or with what a \
                 program runs; put it into the settings of the provider: `{name}.{key}`"
            );
            return Err(Fault::denied("remote-metadata", message));
        }
        section.take(Origin::Settings, &blueprint.settings, of_settings)?;
        Ok(section)
    }

    fn take(&mut self, origin: Origin, tables: &Map<String, Value>, known: &[&str]) -> Result<(), Fault> {
        let field = format!("{}.{}", origin.name(), self.name);
        let table = match tables.get(self.name) {
            None | Some(Value::Null) => return Ok(()),
            Some(Value::Object(table)) => table,
            Some(_) => return Err(bad(origin, &field, "is not a table")),
        };
        for (key, value) in table {
            if !known.contains(&key.as_str()) {
                let hint = match nearest(key, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("known are {}", known.join(", ")),
                };
                return Err(bad(origin, &format!("{field}.{key}"), &format!("is unknown; {hint}")));
            }
            self.values.insert(key.clone(), (origin, value.clone()));
        }
        Ok(())
    }

    /// Where a key stands: `metadata.exec.cwd`.
    pub(crate) fn field(&self, key: &str) -> String {
        let origin = self.values.get(key).map_or(Origin::Metadata, |(origin, _)| *origin);
        format!("{}.{}.{key}", origin.name(), self.name)
    }

    /// The fault that a value is `wrong`.
    #[cfg(any(feature = "exec", feature = "python", feature = "http"))]
    pub(crate) fn wrong(&self, key: &str, wrong: &str) -> Fault {
        let origin = self.values.get(key).map_or(Origin::Metadata, |(origin, _)| *origin);
        bad(origin, &self.field(key), wrong)
    }

    fn get<T>(
        &self,
        key: &str,
        read: impl FnOnce(Origin, &str, &Value) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        let Some((origin, value)) = self.values.get(key) else { return Ok(None) };
        read(*origin, &self.field(key), value).map(Some)
    }

    /// A string.
    pub(crate) fn text(&self, key: &str) -> Result<Option<String>, Fault> {
        self.get(key, text)
    }

    /// A list of strings.
    pub(crate) fn texts(&self, key: &str) -> Result<Option<Vec<String>>, Fault> {
        self.get(key, |origin, field, value| {
            let list = value.as_array().ok_or_else(|| bad(origin, field, "is not a list"))?;
            list.iter().enumerate().map(|(i, item)| text(origin, &format!("{field}[{i}]"), item)).collect()
        })
    }

    /// A list of whole numbers within `allowed`.
    #[cfg(feature = "service")]
    pub(crate) fn counts(&self, key: &str, allowed: RangeInclusive<u32>) -> Result<Option<Vec<u32>>, Fault> {
        self.get(key, |origin, field, value| {
            let list = value.as_array().ok_or_else(|| bad(origin, field, "is not a list"))?;
            let each = list.iter().enumerate();
            each.map(|(i, item)| count(origin, &format!("{field}[{i}]"), item, &allowed)).collect()
        })
    }

    /// A table of strings whose keys are names of variables, none of them `reserved`.
    pub(crate) fn variables(
        &self,
        key: &str,
        reserved: &[&str],
    ) -> Result<Option<BTreeMap<String, String>>, Fault> {
        self.get(key, |origin, field, value| {
            let table = value.as_object().ok_or_else(|| bad(origin, field, "is not a table"))?;
            let variable = |(name, value): (&String, &Value)| {
                let field = format!("{field}.{name}");
                if name.is_empty() || name.contains(['=', '\0']) {
                    return Err(bad(origin, &field, "is not a name of a variable"));
                }
                if reserved.contains(&name.as_str()) {
                    return Err(bad(origin, &field, "is set by every call and cannot be set here"));
                }
                Ok((name.clone(), text(origin, &field, value)?))
            };
            table.iter().map(variable).collect()
        })
    }

    /// A whole number within `allowed`.
    #[cfg(feature = "process")]
    pub(crate) fn count(&self, key: &str, allowed: RangeInclusive<u32>) -> Result<Option<u32>, Fault> {
        self.get(key, |origin, field, value| count(origin, field, value, &allowed))
    }

    /// A time in seconds, at most `most`; fractions are fine.
    #[cfg(any(feature = "worker", feature = "service", feature = "http"))]
    pub(crate) fn seconds(&self, key: &str, most: Duration) -> Result<Option<Duration>, Fault> {
        self.get(key, |origin, field, value| {
            let found = value.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            found.filter(|time| *time <= most).ok_or_else(|| {
                bad(origin, field, &format!("is not a number of seconds from 0 to {}", most.as_secs()))
            })
        })
    }

    /// `true` or `false`.
    #[cfg(any(feature = "python", feature = "service", feature = "http"))]
    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>, Fault> {
        self.get(key, |origin, field, value| {
            value.as_bool().ok_or_else(|| bad(origin, field, "is neither true nor false"))
        })
    }
}

#[cfg(feature = "process")]
fn count(origin: Origin, field: &str, value: &Value, allowed: &RangeInclusive<u32>) -> Result<u32, Fault> {
    let found = value.as_u64().and_then(|number| u32::try_from(number).ok());
    found.filter(|number| allowed.contains(number)).ok_or_else(|| {
        let (low, high) = (allowed.start(), allowed.end());
        bad(origin, field, &format!("is not a whole number from {low} to {high}"))
    })
}

/// A string that can be handed to a process: no number, so that `1.10` is not silently `1.1`.
fn text(origin: Origin, field: &str, value: &Value) -> Result<String, Fault> {
    match value {
        Value::String(text) if text.contains('\0') => Err(bad(origin, field, "contains a NUL")),
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => {
            Err(bad(origin, field, &format!("is not a string; write it in quotes: \"{value}\"")))
        }
        Value::Null | Value::Array(_) | Value::Object(_) => Err(bad(origin, field, "is not a string")),
    }
}

fn bad(origin: Origin, field: &str, why: &str) -> Fault {
    Fault::permanent(format!("bad-{}", origin.name()), format!("`{field}` {why}"))
}

#[cfg(test)]
#[cfg(feature = "worker")]
mod tests {
    use oneiric_core::{Class, Descriptor, Domain, Factory};
    use serde_json::json;

    use super::*;

    const KNOWN: [&str; 5] = ["args", "cwd", "env", "stdout", "workers"];

    fn blueprint(metadata: Value, settings: Value) -> Blueprint {
        let (key, provider) = ("k".parse().unwrap(), "p".parse().unwrap());
        let mut descriptor =
            Descriptor::new(Domain::TASK, key, provider, Factory::new("exec:x"), Source::Manual);
        descriptor.metadata.insert("exec".to_owned(), metadata);
        let mut blueprint = Blueprint::from(descriptor);
        blueprint.settings = settings.as_object().unwrap().clone();
        blueprint
    }

    fn everything(metadata: Value, settings: Value) -> Result<(), Fault> {
        let section = Section::read("exec", &KNOWN, &blueprint(metadata, settings))?;
        section.texts("args")?;
        section.text("cwd")?;
        section.variables("env", &["ONEIRIC_NODE"])?;
        section.count("workers", 1..=64)?;
        section.seconds("stdout", Duration::from_secs(9)).map(|_| ())
    }

    #[test]
    fn everything_may_be_unsaid() {
        for metadata in [json!(null), json!({})] {
            assert_eq!(everything(metadata, json!({"other": 1})), Ok(()));
        }
    }

    #[test]
    fn settings_win_key_by_key_and_are_not_handed_on() {
        let settings = json!({"exec": {"workers": 3}, "region": "eu"});
        let both = blueprint(json!({"workers": 2, "cwd": "/"}), settings.clone());
        let section = Section::read("exec", &KNOWN, &both).unwrap();
        assert_eq!(section.count("workers", 1..=9).unwrap(), Some(3));
        assert_eq!(section.text("cwd").unwrap().as_deref(), Some("/"));
        assert_eq!(
            (section.field("workers"), section.field("cwd")),
            ("settings.exec.workers".to_owned(), "metadata.exec.cwd".to_owned())
        );
        assert_eq!(Value::Object(handed_on(&both.settings, "exec")), json!({"region": "eu"}));
    }

    #[test]
    fn where_and_with_what_a_program_runs_is_not_for_fetched_manifests_to_say() {
        for key in ["cwd", "env"] {
            let mut fetched = blueprint(json!({"args": ["-x"], key: {}}), json!({}));
            let mut descriptor = fetched.descriptor.as_ref().clone();
            descriptor.source = Source::RemoteManifest("https://m.example".to_owned());
            fetched.descriptor = descriptor.into();
            let fault = Section::read("exec", &KNOWN, &fetched).unwrap_err();
            assert_eq!((fault.class, fault.code.as_str()), (Class::Denied, "remote-metadata"));
            assert!(fault.message.ends_with(&format!("settings of the provider: `exec.{key}`")), "{fault}");
        }
    }

    #[test]
    fn an_error_names_the_key_and_what_it_may_hold() {
        let check = |exec: Value, expected: &str| {
            let fault = everything(exec, json!({})).unwrap_err();
            assert_eq!((fault.code.as_str(), fault.class), ("bad-metadata", Class::Permanent));
            assert_eq!(fault.message, expected);
        };
        check(json!("sh"), "`metadata.exec` is not a table");
        check(json!({"arg": []}), "`metadata.exec.arg` is unknown; did you mean `args`?");
        check(
            json!({"shell": 1}),
            "`metadata.exec.shell` is unknown; known are args, cwd, env, stdout, workers",
        );
        check(json!({"args": "-c x"}), "`metadata.exec.args` is not a list");
        check(
            json!({"args": ["-c", 5]}),
            "`metadata.exec.args[1]` is not a string; write it in quotes: \"5\"",
        );
        check(json!({"args": ["a\0b"]}), "`metadata.exec.args[0]` contains a NUL");
        check(json!({"cwd": null}), "`metadata.exec.cwd` is not a string");
        check(json!({"env": ["A=1"]}), "`metadata.exec.env` is not a table");
        check(json!({"env": {"A=": "1"}}), "`metadata.exec.env.A=` is not a name of a variable");
        check(
            json!({"env": {"ONEIRIC_NODE": "x"}}),
            "`metadata.exec.env.ONEIRIC_NODE` is set by every call and cannot be set here",
        );
        for workers in [json!(0), json!(65), json!(1.5), json!("2")] {
            check(
                json!({ "workers": workers }),
                "`metadata.exec.workers` is not a whole number from 1 to 64",
            );
        }
        for seconds in [json!(-1), json!(9.5), json!("1")] {
            check(
                json!({ "stdout": seconds }),
                "`metadata.exec.stdout` is not a number of seconds from 0 to 9",
            );
        }
        let fault = everything(json!({}), json!({"exec": {"workers": 0}})).unwrap_err();
        assert_eq!(fault.code, "bad-settings");
    }
}
