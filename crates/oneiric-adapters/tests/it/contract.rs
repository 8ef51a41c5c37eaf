//! Every runtime keeps the contract of testkit.

mod exec;
mod http;
mod linked;
mod python;
mod worker;

use std::fs;
use std::path::Path;

use oneiric_core::{Blueprint, Descriptor, Domain, Factory, Key, Provider, Source};
use serde_json::{Map, Value, json};

use crate::process::alive;

/// The settings that [`oneiric_testkit::contract::runtime::Behaviour::Settings`] names.
fn settings() -> Map<String, Value> {
    json!({"region": "eu", "depth": {"of": [1, 2]}}).as_object().unwrap().clone()
}

/// A component of `domain` with one section of metadata and those settings.
fn blueprint(domain: Domain, factory: &str, section: &str, metadata: Value) -> Blueprint {
    let (key, provider) = (Key::new("demo").unwrap(), Provider::new("test").unwrap());
    let mut descriptor = Descriptor::new(domain, key, provider, Factory::new(factory), Source::Manual);
    descriptor.metadata.insert(section.to_owned(), metadata);
    Blueprint::from(descriptor).with_settings(settings())
}

/// Whether the process lives whose number stands in the file.
fn is_alive_in(file: &Path) -> bool {
    let number = fs::read_to_string(file).ok().and_then(|text| text.strip_suffix('\n')?.parse().ok());
    number.is_some_and(alive)
}
