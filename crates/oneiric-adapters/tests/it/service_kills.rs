//! `process:` what is left where an orchestrator is killed, and where it is the first process of a container.
//!
//! The one that is killed is this test program, started once more for a test of its own.

use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use oneiric_adapters::Limits;
use oneiric_core::roles::Stream;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::process::{alive, children, pid_in, script};
use crate::service::{Stand, blueprint, build_with};
use crate::support::{Call, RealClock, eventually, parts};

const FOLDER: &str = "ONEIRIC_TEST_FOLDER";

/// This test program, told to run one of its ignored tests.
fn again(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture"]);
    command
}

#[expect(clippy::disallowed_methods, reason = "how a test that is started by another one is told its folder")]
fn told_folder() -> PathBuf {
    PathBuf::from(std::env::var(FOLDER).expect("started by another test"))
}

/// A service of the orchestrator whose state is in `folder`: a shell, a child, and one that left the group.
async fn family(folder: &Path) -> Stand {
    let text = "sleep 1000 & echo $! >near; setsid sh -c 'echo $$ >far; exec sleep 1000' &
        while [ ! -s far ]; do sleep 0.01; done; echo up; echo $$ >pid; wait";
    let process = json!({"args": ["-c", text], "cwd": folder, "ready_line": "up"});
    let parts = parts(Limits::STANDARD).with_state_dir(folder);
    build_with(&parts, &blueprint("process:sh", process, json!({}))).await.unwrap()
}

async fn pids(folder: &Path) -> [u32; 3] {
    let mut pids = [0; 3];
    for (pid, name) in pids.iter_mut().zip(["pid", "near", "far"]) {
        *pid = pid_in(&folder.join(name)).await;
    }
    pids
}

#[tokio::test]
#[ignore = "the owner that others kill"]
async fn an_owner() {
    family(&told_folder()).await.run().await.unwrap();
}

/// A stranger's process with this id.
struct Bystander(std::process::Child);

impl Bystander {
    fn new(id: &str) -> Self {
        Self(
            Command::new("sleep").arg("1000").env("ONEIRIC_SERVICE_ID", id).process_group(0).spawn().unwrap(),
        )
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        assert_eq!(self.0.try_wait().unwrap(), None, "nobody touched it");
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[tokio::test]
async fn the_next_start_kills_what_a_killed_owner_left_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut owner =
        again("service_kills::an_owner").env(FOLDER, folder).stdout(Stdio::null()).spawn().unwrap();
    let left = pids(folder).await;
    let id = std::fs::read_to_string(format!("/proc/{}/environ", left[2])).unwrap();
    let id = id.split('\0').find_map(|entry| entry.strip_prefix("ONEIRIC_SERVICE_ID=")).unwrap().to_owned();

    let (place, rest) = id.split_once('.').unwrap();
    let (dead, _) = rest.split_once('.').unwrap();
    let [namespace, pid, started]: [&str; 3] = dead.split('-').collect::<Vec<_>>().try_into().unwrap();
    let _bystanders = [
        Bystander::new(&format!("0{}.{rest}", &place[1..])),
        Bystander::new(&format!("{place}x.{rest}")),
        Bystander::new(&format!("{place}.1{namespace}-{pid}-{started}.0.gateway")),
        Bystander::new(&format!("{place}.{}.999.gateway", me())),
        Bystander::new("nonsense"),
    ];

    // An owner that lives keeps its services, whoever else starts on the same folder.
    for name in ["pid", "near", "far"] {
        std::fs::remove_file(folder.join(name)).unwrap();
    }
    let early = family(folder).await;
    early.run_until(pids(folder)).await.0.unwrap();
    assert!(left.iter().all(|pid| alive(*pid)));

    owner.kill().unwrap();
    // Not yet waited for: a zombie is dead, too.
    eventually("the owner is dead", || (!alive(owner.id())).then_some(())).await;
    assert!(left.iter().all(|pid| alive(*pid)), "they live on");

    let next = family(folder).await;
    for name in ["pid", "near", "far"] {
        std::fs::remove_file(folder.join(name)).unwrap();
    }
    let seen = async {
        let pids = pids(folder).await;
        (pids, left.map(alive))
    };
    let (end, (now, still)) = next.run_until(seen).await;
    assert_eq!(end, Ok(()));
    assert_eq!(still, [false; 3], "gone before the new one was up");
    assert!(now.iter().all(|pid| !alive(*pid)));
    assert_eq!(owner.wait().unwrap().signal(), Some(9));
    next.instance.component().stop().await.unwrap();
    assert_eq!(next.watch.lines(Stream::Stderr), <[String; 0]>::default());
}

/// This process, as an id has it.
fn me() -> String {
    let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap();
    let namespace = namespace.to_str().unwrap().trim_start_matches("pid:[").trim_end_matches(']').to_owned();
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let started = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap();
    format!("{namespace}-{}-{started}", std::process::id())
}

#[tokio::test]
async fn without_a_state_folder_nobodys_leftovers_are_touched() {
    let _bystander = Bystander::new("-.1-2-3.0.gateway");
    let folder = tempfile::tempdir().unwrap();
    let stand = crate::service::script(folder.path(), "exit 0", json!({})).await;
    assert_eq!(stand.run().await, Ok(()));
}

#[tokio::test]
async fn the_first_process_of_a_container_reaps_orphans_and_no_child_of_its_own() {
    let may = Command::new("unshare").args(["--pid", "--fork", "--mount-proc", "true"]).status();
    let options: &[&str] = match may {
        Ok(status) if status.success() => &["--pid", "--fork", "--mount-proc"],
        _ => &["--user", "--map-root-user", "--pid", "--fork", "--mount-proc"],
    };
    let may = Command::new("unshare").args(options).arg("true").status();
    if !may.is_ok_and(|status| status.success()) {
        #[expect(clippy::disallowed_methods, reason = "a test is told by its environment how strict to be")]
        let strict = std::env::var("ONEIRIC_TEST_STRICT").is_ok_and(|strict| strict == "1");
        assert!(
            !strict,
            "no namespace of processes can be made here: run the tests where `unshare --pid` may"
        );
        eprintln!("SKIPPED: no namespace of processes can be made here");
        return;
    }
    let inner = again("service_kills::a_first_process");
    let done = Command::new("unshare")
        .args(options)
        .arg(inner.get_program())
        .args(inner.get_args())
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
    assert!(String::from_utf8_lossy(&done.stdout).contains("1 passed"), "it ran");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs as the first process of a namespace, started by another test"]
async fn a_first_process() {
    assert_eq!(std::process::id(), 1);
    let stop = CancellationToken::new();
    let reaping = tokio::spawn(oneiric_adapters::reap_orphans(Arc::new(RealClock), stop.clone()));
    // Each leaves an orphan that ends by itself, outside of the group that is killed with the call.
    let text = "setsid sh -c 'sleep 0.3' <&- >&- 2>&- & echo $?; exit 0";
    let instance = script(text, json!({})).await;
    for _ in 0..20 {
        // Each status is this process's own: had somebody else taken it, the call would be lost.
        assert_eq!(Call::new(json!(1)).run(&instance).await.unwrap(), json!(0));
    }
    eventually("all orphans are reaped", || children().is_empty().then_some(())).await;
    stop.cancel();
    reaping.await.unwrap();
}

#[tokio::test]
async fn any_other_process_reaps_nothing() {
    oneiric_adapters::reap_orphans(Arc::new(RealClock), CancellationToken::new()).await;
}
