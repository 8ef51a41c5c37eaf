//! Manifests. (being written)
