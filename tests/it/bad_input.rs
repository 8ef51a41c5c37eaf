//! Bad input, one table: a clear message with the place and the way out, the exit code of the table in
//! `--help`, and nothing left behind.

mod components;
mod events;

use std::fs::File;
use std::path::Path;

use crate::support::{Ended, Home};

/// One kind of bad input.
struct Case {
    name: &'static str,
    /// Puts what is needed into the home.
    given: Box<dyn Fn(&Home)>,
    arguments: Vec<String>,
    variables: Vec<(&'static str, &'static str)>,
    code: i32,
    /// What standard error must say: what and where, and the way out.
    says: Vec<&'static str>,
}

impl Case {
    fn new(name: &'static str, arguments: &str, code: i32, says: &[&'static str]) -> Self {
        // A `~` stands for a space inside of an argument.
        let arguments = arguments.split(' ').map(|word| word.replace('~', " ")).collect();
        Self { name, given: Box::new(|_| {}), arguments, variables: Vec::new(), code, says: says.to_vec() }
    }

    fn given(self, given: impl Fn(&Home) + 'static) -> Self {
        Self { given: Box::new(given), ..self }
    }

    fn with(self, variable: (&'static str, &'static str)) -> Self {
        Self { variables: vec![variable], ..self }
    }

    fn check(&self) -> Result<(), String> {
        let home = Home::new();
        (self.given)(&home);
        let before = home.contents();
        let arguments: Vec<_> = self.arguments.iter().map(String::as_str).collect();
        let mut command = home.command(&arguments);
        command.envs(self.variables.iter().copied());
        let said = Ended::of(&command.output().unwrap());
        let after = home.contents();
        let mut wrong = Vec::new();
        if said.code != self.code {
            wrong.push(format!("exit code {}, expected {}", said.code, self.code));
        }
        wrong.extend(
            self.says
                .iter()
                .filter(|text| !said.stderr.contains(**text))
                .map(|text| format!("not said: {text}")),
        );
        // Asked for an explanation, `explain` gives what there is of one.
        if !said.stdout.is_empty() && serde_json::from_str::<serde_json::Value>(&said.stdout).is_err() {
            wrong.push("something that is no result on standard output".to_owned());
        }
        let noise = ["panicked", "backtrace", "RUST_", "\u{1b}", "\u{7}"];
        wrong.extend(
            noise.iter().filter(|text| said.stderr.contains(**text)).map(|text| format!("said: {text:?}")),
        );
        if said.stderr.len() > 4000 {
            wrong.push(format!("{} bytes of message", said.stderr.len()));
        }
        if before != after {
            let new: Vec<_> = after.iter().filter(|path| !before.contains(path)).collect();
            let gone: Vec<_> = before.iter().filter(|path| !after.contains(path)).collect();
            wrong.push(format!("left behind {new:?}, removed {gone:?}"));
        }
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(format!("━━━ {}: {}\n{}\n{said:?}", self.name, self.arguments.join(" "), wrong.join("\n")))
        }
    }
}

/// A manifest in which the workflow `w` has these nodes, and `a` is a task.
fn graph(nodes: &str) -> String {
    format!(
        "entries:\n- {{domain: task, key: a, provider: p, factory: 'builtin:noop'}}\n\
         - {{domain: workflow, key: w, provider: p, factory: 'builtin:noop', dag: {{nodes: [\n{nodes}\n]}}}}\n"
    )
}

/// A manifest in which the workflow `w` runs the one task `a`, whose entry goes on like this.
fn task(more: &str) -> String {
    format!(
        "entries:\n- {{domain: task, key: a, provider: p, {more}}}\n\
         - {{domain: workflow, key: w, provider: p, factory: 'builtin:noop', dag: {{nodes: [{{id: x, task: a}}]}}}}\n"
    )
}

const RUN: &str = "--manifest m.yaml workflow run w";

/// Bad text of a manifest, and what is said of it.
fn manifest(name: &'static str, text: impl Into<Vec<u8>>, code: i32, says: &[&'static str]) -> Case {
    let text = text.into();
    Case::new(name, RUN, code, says).given(move |home| {
        home.bytes("m.yaml", &text);
    })
}

fn nodes(name: &'static str, nodes: &str, code: i32, says: &[&'static str]) -> Case {
    manifest(name, graph(nodes), code, says)
}

fn texts() -> Vec<Case> {
    let bad = |name: &'static str, file: &'static str, text: &'static str, says: &[&'static str]| {
        let arguments = format!("--manifest {file} workflow run w");
        Case::new(name, &arguments, 2, says).given(move |home| {
            home.file(file, text);
        })
    };
    vec![
        bad("bad YAML", "m.yaml", "entries: [\n", &["m.yaml:", "error:"]),
        bad("bad JSON", "m.json", "{\"entries\": [}", &["m.json:1:14"]),
        bad("bad TOML", "m.toml", "entries = [\n", &["m.toml:"]),
        bad("an empty file", "m.yaml", "", &["m.yaml", "is empty"]),
        bad("a name twice", "m.yaml", "source: a\nsource: b\n", &["m.yaml:2:1", "source"]),
        manifest("a binary file", b"\x7fELF\0\0\0\x01".to_vec(), 2, &["m.yaml", "not text"]),
        manifest("not UTF-8", b"source: caf\xe9\n".to_vec(), 2, &["m.yaml", "not UTF-8"]),
        manifest("100-deep nesting", "[".repeat(100), 2, &["m.yaml:1:", "deep"]),
        manifest("a million aliases", million_aliases(), 2, &["m.yaml"]),
        manifest("a billion laughs", billion_laughs(), 2, &["m.yaml"]),
        manifest("an unknown key", "enries: []\n", 2, &["m.yaml:1:1", "`enries`", "did you mean `entries`"]),
        manifest(
            "a wrong type",
            task("factory: 'builtin:noop', priority: high"),
            2,
            &["m.yaml:2:", "priority"],
        ),
        manifest("something missing", "entries:\n- {domain: task, key: a}\n", 2, &["m.yaml:2:", "provider"]),
        manifest(
            "a key with a slash",
            "entries:\n- {domain: task, key: a/b, provider: p, factory: 'builtin:noop'}\n",
            2,
            &["m.yaml:2:", "a/b"],
        ),
        manifest(
            "a key with control characters",
            "entries:\n- {domain: task, key: \"a\\e[2J\\a\", provider: p, factory: 'builtin:noop'}\n",
            2,
            &["m.yaml:2:", "key"],
        ),
        manifest(
            "a bad retry policy",
            task("factory: 'builtin:noop', retry_policy: {attempts: 0}"),
            2,
            &["m.yaml:2:", "attempts", "1 to 1000"],
        ),
        manifest(
            "a negative timeout",
            task("factory: 'builtin:noop', timeout_seconds: -1"),
            2,
            &["m.yaml:2:", "timeout_seconds"],
        ),
    ]
}

fn graphs() -> Vec<Case> {
    vec![
        nodes("a duplicate id", "{id: x, task: a}, {id: x, task: a}", 2, &["m.yaml:4:", "`x`", "another id"]),
        nodes(
            "an unknown dependency",
            "{id: load, task: a}, {id: x, task: a, depends_on: [laod]}",
            2,
            &["m.yaml:4:", "`laod`", "`load`"],
        ),
        nodes("a self-dependency", "{id: x, task: a, depends_on: [x]}", 2, &["m.yaml:4:", "`x`", "itself"]),
        nodes(
            "a cycle of 3",
            "{id: x, task: a, depends_on: [z]}, {id: y, task: a, depends_on: [x]}, {id: z, task: a, depends_on: [y]}",
            2,
            &["m.yaml:4:6", "`x` -> `z` -> `y` -> `x`", "remove one of these dependencies"],
        ),
        nodes(
            "a text instead of a list",
            "{id: x, task: a}, {id: y, task: a, depends_on: x}",
            2,
            &["m.yaml:4:", "depends_on", "[x]"],
        ),
        nodes("a condition that is not CEL", "{id: x, task: a, when: '1 +'}", 2, &["m.yaml:4:", "when"]),
        nodes(
            "a condition on what need not be there",
            "{id: x, task: a}, {id: y, task: a, when: 'nodes.x.output == 1'}",
            2,
            &["m.yaml:4:", "`nodes.x`", "does not depend on"],
        ),
        nodes("an unknown task", "{id: x, task: b}", 3, &["`w`", "`b`", "did you mean `a`", "add an entry"]),
        Case::new("an unknown workflow", "--manifest m.yaml workflow run v", 3, &["`v`", "oneiric list"])
            .given(|home| drop(home.file("m.yaml", &graph("{id: x, task: a}")))),
        Case::new("a workflow without a manifest", "workflow run w", 3, &["`w`", "--manifest"]),
        manifest(
            "a workflow without a graph",
            "entries:\n- {domain: workflow, key: w, provider: p, factory: 'builtin:noop'}\n",
            2,
            &["`w`", "`dag`"],
        ),
    ]
}

fn factories() -> Vec<Case> {
    let allowlist = "ONEIRIC_FACTORY_ALLOWLIST";
    vec![
        manifest("an unknown scheme", task("factory: 'ftp://x'"), 5, &["`ftp://x`", "`exec:`", allowlist]),
        manifest("a mistyped scheme", task("factory: 'exce:sh'"), 5, &["`exce:sh`", "exec:"]),
        manifest(
            "a factory outside of the allowlist",
            task("factory: 'shop.tasks:Charge'"),
            5,
            &["`shop.tasks:Charge`", allowlist],
        ),
        manifest(
            "a module that is never allowed",
            task("factory: 'os:system'"),
            5,
            &["`os`", "never allowed"],
        )
        .with((allowlist, "os")),
        manifest(
            "an allowed factory without its runtime",
            task("factory: 'ftp://x'"),
            3,
            &["`ftp://x`", "exec"],
        )
        .with((allowlist, "ftp:")),
        manifest(
            "an unknown built-in",
            task("factory: 'builtin:slep'"),
            3,
            &["`a`", "did you mean `builtin:sleep`"],
        ),
        manifest(
            "a program that is not there",
            task("factory: 'exec:no-such-program'"),
            2,
            &["`no-such-program`", "PATH"],
        ),
        manifest(
            "a mistyped setting of a program",
            task("factory: 'exec:sh', metadata: {exec: {arg: [x]}}"),
            2,
            &["metadata.exec.arg", "did you mean `args`"],
        ),
    ]
}

fn files() -> Vec<Case> {
    let named = |name: &'static str, file: &'static str, says: &[&'static str]| {
        Case::new(name, &format!("--manifest {file} workflow run w"), 2, says)
    };
    let mut cases = vec![
        named("a folder as manifest", "folder", &["folder", "it is a folder", "name a file in it"])
            .given(|home| std::fs::create_dir(home.path().join("folder")).unwrap()),
        named(
            "a manifest that is not there",
            "nowhere.yaml",
            &["nowhere.yaml", "no such file", "check the path"],
        ),
        named("a pipe as manifest", "pipe.yaml", &["pipe.yaml", "no regular file"]).given(|home| {
            let mode = nix::sys::stat::Mode::S_IRUSR;
            nix::unistd::mkfifo(&home.path().join("pipe.yaml"), mode).unwrap();
        }),
        named("a file of 200 MB", "m.yaml", &["m.yaml", "209715200 bytes", "split it"]).given(|home| {
            File::create(home.path().join("m.yaml")).unwrap().set_len(200 << 20).unwrap();
        }),
    ];
    if !nix::unistd::geteuid().is_root() {
        cases.push(named("a manifest that may not be read", "m.yaml", &["m.yaml", "permission"]).given(
            |home| {
                use std::os::unix::fs::PermissionsExt as _;
                let path = home.file("m.yaml", "");
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o0)).unwrap();
            },
        ));
    }
    cases
}

fn arguments() -> Vec<Case> {
    let run = |name: &'static str, more: &str, code: i32, says: &[&'static str]| {
        Case::new(name, &format!("{RUN} {more}"), code, says)
            .given(|home| drop(home.file("m.yaml", &graph("{id: x, task: a}"))))
    };
    vec![
        run("an unknown option", "--max-paralel 3", 2, &["--max-paralel", "--max-parallel"]),
        Case::new("an unknown command", "wrkflow run w", 2, &["wrkflow", "workflow"]),
        run("nothing in parallel", "--max-parallel 0", 2, &["--max-parallel", "0"]),
        run("a negative timeout", "--timeout=-1", 2, &["--timeout", "more than 0"]),
        run("a context that is not JSON", "--context {order", 2, &["context", "JSON"]),
        run("a context that is no object", "--context [1]", 2, &["context", "object"]),
        run("a context in a file that is not there", "--context @order.json", 2, &["order.json"]),
        run("a run id that is none", "--run-id xyz", 2, &["--run-id", "xyz"]),
        Case::new("a domain that is no name", "list --domain a/b", 2, &["--domain", "a/b"]),
        Case::new("a key that is no name", "explain a/b", 2, &["a/b"]),
        Case::new("an unknown component", "explain nothing.here", 3, &["nothing.here", "--manifest"]),
    ]
}

/// A home in which `w` was run twice, under these ids.
const FIRST: &str = "0123456789abcdef0123456789abcde1";
const SECOND: &str = "0123456789abcdef0123456789abcde2";

fn twice(home: &Home) {
    home.file("m.yaml", &graph("{id: x, task: a}"));
    for id in [FIRST, SECOND] {
        home.run(&["--manifest", "m.yaml", "workflow", "run", "w", "--run-id", id]).exits(0);
    }
}

fn runs() -> Vec<Case> {
    let with = |name: &'static str, arguments: &str, code: i32, says: &[&'static str]| {
        Case::new(name, arguments, code, says).given(twice)
    };
    vec![
        with("an unknown run", "run show ffffffff", 3, &["`ffffffff`", "oneiric run list"]),
        with("an ambiguous run", "run show 01234567", 3, &["`01234567`", "several runs", FIRST, SECOND]),
        with("a run of too few digits", "run show 01", 3, &["`01`", "4 to 32"]),
        with("going on with what is over", &format!("run resume {FIRST}"), 1, &[FIRST, "completed"]),
        with("cancelling what is over", &format!("run cancel {FIRST}"), 1, &[FIRST, "completed"]),
        with("a run id twice", &format!("{RUN} --run-id {FIRST}"), 1, &[FIRST]),
        Case::new("a run in an empty folder", "run show latest", 3, &["no run", "workflow run"]),
    ]
}

/// The database of a home in which `w` was run.
fn database(home: &Home) -> std::path::PathBuf {
    twice(home);
    home.path().join(".oneiric_cache/oneiric.sqlite")
}

fn sql(path: &Path, text: &str) {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.execute_batch(text).unwrap();
    connection.close().unwrap();
}

fn states() -> Vec<Case> {
    let damaged = |name: &'static str, arguments: &str, says: &[&'static str], damage: fn(&Path)| {
        let mut says = says.to_vec();
        says.push("oneiric.sqlite");
        Case::new(name, arguments, 2, &says).given(move |home| damage(&database(home)))
    };
    let garbage: fn(&Path) = |path| std::fs::write(path, vec![0x5a; 100_000]).unwrap();
    let truncated: fn(&Path) = |path| {
        let length = path.metadata().unwrap().len();
        File::options().write(true).open(path).unwrap().set_len(length / 2).unwrap();
    };
    let newer: fn(&Path) = |path| sql(path, "PRAGMA user_version = 99");
    let foreign: fn(&Path) = |path| {
        std::fs::remove_file(path).unwrap();
        sql(path, "CREATE TABLE t (a); PRAGMA user_version = 3");
    };
    let placed = |name: &'static str, place: &str, says: &[&'static str]| {
        Case::new(name, &format!("{RUN} --state-dir {place}"), 2, says).given(|home| {
            home.file("m.yaml", &graph("{id: x, task: a}"));
            home.file("file", "");
        })
    };
    vec![
        damaged("a database that is none, written to", RUN, &["not a database", "restore a backup"], garbage),
        damaged(
            "a database that is none, read",
            "run list",
            &["not a database", "restore a backup"],
            garbage,
        ),
        damaged("half a database, written to", RUN, &["restore a backup"], truncated),
        damaged("half a database, read", "run list", &["restore a backup"], truncated),
        damaged("a newer database, written to", RUN, &["99", "use a newer oneiric"], newer),
        damaged("a newer database, read", "run list", &["99", "use a newer oneiric"], newer),
        damaged(
            "another program's database, written to",
            RUN,
            &["another program", "name another place"],
            foreign,
        ),
        damaged("another program's database, read", "run list", &["another program"], foreign),
        Case::new("another host at work", RUN, 2, &["elsewhere", "oneiric.sqlite"]).given(|home| {
            sql(
                &database(home),
                "INSERT INTO boots (id, host, pid, started_at, beat_at, ended_at) VALUES (x'000102030405060708090a0b0c0d0e0f', 'elsewhere', 1,
                 unixepoch() * 1000000, unixepoch() * 1000000, NULL)",
            );
        }),
        placed("a file as state folder", "file", &["file", "--state-dir"]),
        placed("a state folder below a file", "file/state", &["file/state", "--state-dir"]),
        Case::new("a backup over a file", "store backup m.yaml", 2, &["m.yaml", "exists"]).given(twice),
        Case::new("a check of nothing", "store check", 2, &[".oneiric_cache", "--state-dir"]),
    ]
}

fn million_aliases() -> String {
    format!("source: &a x\nentries: [{}]\n", "*a,".repeat(1_000_000))
}

fn billion_laughs() -> String {
    let mut text = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..=9 {
        let below = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    text
}

#[test]
fn every_kind_of_bad_input_is_told_what_is_wrong_and_what_to_do() {
    let kinds = [
        texts(),
        graphs(),
        factories(),
        files(),
        arguments(),
        components::cases(),
        events::cases(),
        runs(),
        states(),
    ];
    let cases: Vec<Case> = kinds.into_iter().flatten().collect();
    assert!(cases.len() >= 70);
    let wrong: Vec<_> = cases.iter().filter_map(|case| case.check().err()).collect();
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n\n"));
}

#[test]
fn commands_that_only_read_create_nothing() {
    let home = Home::new();
    home.file("m.yaml", &graph("{id: x, task: a}"));
    let before = home.contents();
    for arguments in [
        "list --domain task",
        "explain a --domain task",
        "manifest validate m.yaml",
        "manifest show m.yaml",
        "manifest pack -i m.yaml --stdout",
        "workflow list",
        "workflow plan",
        "workflow graph w",
        "workflow graph w --format svg",
        "run list",
        "run resume --all",
        "status",
        "health",
        "health --probe",
        "swap a --domain task",
        "plugins",
        "manifest schema",
        "completions bash",
        "man",
        "--help",
        "--version",
    ] {
        let arguments: Vec<_> = ["--manifest", "m.yaml"].into_iter().chain(arguments.split(' ')).collect();
        home.run(&arguments).exits(0);
        assert_eq!(home.contents(), before, "{arguments:?}");
    }
}
