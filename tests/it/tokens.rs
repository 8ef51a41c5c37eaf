//! Tokens for HTTP: made, shown once, taken back; and a port that nobody may reach without one.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::{Ended, Home, wait};

#[test]
fn a_token_is_shown_once_and_kept_nowhere() {
    let home = Home::new();
    let made =
        home.run(&["token", "create", "--scope", "operate", "--name", "ci", "--expires-in", "90d"]).exits(0);
    let token = made.stdout.strip_suffix('\n').unwrap();
    assert!(
        token.starts_with("one_") && token.len() == 60 && !token.contains(char::is_whitespace),
        "{made:?}"
    );
    let (public, secret) = token.split_at(4 + 12 + 1);
    assert!(!made.stderr.contains(secret), "{made:?}");

    let listed = home.run(&["token", "list", "--json"]).exits(0);
    assert!(!listed.stdout.contains(secret), "{listed:?}");
    let entry = &listed.json()[0];
    assert_eq!((&entry["name"], &entry["scopes"][0]), (&"ci".into(), &"operate".into()));
    assert_eq!(entry["id"], public[4..16]);
    assert_eq!(entry["expired"], false);
    for path in home.contents().iter().filter(|path| path.is_file()) {
        let bytes = std::fs::read(path).unwrap();
        assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{}", path.display());
    }

    let again = home.run(&["--json", "token", "create", "--scope", "read", "--name", "ci"]).exits(2);
    assert!(
        again.error()["message"].as_str().unwrap().starts_with("there is a token `ci` already"),
        "{again:?}"
    );
    home.run(&["token", "revoke", "ci"]).exits(0);
    home.run(&["token", "revoke", "ci"]).exits(3);
    assert_eq!(home.json(&["token", "list", "--json"]), Value::Array(Vec::new()));
}

#[test]
fn what_settings_need_of_a_token_is_what_settings_take() {
    let home = Home::new();
    let hashed = |token: &str| {
        let mut command = home.command(&["token", "hash", "--name", "ci", "--scope", "operate"]);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(token.as_bytes()).unwrap();
        wait(child)
    };
    let token = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n";
    let said = hashed(token).exits(0);
    let config = home.file("with-token.toml", &said.stdout);
    let config = config.to_str().unwrap();
    let listed = home.run(&["--config", config, "token", "list"]).exits(0);
    assert!(listed.stdout.contains("settings name ci"), "{listed:?}");
    for short in ["", "hunter2\n", "with a space in it, and long enough for all else\n"] {
        hashed(short).exits(2);
    }
}

#[test]
fn nobody_listens_for_all_the_world_without_a_token() {
    let home = Home::new();
    let arguments = ["orchestrate", "--http-host", "0.0.0.0", "--http-port", "0"];
    let refused = home.run(&arguments).exits(2);
    assert!(refused.stderr.contains("refusing to listen on 0.0.0.0:0"), "{refused:?}");
    assert!(home.contents().is_empty(), "a refusal leaves nothing behind");

    home.run(&["token", "create", "--scope", "read"]).exits(0);
    let mut child = home.command(&arguments).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let listens = lines.by_ref().any(|line| line.unwrap().contains("\"listening\""));
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).unwrap();
    for line in lines {
        drop(line);
    }
    let ended: Ended = wait(child);
    assert!(listens, "{ended:?}");
    ended.exits(0);
}
