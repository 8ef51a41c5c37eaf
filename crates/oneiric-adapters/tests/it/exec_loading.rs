//! `exec:` what is found out when a component is loaded.

use std::os::unix::fs::PermissionsExt;

use oneiric_adapters::Limits;
use oneiric_core::{Class, Descriptor};
use serde_json::{Value, json};

use crate::process::script_descriptor;
use crate::support::{Call, build, descriptor, runtime};

fn check(descriptor: &Descriptor) -> Result<(), (Class, String)> {
    let runtime = runtime(descriptor, Limits::STANDARD).unwrap();
    runtime.check(&descriptor.clone().into()).map_err(|fault| (fault.class, fault.code))
}

fn permanent(code: &str) -> Result<(), (Class, String)> {
    Err((Class::Permanent, code.to_owned()))
}

#[test]
fn a_program_is_looked_for_when_it_is_loaded() {
    assert_eq!(check(&descriptor("exec:sh", Value::Null)), Ok(()));
    assert_eq!(check(&descriptor("exec: /bin/sh", Value::Null)), Ok(()));
    assert_eq!(check(&descriptor("exec:", Value::Null)), permanent("bad-factory"));
    assert_eq!(check(&descriptor("exec:/no/such", Value::Null)), permanent("program-missing"));
    assert_eq!(check(&descriptor("exec:./no-such", Value::Null)), permanent("program-missing"));
    assert_eq!(check(&descriptor("exec:no-such-program", Value::Null)), permanent("program-missing"));
    assert_eq!(check(&descriptor("exec:./Cargo.toml", Value::Null)), permanent("program-not-executable"));
}

#[test]
fn settings_are_checked_when_they_are_loaded() {
    assert_eq!(check(&script_descriptor("", json!({"cwd": "/"}))), Ok(()));
    assert_eq!(check(&script_descriptor("", json!({"cwd": "/no/such"}))), permanent("cwd-missing"));
    assert_eq!(check(&script_descriptor("", json!({"stdin": "x"}))), permanent("bad-metadata"));
    assert_eq!(check(&script_descriptor("", json!({"stdout": "xml"}))), permanent("bad-metadata"));
}

#[tokio::test]
async fn a_program_that_went_away_after_loading_is_a_permanent_fault_and_unhealthy() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program");
    std::fs::copy("/bin/true", &program).unwrap();
    let instance = build(&descriptor(&format!("exec:{}", program.display()), Value::Null)).await.unwrap();
    assert!(instance.component().health().await.is_ok());
    std::fs::remove_file(&program).unwrap();
    assert_eq!(instance.component().health().await.unwrap_err().code, "program-missing");
    let fault = Call::new(json!(null)).run(&instance).await.unwrap_err();
    assert_eq!((fault.class, fault.code.as_str()), (Class::Permanent, "program-missing"));
}

#[tokio::test]
async fn a_script_whose_interpreter_is_missing_is_a_permanent_fault() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program");
    std::fs::write(&program, "#!/no/such/interpreter\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let instance = build(&descriptor(&format!("exec:{}", program.display()), Value::Null)).await.unwrap();
    let fault = Call::new(json!(null)).run(&instance).await.unwrap_err();
    assert_eq!((fault.class, fault.code.as_str()), (Class::Permanent, "program-missing"));
}

#[tokio::test]
async fn a_relative_program_is_relative_to_this_process_and_not_to_its_cwd() {
    let folder = tempfile::tempdir_in(".").unwrap();
    std::os::unix::fs::symlink("/bin/pwd", folder.path().join("where")).unwrap();
    let name = folder.path().strip_prefix(std::env::current_dir().unwrap()).unwrap_or(folder.path());
    let factory = format!("exec:{}/where", name.display());
    let instance = build(&descriptor(&factory, json!({"cwd": "/", "stdout": "text"}))).await.unwrap();
    assert_eq!(Call::new(json!(null)).run(&instance).await.unwrap(), json!("/"));
}
