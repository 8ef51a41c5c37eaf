//! Secrets: values that are asked for by name and shown to nobody.

mod reference;
mod value;

pub use reference::{SecretId, SecretRef};
pub use value::{MASK, Secret};
