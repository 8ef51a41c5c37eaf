//! The document about everything that is answered.

use std::collections::BTreeSet;

use oneiric_server::routes;
use serde_json::Value;

use crate::shapes::document;
use crate::stage::Stage;

#[test]
fn every_route_is_in_the_document_and_nothing_else_is() {
    let rows: BTreeSet<String> =
        routes().iter().map(|info| format!("{} {}", info.method, info.path)).collect();
    let mut said = BTreeSet::new();
    for (path, methods) in document()["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            said.insert(format!("{} {path}", method.to_uppercase()));
            let row = routes()
                .into_iter()
                .find(|info| info.path == path && info.method.as_str() == method.to_uppercase());
            let row = row.unwrap();
            assert_eq!(operation["x-access"], row.access.name());
            assert_eq!(
                operation["security"] == serde_json::json!([]),
                row.access == oneiric_server::Access::Open
            );
        }
    }
    assert_eq!(rows, said);
    assert_eq!(rows.len(), routes().len(), "two rows of one method and path");
}

#[test]
fn what_the_document_points_at_is_there() {
    fn walk(value: &Value, seen: &mut impl FnMut(&serde_json::Map<String, Value>)) {
        match value {
            Value::Object(fields) => {
                seen(fields);
                fields.values().for_each(|value| walk(value, seen));
            }
            Value::Array(values) => values.iter().for_each(|value| walk(value, seen)),
            _ => {}
        }
    }
    let mut references = 0;
    walk(document(), &mut |fields| {
        if let Some(Value::String(reference)) = fields.get("$ref") {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document().pointer(pointer).is_some(), "{reference}");
            references += 1;
        }
    });
    assert!(references > 20, "{references}");
    let mut ids = BTreeSet::new();
    for methods in document()["paths"].as_object().unwrap().values() {
        for operation in methods.as_object().unwrap().values() {
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{operation}");
            assert!(!operation["summary"].as_str().unwrap().is_empty());
            assert!(!operation["responses"].as_object().unwrap().is_empty(), "{operation}");
        }
    }
}

#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere() {
    let stage = Stage::plain().await;
    let mut loaded = Vec::new();
    for path in ["/docs", "/docs/page.css", "/docs/page.js"] {
        let answer = stage.client.get(format!("{}{path}", stage.url)).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{path}");
        let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        let text = answer.text().await.unwrap();
        assert!(!text.contains("http://") && !text.contains("https://"), "{path}");
        loaded.push(text);
    }
    for path in ["/docs/page.css", "/docs/page.js"] {
        assert!(loaded[0].contains(path), "{path}");
    }
    assert_eq!(stage.get("/openapi.json").await, (200, document().clone()));
    stage.end().await;
}
