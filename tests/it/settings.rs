//! Settings as an operator meets them: layers, selections, and what follows from them.

mod bad;
mod secrets;

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

/// The file of the project.
const YAML: &str = "settings/oneiric.yaml";

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
