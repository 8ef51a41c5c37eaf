//! What is in flight of a component, process by process.

use std::collections::BTreeMap;

use oneiric_core::{BootId, Domain, Key};
use oneiric_store::ActivityRecord;

use super::operator::Operator;
use crate::error::Error;

/// What is in flight of a component, over all live processes on the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flight {
    /// What operators said of it.
    pub record: ActivityRecord,
    /// By process; only those that have something in flight, or do not say.
    pub processes: Vec<ProcessFlight>,
}

/// What is in flight in one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessFlight {
    /// The process.
    pub pid: u32,
    /// How much. `None` where it is alive and does not answer: it is suspended, say, or about to listen.
    pub in_flight: Option<u64>,
}

impl Flight {
    /// How much is in flight where it is known.
    pub fn in_flight(&self) -> u64 {
        self.processes.iter().filter_map(|process| process.in_flight).sum()
    }

    /// The processes that do not say.
    pub fn silent(&self) -> impl Iterator<Item = u32> {
        self.processes.iter().filter(|process| process.in_flight.is_none()).map(|process| process.pid)
    }

    /// Whether certainly nothing is in flight.
    pub fn is_landed(&self) -> bool {
        self.processes.is_empty()
    }
}

impl Operator {
    /// Looks at what is in flight. Every process reads what operators said before it answers: where the
    /// component takes no work, what was answered only falls from then on.
    ///
    /// # Errors
    /// [`Error::Store`]. A process that does not answer is in the result.
    pub async fn flight(&self, domain: &Domain, key: &Key) -> Result<Flight, Error> {
        Ok(self.look(domain, key).await?.0)
    }

    /// The same, and how much of it is in flight here.
    pub(super) async fn look(&self, domain: &Domain, key: &Key) -> Result<(Flight, u64), Error> {
        let record = self.said(domain, key).await?;
        // Who comes after this looks for what was said before it works.
        let boots = self.store.boots().await?;
        let mut known: BTreeMap<BootId, ProcessFlight> = boots
            .iter()
            .filter(|seen| !seen.dead)
            .map(|seen| (seen.boot.id, ProcessFlight { pid: seen.boot.pid, in_flight: None }))
            .collect();
        let mut own = 0;
        if let Some(here) = &self.here {
            own = here.oneiric.activities().in_flight(domain, key);
            known.insert(here.boot, ProcessFlight { pid: std::process::id(), in_flight: Some(own) });
        }
        self.ask_others(domain, key, &mut known).await?;
        let mut processes: Vec<_> = known.into_values().filter(|one| one.in_flight != Some(0)).collect();
        processes.sort_by_key(|process| process.pid);
        Ok((Flight { record, processes }, own))
    }

    /// Puts in what the other processes answer.
    #[cfg(feature = "sqlite")]
    async fn ask_others(
        &self,
        domain: &Domain,
        key: &Key,
        known: &mut BTreeMap<BootId, ProcessFlight>,
    ) -> Result<(), Error> {
        use crate::control::{Answer, Request, ask_all};

        let Some(state_dir) = self.state_dir.clone() else { return Ok(()) };
        let own = self.here.as_ref().map(|here| here.boot);
        let request = Request::Activity { domain: Some(domain.clone()), key: Some(key.clone()) };
        let asking = tokio::task::spawn_blocking(move || ask_all(&state_dir, own, &request, PATIENCE));
        // Cancelled with the runtime: nobody waits for this any more.
        for (boot, answer) in asking.await.unwrap_or_default() {
            match answer {
                Some(Answer::Activity(told)) => {
                    let count = told.in_flight.iter().map(|one| one.count).sum();
                    known.insert(boot, ProcessFlight { pid: told.pid, in_flight: Some(count) });
                }
                // It listens, and says nothing; others may have taken it for dead meanwhile.
                Some(_) | None if !known.contains_key(&boot) => {
                    let pid = self.store.boot(boot).await?.map_or(0, |boot| boot.pid);
                    known.insert(boot, ProcessFlight { pid, in_flight: None });
                }
                Some(_) | None => {}
            }
        }
        Ok(())
    }

    #[cfg(not(feature = "sqlite"))]
    #[expect(clippy::unused_async, reason = "with a state folder there are others to be asked")]
    async fn ask_others(
        &self,
        _: &Domain,
        _: &Key,
        _: &mut BTreeMap<BootId, ProcessFlight>,
    ) -> Result<(), Error> {
        Ok(())
    }
}

/// How long a process may take to say what it has in flight: it reads a small table.
#[cfg(feature = "sqlite")]
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);
