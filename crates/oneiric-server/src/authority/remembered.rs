//! What the store said of tokens, for a second.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oneiric_core::Clock;
use oneiric_store::Store;

use super::Refusal;
use crate::tokens::{self, TokenError, TokenRecord};

/// How long what the store said counts: as long as a revoked token may still open something.
const COUNTS: Duration = Duration::from_secs(1);

/// The most ids to remember. Whoever guesses ids only makes others be read again.
const MOST: usize = 1024;

/// The store's tokens, each read at most once a second.
#[derive(Debug)]
pub(super) struct Remembered {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    said: Mutex<Said>,
}

#[derive(Debug, Default)]
struct Said {
    any: Option<(Duration, bool)>,
    by_id: HashMap<String, (Duration, Option<Arc<TokenRecord>>)>,
}

impl Remembered {
    pub(super) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, said: Mutex::default() }
    }

    /// The record with this id.
    pub(super) async fn find(&self, id: &str) -> Result<Option<Arc<TokenRecord>>, Refusal> {
        // Before the read: what is written meanwhile is seen a second after it was written, not later.
        let now = self.clock.monotonic();
        if let Some((at, record)) = self.said().by_id.get(id)
            && now.saturating_sub(*at) < COUNTS
        {
            return Ok(record.clone());
        }
        let found = match tokens::find(self.store.as_ref(), id).await {
            Ok(found) => found.map(Arc::new),
            Err(error @ TokenError::Unreadable { .. }) => {
                tracing::error!(%error, "a token was refused");
                None
            }
            Err(error) => return Err(unavailable(&error)),
        };
        let mut said = self.said();
        if said.by_id.len() >= MOST {
            said.by_id.retain(|_, (at, _)| now.saturating_sub(*at) < COUNTS);
            if said.by_id.len() >= MOST {
                said.by_id.clear();
            }
        }
        said.by_id.insert(id.to_owned(), (now, found.clone()));
        Ok(found)
    }

    /// Whether there is any token.
    pub(super) async fn any(&self) -> Result<bool, Refusal> {
        let now = self.clock.monotonic();
        if let Some((at, any)) = self.said().any
            && now.saturating_sub(at) < COUNTS
        {
            return Ok(any);
        }
        let any = tokens::any(self.store.as_ref()).await.map_err(|error| unavailable(&error))?;
        self.said().any = Some((now, any));
        Ok(any)
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unavailable(error: &dyn std::error::Error) -> Refusal {
    tracing::warn!(%error, "a token could not be checked");
    // What is wrong with the store is not everybody's business.
    Refusal::Unavailable("the store does not answer".to_owned())
}
