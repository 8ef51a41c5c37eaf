//! Durable workflow graphs: a checked graph, a plan, the state machine, the executor.
//!
//! A [`Draft`] becomes a [`Graph`] or an error that names the nodes; a graph with its policies is a
//! [`Plan`]; a plan with its tasks is a [`Program`]. [`State::step`] decides everything that happens
//! to a run, and [`Executor`] does what it decides, in the store first.
//!
//! What a component is and which one a key means is `oneiric-core`'s business; where manifests come
//! from, `oneiric-runtime`'s.

pub mod custody;
mod executor;
pub mod explain;
pub mod graph;
mod outcome;
mod plan;
mod program;
pub mod render;
mod report;
mod state;

pub use executor::{
    Begun, Ended, Executor, Launch, NoLog, NodeProgress, Observer, Parts, Pulses, RunError, RunHandle, Then,
};
pub use graph::{Draft, DraftNode, Graph, GraphError, Hook, Input, OnFailure, Policy};
pub use outcome::{Incomplete, OutputError};
pub use plan::{Limits, Plan};
pub use program::{Bound, Program};
pub use report::{NodeReport, RunReport};
pub use state::{Ask, Effects, Illegal, NodeView, Obeyed, RestoreError, Start, State, Timer};
