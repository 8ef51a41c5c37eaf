//! What everybody may see of the services, written by the engine alone.

use std::sync::{Mutex, MutexGuard, PoisonError};

use oneiric_core::lifecycle::Handle;
use oneiric_core::roles::Service;
use tokio::sync::{Notify, watch};

use super::Gone;
use crate::service::{ServiceFigures, Status};

/// How one service stands, and the instance that runs.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) status: Status,
    pub(super) figures: ServiceFigures,
    /// There where its work is under way.
    pub(super) instance: Option<Handle<dyn Service>>,
}

/// The services as they stand.
#[derive(Debug)]
pub(super) struct Board {
    rows: Mutex<Vec<Row>>,
    up: watch::Sender<bool>,
    gone: watch::Sender<Option<Gone>>,
    /// Rung where a service or somebody else has news for the engine.
    pub(super) news: Notify,
}

impl Default for Board {
    fn default() -> Self {
        Self {
            rows: Mutex::default(),
            up: watch::Sender::new(false),
            gone: watch::Sender::new(None),
            news: Notify::new(),
        }
    }
}

impl Board {
    pub(super) fn show(&self, rows: Vec<Row>, up: bool) {
        *self.rows() = rows;
        self.up.send_if_modified(|was| std::mem::replace(was, up) != up);
    }

    /// The first one counts.
    pub(super) fn lose(&self, lost: Gone) {
        self.gone.send_if_modified(|gone| {
            let first = gone.is_none();
            gone.get_or_insert(lost);
            first
        });
    }

    pub(super) fn is_lost(&self) -> bool {
        self.gone.borrow().is_some()
    }

    pub(super) fn statuses(&self) -> Vec<Status> {
        let rows = self.rows().clone();
        let told = rows.into_iter().map(|row| {
            // What it takes of the machine is asked when somebody wants to know.
            let figures = row.instance.and_then(|instance| instance.current().ok()?.figures());
            Status { figures, ..row.status }
        });
        told.collect()
    }

    pub(super) fn figures(&self) -> Vec<ServiceFigures> {
        self.rows().iter().map(|row| row.figures.clone()).collect()
    }

    pub(super) async fn up(&self) {
        // The sender lives as long as this does.
        let _ = self.up.subscribe().wait_for(|up| *up).await;
    }

    pub(super) async fn gone(&self) -> Gone {
        let mut gone = self.gone.subscribe();
        match gone.wait_for(Option::is_some).await {
            Ok(found) => found.clone().expect("it was waited for"),
            Err(_) => std::future::pending().await,
        }
    }

    fn rows(&self) -> MutexGuard<'_, Vec<Row>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
