//! The one seam behind which a component is something foreign: a process, an interpreter, a server.
//!
//! Whoever can carry a call over is a [`Caller`]; [`Foreign`] makes a task, an action and a handler of
//! events of it, and gives every one of them the same end: calls under way are drained, later ones are
//! refused.

mod call;
#[cfg(any(feature = "worker", feature = "http"))]
mod loss;
#[cfg(feature = "worker")]
mod roles;
mod seam;
mod section;

#[cfg(feature = "worker")]
pub(crate) use call::told;
pub(crate) use call::{Call, Caller, Role};
#[cfg(any(feature = "worker", feature = "http"))]
pub(crate) use loss::loss;
#[cfg(feature = "worker")]
pub(crate) use roles::played;
pub(crate) use seam::Foreign;
pub(crate) use section::Section;
#[cfg(feature = "process")]
pub(crate) use section::handed_on;
