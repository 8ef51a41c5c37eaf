//! Durable batches.
