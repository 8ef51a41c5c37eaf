//! HTTP towards the outside: a client that goes only where it may, and faults that say "again or not?".
//!
//! [`egress`] decides which addresses may be reached, [`client`] reaches them. Whatever an address in a
//! payload or a manifest can be made to say, nothing here connects to an address that was not judged.
//! What is sent, and what an answer means beyond its status, is the caller's.

mod address;
pub mod client;
pub mod egress;
mod lookup;
mod message;
mod outcome;
mod redirect;
mod retry_after;

pub use client::{Client, Limits, Tls};
pub use egress::Policy;
pub use message::{Request, Response};
pub(crate) use outcome::without_query;
