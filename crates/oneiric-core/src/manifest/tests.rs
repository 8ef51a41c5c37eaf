//! What the formats have in common, seen from outside of the module.

mod errors;
mod samples;
