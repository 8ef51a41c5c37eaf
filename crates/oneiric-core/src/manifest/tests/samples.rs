use super::super::*;

#[expect(clippy::disallowed_methods, reason = "tests find the shared inputs through the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The shared manifests of the field, or `None`, loudly, where they are not there.
fn shared(name: &str) -> Option<Vec<u8>> {
    let Some(folder) = variable("ONEIRIC_TEST_DATA") else {
        assert_ne!(variable("ONEIRIC_TEST_STRICT").as_deref(), Some("1"), "ONEIRIC_TEST_DATA is not set");
        eprintln!("SKIPPED: ONEIRIC_TEST_DATA is not set, {name} was not read");
        return None;
    };
    let path = std::path::Path::new(&folder).join("manifests").join(name);
    Some(std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

#[test]
fn the_manifests_of_the_field_are_read() {
    for (name, entries) in [("sample_remote_manifest.yaml", 35), ("fastblocks_parity_fixture.yaml", 15)] {
        let Some(bytes) = shared(name) else { return };
        let manifest = parse(name, &bytes).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(manifest.entries.len(), entries, "{name}");
    }
}
