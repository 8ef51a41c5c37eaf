//! The binary, a temporary home to run it in, and what it said.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

/// Nothing in these stories takes this long unless it hangs.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// How often something that cannot call back is looked at.
const GLANCE: Duration = Duration::from_millis(2);

/// The binary under test: `ONEIRIC_TEST_BIN`, or the one that was built beside this test.
fn binary() -> PathBuf {
    let built = || {
        let this = std::env::current_exe().unwrap();
        this.parent().and_then(Path::parent).unwrap().join("oneiric")
    };
    let binary = std::env::var_os("ONEIRIC_TEST_BIN").map_or_else(built, PathBuf::from);
    assert!(
        binary.is_file(),
        "`{}` is not there: `cargo build -p oneiric` makes it, or ONEIRIC_TEST_BIN names another",
        binary.display()
    );
    binary
}

/// A folder of its own in which the binary runs; gone when it is dropped.
#[derive(Debug)]
pub(crate) struct Home(tempfile::TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file and returns its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        self.bytes(name, text.as_bytes())
    }

    /// Writes a file that may be no text.
    pub(crate) fn bytes(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Every path below the home, sorted: what a command left behind.
    pub(crate) fn contents(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut next = vec![self.path().to_owned()];
        while let Some(folder) = next.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() && !path.is_symlink() {
                    next.push(path.clone());
                }
                found.push(path);
            }
        }
        found.sort();
        found
    }

    /// The binary with arguments, in this home and with nothing of the tester's environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(arguments).current_dir(self.path()).env_clear().env("HOME", self.path());
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(&self.command(arguments).output().unwrap())
    }

    /// Runs it, expects success and reads its result.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        self.run(arguments).exits(0).json()
    }

    /// Whether nothing lies in the home but these.
    pub(crate) fn holds_only(&self, names: &[&str]) -> bool {
        let entries = std::fs::read_dir(self.path()).unwrap();
        let mut found = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        found.all(|name| names.contains(&name.as_str()))
    }
}

/// How a command ended, and what it said.
pub(crate) struct Ended {
    /// -1 where a signal ended it.
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout.clone()).expect("results are text"),
            stderr: String::from_utf8(output.stderr.clone()).expect("messages are text"),
        }
    }

    /// That it ended with `code`.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }

    /// Its result.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The error object that `--json` prints on standard error, its last line.
    #[track_caller]
    pub(crate) fn error(&self) -> Value {
        let last = self.stderr.lines().last().unwrap_or_default();
        let object: Value = serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        object["error"].clone()
    }
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, stdout, stderr } = self;
        write!(f, "ended with {code}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

/// A figure for whoever reads the test's output.
#[expect(clippy::print_stdout, reason = "the test harness keeps it for those who ask")]
pub(crate) fn note(text: &str) {
    println!("{text}");
}

/// Waits until `seen` says so.
///
/// # Panics
/// After [`LONG`].
#[track_caller]
pub(crate) fn until(what: &str, mut seen: impl FnMut() -> bool) {
    let start = now();
    while !seen() {
        assert!(start.elapsed() < LONG, "waited in vain: {what}");
        nap(GLANCE);
    }
}

/// Waits for a process to end by itself.
#[track_caller]
pub(crate) fn wait(mut child: Child) -> Ended {
    let mut ended = None;
    until("the process ends", || {
        ended = child.try_wait().unwrap();
        ended.is_some()
    });
    Ended::of(&child.wait_with_output().unwrap())
}

#[expect(clippy::disallowed_methods, reason = "other processes do not run on a clock of ours")]
pub(crate) fn now() -> std::time::Instant {
    std::time::Instant::now()
}

/// Lets other processes run.
pub(crate) fn nap(time: Duration) {
    std::thread::sleep(time);
}

/// That `actual` has every value of `expected`; objects may have more keys, as an additive format may.
#[track_caller]
pub(crate) fn assert_holds(actual: &Value, expected: &Value) {
    if let Some(difference) = difference("", actual, expected) {
        panic!("{difference}\nin {actual:#}");
    }
}

fn difference(at: &str, actual: &Value, expected: &Value) -> Option<String> {
    match (actual, expected) {
        (Value::Object(actual), Value::Object(expected)) => {
            expected.iter().find_map(|(key, value)| match actual.get(key) {
                Some(found) => difference(&format!("{at}/{key}"), found, value),
                None => Some(format!("{at}/{key} is missing")),
            })
        }
        (Value::Array(actual), Value::Array(expected)) if actual.len() == expected.len() => actual
            .iter()
            .zip(expected)
            .enumerate()
            .find_map(|(place, (found, value))| difference(&format!("{at}/{place}"), found, value)),
        _ if actual == expected => None,
        _ => Some(format!("{at} is {actual}, expected {expected}")),
    }
}
