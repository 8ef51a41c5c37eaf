//! Keeps services up: one task that awaits every service, and a handle for everybody else.
//!
//! What is to be done is decided by [`crate::service::machine`] (one service) and [`crate::service::turn`] (all of
//! them); here it happens. It sleeps until a service says something, a timer of a declared probe runs out, or
//! somebody asks: at rest it does nothing.

mod board;
mod engine;
mod kept;
mod parts;
mod work;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oneiric_core::probe::Question;
use oneiric_core::{Clock, Fault, Key};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use crate::service::{Roster, ServiceFigures, Status};
use board::Board;
use engine::{Command, Engine, Goal};
pub use parts::{Lines, NoLines, Parts};

/// Commands that wait for the engine, which takes them as fast as they come.
const COMMANDS: usize = 64;

/// How long after its deadline an end waits for work that was dropped and still holds its thread.
const LEEWAY: Duration = Duration::from_secs(1);

/// Keeps services up. A clone is the same supervisor. Where the last one is dropped, so are the services.
#[derive(Clone)]
pub struct Supervisor(Arc<Inner>);

struct Inner {
    board: Arc<Board>,
    clock: Arc<dyn Clock>,
    commands: mpsc::Sender<Command>,
    engine: Mutex<Working>,
}

/// The engine on its way from its making to its end.
enum Working {
    Made(Box<Engine>),
    Started(AbortOnDropHandle<bool>),
    Over,
}

/// A critical service that was given up: the process is to go down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// The service.
    pub key: Key,
    /// Why.
    pub reason: String,
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the critical service `{}` was given up: {}", self.key, self.reason)
    }
}

/// Why a service was not started, stopped or restarted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// There is no such service.
    #[error("service `{key}` is not known{}", nearest.as_ref().map(|key| format!("; did you mean `{key}`?")).unwrap_or_default())]
    Unknown {
        /// What was asked for.
        key: Key,
        /// What may have been meant.
        nearest: Option<String>,
    },
    /// It, or something that it needs, drains.
    #[error("service `{0}` is draining, and stays stopped until it is resumed")]
    Draining(Key),
    /// Nobody runs the services here, or they are being stopped for good.
    #[error("this process does not run services, or is shutting down")]
    NotRunning,
}

impl Supervisor {
    /// Knows the services of a roster, and starts none before [`Supervisor::start`].
    pub fn new(parts: Parts, roster: &Roster) -> Self {
        let (sender, commands) = mpsc::channel(COMMANDS);
        let (board, clock) = (Arc::new(Board::default()), Arc::clone(&parts.clock));
        let engine = Box::new(Engine::new(parts, roster, Arc::clone(&board), commands));
        Self(Arc::new(Inner { board, clock, commands: sender, engine: Mutex::new(Working::Made(engine)) }))
    }

    /// Begins to start services, wave by wave. Nothing where it has begun already. Must be called inside of a tokio
    /// runtime.
    pub fn start(&self) {
        let mut working = self.working();
        match std::mem::replace(&mut *working, Working::Over) {
            Working::Made(engine) => {
                *working = Working::Started(AbortOnDropHandle::new(tokio::spawn(engine.work())));
            }
            other => *working = other,
        }
    }

    /// Whether it has begun to start services.
    pub fn has_started(&self) -> bool {
        matches!(*self.working(), Working::Started(_))
    }

    /// How every service stands, in the order of their start.
    pub fn statuses(&self) -> Vec<Status> {
        self.0.board.statuses()
    }

    /// What was counted of every service, in the order of their start.
    pub fn figures(&self) -> Vec<ServiceFigures> {
        self.0.board.figures()
    }

    /// Waits until every critical service is ready, or ended as it should. Safe to drop.
    pub async fn up(&self) {
        self.0.board.up().await;
    }

    /// Waits until a critical service is given up. Nothing further starts from then on; what runs goes on until
    /// [`Supervisor::stop`]. Safe to drop.
    pub async fn gone(&self) -> Gone {
        self.0.board.gone().await
    }

    /// Starts a service and what it needs, and returns when it is ready, or has failed for the first time: how it
    /// stands then. Dropping the future changes nothing but that nobody waits.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn start_service(&self, key: &Key) -> Result<Status, CommandError> {
        self.aim(key, Goal::Up).await
    }

    /// Stops a service, and before it those that need it, which come back with it. It stays stopped until
    /// [`Supervisor::start_service`], or the end of the process. Returns when it has stopped.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn stop_service(&self, key: &Key) -> Result<Status, CommandError> {
        self.aim(key, Goal::Down).await
    }

    /// Stops a service with those that need it, and starts them again. Returns as
    /// [`Supervisor::start_service`] does.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn restart_service(&self, key: &Key) -> Result<Status, CommandError> {
        self.aim(key, Goal::Again).await
    }

    /// Takes over another roster: what left it is stopped, what came is started, and what `changed` says is
    /// restarted, each with those that need it. Returns at once; [`Supervisor::statuses`] tells how far it is.
    pub async fn adopt(&self, roster: Roster, changed: BTreeSet<Key>) {
        let command = Command::Adopt { roster, changed };
        let command = match &mut *self.working() {
            Working::Made(engine) => {
                engine.obey(command);
                engine.publish();
                return;
            }
            Working::Started(_) | Working::Over => command,
        };
        // Where it is over, there is nothing to be done.
        let _ = self.0.commands.send(command).await;
    }

    /// What operators said of components may have changed.
    pub fn reconsider(&self) {
        self.0.board.news.notify_one();
    }

    /// Stops all services, in the reverse order of their actual start; each is asked once, has its `stop_timeout`
    /// inside of `deadline`, and is dropped then. Returns whether all stopped by themselves.
    pub async fn stop(&self, deadline: Duration) -> bool {
        let engine = match std::mem::replace(&mut *self.working(), Working::Over) {
            Working::Made(_) | Working::Over => return true,
            Working::Started(engine) => engine,
        };
        // Where it cannot be told, it has panicked.
        let _ = self.0.commands.send(Command::Close { deadline }).await;
        tokio::select! {
            biased;
            stopped = engine => stopped.unwrap_or(false),
            () = self.0.clock.sleep(deadline.saturating_add(LEEWAY)) => false,
        }
    }

    async fn aim(&self, key: &Key, goal: Goal) -> Result<Status, CommandError> {
        if !self.has_started() {
            return Err(CommandError::NotRunning);
        }
        let (reply, answer) = oneshot::channel();
        let command = Command::Aim { key: key.clone(), goal, reply };
        self.0.commands.send(command).await.map_err(|_| CommandError::NotRunning)?;
        answer.await.unwrap_or(Err(CommandError::NotRunning))
    }

    fn working(&self) -> MutexGuard<'_, Working> {
        // Nothing under this lock can panic half way.
        self.0.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The questions of all probes of a roster, each with its service: what a prober has to be able to put.
pub fn questions(roster: &Roster) -> impl Iterator<Item = (&Key, &Question)> {
    roster.members().iter().flat_map(|member| {
        let probes = member.spec.ready.iter().chain(&member.spec.live);
        probes.map(|probe| (&member.key, &probe.question))
    })
}

/// Checks every probe of a roster.
///
/// # Errors
/// The first service with a probe that nobody here can put, and why.
pub fn check_probes(
    roster: &Roster,
    prober: Option<&dyn oneiric_core::probe::Prober>,
) -> Result<(), (Key, Fault)> {
    for (key, question) in questions(roster) {
        let checked = match (question, prober) {
            (Question::Component, _) => Ok(()),
            (_, Some(prober)) => prober.check(question),
            (_, None) => Err(Fault::permanent(
                "no-prober",
                "nothing here can put questions to the outside; only `component` probes can be answered",
            )),
        };
        checked.map_err(|fault| (key.clone(), fault))?;
    }
    Ok(())
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor").field("services", &self.statuses().len()).finish_non_exhaustive()
    }
}
