//! Runs that are asked for twice, and are carried out once.
//!
//! Whoever asks over a network cannot know whether an answer that did not come was a run that did not begin. With
//! a key, or with an id of their own for the run, they may ask again: the first request makes the run, in the
//! transaction in which the key is taken, and every further one is told of that run.

use oneiric_core::{Digest, RunId};
use oneiric_dag::RunError;
use oneiric_store::{Batch, CommitError, Extension, Op, Refusal, Require, RunRecord};

use crate::bind;
use crate::error::Error;
use crate::oneiric::{Oneiric, check_options};
use crate::request::RunRequest;

/// The family of the records that say which key became which run. They stay as long as their runs.
const FAMILY: &str = "run.once";

/// The longest key, in bytes: what the draft of the header `Idempotency-Key` has in mind are UUIDs.
/// <https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header>
pub const MAX_ONCE_KEY: usize = 255;

/// The run that a request means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Once {
    /// The run.
    pub run: RunId,
    /// Whether this request made it.
    pub is_new: bool,
}

impl Oneiric {
    /// Accepts a run as [`Oneiric::submit`] does, unless the same was asked for before under this `key`, or with
    /// the id that the request names. Of any number of equal requests at the same time one makes the run.
    ///
    /// # Errors
    /// [`Error::Reused`] where the key or the id stands for another request, [`Error::Setting`] for a key that is
    /// empty or too long, and what [`Oneiric::submit`] meets.
    pub async fn submit_once(&self, request: RunRequest, key: Option<&str>) -> Result<Once, Error> {
        check_options(&request.options)?;
        if let Some(run) = self.asked_before(&request, key).await? {
            return Ok(Once { run, is_new: false });
        }
        let provider = request.options.provider.as_ref();
        let catalog = self.catalog();
        bind::check(&self.0.lifecycle, &catalog, &request.workflow, provider)?;
        let (record, with) = self.record(&catalog, request.clone());
        let with = with.and(self.taking(key, record.id));
        let put = self.put_pending(record, with, Vec::new()).await;
        self.made(&request, key, put).await
    }

    /// The run of a request, whoever carries it out: left to whoever serves where this process does, and so begun
    /// when there is room for it; begun at once where state is in memory and nobody else will.
    ///
    /// # Errors
    /// As [`Oneiric::submit_once`] and [`Oneiric::run_once`].
    pub async fn ask_once(&self, request: RunRequest, key: Option<&str>) -> Result<Once, Error> {
        if self.serves() {
            return self.submit_once(request, key).await;
        }
        self.run_once(request, key).await
    }

    /// Runs a workflow as [`Oneiric::run`] does, with the rule of [`Oneiric::submit_once`].
    ///
    /// # Errors
    /// As [`Oneiric::submit_once`], and what [`Oneiric::run`] meets.
    pub async fn run_once(&self, request: RunRequest, key: Option<&str>) -> Result<Once, Error> {
        check_options(&request.options)?;
        if let Some(run) = self.asked_before(&request, key).await? {
            return Ok(Once { run, is_new: false });
        }
        let catalog = self.catalog();
        let program = bind::program(&self.0.lifecycle, &catalog, &request.workflow, &request.options).await?;
        let (record, with) = self.record(&catalog, request.clone());
        let with = with.and(self.taking(key, record.id));
        let launch = oneiric_dag::Launch { program, record, with, carried: Vec::new() };
        let made = self.launch(launch).await.map(|handle| handle.id());
        self.made(&request, key, made).await
    }

    /// Takes the key for a run, where there is one.
    fn taking(&self, key: Option<&str>, run: RunId) -> Batch {
        let Some(key) = key.map(place_of) else { return Batch::default() };
        let at = self.executor().parts().clock.now();
        let absent = Require::ExtensionVersion { family: FAMILY.to_owned(), key: key.clone(), version: None };
        let value = Some(run.to_string().into_bytes());
        Batch::of([Op::Extension(Extension { family: FAMILY.to_owned(), key, value, at })]).require(absent)
    }

    /// What came of making a run: where somebody else was faster, it is theirs.
    async fn made(
        &self,
        request: &RunRequest,
        key: Option<&str>,
        made: Result<RunId, Error>,
    ) -> Result<Once, Error> {
        match made {
            Ok(run) => Ok(Once { run, is_new: true }),
            Err(error) if was_there(&error) => match self.asked_before(request, key).await? {
                Some(run) => Ok(Once { run, is_new: false }),
                None => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// The run that the same request made before, under this key or with its id.
    ///
    /// # Errors
    /// As [`Oneiric::submit_once`].
    pub async fn asked_before(
        &self,
        request: &RunRequest,
        key: Option<&str>,
    ) -> Result<Option<RunId>, Error> {
        let mut known = None;
        if let Some(key) = key {
            if key.is_empty() || key.len() > MAX_ONCE_KEY {
                let reason = format!("it has {} bytes, and must have 1 to {MAX_ONCE_KEY}", key.len());
                return Err(Error::Setting { what: "idempotency key".to_owned(), reason });
            }
            let record = self.store().extension(FAMILY, &place_of(key)).await?;
            let run = record.and_then(|(_, bytes)| String::from_utf8(bytes).ok()?.parse::<RunId>().ok());
            known = run;
        }
        let Some(run) = known.or(request.id) else { return Ok(None) };
        let Some(record) = self.store().run(run).await? else { return Ok(None) };
        if is_same(request, &record) { Ok(Some(run)) } else { Err(Error::Reused(run)) }
    }
}

/// Keys come from outside, and are stored by their digest: of one length, whatever they hold.
fn place_of(key: &str) -> String {
    Digest::of(key.as_bytes()).to_string()
}

/// Whether a run is what a request asks for. Who asks, and what causes it, may differ.
fn is_same(request: &RunRequest, record: &RunRecord) -> bool {
    let options = serde_json::to_value(&request.options).expect("options are plain data");
    request.id.is_none_or(|id| id == record.id)
        && request.workflow == record.workflow
        && request.input == record.input
        && options == record.options
}

/// Whether a run was not made because the id or the key was taken.
fn was_there(error: &Error) -> bool {
    matches!(
        error,
        Error::Engine(RunError::Commit(CommitError::Refused(
            Refusal::Version { .. } | Refusal::RunExists(_)
        )))
    )
}
