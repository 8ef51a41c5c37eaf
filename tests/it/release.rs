//! What the README shows: the release pipeline, and the manifest written by hand.

use serde_json::{Value, json};

use crate::arrows::root;
use crate::support::{Home, assert_holds};

#[test]
fn the_release_pipeline_publishes_what_it_says() {
    let home = Home::new();
    let manifest = root().join("manifests/release.yaml");
    let run = home.json(&["--manifest", manifest.to_str().unwrap(), "workflow", "run", "release", "--json"]);
    let expected = json!({
        "status": "completed",
        "results": {"summary": "greet 1.4.0 is in target/oneiric-demo/dist"},
        "nodes": {
            "integration": {"status": "completed", "attempts": 2},
            "canary": {"status": "skipped"},
            "publish": {"status": "completed", "attempts": 1},
        },
    });
    assert_holds(&run, &expected);
    let dist = home.path().join("target/oneiric-demo/dist");
    let release: Value = serde_json::from_slice(&std::fs::read(dist.join("release.json")).unwrap()).unwrap();
    assert_holds(&release, &json!({"version": "1.4.0", "file": "greet-1.4.0.tar.gz", "tests": 4}));
    assert!(dist.join("greet-1.4.0.tar.gz").is_file());
    assert!(home.holds_only(&["target", ".oneiric_cache"]));
}

#[test]
fn the_manifest_in_the_readme_runs() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let manifest = readme.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let home = Home::new();
    home.file("hello.yaml", manifest);
    home.run(&["manifest", "validate", "hello.yaml"]).exits(0);
    let context = r#"{"name": "Ada"}"#;
    let run =
        home.json(&["--manifest", "hello.yaml", "workflow", "run", "hello", "--context", context, "--json"]);
    let system = run["results"]["system"].as_str().unwrap();
    assert_eq!(run["results"]["say"], format!("Good evening, {system} and Ada."));
}
