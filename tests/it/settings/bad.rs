//! Bad settings, one table: where it is, what is wrong, and the way out, whatever the layer.

use super::{YAML, run};
use crate::support::Home;

/// One kind of bad settings.
struct Bad {
    name: &'static str,
    files: Vec<(&'static str, Vec<u8>)>,
    variables: Vec<(&'static str, &'static str)>,
    arguments: &'static str,
    says: &'static [&'static str],
}

const SHOW: &str = "config show";

fn file(
    name: &'static str,
    path: &'static str,
    text: impl Into<Vec<u8>>,
    says: &'static [&'static str],
) -> Bad {
    Bad { name, files: vec![(path, text.into())], variables: Vec::new(), arguments: SHOW, says }
}

fn variable(
    name: &'static str,
    variable: &'static str,
    value: &'static str,
    says: &'static [&'static str],
) -> Bad {
    Bad { name, files: Vec::new(), variables: vec![(variable, value)], arguments: SHOW, says }
}

fn option(name: &'static str, arguments: &'static str, says: &'static [&'static str]) -> Bad {
    Bad { name, files: Vec::new(), variables: Vec::new(), arguments, says }
}

fn bad_files() -> Vec<Bad> {
    vec![
        file("bad YAML", YAML, "remote: [\n", &["settings/oneiric.yaml:", "1 problem"]),
        file("bad TOML", "settings/local.toml", "remote = [\n", &["settings/local.toml:"]),
        file("bad JSON", "settings/local.json", "{\"remote\": {}", &["settings/local.json:1:13"]),
        file(
            "an unknown key",
            YAML,
            "remot: {}\n",
            &["oneiric.yaml:1:1", "`remot`", "did you mean `remote`?"],
        ),
        file(
            "an unknown inner key",
            YAML,
            "remote:\n  enabeld: true\n",
            &[":2:3", "did you mean `remote.enabled`?"],
        ),
        file(
            "a key in the wrong section",
            YAML,
            "app:\n  max_parallel: 3\n",
            &["did you mean `execution.max_parallel`?"],
        ),
        file(
            "an unknown key in TOML",
            "settings/local.toml",
            "[app]\nnaem = 'x'\n",
            &[":2:1", "did you mean `app.name`?"],
        ),
        file(
            "an unknown key in JSON",
            "settings/local.json",
            "{\"ap\": {}}",
            &[":1:2", "did you mean `app`?"],
        ),
        file(
            "an unknown key of the user",
            ".config/oneiric/config.yaml",
            "logging: {levle: INFO}\n",
            &["`logging.level`?"],
        ),
        file("a key twice", YAML, "app: {}\napp: {}\n", &[":2:1", "key `app` is given twice"]),
        file("a number for text", YAML, "app: {name: 5}\n", &[":1:13", "must be text", "quotes"]),
        file(
            "text for a number",
            YAML,
            "remote: {max_retries: '5'}\n",
            &[":1:23", "whole number", "remove the quotes"],
        ),
        file(
            "text for a truth value",
            YAML,
            "remote: {enabled: maybe}\n",
            &["must be true or false", "`maybe`"],
        ),
        file("a fraction", YAML, "remote: {max_retries: 1.5}\n", &["must be a whole number", "`1.5`"]),
        file("text for a list", YAML, "plugins: {entry_points: a}\n", &["must be a list", "[a, b]"]),
        file("text for a section", YAML, "remote: yes\n", &["`remote` must be a mapping"]),
        file("nothing for a value", YAML, "app: {name: }\n", &["found nothing", "leave the key out"]),
        file("too small", YAML, "runtime_supervisor: {poll_interval: 0.01}\n", &["from 0.1 to", "`0.01`"]),
        file("too large", YAML, "execution: {max_parallel: 99999999}\n", &["from 1 to 1000000"]),
        file("negative", YAML, "lifecycle: {hook_timeout: -1}\n", &["from 0 to", "`-1`"]),
        file("no such choice", YAML, "logging: {level: LOUD}\n", &["TRACE, DEBUG, INFO", "`LOUD`"]),
        file("a bad key of a map", YAML, "tasks: {selections: {a/b: p}}\n", &[":1:22", "a/b", "allowed are"]),
        file("a bad name of a provider", YAML, "tasks: {selections: {a: p/q}}\n", &["`p/q`", "allowed are"]),
        file(
            "a well-known domain as an own one",
            YAML,
            "domains: {task: {}}\n",
            &["section of its own: `tasks`"],
        ),
        file(
            "a bad item of a list",
            YAML,
            "logging: {sinks: [{target: file}, {target: tape}]}\n",
            &["`logging.sinks.1.target`", "stderr"],
        ),
        file(
            "an unknown key in a profile",
            YAML,
            "profiles: {big: {remot: {}}}\n",
            &[":1:18", "did you mean `remote`?"],
        ),
        file(
            "a profile that chooses another",
            YAML,
            "profiles: {big: {profile: {name: lite}}}\n",
            &["cannot choose"],
        ),
        file("a list as settings", YAML, "- a\n", &["must be a mapping"]),
        file("a binary file", YAML, b"\x7fELF\0\0\0".to_vec(), &["oneiric.yaml", "not text"]),
        file("not UTF-8", YAML, b"app: {name: caf\xe9}\n".to_vec(), &["not UTF-8"]),
        file("100-deep nesting", YAML, "[".repeat(100), &["deep"]),
        file("a huge file", YAML, " ".repeat((1 << 20) + 1), &["longer than 1048576 bytes"]),
        file("a second document", YAML, "app: {}\n---\napp: {}\n", &["a second document"]),
        file("two files for one place", YAML, "{}\n", &["settings/oneiric.yml", "keep one of them"]),
    ]
}

fn bad_words() -> Vec<Bad> {
    vec![
        variable(
            "an unknown variable",
            "ONEIRIC_REMOTE__ENABELD",
            "1",
            &["did you mean `ONEIRIC_REMOTE__ENABLED`?"],
        ),
        variable(
            "an unknown section",
            "ONEIRIC_ADAPTER__SELECTIONS__A",
            "b",
            &["`ONEIRIC_ADAPTERS__SELECTIONS__A`?"],
        ),
        variable(
            "a bad truth value",
            "ONEIRIC_REMOTE__ENABLED",
            "2",
            &["ONEIRIC_REMOTE__ENABLED", "write true or false"],
        ),
        variable("a bad number", "ONEIRIC_REMOTE__MAX_RETRIES", "1e3", &["whole number", "`1e3`"]),
        variable(
            "a number that does not fit",
            "ONEIRIC_REMOTE__RETRY_MAX_DELAY",
            "1e999",
            &["a number from 0"],
        ),
        variable("a bad JSON list", "ONEIRIC_PLUGINS__ENTRY_POINTS", "[a", &["must be a list", "`a,b`"]),
        variable(
            "a bad JSON object",
            "ONEIRIC_TASKS__SELECTIONS",
            "a=b",
            &["must be a mapping", "JSON object"],
        ),
        variable("a bad alias", "SA01_LOG_LEVEL", "loud", &["SA01_LOG_LEVEL", "TRACE, DEBUG"]),
        variable(
            "a bad profile in a variable",
            "ONEIRIC_PROFILE",
            "servreless",
            &["ONEIRIC_PROFILE", "did you mean `serverless`?"],
        ),
        variable(
            "a bad mode",
            "ONEIRIC_MODE",
            "light",
            &["ONEIRIC_MODE", "known are default, serverless, lite"],
        ),
        variable(
            "a missing file in a variable",
            "ONEIRIC_CONFIG",
            "none.yaml",
            &["none.yaml", "no such file", "--config"],
        ),
        option(
            "a bad profile",
            "config show --profile nothing-like-it",
            &["--profile", "known are default, serverless"],
        ),
        option("a missing file", "config show --config none.yaml", &["none.yaml", "no such file"]),
        option("a folder as file", "config show --config .", &["cannot be read", "folder"]),
        option(
            "--set without a value",
            "config show --set remote.enabled",
            &["there is no `=`", "KEY=VALUE"],
        ),
        option("--set of nothing", "config show --set =1", &["a name between two dots is empty"]),
        option("--set of an unknown key", "list --set remote.enabeld=1", &["did you mean `remote.enabled`?"]),
        option(
            "--set of a bad value",
            "list --set remote.enabled=2",
            &["--set remote.enabled", "write true or false"],
        ),
        option("--set with an open quote", "list --set tasks.selections.\"a=1", &["there is no `=`"]),
        option(
            "an explanation of nothing",
            "config explain remote.enabeld",
            &["did you mean `remote.enabled`?"],
        ),
        option(
            "an explanation of a section",
            "config explain remote.auth",
            &["is a section", "remote.auth.token"],
        ),
        option("a check of a missing file", "config validate none.yaml", &["none.yaml", "no such file"]),
        option("rotating an id that is none", "secrets rotate --keys a/b", &["a/b", "allowed are"]),
        option("rotating nothing", "secrets rotate", &["--keys", "--all"]),
    ]
}

#[test]
fn every_kind_of_bad_settings_is_told_where_it_is_and_what_to_do() {
    let cases: Vec<Bad> = bad_files().into_iter().chain(bad_words()).collect();
    assert!(cases.len() >= 30);
    let mut wrong = Vec::new();
    for Bad { name, files, variables, arguments, says } in &cases {
        let home = Home::new();
        for (path, bytes) in files {
            home.bytes(path, bytes);
        }
        if *name == "two files for one place" {
            home.file("settings/oneiric.yml", "{}");
        }
        let before = home.contents();
        let arguments: Vec<_> = arguments.split(' ').collect();
        let said = run(&home, variables, &arguments);
        let missing: Vec<_> = says.iter().filter(|text| !flat(&said.stderr).contains(**text)).collect();
        let noisy = ["panicked", "\u{1b}", "RUST_"].iter().any(|text| said.stderr.contains(text));
        if said.code != 2
            || !missing.is_empty()
            || noisy
            || said.stderr.len() > 4000
            || home.contents() != before
        {
            wrong.push(format!("━━━ {name}: not said {missing:?}\n{said:?}"));
        }
        // Programs get the same as data.
        let said = run(&home, variables, &[&arguments[..], &["--json"]].concat());
        if said.error()["code"] != 2 {
            wrong.push(format!("━━━ {name}, as JSON\n{said:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n\n"));
}

/// Without the line breaks that make messages fit.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
