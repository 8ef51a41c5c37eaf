//! What somebody sees who looks around: listing, planning, mistakes, and the first run.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Ended, Home};

const WORKFLOW: &str = "fastblocks.workflows.fulfillment";

/// A home with the shared fixture: fifteen entries over six domains, a workflow of two nodes. `None`
/// where the shared inputs are not at hand.
fn shop() -> Option<Home> {
    let fixture = oneiric_testkit::data::shared("manifests/fastblocks_parity_fixture.yaml")?;
    let home = Home::new();
    home.file("shop.yaml", &std::fs::read_to_string(fixture).unwrap());
    Some(home)
}

/// How many of the active components stand in a manifest.
fn of_manifest(list: &Value) -> usize {
    let active = list["active"].as_array().unwrap();
    active.iter().filter(|row| row["source"] == "local_manifest").count()
}

#[test]
fn the_six_domains_list_fifteen_components() {
    let Some(home) = shop() else { return };
    let mut seen = 0;
    for domain in ["adapter", "service", "task", "event", "workflow", "action"] {
        let list = home.json(&["--manifest", "shop.yaml", "list", "--domain", domain, "--json"]);
        assert_eq!(list["domain"], domain);
        seen += of_manifest(&list);
    }
    assert_eq!(seen, 15);
    let all = home.json(&["--manifest", "shop.yaml", "list", "--json"]);
    assert_eq!((&all["domain"], of_manifest(&all)), (&Value::Null, 15));
    assert!(home.holds_only(&["shop.yaml"]), "a reading command created something");
}

#[test]
fn options_stand_before_or_behind_the_command_and_a_leading_cli_is_ignored() {
    let Some(home) = shop() else { return };
    let expected = home.run(&["--manifest", "shop.yaml", "list", "--domain", "task"]);
    assert_eq!(
        expected.stdout,
        "Active tasks:\n\
         \u{20} - fastblocks.tasks.notify/fastblocks (priority=0 stack=4 source=local_manifest)\n\
         \u{20} - fastblocks.tasks.stage-order/fastblocks (priority=0 stack=4 source=local_manifest)\n"
    );
    let check = |args: &[&str]| assert_eq!(home.run(args).stdout, expected.stdout, "{args:?}");
    check(&["list", "--manifest", "shop.yaml", "--domain", "task"]);
    check(&["cli", "list", "--domain", "task", "--manifest=shop.yaml"]);
    check(&["list", "--domain", "tasks", "--manifest", "shop.yaml", "--state-dir", "x"]);
}

#[test]
fn a_later_manifest_shadows_an_earlier_one() {
    let home = Home::new();
    let one = "entries: [{domain: task, key: t, provider: one, factory: 'builtin:noop'}]";
    home.file("a.yaml", one);
    home.file("b.yaml", &one.replace("one", "two"));
    let list =
        home.json(&["--manifest", "a.yaml", "list", "--domain", "task", "--json", "--manifest", "b.yaml"]);
    assert_eq!(list["active"][0]["provider"], "two");
    assert_eq!(list["shadowed"][0]["provider"], "one");
    let explained =
        home.json(&["--manifest", "a.yaml", "--manifest", "b.yaml", "explain", "t", "--domain", "task"]);
    assert_eq!(explained["ordered"][0]["selected"], true);
    assert_eq!(explained["ordered"][1]["decided_by"], "registration_order");
}

#[test]
fn without_a_manifest_there_is_nothing_to_list() {
    let home = Home::new();
    assert_eq!(home.run(&["list", "--domain", "adapter"]).stdout, "Active adapters:\n  (none)\n");
    let all = home.json(&["list", "--json"]);
    let sources: BTreeSet<_> =
        all["active"].as_array().unwrap().iter().map(|row| row["source"].as_str().unwrap()).collect();
    assert_eq!(sources, BTreeSet::from(["local_pkg"]), "nothing but what is built in");
    assert_eq!(home.run(&["workflow", "list"]).stdout, "(none)\n");
    let ended = home.run(&["workflow", "run", "x"]);
    assert_eq!(ended.code, 3);
    assert!(ended.stderr.contains("name one with `--manifest PATH`"), "{ended:?}");
}

#[test]
fn a_plan_has_upstreams_shape() {
    let Some(home) = shop() else { return };
    let plan = home.json(&["--manifest", "shop.yaml", "workflow", "plan", "--json"]);
    let workflow = &plan["workflows"][WORKFLOW];
    assert_eq!(plan["missing"], json!([]));
    assert_eq!((&workflow["node_count"], &workflow["edge_count"]), (&json!(2), &json!(1)));
    assert_eq!(workflow["entry_nodes"], json!(["stage"]));
    assert_eq!(workflow["queue_category"], "queue");
    assert_eq!(workflow["scheduler"], json!({"queue_category": "queue.scheduler", "provider": "cloudtasks"}));
    assert_eq!(workflow["nodes"][1]["depends_on"], json!(["stage"]));
    assert_eq!(workflow["nodes"][1]["payload"], json!({"channel": "releases", "severity": "info"}));
    assert!(workflow["nodes"][0].get("retry_policy").is_none());
}

#[test]
fn a_plan_names_what_is_missing_and_exits_with_3() {
    let Some(home) = shop() else { return };
    let ended = home.run(&["--manifest", "shop.yaml", "workflow", "plan", "--workflow", "nope", "--json"]);
    assert_eq!(ended.code, 3);
    let plan: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(plan, json!({"workflows": {}, "missing": ["nope"]}));
    assert_eq!(ended.error()["kind"], "resolution");
}

#[test]
fn a_run_gives_upstreams_results_and_can_be_looked_at() {
    let Some(home) = shop() else { return };
    let context = r#"{"order_id":"demo-123"}"#;
    let run =
        home.json(&["--manifest", "shop.yaml", "workflow", "run", WORKFLOW, "--context", context, "--json"]);
    assert_eq!(run["workflow"], WORKFLOW);
    assert_eq!(run["status"], "completed");
    for node in ["stage", "notify"] {
        assert_eq!(run["results"][node], "remote-task-run");
        assert_eq!(run["results"][format!("{node}__attempts")], 1);
        assert!(run["results"][format!("{node}__duration")].is_f64());
        assert_eq!(run["nodes"][node]["status"], "completed");
    }
    let id = run["run_id"].as_str().unwrap();
    let check = |name: &str| {
        let shown = home.json(&["run", "show", name, "--json"]);
        assert_eq!((&shown["run_id"], &shown["results"]), (&run["run_id"], &run["results"]), "{name}");
        assert_eq!(shown["input"], json!({"order_id": "demo-123"}));
    };
    check(id);
    check("latest");
    check(&id[id.len() - 8..]);
    check(&id[..12]);
    let journal = home.json(&["workflow", "show", "latest", "--journal", "--json"]);
    let events: Vec<_> =
        journal["journal"].as_array().unwrap().iter().map(|e| e["event"]["type"].clone()).collect();
    assert_eq!(events, ["started", "succeeded", "succeeded"]);
    assert_eq!(home.json(&["run", "list", "--json"])["runs"][0]["run_id"], run["run_id"]);
    assert_eq!(home.json(&["store", "check", "--json"])["problems"], json!([]));
}

#[test]
fn reading_commands_create_nothing() {
    let home = Home::new();
    assert_eq!(home.json(&["run", "list", "--json"]), json!({"runs": []}));
    assert_eq!(home.json(&["run", "resume", "--all", "--json"]), json!({"runs": []}));
    let check = |args: &[&str], code| assert_eq!(home.run(args).code, code, "{args:?}");
    check(&["run", "show", "latest"], 3);
    check(&["run", "show", "deadbeef"], 3);
    check(&["run", "cancel", "deadbeef"], 3);
    check(&["run", "resume", "deadbeef"], 3);
    check(&["store", "check"], 2);
    check(&["store", "backup", "copy.sqlite"], 2);
    assert!(home.holds_only(&[]));
}

#[test]
fn a_failed_run_reports_on_standard_output_and_exits_with_1() {
    let home = Home::new();
    home.file("bad.yaml", BAD);
    let ended = home.run(&["--manifest", "bad.yaml", "workflow", "run", "w", "--json"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(report["status"], "failed");
    assert_eq!(report["nodes"]["charge"]["fault"]["code"], "exit-code");
    assert_eq!(report["nodes"]["charge"]["log"], json!(["no route to the bank"]));
    assert_eq!(report["nodes"]["ship"]["skip"], "upstream");
    assert_eq!(
        report["results"],
        json!({"other": null, "other__duration": report["nodes"]["other"]["duration"], "other__attempts": 1})
    );
    assert!(ended.error()["message"].as_str().unwrap().contains("node `charge`"), "{ended:?}");
    let shown = home.run(&["run", "show", "latest"]);
    assert!(shown.stdout.contains("      | no route to the bank\n"), "{shown:?}");
    assert_eq!(home.run(&["run", "show", "latest", "--log"]).stdout, "charge | no route to the bank\n");
    let ended = home.run(&["--manifest", "bad.yaml", "workflow", "run", "w"]);
    assert!(ended.stdout.contains("      | no route to the bank\n"), "{ended:?}");
    assert!(ended.stdout.contains("failed: 1 ok, 1 failed, 1 skipped in "), "{ended:?}");
    assert!(ended.stderr.contains("charge | no route to the bank"), "{ended:?}");
}

const BAD: &str = r#"
entries:
- {domain: task, key: noop, provider: x, factory: "builtin:noop"}
- domain: task
  key: charge
  provider: x
  factory: exec:/bin/sh
  metadata: {exec: {args: ["-c", "echo no route to the bank >&2; exit 3"], stdout: none}}
- domain: workflow
  key: w
  provider: x
  factory: builtin:noop
  dag:
    nodes:
    - {id: charge, task: charge}
    - {id: ship, task: noop, depends_on: [charge]}
    - {id: other, task: noop}
"#;

#[test]
fn a_context_is_checked_before_anything_runs() {
    let Some(home) = shop() else { return };
    home.file("context.json", "{\"order_id\": 7}");
    let run = |context: &str| {
        home.run(&["--manifest", "shop.yaml", "workflow", "run", WORKFLOW, "--json", "--context", context])
    };
    for bad in ["{order: 1}", "[1]", "null", "", "@missing.json"] {
        let ended = run(bad);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{bad}: {ended:?}");
        assert!(ended.error()["help"].as_str().unwrap().contains("--context '"), "{ended:?}");
    }
    assert!(home.holds_only(&["shop.yaml", "context.json"]));
    assert_eq!(run("@context.json").code, 0);
}

#[test]
fn what_is_wrong_with_a_manifest_is_shown_where_it_stands() {
    let home = Home::new();
    home.file(
        "bad.yaml",
        "source: shop\nentries:\n- domain: taks\n  key: a b\n  provider: x\n  factory: 'exec:true'\n",
    );
    let ended = home.run(&["manifest", "validate", "bad.yaml"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (2, "fail  bad.yaml  2 problems\n"));
    insta::assert_snapshot!(ended.stderr);
    let ended = home.run(&["manifest", "validate", "bad.yaml", "--json"]);
    assert_eq!(ended.error()["problems"][0]["line"], 3);
}

#[test]
fn an_unknown_task_is_shown_at_its_node() {
    let home = Home::new();
    home.file("w.yaml", &BAD.replace("task: charge}", "task: chrage}"));
    let ended = home.run(&["manifest", "validate", "w.yaml"]);
    assert_eq!(ended.code, 3);
    insta::assert_snapshot!(ended.stderr);
}

#[test]
fn a_set_of_manifests_is_validated_together() {
    let home = Home::new();
    home.file(
        "tasks.toml",
        "[[entries]]\ndomain = 'task'\nkey = 'noop'\nprovider = 'x'\nfactory = 'builtin:noop'\n",
    );
    home.file(
        "w.json",
        r#"{"entries":[{"domain":"workflow","key":"w","provider":"x","factory":"builtin:noop",
            "dag":{"nodes":[{"id":"a","task":"noop"}]}}]}"#,
    );
    assert_eq!(home.run(&["manifest", "validate", "w.json"]).code, 3);
    let ended = home.run(&["manifest", "validate", "tasks.toml", "w.json"]);
    assert_eq!(ended.code, 0);
    assert_eq!(ended.stdout, "ok    tasks.toml  1 entry, 0 workflows\nok    w.json  1 entry, 1 workflow\n");
}

#[test]
fn a_manifest_is_packed_to_json_that_can_be_loaded() {
    let Some(home) = shop() else { return };
    let ended = home.run(&["manifest", "pack", "-i", "shop.yaml"]);
    assert_eq!(ended.stdout, "Packed manifest shop.yaml -> build/manifest.json\n");
    let list = home.json(&["--manifest", "build/manifest.json", "list", "--json"]);
    assert_eq!(of_manifest(&list), 15);
    let compact = home.run(&["--manifest", "shop.yaml", "manifest", "pack", "--stdout", "--compact"]).stdout;
    assert_eq!(compact.lines().count(), 1);
    let show = home.json(&["manifest", "show", "build/manifest.json", "--json"]);
    assert_eq!(show["entries"].as_array().unwrap().len(), 15);
}

#[test]
fn a_graph_is_drawn_in_every_format() {
    let Some(home) = shop() else { return };
    let graph = |format: &str| {
        home.run(&["--manifest", "shop.yaml", "workflow", "graph", WORKFLOW, "--format", format])
    };
    assert!(graph("mermaid").stdout.contains("\nflowchart "));
    assert!(graph("dot").stdout.starts_with("digraph"));
    assert!(graph("svg").stdout.starts_with("<svg"));
    assert!(graph("ascii").stdout.contains("notify"));
    home.run(&["--manifest", "shop.yaml", "workflow", "run", WORKFLOW]);
    let drawn = home.run(&["workflow", "graph", "--run", "latest", "-o", "run.svg", "--format", "svg"]);
    assert_eq!((drawn.code, drawn.stdout.as_str()), (0, ""));
    assert!(std::fs::read_to_string(home.path().join("run.svg")).unwrap().contains("completed"));
}

#[test]
fn mistakes_in_arguments_exit_with_2() {
    let home = Home::new();
    let check = |args: &[&str], said: &str| {
        let ended = home.run(args);
        assert_eq!(ended.code, 2, "{args:?}");
        assert!(ended.stderr.contains(said), "{args:?}: {ended:?}");
    };
    check(&["lisst"], "similar");
    check(&["list", "--shadow"], "--shadowed");
    check(&["workflow", "run", "x", "--timeout", "0"], "more than 0");
    check(&["workflow", "run", "x", "--run-id", "7"], "run id");
    check(&["run", "list", "--status", "done"], "completed");
    check(&["run", "resume"], "--all");
    check(&["list", "--manifest", "missing.yaml"], "there is no such file");
    check(&["run", "list", "--limit", "0"], "1..=100000");
    let ended = home.run(&["lisst", "--json"]);
    assert_eq!(ended.error()["code"], 2);
}

#[test]
fn help_and_version_are_results() {
    let home = Home::new();
    let check = |args: &[&str], said: &str| {
        let ended = home.run(args);
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{args:?}");
        assert!(ended.stdout.contains(said), "{args:?}: {}", ended.stdout);
    };
    check(&[], "Examples:");
    check(&["--help"], "Exit codes:");
    check(&["workflow", "run", "--help"], "--max-parallel");
    check(&["workflow"], "Usage:");
    check(&["--version"], concat!("oneiric ", env!("CARGO_PKG_VERSION"), "\n"));
    check(&["completions", "bash"], "complete");
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let Some(home) = shop() else { return };
    let mut command = home.command(&["--manifest", "shop.yaml", "workflow", "plan", "--json"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ended = Ended::of(&command.stdout(writer).output().unwrap());
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
}

#[test]
fn nothing_is_logged_or_coloured_unasked() {
    let Some(home) = shop() else { return };
    let ended = home.run(&["--manifest", "shop.yaml", "workflow", "run", WORKFLOW, "--json"]);
    assert_eq!(ended.stderr, "");
    assert!(!ended.stdout.contains('\u{1b}'));
    let loud =
        home.run(&["--manifest", "shop.yaml", "workflow", "run", WORKFLOW, "--json", "--log-level", "debug"]);
    assert!(loud.stderr.contains("run ended"), "{loud:?}");
}

#[test]
fn yaml_says_the_same_as_json() {
    let Some(home) = shop() else { return };
    let ended = home.run(&["--manifest", "shop.yaml", "list", "--domain", "service", "--format", "yaml"]);
    assert_eq!(ended.code, 0);
    assert!(ended.stdout.starts_with("domain: service\nactive:\n"), "{}", ended.stdout);
}

/// A run that takes until somebody stops it, and the line on standard error that says it has begun.
fn suspended_by(home: &Home, signal: &str) -> Ended {
    use std::io::{BufRead as _, BufReader, Read as _};
    home.file(
        "slow.yaml",
        "entries:\n\
         - {domain: task, key: noop, provider: x, factory: 'builtin:noop'}\n\
         - {domain: task, key: slow, provider: x, factory: 'exec:/bin/sh', metadata: {exec: {args: ['-c', \
         'echo begun >&2; test -e go || exec sleep 60'], stdout: none}}}\n\
         - domain: workflow\n  key: w\n  provider: x\n  factory: 'builtin:noop'\n  dag:\n    nodes:\n\
         \u{20}   - {id: first, task: noop}\n    - {id: slow, task: slow, depends_on: [first]}\n",
    );
    let mut command = home.command(&["--manifest", "slow.yaml", "workflow", "run", "w", "--json"]);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut begun = String::new();
    stderr.read_line(&mut begun).unwrap();
    assert_eq!(begun, "  slow | begun\n");
    let killed = std::process::Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    let mut ended = Ended::of(&output);
    stderr.read_to_string(&mut ended.stderr).unwrap();
    ended
}

#[test]
fn a_signal_suspends_a_run_that_can_then_be_resumed() {
    let check = |signal, code| {
        let home = Home::new();
        let ended = suspended_by(&home, signal);
        assert_eq!(ended.code, code, "{ended:?}");
        let report: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(
            (&report["status"], &report["nodes"]["first"]["status"]),
            (&json!("suspended"), &json!("completed"))
        );
        assert!(ended.error()["help"].as_str().unwrap().contains("oneiric run resume "), "{ended:?}");
        let list = home.json(&["run", "list", "--json"]);
        assert_eq!(
            (&list["runs"][0]["status"], &list["runs"][0]["interrupted"]),
            (&json!("running"), &json!(true))
        );
        home.file("go", "");
        let resumed = home.json(&["run", "resume", "--all", "--json"]);
        assert_eq!(resumed["runs"][0]["status"], "completed");
        assert_eq!(resumed["runs"][0]["results"]["first__attempts"], 1);
        let over = home.run(&["run", "resume", "latest"]);
        assert_eq!(over.code, 1, "{over:?}");
    };
    check("-INT", 130);
    check("-TERM", 143);
}

#[test]
fn an_interrupted_run_can_be_cancelled() {
    let home = Home::new();
    suspended_by(&home, "-INT");
    let cancelled = home.json(&["run", "cancel", "latest", "--reason", "ordered twice", "--json"]);
    assert_eq!(cancelled["status"], "cancelled");
    let shown = home.json(&["run", "show", "latest", "--json"]);
    assert_eq!((&shown["status"], &shown["results"]["first__attempts"]), (&json!("cancelled"), &json!(1)));
    assert_eq!(home.run(&["run", "cancel", "latest"]).code, 1);
}
