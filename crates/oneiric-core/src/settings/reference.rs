//! Every key as Markdown, from the schema.

use std::fmt::Write as _;

use serde_json::Value;

use super::alias;
use super::path::Path;
use super::profiles;
use super::schema::{Field, Kind};

/// The tables of `docs/configuration.md`.
pub(super) fn render(root: &Field, prefix: &str) -> String {
    let mut out = String::from("## Keys\n\n");
    let top: Vec<_> = root.fields().filter(|(_, field)| !field.is_alias()).collect();
    let (sections, plain): (Vec<_>, Vec<_>) =
        top.into_iter().partition(|(_, field)| matches!(field.kind, Kind::Section(_) | Kind::Map { .. }));
    table(&mut out, plain.into_iter().map(|(name, field)| (Path::new([name]), field)).collect(), prefix);
    for (name, field) in sections {
        let _ = write!(out, "\n### `{name}`\n\n{}\n\n", field.description);
        let mut rows = Vec::new();
        collect(Path::new([name]), field, &mut rows);
        table(&mut out, rows, prefix);
    }
    out.push_str("\n## Second names\n\n| name | key |\n|---|---|\n");
    for (name, key) in alias::KEYS {
        let _ = writeln!(out, "| `{name}` | `{key}` |");
    }
    for (name, key) in alias::VARIABLES {
        let _ = writeln!(out, "| `{prefix}{name}` | `{key}` |");
    }
    for (name, key) in alias::FOREIGN {
        let _ = writeln!(out, "| `{name}` | `{key}` |");
    }
    out.push_str("\n## Built-in profiles\n");
    for (name, text) in profiles::BUILT_IN {
        let _ = write!(out, "\n### `{name}` profile\n\n```toml\n{}\n```\n", text.trim_end());
    }
    out
}

/// The keys below a section; what stands in a map of sections is written with `NAME`.
fn collect<'s>(at: Path, field: &'s Field, rows: &mut Vec<(Path, &'s Field)>) {
    match &field.kind {
        Kind::Section(fields) => {
            for (name, field) in fields.iter().filter(|(_, field)| !field.is_alias()) {
                collect(at.join(name), field, rows);
            }
        }
        Kind::Map { value, .. } if matches!(value.kind, Kind::Section(_)) => {
            collect(at.join("NAME"), value, rows);
        }
        Kind::Map { .. } => rows.push((at.join("NAME"), field)),
        Kind::List(item) if matches!(item.kind, Kind::Section(_)) => {
            rows.push((at.clone(), field));
            collect(at.join("ITEM"), item, rows);
        }
        _ => rows.push((at, field)),
    }
}

fn table(out: &mut String, rows: Vec<(Path, &Field)>, prefix: &str) {
    out.push_str("| key | type | default | variable | |\n|---|---|---|---|---|\n");
    for (path, field) in rows {
        let (expected, default) = match &field.kind {
            Kind::Map { value, .. } => (value.expected(), String::new()),
            _ => (field.expected(), field.default.as_ref().map(written).unwrap_or_default()),
        };
        let in_list = path.names().iter().any(|name| name == "ITEM");
        let shouted = Path::new(path.names().iter().map(|name| name.to_lowercase()));
        let variable = shouted.variable(prefix).filter(|_| !in_list).map(|name| format!("`{name}`"));
        let _ = writeln!(
            out,
            "| `{path}` | {expected} | {default} | {} | {} |",
            variable.unwrap_or_default(),
            field.description.replace('\n', " ")
        );
    }
}

fn written(value: &Value) -> String {
    format!("`{value}`")
}
