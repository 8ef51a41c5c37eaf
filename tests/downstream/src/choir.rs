//! A domain, a role and two adapters that play it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use oneiric_core::linked::Linked;
use oneiric_core::{Component, Domain, Fault, Instance, Role};

/// Where voices are looked for.
pub const CHOIR: Domain = Domain::from_static("choir");

/// Somebody who sings.
pub trait Voice: Send + Sync {
    /// Sings.
    fn sing(&self, text: &str) -> String;
}

impl Role for dyn Voice {
    const NAME: &'static str = "voice";
    const DOMAIN: Domain = CHOIR;
}

/// How many singers have sat down again.
pub static SEATED: AtomicU32 = AtomicU32::new(0);

struct Singer {
    note: char,
}

#[async_trait]
impl Component for Singer {
    async fn stop(&self) -> Result<(), Fault> {
        SEATED.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

impl Voice for Singer {
    fn sing(&self, text: &str) -> String {
        format!("{note} {text} {note}", note = self.note)
    }
}

/// A voice that a provider offers under the key `voice`.
pub fn voice(provider: &'static str, note: char) -> Linked {
    let make = move |_: &_| {
        let singer = Arc::new(Singer { note });
        Ok(Instance::new(singer.clone()).plays::<dyn Voice>(singer))
    };
    Linked::new(CHOIR, "voice", make).provider(provider)
}
