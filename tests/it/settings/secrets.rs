//! Secrets that nobody sees.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::{SHOP, YAML, run};
use crate::support::Home;

/// What must not be seen anywhere.
const CANARY: &str = "canary-0b5e55ed";

#[test]
fn a_secret_is_seen_in_no_output_of_any_command() {
    let home = Home::new();
    home.file("m.yaml", SHOP);
    let secrets = home.file("secrets.yaml", &format!("from-file: {CANARY}\n"));
    fs::set_permissions(&secrets, fs::Permissions::from_mode(0o600)).unwrap();
    home.file(
        YAML,
        &format!(
            "remote: {{auth: {{token: {CANARY}}}}}\n\
             secrets: {{inline: {{from-inline: {CANARY}}}}}\n\
             adapters:\n  provider_settings:\n    file: {{path: secrets.yaml}}\n    p:\n\
             \x20     a: {{secret: from-env}}\n      b: {{secret: from-file}}\n      c: {{secret: from-inline}}\n\
             \x20     password: {CANARY}\n      url: redis://app:{CANARY}@host/0\n"
        ),
    );
    let variables = [
        ("ONEIRIC_SECRET_FROM_ENV", CANARY),
        ("ONEIRIC_REMOTE__AUTH__TOKEN", CANARY),
        ("ONEIRIC_SECRET_X__Y", CANARY),
    ];
    let set = format!("secrets.inline.another={CANARY}");
    let commands = [
        "config show",
        "config show --all",
        "config show --all --json",
        "config show --format yaml",
        "config explain remote.auth.token",
        "config explain remote.auth.token --json",
        "config explain secrets.inline.from-inline",
        "config explain adapters.provider_settings.p.password",
        "config explain adapters.provider_settings.p.url --json",
        "config validate",
        "config schema",
        "secrets list",
        "secrets list --json",
        "secrets rotate --all",
        "list --json",
        "explain x",
        "workflow plan",
        "workflow run w",
        "run show latest",
        "run show latest --json --journal",
        "run show latest --log",
        "run list",
        "store check",
        // Mistakes beside it, under it, and in its own name.
        "config show --set remote.auth.tokn=canary-0b5e55ed",
        "config show --set remote.auth.token.x=canary-0b5e55ed",
        "config show --config bad-key.yaml",
        "config show --config bad-text.yaml",
        "config show --config bad-type.toml",
        "config show --config twice.json",
        "config show --config no-map.yaml",
        "config show --config list.yaml",
        "config show --config beside.yaml",
        "secrets list --set adapters.provider_settings.file.path=broken.yaml",
    ];
    home.file("bad-key.yaml", &format!("remote:\n  auth:\n    token: {CANARY}\n    tokn: {CANARY}\n"));
    home.file("bad-text.yaml", &format!("remote: {{auth: {{token: {CANARY}}}\n"));
    home.file("bad-type.toml", &format!("[secrets.inline]\na = '{CANARY}'\nb = ['{CANARY}']\n"));
    home.file(
        "no-map.yaml",
        &format!("secrets:\n  inline: {CANARY}\nremote: {{auth: [{CANARY}]}}\nadapters: {CANARY}\n"),
    );
    home.file("list.yaml", &format!("{CANARY}\n"));
    home.file(
        "beside.yaml",
        &format!(
            "adapters: {{provider_settings: {{p: {{\n  list: [{{password: {CANARY}}}],\n  url: 'x://u:{CANARY}@h'}}}}}}\n\
             wrong: 1\nremote: {{manifest_url: 'https://u:{CANARY}@h'}}\n"
        ),
    );
    let twice = format!("{{\"remote\": {{\"auth\": {{\"token\": \"{CANARY}\", \"token\": \"{CANARY}\"}}}}}}");
    home.file("twice.json", &twice);
    let broken = home.file("broken.yaml", &format!("from-file: [{CANARY}\n"));
    fs::set_permissions(&broken, fs::Permissions::from_mode(0o600)).unwrap();
    for command in commands {
        let mut arguments = vec!["--manifest", "m.yaml", "--log-level", "trace", "--set", set.as_str()];
        arguments.extend(command.split(' '));
        let said = run(&home, &variables, &arguments);
        assert!(!said.stdout.contains(CANARY) && !said.stderr.contains(CANARY), "{command}: {said:?}");
    }
    let listed = run(&home, &variables, &["secrets", "list", "--json"]).exits(0).json();
    let from: Vec<_> =
        listed["entries"].as_array().unwrap().iter().map(|entry| entry["from"].clone()).collect();
    assert_eq!(from, ["env", "file", "inline"], "the canaries were there");
    for path in home.contents().iter().filter(|path| path.starts_with(home.path().join(".oneiric_cache"))) {
        if path.is_file() {
            let bytes = fs::read(path).unwrap();
            let seen = bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
            assert!(!seen, "{}", path.display());
        }
    }
    assert!(home.path().join(".oneiric_cache/oneiric.sqlite").exists());
}

#[test]
fn what_may_be_read_by_everybody_is_no_store_of_secrets() {
    let home = Home::new();
    let path = home.file("s.yaml", &format!("a: {CANARY}\n"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let options =
        ["--set", "adapters.provider_settings.file.path=s.yaml", "--set", "remote.auth.secret_id=a"];
    let listed = home.run(&[&["secrets", "list"], &options[..]].concat()).exits(0);
    assert!(listed.stdout.contains("chmod 600") && !listed.stdout.contains(CANARY), "{listed:?}");
    let said = home.run(&["secrets", "rotate", "--all"]).exits(0);
    assert_eq!(said.stdout, "Invalidated 0 cached secret value(s).\n");
}
