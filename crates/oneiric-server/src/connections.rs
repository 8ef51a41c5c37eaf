//! The connections that are open: how many, which of them work, and which has to go where a new one comes.
//!
//! Whoever is silent makes room. A connection without a request under way (new, between two requests, or sending its
//! headers a byte at a time) is cut where a newcomer finds no room, the longest silent first: so that a crowd of such
//! connections does not keep a probe out. Where all of them work, a newcomer waits, and those behind it in the
//! kernel's queue.

mod patient;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

pub(crate) use patient::Patient;

/// All connections of a port.
#[derive(Debug)]
pub(crate) struct Connections {
    room: Arc<Semaphore>,
    silent: Mutex<Silent>,
    /// Told when one falls silent.
    fell_silent: Notify,
}

/// Those without a request under way.
#[derive(Debug, Default)]
struct Silent {
    /// By the order in which they fell silent.
    since: BTreeMap<u64, CancellationToken>,
    turn: u64,
    /// How many were cut and have not left yet.
    leaving: usize,
}

/// One connection's place among them, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    all: Arc<Connections>,
    /// Changed under the lock of the silent ones only.
    stands: Mutex<Stands>,
    cut: CancellationToken,
    _room: OwnedSemaphorePermit,
}

/// How a connection stands.
#[derive(Debug, Default)]
struct Stands {
    /// How many requests are under way; one, as there is no pipelining of answers.
    works: usize,
    /// The turn at which it fell silent, while it is.
    silent_since: Option<u64>,
}

/// A request under way on a connection, until its answer has been given.
#[derive(Debug)]
pub(crate) struct Working(Arc<Place>);

impl Connections {
    /// Room for so many.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        let room = Arc::new(Semaphore::new(most));
        Arc::new(Self { room, silent: Mutex::default(), fell_silent: Notify::new() })
    }

    /// A place for a newcomer; another connection may be cut for it. May be dropped at any time.
    pub(crate) async fn enter(self: &Arc<Self>) -> Arc<Place> {
        let room = loop {
            let fell_silent = self.fell_silent.notified();
            if let Ok(room) = Arc::clone(&self.room).try_acquire_owned() {
                break room;
            }
            self.silent().cut_one();
            tokio::select! {
                room = Arc::clone(&self.room).acquire_owned() => {
                    break room.expect("nobody closes it");
                }
                () = fell_silent => {}
            }
        };
        let (all, cut) = (Arc::clone(self), CancellationToken::new());
        let place = Arc::new(Place { all, stands: Mutex::default(), cut, _room: room });
        // It is silent until its first request has come.
        drop(place.work());
        place
    }

    fn silent(&self) -> MutexGuard<'_, Silent> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Silent {
    /// Cuts the one that is silent for the longest time, unless one is on its way out already.
    fn cut_one(&mut self) {
        if self.leaving == 0
            && let Some((_, cut)) = self.since.pop_first()
        {
            self.leaving += 1;
            cut.cancel();
        }
    }
}

impl Place {
    /// Cancelled when it has to make room.
    pub(crate) fn cut(&self) -> &CancellationToken {
        &self.cut
    }

    /// A request has come.
    pub(crate) fn work(self: &Arc<Self>) -> Working {
        let mut silent = self.all.silent();
        let mut stands = self.stands();
        stands.works += 1;
        if let Some(turn) = stands.silent_since.take() {
            silent.since.remove(&turn);
        }
        Working(Arc::clone(self))
    }

    fn stands(&self) -> MutexGuard<'_, Stands> {
        self.stands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        let place = &self.0;
        let mut silent = place.all.silent();
        let mut stands = place.stands();
        stands.works -= 1;
        if stands.works == 0 {
            silent.turn += 1;
            let turn = silent.turn;
            silent.since.insert(turn, place.cut.clone());
            stands.silent_since = Some(turn);
            place.all.fell_silent.notify_one();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut silent = self.all.silent();
        if let Some(turn) = self.stands().silent_since.take() {
            silent.since.remove(&turn);
        }
        if self.cut.is_cancelled() {
            silent.leaving -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn the_longest_silent_makes_room_and_one_that_works_does_not() {
        let all = Connections::new(3);
        let (first, second, third) = (all.enter().await, all.enter().await, all.enter().await);
        let working = first.work();
        assert!(all.enter().now_or_never().is_none());
        assert!(all.enter().now_or_never().is_none());
        assert!(!first.cut().is_cancelled());
        assert!(second.cut().is_cancelled());
        assert!(!third.cut().is_cancelled(), "one is cut for one newcomer");
        drop(second);
        let fourth = all.enter().await;
        assert!(!third.cut().is_cancelled());
        let (_a, _b) = (third.work(), fourth.work());
        let mut waiting = std::pin::pin!(all.enter());
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(working);
        assert!(waiting.as_mut().now_or_never().is_none());
        assert!(first.cut().is_cancelled(), "it fell silent while somebody waited");
        drop(first);
        assert!(waiting.now_or_never().is_some());
        let silent = all.silent();
        assert_eq!((silent.leaving, silent.since.len()), (0, 0));
    }
}
