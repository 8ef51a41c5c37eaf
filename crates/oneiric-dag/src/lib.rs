//! Durable workflow graphs.
