//! One file of settings.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::SourceError;
use super::merge::Assignment;
use super::origin::Origin;
use super::path::Path;
use super::schema::Field;
use super::walk::Walk;
use super::{MAX_SETTINGS_BYTES, PROFILE_NAME, PROFILES};
use crate::text::problem::Span;
use crate::text::reader::Reader;
use crate::text::tree::{Tree, Value};
use crate::text::{Place, read_as};

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct Layer {
    /// Second names first, so that a key's own name wins.
    pub(super) said: Vec<Assignment>,
    /// What its profiles say, by name.
    pub(super) profiles: BTreeMap<String, Vec<Assignment>>,
}

/// Reads a file. A file without content is a layer that says nothing. `origin` makes the origin of what
/// stands outside of its profiles.
pub(super) fn read(
    name: &str,
    bytes: &[u8],
    root: &Field,
    origin: impl Fn(Place) -> Origin,
) -> Result<Layer, SourceError> {
    if bytes.len() > MAX_SETTINGS_BYTES {
        let message = format!("the file is longer than {MAX_SETTINGS_BYTES} bytes");
        return Err(SourceError::without_place(
            name,
            message,
            Some("split it, or check its name".to_owned()),
        ));
    }
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Layer::default());
    }
    // Where the text itself is broken nobody knows which part of it is a secret.
    let (mut broken, mut hidden) = (true, None);
    let layer = read_as(name, bytes, None, |reader, tree| {
        broken = false;
        let clean = reader.is_clean();
        reader.rewrite(quoting_keys_only);
        let mut spans = Vec::new();
        let layer = whole(reader, tree, root, origin, &mut spans);
        hidden = clean.then_some(spans);
        Some(layer)
    });
    layer.map_err(|mut problems| match hidden {
        Some(spans) => SourceError { problems, text: Arc::from(covered(bytes, &spans)) },
        None => {
            for problem in problems.problems.iter_mut().filter(|_| broken) {
                problem.message = quoting_keys_only(&problem.message);
            }
            SourceError { problems, text: Arc::from([]) }
        }
    })
}

fn whole<'t>(
    reader: &mut Reader<'t>,
    mut tree: Tree<'t>,
    root: &Field,
    origin: impl Fn(Place) -> Origin,
    hidden: &mut Vec<Span>,
) -> Layer {
    let mut profiles = BTreeMap::new();
    if let Value::Map(pairs) = tree.value {
        let (overlays, rest): (Vec<_>, Vec<_>) =
            pairs.into_iter().partition(|(name, _)| name.text == PROFILES);
        tree.value = Value::Map(rest.into_boxed_slice());
        for (_, overlay) in overlays {
            profiles = overlays_of(reader, overlay, root, hidden);
        }
    } else if !matches!(tree.value, Value::Null) {
        let message = format!("settings must be a mapping, found {}", tree.value.kind());
        reader.problem(tree.span, message, None);
        hidden.push(tree.span);
        return Layer::default();
    }
    Layer { said: overlay(reader, tree, root, Path::default(), &origin, hidden), profiles }
}

fn overlays_of<'t>(
    reader: &mut Reader<'t>,
    tree: Tree<'t>,
    root: &Field,
    hidden: &mut Vec<Span>,
) -> BTreeMap<String, Vec<Assignment>> {
    let Value::Map(pairs) = tree.value else {
        if !matches!(tree.value, Value::Null) {
            let message = format!("`{PROFILES}` must be a mapping of profiles, found {}", tree.value.kind());
            reader.problem(tree.span, message, None);
            hidden.push(tree.span);
        }
        return BTreeMap::new();
    };
    let mut found = BTreeMap::new();
    for (name, tree) in pairs {
        if let Err(error) = crate::Key::new(name.text.as_ref()) {
            reader.problem(name.span, format!("`{PROFILES}`: {error}"), None);
        }
        let profile = name.text.into_owned();
        let origin = |place| Origin::FileProfile { name: profile.clone(), place };
        if !matches!(tree.value, Value::Map(_) | Value::Null) {
            let message =
                format!("profile `{profile}` must be a mapping of settings, found {}", tree.value.kind());
            reader.problem(tree.span, message, None);
            hidden.push(tree.span);
            continue;
        }
        let at = Path::new([PROFILES, &profile]);
        let said = overlay(reader, tree, root, at, &origin, hidden);
        found.insert(profile, said);
    }
    found
}

/// Checks settings that stand below `at`.
fn overlay<'t>(
    reader: &mut Reader<'t>,
    tree: Tree<'t>,
    root: &Field,
    at: Path,
    origin: &dyn Fn(Place) -> Origin,
    hidden: &mut Vec<Span>,
) -> Vec<Assignment> {
    let in_profile = !at.names().is_empty();
    let mut walk = Walk::new(root, Path::default());
    walk.value(root, tree);
    if in_profile {
        for found in walk.found.iter().filter(|found| found.path.names() == PROFILE_NAME) {
            let help = Some("name the profile with `--profile` or outside of the profiles".to_owned());
            let message = format!("`{at}` cannot choose another profile");
            walk.wrong.push(super::walk::Wrong { span: found.span, message, help });
        }
    }
    for wrong in walk.wrong {
        reader.problem(wrong.span, wrong.message, wrong.help);
    }
    hidden.append(&mut walk.hidden);
    let (aliases, own): (Vec<_>, Vec<_>) = walk.found.into_iter().partition(|found| found.alias);
    let said = aliases.into_iter().chain(own).map(|found| Assignment {
        path: found.path,
        value: found.value,
        origin: origin(reader.place(found.span)),
    });
    said.collect()
}

/// The text with stars over some of it, byte for byte as long.
fn covered(text: &[u8], hidden: &[Span]) -> Vec<u8> {
    let mut text = text.to_owned();
    for span in hidden {
        let start = (span.offset as usize).min(text.len());
        let end = start.saturating_add(span.length as usize).min(text.len());
        text[start..end].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b'*');
    }
    text
}

/// What a parser says without what it quotes, but for the names of keys.
fn quoting_keys_only(message: &str) -> String {
    if message.starts_with("key `") { message.to_owned() } else { discreet(message) }
}

/// A message without what it quotes.
pub(super) fn discreet(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    let mut quote = None;
    for c in message.chars() {
        match quote {
            None => {
                out.push(c);
                if matches!(c, '`' | '"') {
                    out.push_str(crate::secret::MASK);
                    quote = Some(c);
                }
            }
            Some(end) if c == end => {
                out.push(c);
                quote = None;
            }
            Some(_) => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_message_quotes_is_left_out() {
        assert_eq!(discreet("`0123` is no \"number\", is it"), "`***` is no \"***\", is it");
    }

    #[test]
    fn secrets_are_covered_and_lines_stay() {
        let covered = covered("a: \u{e9}x\nb".as_bytes(), &[Span { offset: 3, length: 4 }]);
        assert_eq!(String::from_utf8(covered).unwrap(), "a: ***\nb");
    }
}
