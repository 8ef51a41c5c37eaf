//! The assembled orchestrator.
