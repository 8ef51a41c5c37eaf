//! What is asked and wanted of services from outside.

use oneiric_core::Key;
use oneiric_core::id::IdError;
use oneiric_supervisor::service::{ServiceFigures, Status};
use oneiric_supervisor::supervisor::Gone;

use super::Keeper;
use crate::error::Error;
use crate::oneiric::Oneiric;

impl Oneiric {
    /// How every service stands, in the order of their start. Where this process does not keep them up, each says in
    /// `detail` who does.
    pub fn services(&self) -> Vec<Status> {
        let mut statuses = self.0.services.supervisor.statuses();
        if !self.0.services.are_kept()
            && let Some(reason) = self.keeper().reason()
        {
            statuses.iter_mut().for_each(|status| status.detail = Some(reason.clone()));
        }
        statuses
    }

    /// Who keeps services up, as far as this process knows.
    pub fn keeper(&self) -> Keeper {
        *self.keeper_lock()
    }

    /// What was counted of every service, in the order of their start.
    pub fn service_figures(&self) -> Vec<ServiceFigures> {
        self.0.services.supervisor.figures()
    }

    /// Waits until a critical service is given up: the process is to go down, which is up to whoever waits here.
    /// Never returns where none is. Safe to drop.
    pub async fn services_gone(&self) -> Gone {
        self.0.services.supervisor.gone().await
    }

    /// Starts a service and what it needs. Returns how it stands when it is ready, or has failed for the first
    /// time. Dropping the future changes nothing but that nobody waits.
    ///
    /// # Errors
    /// [`Error::Supervising`]; [`Error::Name`] where the key is none.
    pub async fn start_service(&self, key: impl TryInto<Key, Error: Into<IdError>>) -> Result<Status, Error> {
        let key = key.try_into().map_err(Into::into)?;
        Ok(self.0.services.supervisor.start_service(&key).await?)
    }

    /// Stops a service, and before it those that need it. It stays stopped until [`Oneiric::start_service`], or the
    /// end of the process.
    ///
    /// # Errors
    /// As [`Oneiric::start_service`].
    pub async fn stop_service(&self, key: impl TryInto<Key, Error: Into<IdError>>) -> Result<Status, Error> {
        let key = key.try_into().map_err(Into::into)?;
        Ok(self.0.services.supervisor.stop_service(&key).await?)
    }

    /// Stops a service with those that need it, and starts them again.
    ///
    /// # Errors
    /// As [`Oneiric::start_service`].
    pub async fn restart_service(
        &self,
        key: impl TryInto<Key, Error: Into<IdError>>,
    ) -> Result<Status, Error> {
        let key = key.try_into().map_err(Into::into)?;
        Ok(self.0.services.supervisor.restart_service(&key).await?)
    }
}
