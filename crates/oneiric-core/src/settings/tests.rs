//! The layers, through the public door.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::environment::MapEnvironment;
use crate::secret::Secret;

type Pairs<'a> = &'a [(&'a str, &'a str)];

/// Loads; `change` adds what stands above the environment.
fn load(
    files: Pairs<'_>,
    variables: Pairs<'_>,
    change: impl for<'a> FnOnce(Loader<'a>) -> Loader<'a>,
) -> Result<Loaded, SettingsError> {
    let environment = MapEnvironment::from_iter(variables.iter().copied());
    let files = MapFiles::from_iter(files.iter().copied());
    change(Loader::new("oneiric", &environment, &files)).load()
}

fn loaded(files: Pairs<'_>, variables: Pairs<'_>) -> Loaded {
    load(files, variables, |loader| loader).unwrap_or_else(|error| panic!("{error}"))
}

const PROJECT: &str = "settings/oneiric.yaml";

#[test]
fn without_a_layer_there_are_the_defaults() {
    let found = loaded(&[], &[]);
    assert_eq!(found.settings, Settings::default());
    assert_eq!(found.provenance.tree(false), json!({}));
    let all = found.provenance.tree(true);
    let mut expected = serde_json::to_value(Settings::default()).unwrap();
    prune(&mut expected);
    assert_eq!(all, expected);
}

/// Empty mappings have no keys, whole numbers no fraction.
fn prune(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(prune);
            map.retain(|_, inner| inner.as_object().is_none_or(|map| !map.is_empty()));
        }
        Value::Number(number) if number.is_f64() => *value = walk::tidy_number(number.as_f64().unwrap()),
        _ => {}
    }
}

#[test]
fn every_layer_wins_over_the_one_below_and_names_it() {
    const PROFILE: &str = "runtime_paths: {workflow_checkpoints_enabled: true}\n";
    // A key that the built-in profile `lite` sets, so that all layers can set it.
    let key = "runtime_paths.workflow_checkpoints_enabled";
    let own =
        format!("{PROFILE}profiles: {{lite: {{runtime_paths: {{workflow_checkpoints_enabled: true}}}}}}\n");
    let check = |files: Pairs<'_>, variables: Pairs<'_>, code: bool, set: bool, expected: (&str, &str)| {
        let found = load(files, variables, |loader| {
            let loader = loader.profile("lite");
            let loader = if code { loader.value(key, json!(false)) } else { loader };
            if set { loader.set(format!("{key}=on")) } else { loader }
        });
        let why = found.unwrap().provenance.explain(key).unwrap();
        let below = why.shadows.first().map(|below| below.origin.to_string()).unwrap_or_default();
        assert_eq!((why.origin.to_string().as_str(), below.as_str()), expected);
    };
    let home = [("HOME", "/h")];
    let variable = [("HOME", "/h"), ("ONEIRIC_RUNTIME_PATHS__WORKFLOW_CHECKPOINTS_ENABLED", "1")];
    let variables = [variable[0], variable[1], ("ONEIRIC_CONFIG", "x.yaml")];
    let project = (PROJECT, PROFILE);
    let local = ("settings/local.toml", "[runtime_paths]\nworkflow_checkpoints_enabled = true");
    let user = ("/h/.config/oneiric/config.yaml", PROFILE);
    let user_local =
        ("/h/.config/oneiric/local.json", "{\"runtime_paths\": {\"workflow_checkpoints_enabled\": true}}");
    let explicit = ("x.yaml", PROFILE);
    check(&[], &home, false, false, ("profile lite", "default"));
    check(&[project], &home, false, false, ("settings/oneiric.yaml:1:47", "profile lite"));
    check(&[project, local], &home, false, false, ("settings/local.toml:2:32", "settings/oneiric.yaml:1:47"));
    let found = ("/h/.config/oneiric/config.yaml:1:47", "settings/local.toml:2:32");
    check(&[local, user], &home, false, false, found);
    let found = ("/h/.config/oneiric/local.json:1:52", "/h/.config/oneiric/config.yaml:1:47");
    check(&[user, user_local], &home, false, false, found);
    let named = [home[0], ("ONEIRIC_CONFIG", "x.yaml")];
    check(
        &[user_local, explicit],
        &named,
        false,
        false,
        ("x.yaml:1:47", "/h/.config/oneiric/local.json:1:52"),
    );
    let with_profile = [("x.yaml", own.as_str())];
    check(&with_profile, &named, false, false, ("x.yaml:2:65 (profile lite)", "x.yaml:1:47"));
    let variable_name = "ONEIRIC_RUNTIME_PATHS__WORKFLOW_CHECKPOINTS_ENABLED";
    check(&with_profile, &variables, false, false, (variable_name, "x.yaml:2:65 (profile lite)"));
    check(&[], &variable, true, false, ("the program", variable_name));
    let flag = format!("--set {key}");
    check(&[], &variable, true, true, (&flag, "the program"));
    check(&[], &variable, false, true, (&flag, variable_name));
}

#[test]
fn a_files_profile_goes_before_every_file_and_not_before_the_environment() {
    let files = [
        (PROJECT, "profiles: {big: {execution: {max_parallel: 9}, app: {name: a}}}\n"),
        ("settings/local.yaml", "execution: {max_parallel: 3}\nprofile: {name: big}\n"),
    ];
    let found = loaded(&files, &[("ONEIRIC_APP__NAME", "b")]);
    assert_eq!(found.settings.execution.max_parallel, 9);
    assert_eq!(found.settings.app.name, "b");
    assert_eq!(found.settings.profile.name, "big");
}

#[test]
fn the_profile_is_chosen_by_flag_then_variable_then_mode_then_file() {
    let file = [(PROJECT, "profile: {name: standard}")];
    let check = |files: Pairs<'_>, variables: Pairs<'_>, flag: Option<&str>, expected: &str| {
        let found = load(files, variables, |loader| match flag {
            Some(name) => loader.profile(name),
            None => loader,
        });
        assert_eq!(found.unwrap().settings.profile.name, expected);
    };
    let mode = ("ONEIRIC_MODE", "lite");
    let profile = ("ONEIRIC_PROFILE", "serverless");
    check(&[], &[], None, "default");
    check(&file, &[], None, "standard");
    check(&file, &[mode], None, "lite");
    check(&file, &[mode, profile], None, "serverless");
    check(&file, &[mode, profile], Some("default"), "default");
    check(&file, &[("ONEIRIC_PROFILE", "")], None, "standard");
}

#[test]
fn profiles_are_overlays() {
    let of = |name: &str| load(&[], &[], |loader| loader.profile(name)).unwrap().settings;
    let serverless = of("serverless");
    assert!(!serverless.profile.watchers_enabled && !serverless.profile.remote_enabled);
    assert!(serverless.profile.inline_manifest_only && serverless.supervisor_enabled());
    assert_eq!(serverless.remote.refresh_interval, None);
    assert!(!of("lite").supervisor_enabled());
    assert!(of("standard").remote.signature_required);
    // The environment goes before a profile: decision 4.
    let found = load(&[], &[("ONEIRIC_PROFILE__SUPERVISOR_ENABLED", "no")], |l| l.profile("serverless"));
    assert!(!found.unwrap().settings.supervisor_enabled());
}

#[test]
fn second_names_lose_to_a_keys_own_name_in_the_same_layer_and_are_shown() {
    let check = |files: Pairs<'_>, variables: Pairs<'_>, key: &str, value: Value, places: &[&str]| {
        let why = loaded(files, variables).provenance.explain(key).unwrap();
        assert_eq!(why.value, value);
        let shown = std::iter::once(&why.origin).chain(why.shadows.iter().map(|below| &below.origin));
        let shown: Vec<_> = shown.map(ToString::to_string).collect();
        assert_eq!(shown[..places.len()], *places, "{key}");
    };
    let key = "runtime_supervisor.enabled";
    let file = [(PROJECT, "runtime_supervisor: {enabled: false}\nruntime: {supervisor: {enabled: true}}\n")];
    check(&file, &[], key, json!(false), &["settings/oneiric.yaml:1:31", "settings/oneiric.yaml:2:33"]);
    check(
        &file[..0],
        &[("ONEIRIC_RUNTIME__SUPERVISOR__ENABLED", "0")],
        key,
        json!(false),
        &["ONEIRIC_RUNTIME__SUPERVISOR__ENABLED", "default"],
    );
    let key = "logging.level";
    let names = [("ONEIRIC_LOG_LEVEL", "debug"), ("SA01_LOG_LEVEL", "error")];
    check(&[], &names, key, json!("DEBUG"), &["ONEIRIC_LOG_LEVEL", "SA01_LOG_LEVEL", "default"]);
    let names = [("ONEIRIC_LOG_LEVEL", "debug"), ("ONEIRIC_LOGGING__LEVEL", "warn")];
    check(&[], &names, key, json!("WARNING"), &["ONEIRIC_LOGGING__LEVEL", "ONEIRIC_LOG_LEVEL"]);
    let key = "runtime_paths.domain_activity_path";
    check(&[], &[("ONEIRIC_ACTIVITY_STORE", "a.db")], key, json!("a.db"), &["ONEIRIC_ACTIVITY_STORE"]);
    check(&[], &[("ONEIRIC_CACHE_DIR", "x")], "cache_dir", json!("x"), &["ONEIRIC_CACHE_DIR", "default"]);
    check(&[(PROJECT, "cache_dir: y")], &[("ONEIRIC_CACHE_DIR", "")], "cache_dir", json!("y"), &[]);
    check(&[], &[("SA01_ENVIRONMENT", "prod")], "app.environment", json!("prod"), &["SA01_ENVIRONMENT"]);
    let key = "workflows.options.default_queue_category";
    check(&[], &[("CELERY_DEFAULT_QUEUE", "q")], key, json!("q"), &["CELERY_DEFAULT_QUEUE"]);
    let why = loaded(&[], &[]).provenance.explain("runtime.supervisor.enabled").unwrap();
    assert_eq!(why.key, "runtime_supervisor.enabled");
}

#[test]
fn maps_are_addressed_through_variables_and_options() {
    let variables = [
        ("ONEIRIC_ADAPTERS__SELECTIONS__CACHE", "redis"),
        ("ONEIRIC_TASKS__SELECTIONS__SHOP__CHARGE", "stripe"),
        ("ONEIRIC_TASKS__SELECTIONS", "{\"shop.refund\": \"stripe\"}"),
        ("ONEIRIC_ADAPTERS__PROVIDER_SETTINGS__REDIS", "{\"port\": 6379, \"url\": \"r://a:pw@h\"}"),
        ("ONEIRIC_ADAPTERS__PROVIDER_SETTINGS__REDIS__DB", "7"),
        ("ONEIRIC_REMOTE__AUTH__TOKEN", "12345"),
        ("ONEIRIC_REMOTE__ALLOWED_FILE_URI_ROOTS", "/a, /b"),
    ];
    let found = load(&[], &variables, |loader| {
        loader.set("events.selections.order.paid=mail").set("domains.\"a.b\".selections.x=y")
    });
    let found = found.unwrap();
    let selections: Vec<_> = found
        .settings
        .selections()
        .map(|(domain, key, provider)| format!("{domain}/{key}={provider}"))
        .collect();
    assert_eq!(
        selections,
        [
            "adapter/cache=redis",
            "task/shop.charge=stripe",
            "task/shop.refund=stripe",
            "event/order.paid=mail",
            "a.b/x=y"
        ]
    );
    let redis = found.settings.provider_settings(&Domain::ADAPTER, &Provider::new("redis").unwrap());
    assert_eq!(Value::from(redis), json!({"port": 6379, "url": "r://a:pw@h", "db": "7"}));
    assert_eq!(found.settings.remote.auth.token.as_ref().map(Secret::expose), Some("12345"));
    assert_eq!(found.settings.remote.allowed_file_uri_roots, ["/a", "/b"]);
    let why = |key: &str| found.provenance.explain(key).unwrap().value;
    assert_eq!(why("adapters.provider_settings.redis.url"), "r://a:***@h");
    assert_eq!(why("remote.auth.token"), "***");
    assert_eq!(why("tasks.selections.shop.charge"), "stripe");
    assert_eq!(why("tasks.selections.\"shop.charge\""), "stripe");
    assert_eq!(why("tasks.selections.unheard"), Value::Null);
}

#[test]
fn references_to_secrets_are_values_and_stay_whole() {
    let files = [
        (PROJECT, "adapters: {provider_settings: {stripe: {key: {secret: a, provider: env}, retries: 1}}}"),
        ("settings/local.yaml", "adapters: {provider_settings: {stripe: {key: {secret: b}}}}"),
    ];
    let found = loaded(&files, &[]);
    let stripe = found.settings.provider_settings(&Domain::ADAPTER, &Provider::new("stripe").unwrap());
    assert_eq!(Value::from(stripe), json!({"key": {"secret": "b"}, "retries": 1}));
    let why = found.provenance.explain("adapters.provider_settings.stripe.key").unwrap();
    assert_eq!(why.value, json!({"secret": "b"}));
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Blocks {
    /// How many.
    count: u8,
    /// Whose.
    owner: Option<String>,
    pin: Option<Secret>,
}

#[test]
fn a_program_may_add_a_section_of_its_own() {
    let files = [(PROJECT, "fastblocks: {count: 3}")];
    let environment = MapEnvironment::from_iter([("ONEIRIC_FASTBLOCKS__PIN", "0007")]);
    let files = MapFiles::from_iter(files);
    let loader = Loader::new("oneiric", &environment, &files).section::<Blocks>("fastblocks");
    let found = loader.load().unwrap();
    let blocks: Blocks = found.section("fastblocks").unwrap();
    assert_eq!(blocks, Blocks { count: 3, owner: None, pin: Some(Secret::new("0007")) });
    assert_eq!(found.provenance.explain("fastblocks.pin").unwrap().value, "***");
    assert_eq!(found.section::<Blocks>("nothing").unwrap(), Blocks::default());
    let error = loader.set("fastblocks.count=256").load().unwrap_err();
    assert_eq!(
        error.to_string(),
        "--set fastblocks.count: `fastblocks.count` must be a whole number from 0 to 255, found `256`"
    );
    assert!(Loader::new("oneiric", &environment, &files).load().is_err(), "the section is not known here");
}

#[test]
fn another_project_has_files_and_variables_of_its_own() {
    let environment = MapEnvironment::from_iter([("MY_APP_APP__NAME", "x"), ("ONEIRIC_NO__SUCH", "y")]);
    let files = MapFiles::from_iter([("base/settings/my-app.yml", "execution: {max_parallel: 2}")]);
    let found = Loader::new("my-app", &environment, &files).base("base").load().unwrap();
    assert_eq!((found.settings.app.name.as_str(), found.settings.execution.max_parallel), ("x", 2));
    assert_eq!(found.files, ["base/settings/my-app.yml"]);
}

#[test]
fn every_file_that_is_read_is_among_the_places() {
    let environment = MapEnvironment::from_iter([("HOME", "/home/me"), ("ONEIRIC_CONFIG", "named.toml")]);
    let texts =
        ["base/settings/oneiric.yaml", "base/settings/local.json", "/home/me/.config/oneiric/config.yml"];
    let named = "base/named.toml";
    let files = MapFiles::from_iter(texts.iter().chain([&named]).map(|path| (*path, "")));
    let places = |loader: Loader<'_>| -> Vec<String> {
        loader.places().iter().map(|path| path.display().to_string()).collect()
    };
    let loader = || Loader::new("oneiric", &environment, &files).base("base");
    let known = places(loader());
    assert_eq!(known.len(), 4 * 4 + 1, "also those that are not there: they may come");
    assert!(texts.iter().chain([&named]).all(|path| known.iter().any(|place| place == path)), "{known:?}");
    // The option goes before the variable, for watching as for reading.
    let known = places(loader().config("/etc/own.yaml"));
    assert!(
        known.ends_with(&["/etc/own.yaml".to_owned()]) && !known.contains(&named.to_owned()),
        "{known:?}"
    );
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_place_and_way_out() {
    let files = [
        (PROJECT, "remote:\n  enabeld: s3cret\n  max_retries: many\n  auth: {tokn: s3cret, token: 5}\n"),
        ("settings/local.toml", "[logging]\nlevel = 'loud'\n[execution]\nmax_parallel = 0\n"),
        ("x.json", "{\"tasks\": {\"selections\": {\"a b\": \"p\"}}, \"tasks\": {}}"),
    ];
    let variables = [
        ("ONEIRIC_CONFIG", "x.json"),
        ("ONEIRIC_REMOTE__ENABLED", "maybe"),
        ("ONEIRIC_REMOTE__ENABLE", "1"),
        ("ONEIRIC_ADAPTER__SELECTIONS__CACHE", "x"),
        ("ONEIRIC_RUNTIME_SUPERVISOR__POLL_INTERVAL", "0"),
        ("ONEIRIC_SECRET_A__B", "not ours"),
        ("ONEIRIC_TEST_A__B", "not ours"),
    ];
    let error = load(&files, &variables, |loader| {
        loader.set("nonsense").set("remote.retrymaxdelay=1").set("app.debug=2").value("app.name", json!(5))
    });
    let text = error.as_ref().unwrap_err().to_string();
    let expected = "\
settings/oneiric.yaml:2:3: unknown key `remote.enabeld` (did you mean `remote.enabled`?)
settings/oneiric.yaml:3:16: `remote.max_retries` must be a whole number from 0 to 1000, found the text `many`
settings/oneiric.yaml:4:10: unknown key `remote.auth.tokn` (did you mean `remote.auth.token`?)
settings/oneiric.yaml:4:31: `remote.auth.token` must be text, or null, found a number (put it in quotes)
settings/local.toml:2:9: `logging.level` must be one of TRACE, DEBUG, INFO, WARNING, ERROR, CRITICAL, OFF, found the text `loud`
settings/local.toml:4:16: `execution.max_parallel` must be a whole number from 1 to 1000000, found `0`
x.json:1:27: `tasks.selections`: key `a b` contains ' '; allowed are letters, digits, `_`, `-` and `.`
x.json:1:41: key `tasks` is given twice
ONEIRIC_ADAPTER__SELECTIONS__CACHE: no setting has this variable (did you mean `ONEIRIC_ADAPTERS__SELECTIONS__CACHE`?)
ONEIRIC_REMOTE__ENABLE: no setting has this variable (did you mean `ONEIRIC_REMOTE__ENABLED`?)
ONEIRIC_REMOTE__ENABLED: `remote.enabled` must be true or false, found the text `maybe` (write true or false)
ONEIRIC_RUNTIME_SUPERVISOR__POLL_INTERVAL: `runtime_supervisor.poll_interval` must be a number from 0.1 to 31536000, found `0`
the program's `app.name`: `app.name` must be text, found `5` (put it in quotes)
--set: there is no `=` behind the key (write KEY=VALUE: `--set remote.enabled=true`)
--set remote.retrymaxdelay: unknown key `remote.retrymaxdelay` (did you mean `remote.retry_max_delay`?)
--set app.debug: `app.debug` must be true or false, found the text `2` (write true or false)";
    assert_eq!(text, expected);
    for source in &error.unwrap_err().sources {
        assert!(!String::from_utf8_lossy(&source.text).contains("s3cret"));
    }
}

#[test]
fn no_way_of_printing_settings_shows_a_secret() {
    let files = [(
        PROJECT,
        "secrets: {inline: {a: s3cret}}\nremote: {auth: {token: s3cret}}\n\
         adapters: {provider_settings: {p: {password: s3cret, url: 'x://u:s3cret@h'}}}\n",
    )];
    let found = load(&files, &[("ONEIRIC_REMOTE__AUTH__TOKEN", "s3cret")], |loader| {
        loader.set("secrets.inline.b=s3cret").profile("lite")
    });
    let found = found.unwrap();
    let printed = [
        format!("{found:?}"),
        format!("{:#?}", found.provenance),
        serde_json::to_string(&found.provenance.explanations(true).collect::<Vec<_>>()).unwrap(),
        found.provenance.tree(true).to_string(),
        format!("{:?}", found.settings),
    ];
    for text in printed {
        assert!(!text.contains("s3cret"), "{text}");
        assert!(text.contains("***"), "{text}");
    }
    assert_eq!(found.settings.secrets.inline["a"].expose(), "s3cret");
}

#[test]
fn what_is_empty_says_nothing() {
    for text in ["", "\n\n", "# only a comment\n", "remote:\n  # enabled: true\n", "{}", "profiles:\n"] {
        assert_eq!(loaded(&[(PROJECT, text)], &[]).settings, Settings::default(), "{text:?}");
    }
}

#[test]
fn bounds_are_kept() {
    let check = |text: &str, expected: &str| {
        let error = load(&[(PROJECT, text)], &[], |loader| loader).unwrap_err().to_string();
        assert!(error.contains(expected) && error.len() < 10_000, "{error}");
    };
    check(&" ".repeat(MAX_SETTINGS_BYTES + 1), "longer than 1048576 bytes");
    check(&"[".repeat(100), "deep");
    let many: String = (0..=MAX_KEYS).map(|n| format!("  k{n}: p\n")).collect();
    check(&format!("tasks:\n selections:\n{many}"), "more than 10000 keys in one layer");
    let unknown: String = (0..MAX_KEYS).map(|n| format!("k{n}: p\n")).collect();
    check(&unknown, "and 9950 more");
    check("- a\n", "settings must be a mapping, found a list");
    check("profiles: [a]\n", "must be a mapping of profiles");
    check("profiles: {a: 1}\n", "profile `a` must be a mapping of settings");
    check("profiles: {a: {profile: {name: b}}}\n", "cannot choose another profile");
    check("domains: {task: {}}\n", "has a section of its own: `tasks`");
}

#[test]
fn the_json_schema_describes_every_section() {
    let (environment, files) = (MapEnvironment::default(), MapFiles::default());
    let loader = Loader::new("oneiric", &environment, &files).section::<Blocks>("fastblocks");
    let schema = loader.json_schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["additionalProperties"], false);
    for name in ["remote", "profiles", "fastblocks", "runtimes"] {
        assert!(schema["properties"].get(name).is_some(), "{name}");
    }
    // Every key is described: the reference is made from it.
    let own = Loader::new("oneiric", &environment, &files);
    for why in own.load().unwrap().provenance.explanations(true) {
        assert!(why.description.ends_with('.'), "{}: {:?}", why.key, why.description);
    }
}

const PIECES: [&str; 18] = [
    "remote:",
    "\n",
    "  enabled: ",
    "true",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "profiles",
    ": ",
    "- ",
    "a.b = 1",
    "tasks",
    "selections",
    "null",
    "&a ",
    "*a",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn loading_any_bytes_is_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), ending in 0..3usize) {
        survives(["yaml", "toml", "json"][ending], &bytes);
    }

    #[test]
    fn loading_pieces_of_settings_is_no_panic(
        pieces in proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..30),
        ending in 0..3usize,
    ) {
        survives(["yaml", "toml", "json"][ending], pieces.concat().as_bytes());
    }

    #[test]
    fn no_variable_and_no_option_is_a_panic(name in "[A-Z_]{0,20}", value in ".{0,20}", option in "[a-z.=\"]{0,30}") {
        let environment = MapEnvironment::from_iter([(format!("ONEIRIC_{name}"), value)]);
        let files = MapFiles::default();
        let _ = Loader::new("oneiric", &environment, &files).set(option).load();
    }
}

fn survives(ending: &str, bytes: &[u8]) {
    let environment = MapEnvironment::default();
    let files = MapFiles::from_iter([(format!("settings/oneiric.{ending}"), bytes)]);
    match Loader::new("oneiric", &environment, &files).load() {
        Ok(found) => drop(found.provenance.tree(true)),
        Err(error) => assert!(!error.to_string().is_empty() && !error.sources.is_empty()),
    }
}

#[test]
fn the_state_is_where_the_checkpoints_are() {
    let check = |cache: Option<&str>, checkpoints: Option<&str>, expected: &str| {
        let mut settings = Settings { cache_dir: cache.map(str::to_owned), ..Settings::default() };
        settings.runtime_paths.workflow_checkpoints_path = checkpoints.map(str::to_owned);
        assert_eq!(settings.state_dir(), expected, "{cache:?} {checkpoints:?}");
    };
    check(None, None, ".oneiric_cache");
    check(Some("a"), Some("b/c.sqlite"), "a");
    check(None, Some("b/c.sqlite"), "b");
    check(None, Some("c.sqlite"), ".");
    check(None, Some("/c.sqlite"), "/");
    check(None, Some("/b/d/c.sqlite"), "/b/d");
}
