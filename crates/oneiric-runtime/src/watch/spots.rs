//! Which names in which folders matter for a path: it may lead through symbolic links, and need not be there yet.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Component, Path, PathBuf};

/// How many links are followed, as in Linux; beyond that a path leads in a circle.
const MOST_LINKS: u32 = 40;

/// The names that matter, by folder. The folders are there, and no link is in their paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Spots(BTreeMap<PathBuf, Names>);

/// In one folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Names {
    some: BTreeSet<OsString>,
    all: bool,
}

impl Spots {
    /// For absolute paths of files, or of folders of files. Looks at the disk.
    pub(super) fn of(places: &[PathBuf]) -> Self {
        let mut spots = Self::default();
        for place in places {
            spots.add(place);
        }
        spots
    }

    /// The folders.
    pub(super) fn folders(&self) -> impl Iterator<Item = &Path> {
        self.0.keys().map(PathBuf::as_path)
    }

    /// Whether what happens to a path matters: to a name in one of the folders, or to a folder itself.
    pub(super) fn matter(&self, path: &Path) -> bool {
        let named = || {
            let names = self.0.get(path.parent()?)?;
            Some(names.all || names.some.contains(path.file_name()?))
        };
        self.0.contains_key(path) || named().unwrap_or(false)
    }

    fn add(&mut self, place: &Path) {
        let mut at = PathBuf::from("/");
        let mut rest: VecDeque<OsString> = steps(place);
        let mut links = 0;
        while let Some(name) = rest.pop_front() {
            if name == ".." {
                at.pop();
                continue;
            }
            let next = at.join(&name);
            let Ok(found) = fs::symlink_metadata(&next) else {
                // It may come.
                return self.note(&at, &name);
            };
            if found.is_symlink() {
                self.note(&at, &name);
                links += 1;
                let Ok(target) = fs::read_link(&next) else { return };
                if links > MOST_LINKS {
                    return;
                }
                if target.is_absolute() {
                    at = PathBuf::from("/");
                }
                let mut steps = steps(&target);
                steps.append(&mut rest);
                rest = steps;
            } else if found.is_dir() {
                at = next;
            } else {
                // A file in the middle of a path is in the way, and may go.
                return self.note(&at, &name);
            }
        }
        self.0.entry(at).or_default().all = true;
    }

    fn note(&mut self, folder: &Path, name: &OsStr) {
        self.0.entry(folder.to_owned()).or_default().some.insert(name.to_owned());
    }
}

/// The names of a path, one after the other.
fn steps(path: &Path) -> VecDeque<OsString> {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// The spots of a path below a folder, as text below it.
    fn check(root: &Path, place: &str, expected: &[&str]) {
        let spots = Spots::of(&[root.join(place)]);
        let below = |folder: &Path| folder.strip_prefix(root).map(|path| path.display().to_string()).ok();
        let found: Vec<String> = spots
            .0
            .iter()
            .filter_map(|(folder, names)| {
                let names: Vec<_> = names.some.iter().map(|name| name.to_string_lossy()).collect();
                Some(format!("{}: {}", below(folder)?, names.join(" ")))
            })
            .collect();
        assert_eq!(found, expected, "{place}");
    }

    #[test]
    fn a_name_matters_where_the_path_turns_or_ends() {
        let folder = tempfile::tempdir().unwrap();
        // The temporary folder itself may lie behind a link.
        let root = &folder.path().canonicalize().unwrap();
        fs::create_dir(root.join("there")).unwrap();
        fs::write(root.join("there/a.yaml"), "").unwrap();
        check(root, "there/a.yaml", &["there: a.yaml"]);
        check(root, "there/../there/b.yaml", &["there: b.yaml"]);
        check(root, "not/yet/there.yaml", &[": not"]);
        check(root, "there/a.yaml/below", &["there: a.yaml"]);
        check(root, "there", &["there: "]);
    }

    #[test]
    fn every_link_on_the_way_matters() {
        let folder = tempfile::tempdir().unwrap();
        let root = &folder.path().canonicalize().unwrap();
        // As Kubernetes shows a ConfigMap.
        fs::create_dir(root.join("..2026_a")).unwrap();
        fs::write(root.join("..2026_a/m.yaml"), "").unwrap();
        symlink("..2026_a", root.join("..data")).unwrap();
        symlink("..data/m.yaml", root.join("m.yaml")).unwrap();
        check(root, "m.yaml", &[": ..data m.yaml", "..2026_a: m.yaml"]);
        symlink("b", root.join("a")).unwrap();
        symlink("a", root.join("b")).unwrap();
        check(root, "a", &[": a b"]);
    }

    #[test]
    fn what_happens_beside_does_not_matter() {
        let folder = tempfile::tempdir().unwrap();
        let root = &folder.path().canonicalize().unwrap();
        let spots = Spots::of(&[root.join("a.yaml")]);
        assert!(spots.matter(&root.join("a.yaml")) && spots.matter(root));
        assert!(!spots.matter(&root.join("log")) && !spots.matter(Path::new("/")));
        let all = Spots::of(std::slice::from_ref(root));
        assert!(all.matter(&root.join("log")));
    }
}
