//! Stores of secrets on a real disk, and the chain that settings describe.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use oneiric_adapters::Parts;
use oneiric_adapters::secrets::{self, EnvSecrets, FileSecrets, MAX_SECRET_BYTES};
use oneiric_core::environment::MapEnvironment;
use oneiric_core::rng::SeededRng;
use oneiric_core::roles::SecretStore;
use oneiric_core::secret::{Secret, SecretId, SecretRef};
use oneiric_core::settings::{Loader, MapFiles, Settings};
use oneiric_core::{Class, Provider};

use crate::support::RealClock;

fn id(text: &str) -> SecretId {
    SecretId::new(text).unwrap()
}

async fn ask(store: &dyn SecretStore, name: &str) -> Result<Option<String>, String> {
    let found = store.get(&id(name)).await;
    found.map(|found| found.map(|secret| secret.expose().to_owned())).map_err(|fault| fault.message)
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn a_variable_is_a_secret_under_its_id() {
    let environment =
        MapEnvironment::from_iter([("ONEIRIC_SECRET_STRIPE_KEY", "x"), ("ONEIRIC_SECRET_EMPTY", "")]);
    let store = EnvSecrets::new(Arc::new(environment));
    assert_eq!(ask(&store, "stripe-key").await, Ok(Some("x".to_owned())));
    assert_eq!(ask(&store, "stripe.key").await, Ok(Some("x".to_owned())));
    assert_eq!(ask(&store, "empty").await, Ok(None));
    let way = store.how_to_set(&id("a.b")).unwrap();
    assert_eq!(way, "set the variable ONEIRIC_SECRET_A_B");
    assert!(store.instance().role::<dyn SecretStore>().is_some());
}

#[tokio::test]
async fn a_file_maps_ids_to_texts_in_three_formats() {
    let home = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("s.toml", "a = 'x'\nnumber = 5\n"),
        ("s.json", "{\"a\": \"x\", \"number\": 5}"),
        ("s.yaml", "a: x\nnumber: 5\nnothing:\n"),
    ] {
        let path = home.path().join(name);
        write(&path, text, 0o600);
        let store = FileSecrets::new(&path);
        assert_eq!(ask(&store, "a").await, Ok(Some("x".to_owned())), "{name}");
        assert_eq!(ask(&store, "nothing").await, Ok(None), "{name}");
        assert!(
            ask(&store, "number").await.unwrap_err().contains("must be text; put it in quotes"),
            "{name}"
        );
    }
    assert_eq!(ask(&FileSecrets::new(home.path().join("none")), "a").await, Ok(None));
}

#[tokio::test]
async fn a_folder_has_a_file_per_secret() {
    let home = tempfile::tempdir().unwrap();
    // As Kubernetes mounts it: names are links into a folder that is exchanged as a whole.
    let data = home.path().join("..data");
    fs::create_dir(&data).unwrap();
    write(&data.join("db.password"), "two\nlines\n", 0o440);
    std::os::unix::fs::symlink("..data/db.password", home.path().join("db.password")).unwrap();
    let store = FileSecrets::new(home.path()).instance();
    let store = store.role::<dyn SecretStore>().unwrap();
    assert_eq!(ask(store.as_ref(), "db.password").await, Ok(Some("two\nlines".to_owned())));
    assert_eq!(ask(store.as_ref(), "none").await, Ok(None));
    write(&home.path().join("large"), &"x".repeat(MAX_SECRET_BYTES as usize + 1), 0o600);
    assert!(ask(store.as_ref(), "large").await.unwrap_err().contains("longer than 65536 bytes"));
    fs::create_dir(home.path().join("folder")).unwrap();
    assert!(ask(store.as_ref(), "folder").await.unwrap_err().contains("is no file"));
}

#[tokio::test]
async fn what_everybody_may_read_is_refused_with_the_way_out() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("s.yaml");
    for (mode, allowed) in [(0o600, true), (0o440, true), (0o644, false), (0o604, false), (0o602, false)] {
        write(&path, "a: hunter2", mode);
        match FileSecrets::new(&path).get(&id("a")).await {
            Ok(found) => assert!(allowed && found.is_some(), "{mode:o}"),
            Err(fault) => {
                assert!(!allowed && fault.class == Class::Denied, "{mode:o}");
                assert!(fault.message.contains(&format!("mode {mode:o}")), "{fault}");
                assert!(fault.message.contains("chmod 600"), "{fault}");
            }
        }
    }
}

#[tokio::test]
async fn no_complaint_about_a_file_quotes_it() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("s.yaml");
    for text in ["hunter2", "a: [hunter2", "- hunter2", "a: 0hunter2: b", "a: !hunter2 x", "hunter2: {a: 1"] {
        write(&path, text, 0o600);
        let error = ask(&FileSecrets::new(&path), "a").await.unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
        assert!(error.contains("s.yaml"), "{error}");
    }
}

fn chain_of(settings: &Settings, managers: &[&str]) -> Result<String, String> {
    let environment = Arc::new(MapEnvironment::default());
    let parts = Parts::new(Arc::new(RealClock), environment.clone(), Arc::new(SeededRng::new(1)));
    let managers = managers.iter().map(|name| {
        let store: Arc<dyn SecretStore> = Arc::new(EnvSecrets::new(environment.clone()));
        (Provider::new(name).unwrap(), store)
    });
    let chain = secrets::chain(settings, &parts, managers.collect()).map_err(|fault| fault.message)?;
    Ok(chain.stores().collect::<Vec<_>>().join(" "))
}

#[test]
fn the_profile_decides_who_is_asked_first() {
    let (environment, files) = (MapEnvironment::default(), MapFiles::default());
    let load = |profile: &str, more: &[&str]| {
        let loader = Loader::new("oneiric", &environment, &files)
            .profile(profile)
            .set("adapters.provider_settings.file.path=/run/secrets")
            .set("secrets.inline.a=x");
        more.iter().fold(loader, |loader, option| loader.set(*option)).load().unwrap().settings
    };
    let managers = ["gcp", "aws"];
    let check = |settings: &Settings, expected: Result<&str, &str>| {
        let found = chain_of(settings, &managers);
        assert_eq!(found.as_deref().map_err(String::as_str), expected);
    };
    check(&load("serverless", &[]), Ok("gcp aws env file inline"));
    check(&load("default", &[]), Ok("env file gcp aws inline"));
    check(&load("default", &["secrets.provider=file"]), Ok("file inline"));
    let unknown = load("default", &["secrets.provider=vault"]);
    check(&unknown, Err("`secrets.provider` is `vault`, known stores are env, file, gcp, aws"));
    assert_eq!(chain_of(&Settings::default(), &[]), Ok("env".to_owned()));
}

#[tokio::test]
async fn the_chain_asks_the_stores_of_this_machine() {
    let home = tempfile::tempdir().unwrap();
    write(&home.path().join("b"), "file", 0o600);
    let environment = MapEnvironment::from_iter([("ONEIRIC_SECRET_A", "env")]);
    let parts = Parts::new(Arc::new(RealClock), Arc::new(environment), Arc::new(SeededRng::new(1)));
    let mut settings = Settings::default();
    let path = home.path().display().to_string();
    let file = serde_json::Map::from_iter([("path".to_owned(), path.into())]);
    settings.adapters.provider_settings.insert(Provider::new("file").unwrap(), file);
    settings.secrets.inline.insert("c".to_owned(), Secret::new("inline"));
    let chain = secrets::chain(&settings, &parts, Vec::new()).unwrap();
    for (name, expected) in [("a", "env"), ("b", "file"), ("c", "inline")] {
        assert_eq!(chain.get(&SecretRef::new(id(name))).await.unwrap().expose(), expected);
    }
    let fault = chain.get(&SecretRef::new(id("d"))).await.unwrap_err();
    assert!(fault.message.contains("set the variable ONEIRIC_SECRET_D, or put `d` into"), "{fault}");
}
