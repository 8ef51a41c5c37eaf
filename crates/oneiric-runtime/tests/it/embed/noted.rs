//! A component that notes what happens to it.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use oneiric_core::linked::Linked;
use oneiric_core::{Blueprint, Component, Fault, Instance, Role};

/// What happened, in order: `start a`, `stop a`.
pub type Notes = Arc<Mutex<Vec<String>>>;

/// Notes its life, and panics in the step that it was told to.
#[derive(Debug)]
pub struct Noted {
    pub name: String,
    notes: Notes,
    panics_in: &'static str,
}

impl Role for Noted {
    const NAME: &'static str = "noted";
}

impl Noted {
    fn note(&self, step: &'static str) -> Result<(), Fault> {
        self.notes.lock().unwrap().push(format!("{step} {}", self.name));
        assert!(self.panics_in != step, "no {step} today");
        Ok(())
    }
}

#[async_trait]
impl Component for Noted {
    async fn start(&self) -> Result<(), Fault> {
        self.note("start")
    }

    async fn stop(&self) -> Result<(), Fault> {
        self.note("stop")
    }
}

/// One under `key`, whose name is its provider's, and that panics in a step, if there is one of that name.
pub fn noted(key: &str, provider: &str, panics_in: &'static str, notes: &Notes) -> Linked {
    let notes = Arc::clone(notes);
    let make = move |blueprint: &Blueprint| {
        assert!(panics_in != "make", "no make today");
        let name = blueprint.descriptor.provider.to_string();
        let noted = Arc::new(Noted { name, notes: Arc::clone(&notes), panics_in });
        Ok(Instance::new(noted.clone()).plays::<Noted>(noted))
    };
    Linked::new(Noted::DOMAIN, key, make).provider(provider)
}

pub fn taken(notes: &Notes) -> Vec<String> {
    std::mem::take(&mut *notes.lock().unwrap())
}
