//! Pages of the documentation that say what can be looked up.

use std::collections::HashSet;

use crate::arrows::{root, rust_sources};
use crate::support::Home;

fn events() -> String {
    std::fs::read_to_string(root().join("docs/events.md")).unwrap()
}

/// The names of all functions of the sources.
fn functions() -> HashSet<String> {
    let mut sources = Vec::new();
    for folder in ["crates", "tests", "bins"] {
        rust_sources(&root().join(folder), &mut sources);
    }
    let mut names = HashSet::new();
    for source in sources {
        let text = std::fs::read_to_string(source).unwrap();
        names.extend(
            text.split("fn ").skip(1).map(|rest| {
                rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>()
            }),
        );
    }
    names
}

/// The rows of the table below a heading, without its own head.
fn rows<'t>(page: &'t str, heading: &str) -> Vec<Vec<&'t str>> {
    let (_, below) = page.split_once(heading).unwrap();
    let below = below.split("\n## ").next().unwrap();
    let lines = below.lines().filter(|line| line.starts_with('|')).skip(2);
    lines.map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

#[test]
fn every_row_of_the_table_of_parity_names_tests_that_exist() {
    let (page, functions) = (events(), functions());
    let rows = rows(&page, "\n## Parity\n");
    assert!(rows.len() > 40, "{} rows", rows.len());
    for row in rows {
        assert_eq!(row.len(), 5, "{row:?}");
        let names: Vec<&str> = row[4].split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "nothing shows `{}`", row[0]);
        for name in names {
            assert!(functions.contains(name), "`{name}`, which shows `{}`, does not exist", row[0]);
        }
    }
}

/// The blocks of YAML in a page.
fn blocks(page: &str) -> Vec<&str> {
    page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn the_manifest_of_services_on_the_page_about_manifests_is_valid() {
    let page = std::fs::read_to_string(root().join("docs/manifests.md")).unwrap();
    let (_, below) = page.split_once("\n## Services\n").unwrap();
    let home = Home::new();
    home.file("shop.yaml", blocks(below)[0]);
    home.run(&["manifest", "validate", "shop.yaml"]).exits(0);
}

#[test]
fn the_manifests_on_the_page_about_events_are_valid() {
    let page = events();
    let blocks = blocks(&page);
    assert!(!blocks.is_empty());
    for block in blocks {
        let home = Home::new();
        for program in ["write-down", "tell-the-warehouse"] {
            home.file(program, "#!/bin/sh\n");
        }
        home.file("shop.yaml", block);
        home.run(&["manifest", "validate", "shop.yaml"]).exits(0);
    }
}
