//! What a call is that was handed over and never answered.

use oneiric_core::{Class, Descriptor};

/// Nobody knows how far such a call came. Only where the entry says that a repetition is harmless, or
/// says nothing but asks for one by its retry policy, is it as good as not made.
pub(crate) fn loss(descriptor: &Descriptor) -> Class {
    match descriptor.idempotent {
        Some(true) => Class::Transient,
        None if descriptor.retry.is_some() => Class::Transient,
        None | Some(false) => Class::UnknownOutcome,
    }
}
