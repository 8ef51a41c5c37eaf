//! The environment and the command line as layers: names with values that are text.

use serde_json::Value;

use super::alias;
use super::coerce::{coerce, how};
use super::error::SourceError;
use super::locate::{Near, check_names, locate, near};
use super::merge::Assignment;
use super::origin::Origin;
use super::path::Path;
use super::schema::Field;
use super::walk::{Walk, tree_of};
use crate::Environment;
use crate::text::tree::Tree;

/// What the variables of a project say. Second names first, so that a key's own name wins.
pub(super) fn environment(
    environment: &dyn Environment,
    prefix: &str,
    root: &Field,
    wrong: &mut Vec<SourceError>,
) -> Vec<Assignment> {
    let mut said: Vec<(u8, Assignment)> = Vec::new();
    let mut take = |rank: u8, name: &str, path: Path, field: &Field, text: &str, wrong: &mut Vec<_>| {
        let checked = check(root, field, path, coerce(field, text), name, Some(field), wrong);
        let origin = Origin::Variable(name.to_owned());
        said.extend(checked.into_iter().map(|(path, value, alias)| {
            let rank = if alias { rank.min(2) } else { rank };
            (rank, Assignment { path, value, origin: origin.clone() })
        }));
    };
    let foreign = alias::FOREIGN.iter().map(|(name, key)| (0, (*name).to_owned(), *key));
    let own = alias::VARIABLES.iter().map(|(name, key)| (1, format!("{prefix}{name}"), *key));
    for (rank, name, key) in foreign.chain(own) {
        let Some(text) = environment.get(&name).filter(|text| !text.is_empty()) else { continue };
        if let Some((path, field)) = Path::parse(key).ok().and_then(|path| locate(root, path.names()).ok()) {
            take(rank, &name, path, field, &text, wrong);
        }
    }
    let mut names: Vec<String> = environment.names();
    names.retain(|name| {
        name.strip_prefix(prefix)
            .is_some_and(|rest| !alias::OTHERS.iter().any(|other| rest.starts_with(other)))
    });
    names.sort_unstable();
    for name in names {
        let rest = &name[prefix.len()..];
        let plain = !rest.contains("__");
        let names: Vec<String> = rest.split("__").map(str::to_ascii_lowercase).collect();
        let found = locate(root, &names);
        // `ONEIRIC_CACHE_DIR` is a key, `ONEIRIC_CONFIG` is not; who else reads a plain name is not known.
        if plain && !found.as_ref().is_ok_and(|(_, field)| field.default.is_some() && !is_mapping(field)) {
            continue;
        }
        let text = environment.get(&name);
        match (found, text) {
            (_, Some(text)) if plain && text.is_empty() => {}
            (Ok((path, field)), Some(text)) => take(3, &name, path, field, &text, wrong),
            (Ok(_), None) => {
                wrong.push(SourceError::without_place(&name, "the value is not UTF-8 text", None))
            }
            (Err(place), _) => {
                let known = near(root, &Path::new(&names[..=place]));
                let help = match known {
                    Near::Key(path) => {
                        let rest = names[place + 1..].iter().fold(path, |path, name| path.join(name));
                        rest.variable(prefix).map(|name| format!("did you mean `{name}`?"))
                    }
                    Near::Known(text) => Some(text),
                };
                wrong.push(SourceError::without_place(&name, "no setting has this variable", help));
            }
        }
    }
    said.sort_by_key(|(rank, _)| *rank);
    said.into_iter().map(|(_, assignment)| assignment).collect()
}

fn is_mapping(field: &Field) -> bool {
    use super::schema::Kind;
    matches!(field.kind, Kind::Section(_) | Kind::Map { .. } | Kind::Any)
}

/// What `--set KEY=VALUE` says.
pub(super) fn option(text: &str, root: &Field, wrong: &mut Vec<SourceError>) -> Vec<Assignment> {
    let Some((path, value)) = split(text) else {
        let help = Some("write KEY=VALUE: `--set remote.enabled=true`".to_owned());
        wrong.push(SourceError::without_place("--set", "there is no `=` behind the key", help));
        return Vec::new();
    };
    let source = format!("--set {path}");
    assign(path, &source, root, wrong, Said::Text(value), &Origin::Flag(source.clone()))
}

/// What a program says of a key.
pub(super) fn typed(path: &str, value: Value, root: &Field, wrong: &mut Vec<SourceError>) -> Vec<Assignment> {
    assign(path, &format!("the program's `{path}`"), root, wrong, Said::Value(value), &Origin::Code)
}

/// A value before its key is known.
enum Said<'a> {
    Text(&'a str),
    Value(Value),
}

/// At the first `=` that no quotes are around.
fn split(text: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let at = text.char_indices().find(|(_, c)| {
        quoted ^= *c == '"';
        *c == '=' && !quoted
    });
    at.map(|(at, _)| (text[..at].trim(), &text[at + 1..]))
}

fn assign(
    text: &str,
    source: &str,
    root: &Field,
    wrong: &mut Vec<SourceError>,
    said: Said<'_>,
    origin: &Origin,
) -> Vec<Assignment> {
    let names = match Path::parse(text) {
        Ok(path) => path,
        Err(message) => {
            let help = Some("write a dotted key: `remote.enabled`".to_owned());
            wrong.push(SourceError::without_place(source, message, help));
            return Vec::new();
        }
    };
    match locate(root, names.names()) {
        Ok((path, field)) => {
            let (tree, text) = match said {
                Said::Text(text) => (coerce(field, text), Some(field)),
                Said::Value(value) => (tree_of(value), None),
            };
            check(root, field, path, tree, source, text, wrong)
                .into_iter()
                .map(|(path, value, _)| Assignment { path, value, origin: origin.clone() })
                .collect()
        }
        Err(place) => {
            let help = match near(root, &Path::new(&names.names()[..=place])) {
                Near::Key(path) => {
                    let rest = names.names()[place + 1..].iter().fold(path, |path, name| path.join(name));
                    format!("did you mean `{rest}`?")
                }
                Near::Known(text) => text,
            };
            wrong.push(SourceError::without_place(source, format!("unknown key `{names}`"), Some(help)));
            Vec::new()
        }
    }
}

/// Checks one value; paths, values and whether it was by a second name. `text`: the field, where the value
/// was text that a type was given to.
fn check(
    root: &Field,
    field: &Field,
    path: Path,
    tree: Tree<'static>,
    source: &str,
    text: Option<&Field>,
    wrong: &mut Vec<SourceError>,
) -> Vec<(Path, Value, bool)> {
    if let Err(message) = check_names(root, &path) {
        wrong.push(SourceError::without_place(source, message, None));
        return Vec::new();
    }
    let mut walk = Walk::new(root, path);
    walk.value(field, tree);
    for found in walk.wrong {
        let help = text.and_then(how).or(found.help);
        wrong.push(SourceError::without_place(source, found.message, help));
    }
    walk.found.into_iter().map(|found| (found.path, found.value, found.alias)).collect()
}
