//! Durable workflow graphs.

pub mod render;
