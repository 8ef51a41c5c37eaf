//! A live process answers questions about its components, and swaps them, for other processes of the
//! same user on the same host.
//!
//! Each process that keeps its state in a folder listens on `control/<boot>.sock` in there, which its
//! owner alone may connect to. One connection carries one [`Request`] and one [`Answer`], each a line
//! of JSON. What a dead process left behind is removed by the next one.

mod client;
mod place;
mod protocol;
mod server;

pub(crate) use client::ask_all;
pub use client::{Client, ControlError, live, ring, stale};
pub use protocol::{
    Answer, Probed, ProcessActivity, ProcessEvents, ProcessHealth, ProcessServices, ProcessStatus, Request,
    ServiceAction, SwapDone,
};
pub(crate) use server::Server;
