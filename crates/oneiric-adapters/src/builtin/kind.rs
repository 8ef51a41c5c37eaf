//! Which built-in a factory names.

use oneiric_core::nearest::nearest;
use oneiric_core::{Descriptor, Factory, Fault};

use super::SCHEME;
use super::samples::Sample;

/// What a factory of ours names.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Noop,
    Echo,
    Sleep,
    Fail,
    Sample(Sample),
    #[cfg(feature = "actions")]
    Kit(&'static crate::actions::Kit),
}

impl Kind {
    const NAMED: [(&str, Kind); 4] =
        [("noop", Kind::Noop), ("echo", Kind::Echo), ("sleep", Kind::Sleep), ("fail", Kind::Fail)];

    /// What a name of upstream's stands for.
    pub(super) fn python(factory: &Factory) -> Option<Kind> {
        #[cfg(feature = "actions")]
        if let Some(kit) = crate::actions::kit_of(factory) {
            return Some(Kind::Kit(kit));
        }
        Sample::named(factory).map(Kind::Sample)
    }

    /// What a factory names.
    ///
    /// # Errors
    /// The permanent fault `unknown-builtin`, with the nearest name.
    pub(super) fn of(descriptor: &Descriptor) -> Result<Kind, Fault> {
        let factory = &descriptor.factory;
        if let Some(kind) = Self::python(factory) {
            return Ok(kind);
        }
        let name = factory.of_scheme(SCHEME).unwrap_or(factory.as_str());
        if let Some((_, kind)) = Self::NAMED.iter().find(|(known, _)| *known == name) {
            return Ok(*kind);
        }
        let hint = match nearest(name, names()) {
            Some(near) => format!("did you mean `{SCHEME}:{near}`?"),
            None => format!("known are {}", names().collect::<Vec<_>>().join(", ")),
        };
        Err(Fault::permanent("unknown-builtin", format!("`{factory}` is not a built-in component; {hint}")))
    }
}

fn names() -> impl Iterator<Item = &'static str> {
    let named = Kind::NAMED.iter().map(|(name, _)| *name);
    #[cfg(feature = "actions")]
    let named = named.chain(crate::actions::kits().iter().map(|kit| kit.key));
    named
}
