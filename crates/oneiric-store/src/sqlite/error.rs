//! What SQLite says, in the words of the store.

use rusqlite::{Error, ErrorCode};

use crate::batch::Refusal;
use crate::commit::CommitError;
use crate::error::StoreError;

/// What a damaged file leads to; the same sentence everywhere.
pub(super) const WAY_OUT: &str = "restore a backup, or see with `oneiric store check` what is still readable";

/// Why the work of one batch stopped.
#[derive(Debug)]
pub(super) enum Failure {
    /// A precondition did not hold.
    Refused(Refusal),
    /// The work was refused for a reason of the store's own.
    Store(StoreError),
    /// SQLite could not.
    Sql(Error),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Failure::Refused(refusal)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Sql(error)
    }
}

impl Failure {
    pub(super) fn into_commit(self, place: &str) -> CommitError {
        match self {
            Failure::Refused(refusal) => CommitError::Refused(refusal),
            Failure::Store(error) => CommitError::Store(error),
            Failure::Sql(error) => CommitError::Store(store_error(place, &error)),
        }
    }
}

/// Whether another connection holds what this one needs, so that trying again can help.
pub(super) fn is_busy(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Whether the file is not, or no longer, a sound database.
pub(super) fn is_corrupt(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// A row that cannot be read as what it should be.
pub(super) fn unreadable(what: impl std::fmt::Display) -> Error {
    Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, what.to_string().into())
}

pub(super) fn store_error(place: &str, error: &Error) -> StoreError {
    let place = place.to_owned();
    match error {
        Error::FromSqlConversionFailure(..)
        | Error::InvalidColumnType(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::Utf8Error(..) => {
            return StoreError::Corrupt { place, reason: format!("{error}; {WAY_OUT}") };
        }
        _ => {}
    }
    let Some(code) = error.sqlite_error_code() else { return StoreError::Io(error.to_string()) };
    match code {
        ErrorCode::DatabaseCorrupt => StoreError::Corrupt { place, reason: format!("{error}; {WAY_OUT}") },
        ErrorCode::NotADatabase => {
            StoreError::Corrupt { place, reason: format!("it is not a database; {WAY_OUT}") }
        }
        ErrorCode::DiskFull => {
            StoreError::Full(format!("no space is left for {place}; free some and try again"))
        }
        ErrorCode::TooBig => StoreError::Full(format!("a value is larger than {place} can hold")),
        ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied => StoreError::Open {
            place,
            reason: format!("{error}; check that this user may write the file and its folder"),
        },
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StoreError::Io(format!(
            "another process has kept {place} to itself for a minute; see which one has it open and end it"
        )),
        _ => StoreError::Io(format!("{place}: {error}")),
    }
}
