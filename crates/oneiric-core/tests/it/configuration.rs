//! The reference of settings is what the schema says.

use std::path::Path;

use oneiric_core::environment::MapEnvironment;
use oneiric_core::settings::{Loader, MapFiles};

/// What follows this is generated.
const MARK: &str = "configuration`. -->\n";

#[test]
fn the_configuration_reference_is_that_of_the_schema() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (written, generated) = text.split_once(MARK).expect("the mark is there");
    let (environment, files) = (MapEnvironment::default(), MapFiles::default());
    let wanted = format!("\n{}", Loader::new("oneiric", &environment, &files).reference());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, format!("{written}{MARK}{wanted}")).unwrap();
        return;
    }
    assert!(
        generated == wanted,
        "docs/configuration.md is stale: `UPDATE=1 cargo nextest run -p oneiric-core --test it configuration`"
    );
}
