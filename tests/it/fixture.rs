//! A manifest of the Python project, unmodified: what is listed, planned and run.

use oneiric_testkit::data::shared;
use serde_json::{Value, json};

use crate::support::{Home, assert_holds};

const WORKFLOW: &str = "fastblocks.workflows.fulfillment";

/// The result of a command on the fixture; `None` where it is not at hand.
fn run(arguments: &[&str]) -> Option<Value> {
    let manifest = shared("manifests/fastblocks_parity_fixture.yaml")?;
    Some(Home::new().json(&[&["--manifest", manifest.to_str().unwrap(), "--json"], arguments].concat()))
}

#[test]
fn its_fifteen_entries_are_listed_over_six_domains() {
    let expected = [
        (
            "adapter",
            &[
                "dns.cloudflare/cloudflare",
                "dns.route53/route53",
                "file_transfer.demo/ftp",
                "file_transfer.http/http",
                "file_transfer.https_upload/https-upload",
                "file_transfer.scp/scp",
                "file_transfer.sftp/sftp",
                "notifications.fastblocks-slack/slack",
                "queue.scheduler/cloudtasks",
            ][..],
        ),
        ("service", &["fastblocks.inventory.service/fastblocks"]),
        ("task", &["fastblocks.tasks.notify/fastblocks", "fastblocks.tasks.stage-order/fastblocks"]),
        ("event", &["fastblocks.order.created/fastblocks"]),
        ("workflow", &["fastblocks.workflows.fulfillment/fastblocks"]),
        ("action", &["workflow.notify/builtin-workflow-notify"]),
    ];
    let mut listed = 0;
    for (domain, expected) in expected {
        let Some(list) = run(&["list", "--domain", domain]) else { return };
        let text = |entry: &Value, key: &str| entry[key].as_str().unwrap().to_owned();
        let entries = list["active"].as_array().unwrap().iter();
        // Actions are also built in, where the manifest does not name them.
        let named = entries.filter(|entry| entry["source"] == "local_manifest");
        let names: Vec<_> = named.map(|entry| text(entry, "key") + "/" + &text(entry, "provider")).collect();
        assert_eq!(names, expected, "{domain}");
        let hidden = list["shadowed"].as_array().unwrap();
        assert!(hidden.iter().all(|entry| entry["source"] == "local_pkg"), "{domain}");
        listed += names.len();
    }
    assert_eq!(listed, 15);
}

#[test]
fn its_plan_has_the_shape_and_the_values_of_the_python_project() {
    let Some(plan) = run(&["workflow", "plan"]) else { return };
    let expected = json!({
        "workflows": {
            WORKFLOW: {
                "node_count": 2,
                "edge_count": 1,
                "entry_nodes": ["stage"],
                "nodes": [
                    {
                        "id": "stage",
                        "task": "fastblocks.tasks.stage-order",
                        "depends_on": [],
                        "payload": {"stage": "inventory"},
                    },
                    {
                        "id": "notify",
                        "task": "fastblocks.tasks.notify",
                        "depends_on": ["stage"],
                        "payload": {"channel": "releases", "severity": "info"},
                    },
                ],
                "scheduler": {"queue_category": "queue.scheduler", "provider": "cloudtasks"},
                "notifications": {
                    "adapter_provider": "notifications.fastblocks-slack",
                    "channel": "deploys",
                },
            },
        },
        "missing": [],
    });
    assert_holds(&plan, &expected);
    assert!(plan["workflows"][WORKFLOW]["queue_category"].is_string(), "{plan:#}");
}

#[test]
fn its_workflow_runs_and_answers_as_in_the_python_project() {
    let context = r#"{"order_id":"demo-123"}"#;
    let Some(run) = run(&["workflow", "run", WORKFLOW, "--context", context]) else { return };
    let expected = json!({
        "workflow": WORKFLOW,
        "results": {
            "stage": "remote-task-run",
            "stage__attempts": 1,
            "notify": "remote-task-run",
            "notify__attempts": 1,
        },
    });
    assert_holds(&run, &expected);
    for node in ["stage", "notify"] {
        assert!(run["results"][format!("{node}__duration")].as_f64().unwrap() >= 0.0);
    }
    // Upstream's ids are the 32 hexadecimal digits of a UUID.
    let id = run["run_id"].as_str().unwrap();
    assert!(id.len() == 32 && id.chars().all(|c| c.is_ascii_hexdigit()), "{id}");
}
