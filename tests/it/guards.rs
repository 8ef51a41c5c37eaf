//! The rules of the house that no compiler checks. Each guard is a function over files, and has a red case: files
//! that somebody made up, on which it must fail. A guard that cannot fail guards nothing.

mod source;

use std::collections::BTreeMap;

use crate::arrows::root;
use source::{Source, Tree};

/// The most lines of a source file that is in no list.
const LONGEST: usize = 600;

fn house() -> Tree {
    let tree = Tree::of_house(&root());
    assert!(tree.all().count() > 300, "the house was not read");
    tree
}

/// What a guard finds in made-up files.
fn found(guard: impl Fn(&Tree) -> Vec<String>, files: &[(&str, &str)]) -> Vec<String> {
    guard(&Tree::of(files.iter().copied()))
}

/// Where one of `needles` stands in what is shipped, outside of `allowed` places, each of which has a reason.
fn outside(tree: &Tree, needles: &[&str], allowed: &[(&str, &str)], why: &str) -> Vec<String> {
    let is_allowed = |name: &str| allowed.iter().any(|(place, _)| name.starts_with(place));
    let mut found = Vec::new();
    for (name, source) in tree.shipped().filter(|(name, _)| !is_allowed(name)) {
        for needle in needles {
            let lines = source.lines_of(needle, |_| true);
            found.extend(lines.into_iter().map(|line| format!("{name}:{line}: `{needle}`: {why}")));
        }
    }
    found
}

/// (a) One executable, and one command of it starts what lives long.
fn one_entry(tree: &Tree) -> Vec<String> {
    const PROGRAMS: [(&str, &str); 2] = [
        ("bins/oneiric/src/main.rs", "the executable"),
        ("crates/oneiric-testkit/src/bin/simulate.rs", "a tool for tests, of a crate that is never shipped"),
    ];
    const STARTS: &str = "bins/oneiric/src/commands/orchestrate";
    let mut found = Vec::new();
    for (name, source) in tree.shipped() {
        let is_program = name.ends_with("/main.rs") || name.contains("/src/bin/");
        if is_program && PROGRAMS.iter().all(|(known, _)| *known != name) {
            found.push(format!("{name}: a second executable; add a command to `oneiric`"));
        }
        if name.starts_with(STARTS) {
            continue;
        }
        // Other things serve, too; of the builder's switch a library knows nothing but to switch it off.
        let switches = |rest: &str| match name.starts_with("bins/") {
            true => !rest.trim_start().starts_with("false"),
            false => rest.trim_start().starts_with("true"),
        };
        // What is asked for without arguments is a list of them.
        let has_arguments = |rest: &str| name.starts_with("bins/") && !rest.trim_start().starts_with(')');
        let starts = [
            (".serve(", source.lines_of(".serve(", switches)),
            (".services(", source.lines_of(".services(", has_arguments)),
        ];
        for (needle, lines) in starts {
            let why = "only `orchestrate` starts what lives long";
            found.extend(lines.into_iter().map(|line| format!("{name}:{line}: `{needle}`: {why}")));
        }
    }
    found
}

#[test]
fn one_executable_starts_services() {
    assert_eq!(one_entry(&house()), Vec::<String>::new());
}

#[test]
fn a_second_entry_is_found() {
    let check = |name: &str, text: &str, expected: usize| {
        assert_eq!(found(one_entry, &[(name, text)]).len(), expected, "{name}: {text}");
    };
    check("bins/other/src/main.rs", "fn main() {}", 1);
    check("crates/oneiric-server/src/bin/serve.rs", "fn main() {}", 1);
    check("bins/oneiric/src/main.rs", "fn main() {}", 0);
    check("bins/oneiric/src/commands/run.rs", "fn f() { builder().serve(true) }", 1);
    check("bins/oneiric/src/commands/run.rs", "fn f() { builder().serve( serves ).services(all) }", 2);
    check("bins/oneiric/src/commands/run.rs", "fn f() { builder().serve(false); oneiric.services() }", 0);
    check("crates/oneiric-runtime/src/a.rs", "fn f() { builder().serve(true); pool.serve(call) }", 1);
    check("bins/oneiric/src/commands/run.rs", "// builder().serve(true)", 0);
    check("bins/oneiric/src/commands/orchestrate/start.rs", "fn f() { builder().serve(true) }", 0);
    check("crates/oneiric-runtime/tests/it/x.rs", "fn f() { builder().serve(true) }", 0);
}

/// (b) One place binds a socket that a network reaches.
fn one_socket(tree: &Tree) -> Vec<String> {
    const ALLOWED: [(&str, &str); 1] =
        [("crates/oneiric-server/src/server.rs", "the one port, behind its limits and its access rules")];
    let needles = ["TcpListener::bind", "TcpSocket::", "UdpSocket::bind", "axum::serve", "axum_server::"];
    outside(tree, &needles, &ALLOWED, "only the server binds a socket")
}

#[test]
fn one_place_binds_a_socket() {
    assert_eq!(one_socket(&house()), Vec::<String>::new());
    let server = house();
    let (_, server) = server.all().find(|(name, _)| *name == "crates/oneiric-server/src/server.rs").unwrap();
    assert_eq!(server.lines_of("TcpListener::bind", |_| true).len(), 1, "and it binds one");
}

#[test]
fn a_second_socket_is_found() {
    let check = |name: &str, text: &str, expected: usize| {
        assert_eq!(found(one_socket, &[(name, text)]).len(), expected, "{name}: {text}");
    };
    let bind = "async fn f() { tokio::net::TcpListener::bind(\"0.0.0.0:9100\").await; }";
    check("crates/oneiric-supervisor/src/metrics.rs", bind, 1);
    check("bins/oneiric/src/live.rs", "fn f() { std::net::UdpSocket::bind(a); }", 1);
    check("crates/oneiric-server/src/server.rs", bind, 0);
    check("crates/oneiric-adapters/src/http/client/tests.rs", bind, 0);
    check("crates/oneiric-adapters/src/x.rs", &format!("#[cfg(test)] mod tests {{ {bind} }}"), 0);
    check("crates/oneiric-runtime/src/control.rs", "fn f() { UnixListener::bind(path); }", 0);
    check("crates/oneiric-runtime/src/x.rs", "//! `TcpListener::bind` is the server's", 0);
}

/// (c) One table of routes, in which nothing stands twice, with one page of metrics and one of health.
fn one_of_each_route(tree: &Tree) -> Vec<String> {
    const TABLE: &str = "crates/oneiric-server/src/routes";
    const HEALTH: [&str; 4] = ["/healthz", "/v1/health", "/v1/health/live", "/v1/health/ready"];
    const METRICS: [&str; 2] = ["/metrics", "/v1/metrics/system"];
    let allowed = [("crates/oneiric-server/src/routes.rs", "makes the router from the table")];
    let mut found = outside(tree, &["Router::new"], &allowed, "routes are rows of the server's table");
    for (name, source) in tree.shipped() {
        for needle in [".route(", ".route_service(", ".nest(", ".nest_service("] {
            for (at, _) in source.code.match_indices(needle) {
                if source.first_text(at + needle.len()).is_some_and(|path| path.starts_with('/')) {
                    let line = source.line(at);
                    found.push(format!("{name}:{line}: `{needle}`: routes are rows of the server's table"));
                }
            }
        }
    }
    let mut rows: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for (name, source) in tree.shipped() {
        for (method, path, line) in route_rows(source) {
            let place = format!("{name}:{line}");
            if !name.starts_with(TABLE) {
                found.push(format!("{place}: route `{path}` stands outside of the table"));
            }
            let known = HEALTH.contains(&path) || METRICS.contains(&path);
            if !known && ["health", "metrics", "ready", "live"].iter().any(|word| names(path, word)) {
                found.push(format!("{place}: `{path}` is a second page of health or metrics"));
            }
            rows.entry((method.to_owned(), path.to_owned())).or_default().push(place);
        }
    }
    let twice = rows.into_iter().filter(|(_, places)| places.len() > 1);
    found.extend(
        twice.map(|((method, path), places)| format!("{method} {path} stands at {}", places.join(", "))),
    );
    found
}

/// Whether a step of a path is a word, or begins with it: `health`, `healthz`.
fn names(path: &str, word: &str) -> bool {
    path.split('/').any(|step| step.starts_with(word))
}

/// The rows of a table of routes: `Route::get("/path", ..)`.
fn route_rows(source: &Source) -> impl Iterator<Item = (&str, &str, usize)> {
    source.code.match_indices("Route::").filter_map(|(at, mark)| {
        let rest = &source.code[at + mark.len()..];
        let open = rest.find('(')?;
        let method = rest[..open].split("::<").next()?;
        let path = source.first_text(at + mark.len() + open + 1)?;
        path.starts_with('/').then(|| (method, path, source.line(at)))
    })
}

#[test]
fn one_page_of_metrics_and_one_of_health() {
    let house = house();
    assert_eq!(one_of_each_route(&house), Vec::<String>::new());
    let rows = house.shipped().flat_map(|(_, source)| route_rows(source)).count();
    assert!(rows >= 3, "the table was not read: {rows} rows");
}

#[test]
fn a_second_page_is_found() {
    let row =
        |path: &str| format!("fn routes() {{ vec![Route::get(\n    \"{path}\", Access::Open, \"x\", f)] }}");
    let check = |files: &[(&str, &str)], expected: &str| {
        let found = found(one_of_each_route, files);
        assert_eq!(found.len(), usize::from(!expected.is_empty()), "{found:?}");
        assert!(found.iter().all(|found| found.contains(expected)), "{found:?}");
    };
    let (one, other) = ("crates/oneiric-server/src/routes/a.rs", "crates/oneiric-server/src/routes/b.rs");
    let metrics = row("/metrics");
    check(&[(one, &metrics)], "");
    check(&[(one, &metrics), (other, &metrics)], "get /metrics stands at");
    check(&[(one, &row("/v2/health"))], "second page");
    check(&[(one, &row("/worker/metrics"))], "second page");
    check(&[(one, &row("/v1/runs")), (other, &row("/v1/runs").replace("get", "post"))], "");
    check(&[("crates/oneiric-queue/src/a.rs", &metrics)], "outside of the table");
    let queue = "crates/oneiric-queue/src/a.rs";
    check(&[(queue, "fn f(router: Router) { router.route(\"/metrics\", get(f)) }")], "rows of");
    check(&[(queue, "fn f() { axum::Router::new().merge(g()) }")], "rows of");
    check(&[(queue, "fn f() { plan.route(&name) }")], "");
}

/// (d) The environment is read in one place.
fn one_environment(tree: &Tree) -> Vec<String> {
    const ALLOWED: [(&str, &str); 4] = [
        ("crates/oneiric-runtime/src/system.rs", "the environment that everybody else is given"),
        ("bins/oneiric/src/session.rs", "what the terminal can do, and its locale: no configuration"),
        (
            "crates/oneiric-store/src/failpoint.rs",
            "where a test kills the process; no setting, in no document",
        ),
        ("crates/oneiric-testkit/src/data.rs", "where the inputs of tests lie"),
    ];
    let needles =
        ["env::var(", "env::var_os(", "env::vars(", "env::vars_os(", "option_env!", "env::{", "env::var,"];
    let why = "take an `Environment`, or a setting";
    let mut found = outside(tree, &needles, &ALLOWED, why);
    found.extend(outside(
        tree,
        &["env::var;", "env::var_os;", "env::set_var", "env::remove_var"],
        &ALLOWED,
        why,
    ));
    // The parser of the command line reads variables, too; all of them are global options.
    let options = [("bins/oneiric/src/args/global.rs", "variables that stand for global options")];
    found.extend(outside(tree, &["env = \""], &options, "variables of options are global, or settings"));
    found
}

#[test]
fn one_place_reads_the_environment() {
    assert_eq!(one_environment(&house()), Vec::<String>::new());
}

#[test]
fn a_second_reader_of_the_environment_is_found() {
    let check = |name: &str, text: &str, expected: usize| {
        assert_eq!(found(one_environment, &[(name, text)]).len(), expected, "{name}: {text}");
    };
    for call in ["var(\"A\")", "var_os(\"A\")", "vars()", "vars_os()"] {
        check("crates/oneiric-core/src/a.rs", &format!("fn f() {{ std::env::{call}; }}"), 1);
        check("bins/oneiric/src/main.rs", &format!("use std::env; fn f() {{ env::{call}; }}"), 1);
        check("crates/oneiric-runtime/src/system.rs", &format!("fn f() {{ std::env::{call}; }}"), 0);
        check("crates/oneiric-core/tests/it/a.rs", &format!("fn f() {{ std::env::{call}; }}"), 0);
    }
    check("crates/oneiric-core/src/a.rs", "use std::env::var;", 1);
    check("crates/oneiric-core/src/a.rs", "use std::env::{self, var};", 1);
    check("crates/oneiric-core/src/a.rs", "const A: Option<&str> = option_env!(\"A\");", 1);
    check(
        "crates/oneiric-core/src/a.rs",
        "const A: &str = env!(\"CARGO_PKG_VERSION\"); // env::var(\"A\")",
        0,
    );
    check("bins/oneiric/src/args/run.rs", "#[arg(long, env = \"ONEIRIC_X\")] x: u8", 1);
}

/// (e) No file is long unless it is listed, and the list only shrinks. That a line of it was raised with its file is
/// for who reads the change to see.
fn no_long_files(tree: &Tree, list: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut listed = BTreeMap::new();
    for line in list.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        match line.split_once(' ').and_then(|(lines, name)| Some((name.trim(), lines.parse::<usize>().ok()?)))
        {
            Some((name, lines)) => drop(listed.insert(name, lines)),
            None => found.push(format!("`{line}` is no `LINES PATH`")),
        }
    }
    for (name, source) in tree.all() {
        let is = source.lines;
        match listed.remove(name) {
            None if is > LONGEST => {
                found.push(format!("{name} has {is} lines; look for the second noun in it"))
            }
            Some(_) if is <= LONGEST => found.push(format!("{name} is no longer long; take it off the list")),
            Some(lines) if is > lines => found.push(format!("{name} grew from {lines} to {is} lines")),
            Some(lines) if is < lines => {
                found.push(format!("{name} shrank to {is} lines; so must its entry"))
            }
            None | Some(_) => {}
        }
    }
    found.extend(listed.into_keys().map(|name| format!("{name} is listed and not there")));
    found
}

#[test]
fn no_source_file_is_long_that_is_not_listed() {
    let list = std::fs::read_to_string(root().join("tests/data/long_files.txt")).unwrap();
    assert_eq!(no_long_files(&house(), &list), Vec::<String>::new());
}

#[test]
fn a_long_file_is_found_and_so_is_a_list_that_is_too_kind() {
    let file = |lines: usize| "// x\n".repeat(lines);
    let check = |lines: usize, list: &str, expected: &str| {
        let found = no_long_files(&Tree::of([("a.rs", file(lines))]), list);
        assert_eq!(found.len(), usize::from(!expected.is_empty()), "{found:?}");
        assert!(found.iter().all(|found| found.contains(expected)), "{found:?}");
    };
    check(600, "", "");
    check(601, "", "has 601 lines");
    check(601, "601 a.rs", "");
    check(700, "601 a.rs", "grew from 601 to 700");
    check(650, "# reason\n\n700 a.rs", "shrank to 650");
    check(600, "601 a.rs", "no longer long");
    check(10, "601 b.rs", "not there");
    check(10, "many a.rs", "LINES PATH");
}

/// (f) Whoever leaves a test out says why.
fn ignored_in_silence(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (name, source) in tree.all() {
        for (at, _) in source.whole.match_indices("#[ignore") {
            let rest = source.whole[at + "#[ignore".len()..].trim_start();
            if !rest.starts_with('=') {
                found.push(format!("{name}:{}: say why the test is ignored", source.line(at)));
            }
        }
    }
    found
}

#[test]
fn every_ignored_test_says_why() {
    assert_eq!(ignored_in_silence(&house()), Vec::<String>::new());
}

#[test]
fn a_test_that_is_ignored_in_silence_is_found() {
    let check = |text: &str, expected: usize| {
        assert_eq!(found(ignored_in_silence, &[("crates/a/src/a.rs", text)]).len(), expected, "{text}");
    };
    check("#[test]\n#[ignore]\nfn f() {}", 1);
    check("#[cfg(test)] mod tests { #[test] #[ignore] fn f() {} }", 1);
    check("#[test]\n#[ignore = \"runs as a child\"]\nfn f() {}", 0);
    check("// #[ignore]\nfn f() {}", 0);
}
