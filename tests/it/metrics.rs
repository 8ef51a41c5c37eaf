//! What a process has counted, read by Prometheus itself.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::{Home, note, until};
use crate::web;

/// Complaints of `promtool` about names that upstream chose.
const UPSTREAM: [&str; 3] = [
    "oneiric_event_handler_duration_ms",
    "oneiric_lifecycle_swap_duration_ms",
    "oneiric_workflow_node_duration_ms",
];

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether Debian's package `prometheus` is here; says so loudly where it is not.
fn is_here(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let here = found.is_ok_and(|status| status.success());
    if !here {
        assert!(
            std::env::var_os("ONEIRIC_TEST_STRICT").is_none(),
            "{program} is not here; `apt install prometheus`"
        );
        note(&format!("SKIPPED: {program} is not here; `apt install prometheus`"));
    }
    here
}

/// An orchestrator on a free port, and where it listens.
fn serve(home: &Home) -> (Running, String) {
    let arguments = ["orchestrate", "--http-port", "0"];
    let mut child = home.command(&arguments).spawn().unwrap();
    let log = BufReader::new(child.stdout.take().unwrap());
    let address = log.lines().map(Result::unwrap).find_map(|line| {
        let line: Value = serde_json::from_str(&line).ok()?;
        let fields = line.get("fields").unwrap_or(&line);
        Some(fields.get("address")?.as_str()?.to_owned())
    });
    (Running(child), address.expect("it says where it listens"))
}

/// What `promtool check metrics` complains about.
fn complaints(text: &str) -> Vec<String> {
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = promtool.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = [output.stdout, output.stderr].concat();
    String::from_utf8(told).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn promtool_finds_nothing_but_upstreams_units() {
    if !is_here("promtool") {
        return;
    }
    let home = Home::new();
    let (_serving, address) = serve(&home);
    web::get(&address, "/v1/health").unwrap();
    let text = web::get(&address, "/metrics").unwrap().body;
    let beside = |line: &String| !UPSTREAM.iter().any(|name| line.starts_with(name));
    let complaints_beside: Vec<_> = complaints(&text).into_iter().filter(beside).collect();
    assert!(complaints_beside.is_empty(), "{complaints_beside:#?}\n{text}");
    let base = web::get(&address, "/metrics?units=base").unwrap().body;
    assert_eq!(complaints(&base), Vec::<String>::new(), "{base}");
}

#[test]
fn prometheus_scrapes_a_live_process() {
    if !is_here("prometheus") {
        return;
    }
    let home = Home::new();
    let (_serving, address) = serve(&home);
    let config = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: oneiric\n  static_configs: [{{targets: ['{address}']}}]\n"
    );
    home.file("prometheus.yml", &config);
    // A port that was free a moment ago: Prometheus takes no 0 that it would tell of.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut prometheus = Command::new("prometheus");
    prometheus
        .args(["--config.file=prometheus.yml", "--storage.tsdb.path=tsdb"])
        .arg(format!("--web.listen-address={free}"))
        .current_dir(home.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let _prometheus = Running(prometheus.spawn().unwrap());
    let asked = |query: &str| {
        TcpStream::connect(&free).is_ok() && {
            let body = web::get(&free, &format!("/api/v1/query?query={query}")).unwrap().body;
            body.contains("\"job\":\"oneiric\"")
        }
    };
    for series in
        ["oneiric_ready", "process_resident_memory_bytes", "http_requests_total", "oneiric_open_runs"]
    {
        until(series, || asked(series));
    }
}
