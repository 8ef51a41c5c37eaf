//! What the system says of folders.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::absolute;
use super::hints::Hints;
use super::spots::Spots;
use crate::reload::Watching;

/// How often the way to the places is looked at anew because a folder went while it was being watched.
const TRIES: u32 = 3;

/// The system's notices of some places.
#[derive(Debug)]
pub(super) struct Notices {
    /// `Err` where the system gives none, and why.
    watcher: Result<RecommendedWatcher, String>,
    spots: Arc<Mutex<Spots>>,
    watched: BTreeSet<PathBuf>,
}

impl Notices {
    /// Watches nothing yet.
    pub(super) fn open(hints: &Hints) -> Self {
        let spots = Arc::new(Mutex::new(Spots::default()));
        let (known, hints) = (Arc::clone(&spots), hints.clone());
        let heard = move |event: notify::Result<Event>| {
            let matters = match event {
                Ok(event) if event.need_rescan() => true,
                Ok(event) if is_change(event.kind) => {
                    let spots = known.lock().unwrap_or_else(PoisonError::into_inner);
                    event.paths.iter().any(|path| spots.matter(path))
                }
                Ok(_) => false,
                // What was lost may have been about anything.
                Err(_) => true,
            };
            if matters {
                hints.give();
            }
        };
        let watcher = notify::recommended_watcher(heard).map_err(|error| error.to_string());
        Self { watcher, spots, watched: BTreeSet::new() }
    }

    /// Watches the way to these places from now on, and no other. Blocks.
    pub(super) fn aim(&mut self, places: &[PathBuf]) -> Watching {
        let places: Vec<_> = places.iter().map(|place| absolute(place)).collect();
        let mut failed = None;
        for _ in 0..TRIES {
            let spots = Spots::of(&places);
            failed = self.follow(&spots).err();
            // A folder that has gone meanwhile leads elsewhere.
            if failed.is_none() || Spots::of(&places) == spots {
                break;
            }
        }
        match failed.or_else(|| self.unnoticed()) {
            None => Watching::Notices,
            Some(why) => Watching::Looking { why },
        }
    }

    fn follow(&mut self, spots: &Spots) -> Result<(), String> {
        let watcher = self.watcher.as_mut().map_err(|why| why.clone())?;
        *self.spots.lock().unwrap_or_else(PoisonError::into_inner) = spots.clone();
        // All anew: a folder of the same name may be another one.
        for folder in std::mem::take(&mut self.watched) {
            // It fails where the folder is gone, and then there is nothing to end.
            let _ = watcher.unwatch(&folder);
        }
        let mut failed = None;
        for folder in spots.folders() {
            match watcher.watch(folder, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.watched.insert(folder.to_owned());
                }
                Err(error) => failed = Some(format!("{} cannot be watched: {error}", folder.display())),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Why changes would not be noticed although the system watches: they are made on other hosts.
    fn unnoticed(&self) -> Option<String> {
        self.watched.iter().find_map(|folder| {
            let name = network(folder)?;
            Some(format!("{} lies on {name}, where changes by others are not noticed", folder.display()))
        })
    }
}

/// Whether a file may say something else after it. That somebody reads it, as this process does, is no change.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
    }
}

#[cfg(feature = "sqlite")]
fn network(folder: &Path) -> Option<String> {
    oneiric_store::sqlite::network(folder)
}

#[cfg(not(feature = "sqlite"))]
fn network(_: &Path) -> Option<String> {
    None
}
