//! Keeps the snapshot up to date.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use oneiric_core::BootId;
use oneiric_supervisor::health::SIGN_OF_LIFE;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::{Depth, file, lock};
use crate::oneiric::{Inner, Oneiric};

/// The shortest time between two writes: whoever pauses a thousand components writes two files.
const PAUSE: Duration = Duration::from_secs(1);

/// Who writes the snapshot, and where to. The first change is written at once, what follows within a second in one,
/// and a sign of life once a minute.
#[derive(Debug)]
pub(crate) struct Keeper {
    paths: Arc<[PathBuf]>,
    stop: CancellationToken,
    task: Mutex<Option<AbortOnDropHandle<()>>>,
}

impl Oneiric {
    /// Keeps the snapshot in these files from now on. Must be called inside of a tokio runtime, and counts once.
    pub(crate) fn keep_snapshot(&self, paths: Vec<PathBuf>) {
        let (paths, stop): (Arc<[_]>, _) = (paths.into(), CancellationToken::new());
        let work = keep(Arc::downgrade(&self.0), Arc::clone(&paths), stop.clone());
        let task = Mutex::new(Some(AbortOnDropHandle::new(tokio::spawn(work))));
        // Somebody keeps it already: the newcomer is dropped, and its task with it.
        let _ = self.0.health.keeper.set(Keeper { paths, stop, task });
    }

    /// Writes it for the last time. Behind the end of everything that it tells of.
    pub(crate) async fn finish_snapshot(&self) {
        let Some(keeper) = self.0.health.keeper.get() else { return };
        keeper.stop.cancel();
        let task = lock(&keeper.task).take();
        let Some(task) = task else { return };
        // It has ended, or panicked; either way nobody else writes.
        let _ = task.await;
        let parts = self.executor().parts();
        write(self, &keeper.paths, parts.lease.boot(), &mut None).await;
    }
}

async fn keep(inner: Weak<Inner>, paths: Arc<[PathBuf]>, stop: CancellationToken) {
    let Some(live) = inner.upgrade() else { return };
    let clock = Arc::clone(&live.executor.parts().clock);
    let boot = live.executor.parts().lease.boot();
    let (mut phases, mut changes) = (live.phases.watch(), live.lifecycle.changes());
    let mut news = live.health.news.subscribe();
    drop(live);
    let (swept, now) = (Arc::clone(&paths), clock.now());
    let sweeping = tokio::task::spawn_blocking(move || swept.iter().for_each(|path| file::sweep(path, now)));
    // Cancelled with the runtime, or done.
    let _ = sweeping.await;
    let mut told = None;
    loop {
        // What comes from here on is written the next time.
        phases.mark_unchanged();
        changes.mark_unchanged();
        news.mark_unchanged();
        let Some(live) = inner.upgrade() else { return };
        write(&Oneiric(live), &paths, boot, &mut told).await;
        tokio::select! {
            () = stop.cancelled() => return,
            () = clock.sleep(PAUSE) => {}
        }
        // Their senders live as long as the process; where they do not, this ends above.
        tokio::select! {
            () = stop.cancelled() => return,
            _ = phases.changed() => {}
            _ = changes.changed() => {}
            _ = news.changed() => {}
            () = clock.sleep(SIGN_OF_LIFE.saturating_sub(PAUSE)) => {}
        }
    }
}

/// `told` is the trouble of the last time: said once, not once a minute.
async fn write(oneiric: &Oneiric, paths: &Arc<[PathBuf]>, boot: BootId, told: &mut Option<String>) {
    let report = oneiric.health_report(Depth::Store).await;
    let mut text = match serde_json::to_vec_pretty(&oneiric.snapshot(&report)) {
        Ok(text) => text,
        Err(error) => return tracing::error!(%error, "the health of the process cannot be written down"),
    };
    text.push(b'\n');
    let paths = Arc::clone(paths);
    let writing = tokio::task::spawn_blocking(move || {
        let failed = |path: &PathBuf| {
            let error = file::replace(path, boot, &text).err()?;
            Some(format!("{}: {error}", path.display()))
        };
        paths.iter().filter_map(failed).collect::<Vec<_>>().join("; ")
    });
    // Cancelled with the runtime: nobody reads it any more.
    let Ok(trouble) = writing.await else { return };
    let trouble = Some(trouble).filter(|trouble| !trouble.is_empty());
    match (&trouble, told.as_ref() == trouble.as_ref()) {
        (Some(trouble), false) => {
            tracing::warn!(
                trouble,
                "the health of the process cannot be written; name another file with `--health-path`"
            );
        }
        (Some(trouble), true) => {
            tracing::debug!(trouble, "the health of the process still cannot be written")
        }
        (None, _) => {}
    }
    *told = trouble;
}
