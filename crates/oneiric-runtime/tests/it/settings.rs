//! Settings given to the builder, and the files they come from.

use std::path::Path;

use oneiric_core::environment::MapEnvironment;
use oneiric_core::settings::{Files as _, Loader, MapFiles};
use oneiric_core::{Environment as _, Provider};
use oneiric_runtime::{RunRequest, SystemEnvironment, SystemFiles};
use oneiric_store::RunStatus;

use crate::support::{builder, key, process, status};

const SHOP: &[u8] = br#"
entries:
- {domain: task, key: a, provider: broken, factory: 'builtin:fail', priority: 9}
- {domain: task, key: a, provider: sound, factory: 'builtin:noop'}
- {domain: workflow, key: w, provider: p, factory: 'builtin:noop', dag: {nodes: [{id: x, task: a}]}}
"#;

#[test]
fn a_selection_decides_which_task_runs() {
    let check = |option: &str, expected: RunStatus, unmet: Option<&str>| {
        let (environment, files) = (MapEnvironment::default(), MapFiles::default());
        let loaded = Loader::new("oneiric", &environment, &files).set(option).load().unwrap();
        process(async {
            let builder = builder().manifest_text("m.yaml", SHOP).settings(loaded.settings.clone());
            let oneiric = builder.start().await.unwrap();
            assert_eq!(*oneiric.settings(), loaded.settings);
            let run = oneiric.run(RunRequest::new(key("w"))).await.unwrap();
            assert_eq!(status(&run).await, expected, "{option}");
            let catalog = oneiric.catalog();
            let found = catalog.registry().unmet_selections().next();
            assert_eq!(
                found.map(|unmet| unmet.provider),
                unmet.map(|name| Provider::new(name).unwrap()).as_ref()
            );
        });
    };
    check("tasks.selections.a=sound", RunStatus::Completed, None);
    check("tasks.selections.a=broken", RunStatus::Failed, None);
    check("tasks.selections.a=gone", RunStatus::Failed, Some("gone"));
}

#[test]
fn files_of_the_disk_are_read_up_to_the_limit() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("a.yaml");
    std::fs::write(&path, "abcdef").unwrap();
    let read = |path: &Path| SystemFiles.read(path, 4).map_err(|error| error.to_string());
    assert_eq!(read(&path), Ok(Some(b"abcd".to_vec())));
    assert_eq!(read(&home.path().join("none")), Ok(None));
    assert_eq!(read(&path.join("below-a-file")), Ok(None));
    assert_eq!(read(home.path()), Err("it is a folder".to_owned()));
    assert_eq!(read(Path::new("/dev/zero")), Err("it is no file".to_owned()));
}

#[test]
fn the_process_names_its_variables() {
    let names = SystemEnvironment.names();
    assert!(names.iter().any(|name| name == "PATH"), "{names:?}");
}
