//! Files of manifests and settings are watched, and read again once they say something else.
//!
//! What the system says is a hint: something happened to a name that matters. What counts is the content. Hints are
//! gathered until there is a pause ([`QUIET`]), at most for [`LONGEST`]; then the files are looked at, and only where
//! a byte of them is another one is there a reload. A file that is wrong and changes again meanwhile was being
//! written: it is read once more before anybody is told.
//!
//! Folders are watched, not files: editors put a new file in the place of the old one, and so does the swap of a
//! symbolic link by which Kubernetes shows a ConfigMap. Where the system cannot watch, names, sizes and times are
//! looked at every [`LOOK`], and that is told.

mod contents;
mod hints;
mod notices;
mod spots;

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use oneiric_core::{Clock, Digest};

use crate::oneiric::{Inner, Oneiric};
use crate::reload::{Cause, Sources, Watching};
use hints::Hints;
use notices::Notices;

/// The pause after which a change is over: editors and tools that write several files take less between two steps.
const QUIET: Duration = Duration::from_millis(250);

/// The longest that a change is waited out: a file that is written all the time is read all the same.
const LONGEST: Duration = Duration::from_secs(2);

/// How often files are looked at that the system does not watch. Upstream's interval.
const LOOK: Duration = Duration::from_secs(5);

/// How often a file that is wrong may change again before it is told.
const PATIENCE: u32 = 8;

impl Oneiric {
    /// Watches the sources from now on, where there are any and the profile has it. `seen` is what they held when
    /// they were read last.
    pub(crate) fn watch(&self, seen: Option<Digest>) {
        let Some((sources, seen)) = self.0.reloads.sources().cloned().zip(seen) else { return };
        let clock = Arc::clone(&self.0.executor.parts().clock);
        self.0.presence.spawn(watch(Arc::downgrade(&self.0), sources, seen, clock));
    }
}

/// What the files of sources hold now. Blocks.
pub(crate) fn seen(sources: &dyn Sources) -> Digest {
    contents::digest(&sources.places())
}

/// Runs until it is dropped.
async fn watch(inner: Weak<Inner>, sources: Arc<dyn Sources>, mut seen: Digest, clock: Arc<dyn Clock>) {
    let hints = Hints::default();
    let mut notices = Notices::open(&hints);
    loop {
        // The places may lie elsewhere now: behind other links, in folders that came. From here on their changes
        // are noticed, and those before are seen by the look that follows.
        let places = sources.places();
        let (opened, watching) = on_a_thread(move || {
            let watching = notices.aim(&places);
            (notices, watching)
        })
        .await;
        notices = opened;
        let Some(oneiric) = inner.upgrade().map(Oneiric) else { return };
        let looking = matches!(watching, Watching::Looking { .. });
        oneiric.0.reloads.watched(watching);
        look(&oneiric, &sources, &mut seen, &hints, &*clock).await;
        drop(oneiric);
        if looking {
            let signature = signature(&sources).await;
            wait_or_look(&hints, &sources, signature, &*clock).await;
        } else {
            hints.next().await;
        }
        settle(&hints, &*clock).await;
    }
}

/// Reads what is there, and has it count where it is something else.
async fn look(
    oneiric: &Oneiric,
    sources: &Arc<dyn Sources>,
    seen: &mut Digest,
    hints: &Hints,
    clock: &dyn Clock,
) {
    let mut failed = None;
    for attempt in 1..=PATIENCE {
        let from = Arc::clone(sources);
        let now = on_a_thread(move || self::seen(&*from)).await;
        // What could not be read a moment ago may hold the same again, whole this time.
        if now == *seen && failed.is_none() {
            break;
        }
        *seen = now;
        let Err(error) = oneiric.try_reread(Cause::File).await else { return };
        failed = Some(error);
        if attempt == PATIENCE {
            break;
        }
        tokio::select! {
            biased;
            // Whoever takes a hint looks: it is not given again.
            () = hints.next() => settle(hints, clock).await,
            () = clock.sleep(QUIET) => break,
        }
    }
    if let Some(error) = failed {
        oneiric.note_failure(Cause::File, &error);
    }
}

/// Waits until nothing more is heard for a while.
async fn settle(hints: &Hints, clock: &dyn Clock) {
    let began = clock.monotonic();
    loop {
        let left = LONGEST.saturating_sub(clock.monotonic().saturating_sub(began));
        if left.is_zero() {
            return;
        }
        tokio::select! {
            biased;
            () = hints.next() => {}
            () = clock.sleep(QUIET.min(left)) => return,
        }
    }
}

/// Waits for a hint, or until a look shows that something may have changed.
async fn wait_or_look(hints: &Hints, sources: &Arc<dyn Sources>, before: Digest, clock: &dyn Clock) {
    loop {
        tokio::select! {
            biased;
            () = hints.next() => return,
            () = clock.sleep(LOOK) => {
                if signature(sources).await != before {
                    return;
                }
            }
        }
    }
}

/// Names, sizes and times of the files of sources.
async fn signature(sources: &Arc<dyn Sources>) -> Digest {
    let sources = Arc::clone(sources);
    on_a_thread(move || contents::signature(&sources.places())).await
}

/// Where a disk may be waited for.
async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    // It ends early only with the tokio runtime, and then nobody comes here any more; a panic goes on to the owner.
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => std::future::pending().await,
        },
    }
}

/// The path from the root on, which no later change of the working folder moves.
fn absolute(path: &std::path::Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
