//! Which field a path leads to, and what was meant by one that leads nowhere.

use super::path::Path;
use super::schema::{Field, Kind, Names};
use crate::nearest::nearest;

/// Past a dozen a list of names stops being help.
const LISTED: usize = 12;

/// The field that a path leads to. The last names of a path become one name where nothing could follow:
/// `tasks.selections.shop.charge` needs no quotes.
///
/// # Errors
/// The place of the first name that is not known.
pub(super) fn locate<'s>(root: &'s Field, names: &[String]) -> Result<(Path, &'s Field), usize> {
    let (mut field, mut at) = (root, Path::default());
    for (place, name) in names.iter().enumerate() {
        field = match &field.kind {
            Kind::Section(fields) => fields.get(name).ok_or(place)?,
            Kind::Map { value, .. } => match &value.kind {
                Kind::Section(_) | Kind::Map { .. } | Kind::Any => value,
                _ => {
                    at.push(names[place..].join("."));
                    return Ok((at, value));
                }
            },
            Kind::Any => field,
            _ => return Err(place),
        };
        at.push(name);
    }
    Ok((at, field))
}

/// Whether `names` is an allowed name of a map's entry on the way to a field.
pub(super) fn check_names(root: &Field, path: &Path) -> Result<(), String> {
    let mut field = root;
    for name in path.names() {
        field = match &field.kind {
            Kind::Section(fields) => match fields.get(name) {
                Some(field) => field,
                None => return Ok(()),
            },
            Kind::Map { names, value } => {
                if *names != Names::Free {
                    names.check(name)?;
                }
                value
            }
            _ => return Ok(()),
        };
    }
    Ok(())
}

/// What was probably meant by a key that is not known.
#[derive(Debug)]
pub(super) enum Near {
    /// This key.
    Key(Path),
    /// One of a few, in words.
    Known(String),
}

/// What was probably meant by a key, of which all but the last name is known.
pub(super) fn near(root: &Field, path: &Path) -> Near {
    let everything = || Near::Known("`oneiric config show --all` lists all keys".to_owned());
    let Some((last, above)) = path.names().split_last() else { return everything() };
    let section = above.iter().try_fold(root, |field, name| match &field.kind {
        Kind::Section(fields) => fields.get(name),
        _ => None,
    });
    let own = section.into_iter().flat_map(Field::fields).filter(|(_, field)| !field.is_alias());
    let names: Vec<&str> = own.map(|(name, _)| name.as_str()).collect();
    let above = Path::new(above);
    if let Some(name) = nearest(last, names.iter().copied()) {
        return Near::Key(above.join(name));
    }
    // The right name in the wrong section, then anything that is written in a similar way.
    let leaves: Vec<Path> = root.leaves().into_iter().map(|(path, _)| path).collect();
    let moved: Vec<&Path> = leaves.iter().filter(|leaf| leaf.names().last() == Some(last)).collect();
    if let [one] = moved.as_slice() {
        return Near::Key((*one).clone());
    }
    let texts: Vec<String> = leaves.iter().map(ToString::to_string).collect();
    if let Some(near) = nearest(&path.to_string(), texts.iter().map(String::as_str))
        && let Some(place) = texts.iter().position(|text| text == near)
    {
        return Near::Key(leaves[place].clone());
    }
    if !(1..=LISTED).contains(&names.len()) {
        return everything();
    }
    let place = if above.names().is_empty() { String::new() } else { format!(" in `{above}`") };
    Near::Known(format!("known{place} are {}", names.join(", ")))
}
