//! What people ask of runs, whichever process has them.
//!
//! There is one way for all of it. A run that is under way here is told; one that nobody alive has is claimed,
//! told, and gone on with or given back; for one that another process has, the command is put beside the run in
//! the store, the doorbell is rung, and the answer is what the rows say afterwards.

mod again;
mod judge;
mod once;
mod submit;
mod tell;

pub use again::{Again, Kept, place};
pub use once::{MAX_ONCE_KEY, Once};
pub use tell::{Ask, PATIENCE, Told};
