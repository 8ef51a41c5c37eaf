//! Components in service, seen and changed from another process.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::live::Shop;
use crate::support::{Home, assert_holds, until, wait};

#[test]
fn a_live_process_tells_which_component_serves_which_key() {
    let mut shop = Shop::new();
    let pid = shop.open();
    let said =
        shop.home.json(&["status", "--domain", "task", "--key", "shop.charge", "--shadowed", "--json"]);
    assert_eq!(said["domain"], "task");
    assert_eq!(said["processes"][0]["pid"], pid);
    assert!(said["processes"][0]["started_at"].as_str().unwrap().ends_with('Z'), "{said:#}");
    assert_eq!(said["status"].as_array().unwrap().len(), 1);
    let row = &said["status"][0];
    let expected = json!({
        "key": "shop.charge", "configured_provider": null, "shadowed": 2,
        "activity": {"paused": false, "draining": false, "note": null},
        "state": "active", "provider": "old", "source": "local_manifest", "priority": 5, "stack_level": 0,
        "selection_applied": false, "instance_state": "ready",
        "lifecycle": {"state": "ready", "current_provider": "old", "successful_swaps": 1, "failed_swaps": 0},
    });
    assert_holds(row, &expected);
    assert!(row["lifecycle"]["last_activated_at"].as_str().unwrap().contains('T'), "a date: {row:#}");
    let hidden = row["shadowed_details"].as_array().unwrap();
    assert_eq!(hidden.iter().map(|one| &one["provider"]).collect::<Vec<_>>(), ["new", "broken"]);
    assert_holds(
        &said["summary"],
        &json!({"swap": {"samples": 1, "success_rate": 1.0}, "activity": {"paused": 0}}),
    );
    // Nobody asked for the action, so that there is none, although it could be.
    assert_eq!(shop.rows("shop.price")[0]["instance_state"], "absent");
}

#[test]
fn a_swap_from_outside_is_seen_by_everybody_and_a_failed_one_changes_nothing() {
    let mut shop = Shop::new();
    let pid = shop.open();
    let swap = ["swap", "shop.charge", "--domain", "task", "--provider"];
    let with = |provider: &str| shop.home.run(&[&swap[..], &[provider]].concat());

    let said = with("new").exits(0);
    let head = format!("Swapped task:shop.charge -> new; instance=process {pid}\n");
    assert!(said.stdout.starts_with(&head), "{said:?}");
    assert!(said.stdout.contains("the instance of old is stopped"), "{said:?}");
    assert_eq!(shop.serving("shop.charge"), [(u64::from(pid), "new".to_owned())]);
    assert_holds(
        &shop.rows("shop.charge")[0],
        &json!({"configured_provider": "new", "selection_applied": true}),
    );

    let failed = with("broken").exits(2);
    assert!(failed.stderr.contains("no-such-program-anywhere"), "{failed:?}");
    assert_eq!(failed.stdout, "");
    let row = &shop.rows("shop.charge")[0];
    assert_holds(
        &row["lifecycle"],
        &json!({"state": "failed", "current_provider": "new", "failed_swaps": 1}),
    );
    assert!(row["lifecycle"]["last_error"].as_str().unwrap().contains("no-such-program-anywhere"));
    assert_eq!(row["instance_state"], "ready", "the old one goes on serving");

    let json = shop.home.json(&[&swap[..], &["old", "--json"]].concat());
    assert_holds(
        &json,
        &json!({"domain": "task", "key": "shop.charge", "refused": [], "tried": null,
                "swapped": [{"pid": pid, "provider": "old", "previous": "new", "old_stopped": true}]}),
    );
}

#[test]
fn two_live_processes_are_asked_both_or_one_by_its_number() {
    let mut shop = Shop::new();
    let (first, second) = (shop.open(), shop.open());
    let expect = |shop: &Shop, one: &str, other: &str| {
        let mut expected = [(u64::from(first), one.to_owned()), (u64::from(second), other.to_owned())];
        expected.sort();
        assert_eq!(shop.serving("shop.charge"), expected);
    };
    expect(&shop, "old", "old");
    let swap = ["swap", "--key", "shop.charge", "--domain", "task", "--provider", "new"];
    shop.home.run(&[&swap[..], &["--pid", &second.to_string()]].concat()).exits(0);
    expect(&shop, "old", "new");
    let both = shop.home.json(&[&swap[..], &["--json"]].concat());
    assert_eq!(both["swapped"].as_array().unwrap().len(), 2);
    expect(&shop, "new", "new");

    let nobody = shop.home.run(&[&swap[..], &["--pid", "1"]].concat()).exits(3);
    assert!(nobody.stderr.contains("no live process 1"), "{nobody:?}");
    assert!(nobody.stderr.contains(&first.to_string()) && nobody.stderr.contains(&second.to_string()));

    let text = shop.home.run(&["status"]).exits(0).stdout;
    assert!(text.contains("in 2 processes"), "{text}");
}

#[test]
fn a_process_that_was_killed_is_not_claimed() {
    let mut shop = Shop::new();
    let (_, second) = (shop.open(), shop.open());
    shop.end(Signal::SIGKILL);
    assert_eq!(shop.serving("shop.wait"), [(u64::from(second), "shop".to_owned())]);
    shop.end(Signal::SIGKILL);
    let said = shop.home.json(&["--manifest", "shop.yaml", "status", "--json"]);
    assert_eq!(said["processes"], json!([]));
    let rows = said["status"].as_array().unwrap();
    assert_eq!(rows.len(), 4);
    for row in rows {
        assert_eq!((&row["instance_state"], &row["pid"]), (&json!("absent"), &Value::Null));
        assert!(row.get("lifecycle").is_none(), "no life without a process: {row:#}");
    }
    assert_eq!(shop.home.json(&["health", "--json"])["lifecycle"], json!([]));
}

#[test]
fn without_a_live_process_a_swap_is_tried_out_and_says_how_to_select_it() {
    let shop = Shop::new();
    let before = shop.home.contents();
    let swap = ["--manifest", "shop.yaml", "swap", "shop.charge", "--domain", "task", "--provider"];
    let said = shop.home.run(&[&swap[..], &["new"]].concat()).exits(0);
    for part in [
        "nothing was swapped",
        "task shop.charge of new came up here",
        "tasks.selections.shop.charge = \"new\"",
    ] {
        assert!(said.stdout.contains(part), "{part}: {said:?}");
    }
    let json = shop.home.json(&[&swap[..], &["new", "--json"]].concat());
    assert_holds(
        &json,
        &json!({"swapped": [], "tried": {"provider": "new"}, "setting": "tasks.selections.shop.charge"}),
    );
    shop.home.run(&[&swap[..], &["broken"]].concat()).exits(2);
    assert_eq!(shop.home.contents(), before, "trying creates nothing");
}

#[test]
fn a_selection_of_the_settings_is_seen_and_one_that_nobody_meets_is_told() {
    let shop = Shop::new();
    let status = |provider: &str| {
        let set = format!("tasks.selections.shop.charge={provider}");
        let arguments =
            ["--manifest", "shop.yaml", "status", "--key", "shop.charge", "--json", "--set", &set];
        shop.home.json(&arguments)["status"][0].clone()
    };
    assert_holds(
        &status("new"),
        &json!({"provider": "new", "configured_provider": "new", "selection_applied": true, "state": "active"}),
    );
    let unmet = status("nobody");
    assert_holds(
        &unmet,
        &json!({"provider": "old", "configured_provider": "nobody", "selection_applied": false}),
    );
    assert!(unmet["message"].as_str().unwrap().contains("`nobody`, which is not there"), "{unmet:#}");
    let set = ["--set", "adapters.selections.queue=nats"];
    let alone = shop.home.json(&[&["status", "--json"][..], &set].concat());
    let expected =
        json!({"key": "queue", "state": "unresolved", "provider": null, "instance_state": "absent"});
    assert_holds(&alone["status"][0], &expected);
}

#[test]
fn an_action_is_run_and_its_result_is_json() {
    let shop = Shop::new();
    let invoke = ["--manifest", "shop.yaml", "action-invoke", "shop.price"];
    let with = |more: &[&str]| shop.home.run(&[&invoke[..], more].concat());
    assert_eq!(with(&["--payload", r#"{"order": 7}"#]).exits(0).json(), json!({"order": 7}));
    assert_eq!(with(&[]).exits(0).json(), json!({}));
    shop.home.file("order.json", r#"{"order": [1, 2]}"#);
    assert_eq!(
        with(&["--payload", "@order.json", "--provider", "shop"]).exits(0).json(),
        json!({"order": [1, 2]})
    );
    let yaml = with(&["--payload", r#"{"order": 7}"#, "--format", "yaml"]).exits(0);
    assert_eq!(yaml.stdout, "order: 7\n");
    let home = &shop.home;
    let by_name = home.json(&[
        "action-invoke",
        "--key",
        "shop.price",
        "--manifest",
        "shop.yaml",
        "--payload={\"a\":1}",
    ]);
    assert_eq!(by_name, json!({"a": 1}));
    assert!(home.holds_only(&["shop.yaml", "order.json"]), "an action needs no state");
}

/// A home whose action tells that it runs and then sleeps.
fn slow() -> Home {
    let home = Home::new();
    let exec = json!({"args": ["-c", "touch began; exec sleep 3600"], "cwd": home.path(), "stdout": "none"});
    let entry = json!({"domain": "action", "key": "slow", "provider": "sh", "factory": "exec:sh",
                       "metadata": {"exec": exec}});
    home.file("m.json", &json!({"entries": [entry]}).to_string());
    home
}

#[test]
fn an_action_that_takes_too_long_is_given_up() {
    let home = slow();
    let said = home.run(&["--manifest", "m.json", "action-invoke", "slow", "--timeout", "0.2"]).exits(1);
    assert!(said.stderr.contains("action `slow`: timed out after 200ms"), "{said:?}");
    assert!(said.stderr.contains("`--timeout SECONDS`"), "{said:?}");
    assert_eq!(said.stdout, "");
}

#[test]
fn a_signal_cancels_an_action() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let home = slow();
        let child = home.command(&["--manifest", "m.json", "action-invoke", "slow"]).spawn().unwrap();
        until("the action runs", || home.path().join("began").exists());
        kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
        let said = wait(child).exits(code);
        assert!(said.stderr.contains("given up on SIG"), "{said:?}");
    }
}

#[test]
fn what_is_compiled_in_is_listed_in_upstreams_shape() {
    let said = Home::new().json(&["plugins", "--json"]);
    assert_eq!((&said["groups"], &said["errors"]), (&json!(["oneiric.runtimes"]), &json!([])));
    let entries = said["entries"].as_array().unwrap();
    let named = |name: &str| entries.iter().find(|entry| entry["entry_point"] == name).unwrap();
    assert_holds(
        named("exec"),
        &json!({"group": "oneiric.runtimes", "feature": "exec", "factories": ["exec:"]}),
    );
    assert_holds(named("linked"), &json!({"feature": null, "registered_candidates": 0}));
    let sum: u64 = entries.iter().map(|entry| entry["registered_candidates"].as_u64().unwrap()).sum();
    assert_eq!(said["registered"], sum);
}

#[test]
fn the_schema_of_manifests_is_printed_and_the_manual_is_written() {
    let home = Home::new();
    let schema = home.json(&["manifest", "schema"]);
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert!(schema["$defs"]["node"]["properties"]["depends_on"].is_object());
    assert!(home.run(&["man"]).exits(0).stdout.contains(".SH NAME"));
    home.run(&["man", "pages"]).exits(0);
    for page in ["oneiric.1", "oneiric-status.1", "oneiric-manifest-schema.1"] {
        assert!(home.path().join("pages").join(page).is_file(), "{page}");
    }
    let script = home.run(&["completions", "bash"]).exits(0).stdout;
    assert!(script.contains("adapter service task event workflow action"), "domains are completed");
}

#[test]
fn both_dialects_reach_the_same_component() {
    let shop = Shop::new();
    let check = |arguments: &[&str]| {
        let said = shop.home.run(arguments).exits(0).json();
        assert_eq!(said["ordered"][0]["provider"], "old", "{arguments:?}");
    };
    check(&["--manifest", "shop.yaml", "explain", "shop.charge", "--domain", "task"]);
    check(&["explain", "--domain", "task", "--key", "shop.charge", "--manifest", "shop.yaml"]);
    check(&["cli", "explain", "--key=shop.charge", "--domain=tasks", "--manifest=shop.yaml", "--json"]);
}
