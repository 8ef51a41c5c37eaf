//! The shop of the README, as it is shipped.

use serde_json::json;

use crate::arrows::root;
use crate::support::{Home, assert_holds};

#[test]
fn the_shipped_example_of_events_does_what_the_readme_says() {
    let (home, manifest) = (Home::new(), root().join("manifests/events.yaml"));
    let on = |rest: &[&str]| {
        let manifest = manifest.to_str().unwrap();
        home.json(&[&["--manifest", manifest, "event"], rest, &["--json"]].concat())
    };
    let emitted = on(&["emit", "order.paid", "--payload", "{\"order\": 7, \"total\": 250}", "--wait"]);
    assert_holds(
        &emitted,
        &json!({
            "results": [
                {"handler": "shop.sales:shop", "success": true},
                {"handler": "shop.audit:shop", "success": true},
            ],
            "runs": [{"workflow": "shop.fulfil", "status": "completed"}],
        }),
    );
    let small = on(&["emit", "order.paid", "--payload", "{\"order\": 8, \"total\": 5}"]);
    assert_holds(&small, &json!({"matched_handlers": 1, "runs": []}));
    let replayed = on(&["replay", "--since", "1h", "--again"]);
    assert_holds(&replayed, &json!({"events": 2}));
}
