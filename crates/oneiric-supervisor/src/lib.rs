//! Looks after what lives long: whether components take work, and how much of it is in flight.
//!
//! | for | there is |
//! |---|---|
//! | pausing and draining | [`Activity`], a check of the gate that counts; [`Change`], what an operator says |
//! | services | [`service::Spec`], what is said of one; [`service::Roster`], their order; [`service::Status`], how one stands |
//! | keeping them up | [`Supervisor`], on the decisions of [`service::machine`] and [`service::turn`] |
//! | health | [`health::judge`], from [`health::Facts`] to a [`health::Report`]; [`health::Snapshot`], its file |
//!
//! ```
//! use oneiric_core::gate::{Admission, Pipeline, Purpose};
//! use oneiric_core::{Domain, Key, Timestamp};
//! use oneiric_store::ActivityRecord;
//! use oneiric_supervisor::{Activity, Change, Wish};
//!
//! let (activity, key) = (Activity::default(), Key::new("charge")?);
//! let gate = Pipeline::standard().with(activity.clone());
//! let question = Admission {
//!     purpose: Purpose::Node,
//!     domain: &Domain::TASK,
//!     key: &key,
//!     descriptor: None,
//!     run: None,
//!     deadline: None,
//!     now: Timestamp::default(),
//! };
//! let permit = gate.decide(&question)?;
//! assert_eq!(activity.in_flight(&Domain::TASK, &key), 1);
//!
//! let before = ActivityRecord::accepting(Domain::TASK, key.clone(), Timestamp::default());
//! activity.set(vec![Change::of(Wish::Drain).apply(before, Timestamp::default())]);
//! assert_eq!(gate.decide(&question).unwrap_err().to_string(), "denied by activity: task:charge is draining");
//! drop(permit);
//! assert_eq!(activity.in_flight(&Domain::TASK, &key), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! It knows no sockets and no other process; asking those is the runtime's.

pub mod activity;
pub mod health;
pub mod service;
pub mod supervisor;

pub use activity::{Activity, Change, InFlight, Marks, Wish};
pub use supervisor::Supervisor;
