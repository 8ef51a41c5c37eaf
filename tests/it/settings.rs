//! Settings as an operator meets them: layers, mistakes, selections, and secrets that nobody sees.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::support::{Ended, Home};

/// Runs with variables.
fn run(home: &Home, variables: &[(&str, &str)], arguments: &[&str]) -> Ended {
    let mut command = home.command(arguments);
    command.envs(variables.iter().copied());
    Ended::of(&command.output().unwrap())
}

const KEY: &str = "runtime_paths.workflow_checkpoints_enabled";
const VARIABLE: (&str, &str) = ("ONEIRIC_RUNTIME_PATHS__WORKFLOW_CHECKPOINTS_ENABLED", "yes");
const FILE: &str = "runtime_paths: {workflow_checkpoints_enabled: true}\n";

/// One pair of layers: what is given, and the places that `config explain` must name.
struct Pair {
    name: &'static str,
    files: Vec<(&'static str, String)>,
    variables: Vec<(&'static str, &'static str)>,
    arguments: Vec<&'static str>,
    wins: &'static str,
    hides: &'static str,
}

fn pairs() -> Vec<Pair> {
    let pair = |name, files: &[&'static str], wins, hides| Pair {
        name,
        files: files.iter().map(|file| (*file, FILE.to_owned())).collect(),
        variables: Vec::new(),
        arguments: vec!["--profile", "lite"],
        wins,
        hides,
    };
    let with_variable = |pair: Pair| Pair { variables: vec![VARIABLE], ..pair };
    let project = "settings/oneiric.yaml";
    let local = "settings/local.yaml";
    let user = ".config/oneiric/config.yaml";
    let user_local = ".config/oneiric/local.yaml";
    let explicit = |mut pair: Pair| {
        pair.arguments.extend(["--config", "x.yaml"]);
        pair
    };
    vec![
        pair("profile over default", &[], "profile lite", "default"),
        pair("project over profile", &[project], "settings/oneiric.yaml:1:47", "profile lite"),
        pair(
            "local over project",
            &[project, local],
            "settings/local.yaml:1:47",
            "settings/oneiric.yaml:1:47",
        ),
        pair(
            "user over local",
            &[local, user],
            "/.config/oneiric/config.yaml:1:47",
            "settings/local.yaml:1:47",
        ),
        pair(
            "user's local over user",
            &[user, user_local],
            "/.config/oneiric/local.yaml:1:47",
            "/.config/oneiric/config.yaml:1:47",
        ),
        explicit(pair(
            "explicit over user's local",
            &[user_local, "x.yaml"],
            "x.yaml:1:47",
            "/.config/oneiric/local.yaml:1:47",
        )),
        explicit(Pair {
            files: vec![("x.yaml", format!("{FILE}profiles: {{lite: {{{}}}}}\n", FILE.trim()))],
            ..pair("a file's profile over files", &[], "x.yaml:2:65 (profile lite)", "x.yaml:1:47")
        }),
        with_variable(Pair {
            files: vec![(project, format!("profiles: {{lite: {{{}}}}}\n", FILE.trim()))],
            ..pair(
                "environment over a file's profile",
                &[],
                VARIABLE.0,
                "settings/oneiric.yaml:1:65 (profile lite)",
            )
        }),
        with_variable(Pair {
            arguments: vec!["--set", "runtime_paths.workflow_checkpoints_enabled=no"],
            ..pair(
                "command line over environment",
                &[],
                "--set runtime_paths.workflow_checkpoints_enabled",
                VARIABLE.0,
            )
        }),
    ]
}

#[test]
fn the_higher_of_two_layers_wins_and_explain_names_both() {
    for Pair { name, files, variables, arguments, wins, hides } in pairs() {
        let home = Home::new();
        for (file, text) in &files {
            home.file(file, text);
        }
        let arguments = [&["config", "explain", KEY], arguments.as_slice()].concat();
        let found = run(&home, &variables, &[&arguments[..], &["--json"]].concat()).exits(0).json();
        let place = |value: &Value| value["origin"]["place"].as_str().unwrap().to_owned();
        assert!(place(&found).ends_with(wins), "{name}: {found:#}");
        assert!(place(&found["shadows"][0]).ends_with(hides), "{name}: {found:#}");
        let text = run(&home, &variables, &arguments).exits(0).stdout;
        assert!(text.contains(wins) && text.contains(hides), "{name}: {text}");
    }
}

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

const YAML: &str = "settings/oneiric.yaml";

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

const SHOP: &str = "entries:
- {domain: task, key: a, provider: fast, factory: 'builtin:noop', priority: 9}
- {domain: task, key: a, provider: slow, factory: 'builtin:noop'}
- {domain: workflow, key: w, provider: p, factory: 'builtin:noop', dag: {nodes: [{id: x, task: a}]}}
";

#[test]
fn selections_decide_and_one_that_nobody_meets_is_reported() {
    let home = Home::new();
    home.file("m.yaml", SHOP);
    home.file(YAML, "tasks: {selections: {a: slow}}\n");
    let list = ["--manifest", "m.yaml", "list", "--domain", "task", "--json"];
    assert_eq!(home.json(&list)["active"][0]["provider"], "slow");
    let explained = home.json(&["--manifest", "m.yaml", "explain", "a", "--domain", "task"]);
    assert_eq!(explained["ordered"][0]["provider"], "slow");
    assert_eq!(explained["ordered"][1]["decided_by"], "selection_override");
    let other = ["--set", "tasks.selections.a=none"];
    let said = home.run(&[&list[..], &other].concat()).exits(0);
    assert_eq!(said.json()["active"][0]["provider"], "fast");
    assert_eq!(
        said.json()["unmet_selections"],
        json!([{"domain": "task", "key": "a", "provider": "none", "known": ["fast", "slow"]}])
    );
    assert!(said.stderr.contains("a selection names a provider that is not there"), "{said:?}");
    let ran = home.run(&[&["--manifest", "m.yaml", "workflow", "run", "w"], &other[..]].concat()).exits(0);
    assert!(ran.stderr.contains("provider=none"), "{ran:?}");
}

#[test]
fn the_state_lies_where_flag_then_environment_then_file_say() {
    let home = Home::new();
    home.file("m.yaml", SHOP);
    let check = |variables: &[(&str, &str)], more: &[&str], folder: &str| {
        let arguments = [&["--manifest", "m.yaml", "workflow", "run", "w"], more].concat();
        run(&home, variables, &arguments).exits(0);
        assert!(home.path().join(folder).join("oneiric.sqlite").exists(), "{folder}: {:?}", home.contents());
    };
    check(&[], &[], ".oneiric_cache");
    home.file(YAML, "remote: {cache_dir: from-remote}\n");
    check(&[], &[], "from-remote");
    home.file(YAML, "cache_dir: from-file\nremote: {cache_dir: from-remote}\n");
    check(&[], &[], "from-file");
    let variable = [("ONEIRIC_CACHE_DIR", "from-variable")];
    check(&variable, &[], "from-variable");
    check(&variable, &["--set", "cache_dir=from-option"], "from-option");
    check(&variable, &["--set", "cache_dir=unused", "--state-dir", "from-flag"], "from-flag");
    assert!(!home.path().join("unused").exists());
}

#[test]
fn the_log_level_of_settings_counts_where_nobody_says_otherwise() {
    let home = Home::new();
    home.file("m.yaml", SHOP);
    let warning = "a selection names a provider";
    let check = |variables: &[(&str, &str)], more: &[&str], heard: bool| {
        let set = ["--manifest", "m.yaml", "list", "--set", "tasks.selections.a=none"];
        let said = run(&home, variables, &[&set[..], more].concat()).exits(0);
        assert_eq!(said.stderr.contains(warning), heard, "{more:?} {said:?}");
    };
    check(&[], &[], true);
    check(&[], &["--set", "logging.level=error"], false);
    check(&[], &["--set", "logging.level=error", "--log-level", "warn"], true);
    check(&[("ONEIRIC_LOG_LEVEL", "error")], &[], false);
    check(&[("ONEIRIC_LOGGING__LEVEL", "off")], &[], false);
}

#[test]
fn the_most_nodes_at_a_time_follow_from_settings() {
    let home = Home::new();
    let nodes: Vec<_> = (0..4).map(|n| format!("{{id: n{n}, task: a}}")).collect();
    let text = format!(
        "entries:\n- {{domain: task, key: a, provider: p, factory: 'exec:sh', metadata: {{exec: {{args: [-c, 'mkdir lock && sleep 0.05 && rmdir lock']}}}}}}\n\
         - {{domain: workflow, key: w, provider: p, factory: 'builtin:noop', dag: {{nodes: [{}]}}}}\n",
        nodes.join(", ")
    );
    home.file("m.yaml", &text);
    // Two at a time would find the folder taken.
    home.run(&["--manifest", "m.yaml", "workflow", "run", "w", "--set", "execution.max_parallel=1"]).exits(0);
}

#[test]
fn options_of_settings_stand_before_or_behind_the_command() {
    let home = Home::new();
    home.file("x.yaml", "app: {name: x}\n");
    let check = |arguments: &[&str]| {
        let shown = home.json(arguments);
        assert_eq!(shown["app"], json!({"name": "x", "debug": true}), "{arguments:?}");
        assert_eq!(shown["profile"]["name"], "lite");
    };
    check(&["--config", "x.yaml", "--profile", "lite", "--set", "app.debug=on", "config", "show", "--json"]);
    check(&["config", "show", "--json", "--config=x.yaml", "--profile=lite", "--set=app.debug=on"]);
    check(&[
        "--set",
        "app.debug=on",
        "config",
        "--config",
        "x.yaml",
        "show",
        "--set",
        "logging.level=info",
        "--json",
        "--profile",
        "lite",
    ]);
}

#[test]
fn what_is_shown_can_be_written_to_a_file_and_read_again() {
    let home = Home::new();
    let options = ["--profile", "serverless", "--set", "tasks.selections.shop.charge=stripe"];
    for (format, name) in [("json", "x.json"), ("yaml", "x.yaml")] {
        let shown =
            home.run(&[&["config", "show", "--all", "--format", format], &options[..]].concat()).exits(0);
        home.file(name, &shown.stdout);
        home.run(&["config", "validate", name]).exits(0);
        let again = home.run(&["config", "show", "--all", "--format", format, "--config", name]).exits(0);
        assert_eq!(again.stdout, shown.stdout);
    }
    let schema = home.json(&["config", "schema"]);
    assert_eq!(schema["properties"]["profiles"]["additionalProperties"]["$ref"], "#");
}

/// What must not be seen anywhere.
const CANARY: &str = "canary-0b5e55ed";

#[test]
fn a_secret_is_seen_in_no_output_of_any_command() {
    let home = Home::new();
    home.file("m.yaml", SHOP);
    let secrets = home.file("secrets.yaml", &format!("from-file: {CANARY}\n"));
    fs::set_permissions(&secrets, fs::Permissions::from_mode(0o600)).unwrap();
    home.file(
        YAML,
        &format!(
            "remote: {{auth: {{token: {CANARY}}}}}\n\
             secrets: {{inline: {{from-inline: {CANARY}}}}}\n\
             adapters:\n  provider_settings:\n    file: {{path: secrets.yaml}}\n    p:\n\
             \x20     a: {{secret: from-env}}\n      b: {{secret: from-file}}\n      c: {{secret: from-inline}}\n\
             \x20     password: {CANARY}\n      url: redis://app:{CANARY}@host/0\n"
        ),
    );
    let variables = [
        ("ONEIRIC_SECRET_FROM_ENV", CANARY),
        ("ONEIRIC_REMOTE__AUTH__TOKEN", CANARY),
        ("ONEIRIC_SECRET_X__Y", CANARY),
    ];
    let set = format!("secrets.inline.another={CANARY}");
    let commands = [
        "config show",
        "config show --all",
        "config show --all --json",
        "config show --format yaml",
        "config explain remote.auth.token",
        "config explain remote.auth.token --json",
        "config explain secrets.inline.from-inline",
        "config explain adapters.provider_settings.p.password",
        "config explain adapters.provider_settings.p.url --json",
        "config validate",
        "config schema",
        "secrets list",
        "secrets list --json",
        "secrets rotate --all",
        "list --json",
        "explain x",
        "workflow plan",
        "workflow run w",
        "run show latest",
        "run show latest --json --journal",
        "run show latest --log",
        "run list",
        "store check",
        // Mistakes beside it, under it, and in its own name.
        "config show --set remote.auth.tokn=canary-0b5e55ed",
        "config show --set remote.auth.token.x=canary-0b5e55ed",
        "config show --config bad-key.yaml",
        "config show --config bad-text.yaml",
        "config show --config bad-type.toml",
        "config show --config twice.json",
        "config show --config no-map.yaml",
        "config show --config list.yaml",
        "config show --config beside.yaml",
        "secrets list --set adapters.provider_settings.file.path=broken.yaml",
    ];
    home.file("bad-key.yaml", &format!("remote:\n  auth:\n    token: {CANARY}\n    tokn: {CANARY}\n"));
    home.file("bad-text.yaml", &format!("remote: {{auth: {{token: {CANARY}}}\n"));
    home.file("bad-type.toml", &format!("[secrets.inline]\na = '{CANARY}'\nb = ['{CANARY}']\n"));
    home.file(
        "no-map.yaml",
        &format!("secrets:\n  inline: {CANARY}\nremote: {{auth: [{CANARY}]}}\nadapters: {CANARY}\n"),
    );
    home.file("list.yaml", &format!("{CANARY}\n"));
    home.file(
        "beside.yaml",
        &format!(
            "adapters: {{provider_settings: {{p: {{\n  list: [{{password: {CANARY}}}],\n  url: 'x://u:{CANARY}@h'}}}}}}\n\
             wrong: 1\nremote: {{manifest_url: 'https://u:{CANARY}@h'}}\n"
        ),
    );
    let twice = format!("{{\"remote\": {{\"auth\": {{\"token\": \"{CANARY}\", \"token\": \"{CANARY}\"}}}}}}");
    home.file("twice.json", &twice);
    let broken = home.file("broken.yaml", &format!("from-file: [{CANARY}\n"));
    fs::set_permissions(&broken, fs::Permissions::from_mode(0o600)).unwrap();
    for command in commands {
        let mut arguments = vec!["--manifest", "m.yaml", "--log-level", "trace", "--set", set.as_str()];
        arguments.extend(command.split(' '));
        let said = run(&home, &variables, &arguments);
        assert!(!said.stdout.contains(CANARY) && !said.stderr.contains(CANARY), "{command}: {said:?}");
    }
    let listed = run(&home, &variables, &["secrets", "list", "--json"]).exits(0).json();
    let from: Vec<_> =
        listed["entries"].as_array().unwrap().iter().map(|entry| entry["from"].clone()).collect();
    assert_eq!(from, ["env", "file", "inline"], "the canaries were there");
    for path in home.contents().iter().filter(|path| path.starts_with(home.path().join(".oneiric_cache"))) {
        if path.is_file() {
            let bytes = fs::read(path).unwrap();
            let seen = bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
            assert!(!seen, "{}", path.display());
        }
    }
    assert!(home.path().join(".oneiric_cache/oneiric.sqlite").exists());
}

#[test]
fn what_may_be_read_by_everybody_is_no_store_of_secrets() {
    let home = Home::new();
    let path = home.file("s.yaml", &format!("a: {CANARY}\n"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let options =
        ["--set", "adapters.provider_settings.file.path=s.yaml", "--set", "remote.auth.secret_id=a"];
    let listed = home.run(&[&["secrets", "list"], &options[..]].concat()).exits(0);
    assert!(listed.stdout.contains("chmod 600") && !listed.stdout.contains(CANARY), "{listed:?}");
    let said = home.run(&["secrets", "rotate", "--all"]).exits(0);
    assert_eq!(said.stdout, "Invalidated 0 cached secret value(s).\n");
}
