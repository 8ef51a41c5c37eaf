//! `metadata.exec`, read strictly: an unknown key or a value of the wrong type is an error at load.

use std::collections::BTreeMap;
use std::path::PathBuf;

use oneiric_core::{Fault, nearest::nearest};
use serde_json::{Map, Value};

use super::environment;
use super::output::Mode;

const KEYS: [&str; 4] = ["args", "cwd", "env", "stdout"];

/// What `metadata.exec` says; all of it may be unsaid.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) args: Vec<String>,
    pub(super) cwd: Option<PathBuf>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) stdout: Mode,
}

impl Settings {
    /// Reads the settings from a descriptor's metadata.
    ///
    /// # Errors
    /// The permanent fault `bad-metadata`, which names the key and what it may hold.
    pub(super) fn read(metadata: &Map<String, Value>) -> Result<Self, Fault> {
        let mut settings = Self::default();
        let table = match metadata.get("exec") {
            None | Some(Value::Null) => return Ok(settings),
            Some(Value::Object(table)) => table,
            Some(_) => return Err(bad("metadata.exec", "is not a table")),
        };
        for (key, value) in table {
            match key.as_str() {
                "args" => settings.args = args(value)?,
                "cwd" => settings.cwd = Some(PathBuf::from(text("metadata.exec.cwd", value)?)),
                "env" => settings.env = env(value)?,
                "stdout" => settings.stdout = mode(value)?,
                other => return Err(unknown(other)),
            }
        }
        Ok(settings)
    }

    /// Checks that the working folder exists.
    ///
    /// # Errors
    /// The permanent fault `cwd-missing`.
    pub(super) fn check_cwd(&self) -> Result<(), Fault> {
        match &self.cwd {
            Some(cwd) if !cwd.is_dir() => Err(Fault::permanent(
                "cwd-missing",
                format!("`metadata.exec.cwd`: `{}` is not a folder", cwd.display()),
            )),
            _ => Ok(()),
        }
    }
}

fn args(value: &Value) -> Result<Vec<String>, Fault> {
    let list = value.as_array().ok_or_else(|| bad("metadata.exec.args", "is not a list"))?;
    list.iter().enumerate().map(|(i, arg)| text(&format!("metadata.exec.args[{i}]"), arg)).collect()
}

fn env(value: &Value) -> Result<BTreeMap<String, String>, Fault> {
    let table = value.as_object().ok_or_else(|| bad("metadata.exec.env", "is not a table"))?;
    table
        .iter()
        .map(|(name, value)| {
            let field = format!("metadata.exec.env.{name}");
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(bad(&field, "is not a name of a variable"));
            }
            if environment::OF_A_CALL.contains(&name.as_str()) {
                return Err(bad(&field, "is set by every call and cannot be set here"));
            }
            Ok((name.clone(), text(&field, value)?))
        })
        .collect()
}

fn mode(value: &Value) -> Result<Mode, Fault> {
    let field = "metadata.exec.stdout";
    let name = text(field, value)?;
    Mode::NAMED.iter().find(|(known, _)| *known == name).map(|(_, mode)| *mode).ok_or_else(|| {
        bad(field, &format!("is `{name}`; allowed are {}", Mode::NAMED.map(|(known, _)| known).join(", ")))
    })
}

/// A string that can be handed to a process: no number, so that `1.10` is not silently `1.1`.
fn text(field: &str, value: &Value) -> Result<String, Fault> {
    match value {
        Value::String(text) if text.contains('\0') => Err(bad(field, "contains a NUL")),
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => {
            Err(bad(field, &format!("is not a string; write it in quotes: \"{value}\"")))
        }
        Value::Null | Value::Array(_) | Value::Object(_) => Err(bad(field, "is not a string")),
    }
}

fn unknown(key: &str) -> Fault {
    let hint = match nearest(key, KEYS) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known are {}", KEYS.join(", ")),
    };
    bad(&format!("metadata.exec.{key}"), &format!("is unknown; {hint}"))
}

fn bad(field: &str, why: &str) -> Fault {
    Fault::permanent("bad-metadata", format!("`{field}` {why}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(exec: Value) -> Result<Settings, Fault> {
        Settings::read(json!({ "exec": exec, "other": 1 }).as_object().unwrap())
    }

    #[test]
    fn everything_may_be_unsaid() {
        assert_eq!(Settings::read(&Map::new()).unwrap(), Settings::default());
        assert_eq!(read(json!(null)).unwrap(), Settings::default());
        assert_eq!(read(json!({})).unwrap().stdout, Mode::Json);
    }

    #[test]
    fn what_is_said_is_kept() {
        let said = json!({"args": ["-c", "x"], "cwd": "/", "env": {"A": "1"}, "stdout": "none"});
        let settings = read(said).unwrap();
        assert_eq!(settings.args, ["-c", "x"]);
        assert_eq!(settings.cwd, Some(PathBuf::from("/")));
        assert_eq!(settings.env["A"], "1");
        assert_eq!(settings.stdout, Mode::None);
    }

    #[test]
    fn an_error_names_the_key_and_what_it_may_hold() {
        let check = |exec: Value, expected: &str| {
            let fault = read(exec).unwrap_err();
            assert_eq!((fault.code.as_str(), fault.class), ("bad-metadata", oneiric_core::Class::Permanent));
            assert_eq!(fault.message, expected);
        };
        check(json!("sh"), "`metadata.exec` is not a table");
        check(json!({"arg": []}), "`metadata.exec.arg` is unknown; did you mean `args`?");
        check(json!({"shell": 1}), "`metadata.exec.shell` is unknown; known are args, cwd, env, stdout");
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
        check(json!({"stdout": "yaml"}), "`metadata.exec.stdout` is `yaml`; allowed are json, text, none");
    }
}
