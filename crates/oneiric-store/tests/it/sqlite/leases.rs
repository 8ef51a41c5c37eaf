//! Leases between processes, and the races of their ends.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use oneiric_core::{BootId, Timestamp};
use oneiric_store::sqlite::Options;
use oneiric_store::{
    Batch, BootRecord, Claim, CommitError, Op, Refusal, Require, RunState, RunStatus, Silent, SqliteStore,
    Store,
};

use super::{run_id, submit};

const PLACE: &str = "ONEIRIC_TEST_LEASE_PLACE";
const SAID: &str = "said: ";

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

fn boot(n: u8) -> BootRecord {
    BootRecord::new(BootId::from_bytes([n; 16]), "here", n.into(), at(n.into()))
}

fn beat(of: &BootRecord) -> Batch {
    Batch::of([Op::Beat { boot: of.id, at: at(9) }]).require(Require::BootOpen(of.id))
}

/// What an owner writes that believes to have the run under `epoch`.
fn write(owner: &BootRecord, epoch: u64) -> Batch {
    let state = RunState { status: RunStatus::Running, owner: Some(owner.id), ..RunState::PENDING };
    Batch::of([Op::SetRun { run: run_id(1), state: Box::new(state) }])
        .require(Require::RunEpoch { run: run_id(1), epoch })
}

/// Does what it is told, a word a line, and says what came of it.
#[test]
#[ignore = "runs as a child of `two_processes_take_over_from_each_other`"]
fn child() {
    let Some(place) = std::env::var_os(PLACE) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    runtime.block_on(async {
        let store = SqliteStore::open(Path::new(&place), Options::default()).unwrap();
        let me = boot(1);
        let mut epoch = 0;
        for line in std::io::stdin().lines() {
            let answer = match line.unwrap().as_str() {
                "enter" => {
                    store.enter(me.clone()).await.map(|()| "entered".to_owned()).map_err(CommitError::from)
                }
                "claim" => store.claim(Claim::any(me.id, 9)).await.map(|taken| {
                    epoch = taken.first().map_or(epoch, |run| run.state.epoch);
                    format!("took {}", taken.len())
                }),
                "beat" => store.commit(beat(&me)).await.map(|()| "beat".to_owned()),
                "write" => store.commit(write(&me, epoch)).await.map(|()| "wrote".to_owned()),
                "rise" => {
                    let beat = store.boot(me.id).await.unwrap().unwrap().beat + 1;
                    let risen = BootRecord { beat, ..me.clone() };
                    store.commit(Batch::of([Op::SetBoot(risen)])).await.map(|()| "rose".to_owned())
                }
                other => panic!("{other}?"),
            };
            let said = match answer {
                Ok(done) => done,
                Err(CommitError::Refused(Refusal::StaleEpoch { .. })) => "stale".to_owned(),
                Err(CommitError::Refused(Refusal::BootEnded(_))) => "ended".to_owned(),
                Err(error) => error.to_string(),
            };
            let mut out = std::io::stdout().lock();
            out.write_all(format!("\n{SAID}{said}\n").as_bytes()).unwrap();
            out.flush().unwrap();
        }
    });
}

struct Other {
    child: Child,
    tell: ChildStdin,
    hear: Lines<BufReader<ChildStdout>>,
}

impl Other {
    fn start(place: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["sqlite::leases::child", "--exact", "--ignored", "--nocapture"])
            .env(PLACE, place)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let tell = child.stdin.take().unwrap();
        let hear = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, tell, hear }
    }

    fn ask(&mut self, word: &str) -> String {
        writeln!(self.tell, "{word}").unwrap();
        let said = self
            .hear
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| Some(line.strip_prefix(SAID)?.to_owned()));
        said.expect("it answers as long as it lives")
    }
}

/// Whoever is silent loses what it has, is refused from then on, gets up, and takes it back the same way;
/// whoever is killed loses it at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn two_processes_take_over_from_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("oneiric.db");
    let store = SqliteStore::open(&path, Options::default()).unwrap();
    let me = boot(2);
    store.enter(me.clone()).await.unwrap();
    store.commit(submit(run_id(1))).await.unwrap();
    let mut other = Other::start(&path);
    assert_eq!(other.ask("enter"), "entered");
    assert_eq!(other.ask("claim"), "took 1");
    assert_eq!(other.ask("write"), "wrote");

    // Its beat goes on: the claim that saw an older one takes nothing.
    let seen = store.boots().await.unwrap().remove(0);
    assert_eq!((seen.boot.id, seen.owns, seen.dead), (boot(1).id, 1, false));
    assert_eq!(other.ask("beat"), "beat");
    let silent = |beat| Claim { silent: vec![Silent { boot: boot(1).id, beat }], ..Claim::any(me.id, 9) };
    assert_eq!(store.claim(silent(seen.boot.beat)).await.unwrap(), []);
    assert_eq!(other.ask("write"), "wrote");

    // It stops beating.
    let taken = store.claim(silent(seen.boot.beat + 1)).await.unwrap().remove(0);
    assert_eq!((taken.state.owner, taken.state.epoch, taken.state.deaths), (Some(me.id), 3, 1));
    assert_eq!(other.ask("write"), "stale");
    assert_eq!(other.ask("beat"), "ended");
    assert_eq!(other.ask("claim"), "ended");
    assert_eq!(other.ask("rise"), "rose");
    assert_eq!(other.ask("claim"), "took 0");
    assert_eq!(store.boots().await.unwrap().len(), 2);
    assert_eq!(store.violations().await.unwrap(), []);

    // It takes back what is left to it, under a fence of its own; what we still have on its way is refused.
    store.leave(me.id).await.unwrap();
    assert_eq!(other.ask("claim"), "took 1");
    let late = store.commit(write(&me, taken.state.epoch)).await;
    assert!(matches!(late, Err(CommitError::Refused(Refusal::StaleEpoch { found: 5, .. }))), "{late:?}");
    assert_eq!(other.ask("write"), "wrote");

    // And is killed.
    other.child.kill().unwrap();
    other.child.wait().unwrap();
    let next = boot(3);
    store.enter(next.clone()).await.unwrap();
    assert_eq!(store.dead().await.unwrap(), [boot(1).id]);
    let claim = Claim { dead: vec![boot(1).id], ..Claim::any(next.id, 9) };
    let taken = store.claim(claim).await.unwrap().remove(0);
    assert_eq!(
        (taken.state.epoch, taken.state.deaths),
        (7, 1),
        "the write of its last owner forgot the first death"
    );
    assert_eq!(store.violations().await.unwrap(), []);
    assert_eq!(store.check().await.unwrap().problems, Vec::<String>::new());
}

/// Whichever comes first: the lease ends once, the fence rises once for it, and a leave is never a death
/// that comes behind one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leave_and_a_burial_at_the_same_time_end_a_boot_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("oneiric.db");
    let open = || SqliteStore::open(&path, Options::default()).unwrap();
    let (theirs, ours) = (open(), open());
    let me = boot(255);
    ours.enter(me.clone()).await.unwrap();
    for round in 1..=100u8 {
        let (leaver, run) = (boot(round), run_id(round.into()));
        theirs.enter(leaver.clone()).await.unwrap();
        theirs.commit(submit(run)).await.unwrap();
        let claim = Claim { run: Some(run), ..Claim::any(leaver.id, 1) };
        assert_eq!(theirs.claim(claim).await.unwrap().len(), 1);
        let silent = vec![Silent { boot: leaver.id, beat: 1 }];
        let claim = Claim { silent, run: Some(run), ..Claim::any(me.id, 1) };
        let leave = tokio::spawn({
            let (theirs, leaver) = (theirs.clone(), leaver.id);
            async move { theirs.leave(leaver).await.unwrap() }
        });
        let taken = ours.claim(claim).await.unwrap().remove(0);
        leave.await.unwrap();
        assert_eq!((taken.state.owner, taken.state.epoch), (Some(me.id), 3), "round {round}");
        assert_eq!(ours.run(run).await.unwrap(), Some(taken.clone()), "round {round}");
        assert!(taken.state.deaths <= 1, "round {round}: {:?}", taken.state);
        let left = ours.boot(leaver.id).await.unwrap().unwrap();
        assert_eq!(left.ended_at, Some(left.beat_at), "round {round}");
    }
    assert_eq!(ours.violations().await.unwrap(), []);
    assert_eq!(ours.boots().await.unwrap().len(), 1);
}
