//! The folder in which a process keeps its state.

/// Where the state is kept where nobody says otherwise: under the working folder.
pub const DEFAULT_STATE_DIR: &str = ".oneiric_cache";

/// The database in the state folder.
pub const DATABASE: &str = "oneiric.sqlite";

/// Opens the store in a state folder. A writer creates the folder where it is missing; a reader
/// creates nothing and gets `None` where there is nothing to read.
///
/// # Errors
/// [`crate::Error::Store`] names the file and the way out.
#[cfg(feature = "sqlite")]
pub fn open_store(
    state_dir: &std::path::Path,
    options: oneiric_store::sqlite::Options,
) -> Result<Option<oneiric_store::SqliteStore>, crate::Error> {
    use oneiric_store::StoreError;
    use oneiric_store::sqlite::Access;

    let database = state_dir.join(DATABASE);
    match options.access {
        Access::ReadOnly if !database.exists() => {
            if state_dir.exists() && !state_dir.is_dir() {
                return Err(StoreError::Open {
                    place: state_dir.display().to_string(),
                    reason: "it is not a folder; name one with `--state-dir`".to_owned(),
                }
                .into());
            }
            return Ok(None);
        }
        Access::ReadOnly => {}
        Access::ReadWrite => std::fs::create_dir_all(state_dir).map_err(|error| StoreError::Open {
            place: state_dir.display().to_string(),
            reason: format!("{error}; name a folder that can be written with `--state-dir`"),
        })?,
    }
    match oneiric_store::SqliteStore::open(&database, options) {
        // Another process makes it at this moment: a little earlier there was no file.
        Err(StoreError::Empty { .. }) => Ok(None),
        opened => Ok(Some(opened?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "sqlite")]
    #[test]
    fn a_file_that_is_being_made_has_nothing_to_read_yet() {
        let state = tempfile::tempdir().unwrap();
        std::fs::write(state.path().join(DATABASE), b"").unwrap();
        let reading = open_store(state.path(), oneiric_store::sqlite::Options::READ_ONLY);
        assert!(reading.unwrap().is_none());
    }

    #[test]
    fn settings_that_say_nothing_name_the_same_folder() {
        assert_eq!(oneiric_core::settings::Settings::default().state_dir(), DEFAULT_STATE_DIR);
    }
}
