//! The log of events from the command line: looked at, followed, played once more.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Child;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::support::{Ended, Home, assert_holds, nap, until, wait};

/// One handler writes down the id of what it gets; the other one works once there is a file `fixed`.
const SHOP: &str = r#"
entries:
- domain: event
  key: shop.book
  provider: sh
  factory: 'exec:sh'
  event_topics: ['order.*']
  metadata: {exec: {args: ['-euc', 'cat >> book; echo >> book'], stdout: none}}
- domain: event
  key: shop.mail
  provider: sh
  factory: 'exec:sh'
  event_topics: [order.sent]
  metadata: {exec: {args: ['-c', 'test -e fixed || { echo the server is away >&2; exit 3; }'], stdout: none}}
"#;

fn shop() -> Home {
    let home = Home::new();
    home.file("shop.yaml", SHOP);
    home
}

/// Accepts events `TOPIC` with ids `PREFIX-0`, `PREFIX-1`, ... of which nobody knew at the time.
fn accepted(home: &Home, topic: &str, prefix: &str, count: usize) {
    for n in 0..count {
        let id = format!("{prefix}-{n}");
        home.json(&["event", "emit", topic, "--event-id", &id, "--detach", "--json"]);
    }
}

/// What stands in the book: the ids of events, in the order in which their handler was called.
fn book(home: &Home) -> Vec<String> {
    let text = std::fs::read_to_string(home.path().join("book")).unwrap_or_default();
    let id = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap();
        event["headers"]["event_id"].as_str().unwrap().to_owned()
    };
    text.lines().filter(|line| !line.is_empty()).map(id).collect()
}

/// A replay on the manifest, as JSON.
fn replay<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&["--manifest", "shop.yaml", "--json", "event", "replay"], arguments].concat()
}

/// A process that is killed where the test ends.
struct Running(Child);

impl Running {
    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.0.id().cast_signed()), signal).unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn orchestrate(home: &Home) -> Running {
    let serving = Running(home.command(&["--manifest", "shop.yaml", "orchestrate"]).spawn().unwrap());
    until("somebody serves", || home.json(&["status", "--json"]).to_string().contains("\"pid\""));
    serving
}

#[test]
fn what_is_missing_is_replayed_once_and_what_is_there_is_left_alone() {
    let home = shop();
    accepted(&home, "order.paid", "order", 3);
    accepted(&home, "refund.paid", "refund", 1);
    let of = |made, again, there, succeeded| {
        json!({"handlers": {"shop.book:sh": {"made": made, "again": again, "there": there, "open": 0,
                                             "succeeded": succeeded, "failed": 0}}, "left": 0})
    };
    let dry = home.json(&replay(&["--all", "--dry-run"]));
    assert_holds(&dry, &of(3, 0, 0, 0));
    assert_holds(&dry, &json!({"dry_run": true, "events": 4}));
    assert_eq!(book(&home), [""; 0]);
    assert_holds(&home.json(&replay(&["--topic", "order.>", "--since", "1h"])), &of(3, 0, 0, 3));
    let mut had = book(&home);
    had.sort();
    assert_eq!(had, ["order-0", "order-1", "order-2"]);
    assert_holds(&home.json(&replay(&["--handler", "shop.book"])), &of(0, 0, 3, 0));
    assert_holds(&home.json(&replay(&["order-1", "--again"])), &of(0, 1, 0, 1));
    assert_eq!(book(&home)[3..], ["order-1"]);
    let listed = home.json(&["event", "list", "--topic", "order.*", "--status", "done", "--json"]);
    let listed: Vec<_> =
        listed["events"].as_array().unwrap().iter().map(|event| &event["event_id"]).collect();
    assert_eq!(listed, ["order-2", "order-1", "order-0"]);
    assert_eq!(home.json(&["store", "check", "--json"])["problems"], json!([]));
}

#[test]
fn a_dead_letter_is_listed_played_again_and_given_up() {
    let home = shop();
    for id in ["a-1", "a-2", "a-3"] {
        let emit = ["--manifest", "shop.yaml", "event", "emit", "order.sent", "--event-id", id];
        assert_eq!(home.run(&emit).code, 1);
    }
    let dead = |arguments: &[&str]| home.json(&[&["event", "dead-letters", "--json"], arguments].concat());
    let letters = dead(&["--handler", "shop.mail"]);
    let expected =
        json!({"event_id": "a-3", "topic": "order.sent", "handler": "shop.mail:sh", "attempts": 1});
    assert_holds(&letters["dead_letters"][0], &expected);
    assert_eq!(letters["dead_letters"].as_array().unwrap().len(), 3);
    let again = ["--manifest", "shop.yaml", "event", "dead-letters", "replay", "a-1"];
    let ended = home.run(&again).exits(1);
    assert!(ended.stderr.contains("1 delivery failed for good"), "{ended:?}");
    home.file("fixed", "");
    home.run(&again).exits(0);
    home.run(&["event", "dead-letters", "drop", "--all"]).exits(2);
    assert_eq!(
        home.run(&["event", "dead-letters", "drop", "a-2"]).exits(0).stdout,
        "gave up 1 dead letter\n"
    );
    assert_eq!(dead(&[])["dead_letters"].as_array().unwrap().len(), 1);
    let all =
        ["--manifest", "shop.yaml", "event", "dead-letters", "replay", "--handler", "shop.mail", "--json"];
    let expected = json!({"handlers": {"shop.mail:sh": {"again": 1, "succeeded": 1, "failed": 0}}});
    assert_holds(&home.json(&all), &expected);
    assert_eq!(home.run(&["event", "dead-letters"]).exits(0).stdout, "(none)\n");
    let shown = home.json(&["event", "show", "a-2", "--json"]);
    let mail = &shown["deliveries"][1];
    assert_eq!((&mail["status"], &mail["fault"]["code"]), (&json!("skipped"), &json!("dropped")));
}

#[test]
fn show_says_what_a_delivery_waits_for() {
    let home = shop();
    home.run(&[
        "--manifest",
        "shop.yaml",
        "pause",
        "shop.book",
        "--domain",
        "event",
        "--note",
        "stocktaking",
    ])
    .exits(0);
    let emit = ["--manifest", "shop.yaml", "event", "emit", "order.paid", "--detach", "--event-id"];
    home.run(&[&emit[..], &["order-7"]].concat()).exits(0);
    let waits = |event: &str| {
        let shown = home.json(&["event", "show", event, "--json"]);
        assert_eq!(shown["deliveries"][0]["status"], "pending");
        shown["deliveries"][0]["waits"].clone()
    };
    let expected = json!({"reason": "paused", "text": "its handler `shop.book` is paused: stocktaking",
                          "command": "oneiric resume shop.book --domain event"});
    assert_holds(&waits("latest"), &expected);
    home.run(&["--manifest", "shop.yaml", "resume", "shop.book", "--domain", "event"]).exits(0);
    assert_eq!(waits("order-7")["reason"], "nobody_serves");
    let _serving = orchestrate(&home);
    until("the handler had it", || book(&home) == ["order-7"]);
    until("that is on record", || home.run(&["event", "show", "#1"]).stdout.contains("  done  "));
}

#[test]
fn a_log_that_begins_later_is_followed_from_its_beginning() {
    let home = shop();
    let arguments = ["event", "tail", "--follow", "--topic", "order.>", "--json"];
    let mut tailing = Running(home.command(&arguments).spawn().unwrap());
    let mut lines = BufReader::new(tailing.0.stdout.take().unwrap()).lines();
    accepted(&home, "order.paid", "order", 1);
    accepted(&home, "refund.paid", "refund", 1);
    accepted(&home, "order.sent", "sent", 1);
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_holds(&next(), &json!({"n": 1, "event_id": "order-0", "topic": "order.paid", "payload": {}}));
    assert_holds(&next(), &json!({"n": 3, "event_id": "sent-0", "topic": "order.sent"}));
    tailing.signal(Signal::SIGINT);
    assert_eq!(tailing.0.wait().unwrap().code(), Some(130));
    let mut said = String::new();
    tailing.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
    let last = home.run(&["event", "tail", "-n", "1"]).exits(0);
    assert!(last.stdout.contains("#3      order.sent  sent-0  {}\n"), "{last:?}");
}

#[test]
fn a_replay_that_is_killed_anywhere_is_repeated_without_loss_or_double() {
    const EVENTS: usize = 40;
    let home = shop();
    accepted(&home, "order.paid", "order", EVENTS);
    for round in 0..6_u64 {
        // Left to others, so that the only thing that is killed is the replay itself.
        let replaying = home.command(&replay(&["--all", "--detach", "--rate", "50"])).spawn().unwrap();
        let replaying = Running(replaying);
        nap(Duration::from_millis(60 + 40 * round));
        replaying.signal(if round % 2 == 0 { Signal::SIGKILL } else { Signal::SIGINT });
    }
    let replayed = home.json(&replay(&["--all"]));
    let counts = &replayed["handlers"]["shop.book:sh"];
    let number = |name: &str| counts[name].as_u64().unwrap() as usize;
    assert_eq!(number("made") + number("there") + number("open"), EVENTS, "{replayed}");
    assert_eq!((number("succeeded"), number("failed")), (EVENTS, 0), "{replayed}");
    let mut had = book(&home);
    had.sort();
    had.dedup();
    assert_eq!((book(&home).len(), had.len()), (EVENTS, EVENTS));
}

#[test]
fn a_replay_is_left_to_whoever_serves() {
    let home = shop();
    accepted(&home, "order.paid", "order", 5);
    let left = home.run(
        &replay(&["--all", "--detach"])[..]
            .iter()
            .filter(|word| **word != "--json")
            .copied()
            .collect::<Vec<_>>(),
    );
    let left = left.exits(0);
    assert!(
        left.stderr.contains("5 deliveries wait, and no process serves this state; `oneiric orchestrate"),
        "{left:?}"
    );
    assert_eq!(book(&home), [""; 0]);
    let _serving = orchestrate(&home);
    until("they had it", || book(&home).len() == 5);
    let again = home.json(&replay(&["--all", "--again", "--detach"]));
    assert_eq!(again["left"], 5);
    until("they had it again", || book(&home).len() == 10);
}

#[test]
fn workflows_that_were_not_started_are_started_once_where_that_is_asked() {
    let home = shop();
    accepted(&home, "order.due", "due", 2);
    let fulfil = r#"
entries:
- {domain: task, key: shop.charge, provider: p, factory: 'builtin:noop'}
- {domain: workflow, key: shop.checkout, provider: p, factory: 'builtin:noop', dag: {nodes: [{id: a, task: shop.charge}]}}
- {domain: event, key: shop.fulfil, provider: p, factory: 'builtin:noop', event_topics: [order.due],
   metadata: {workflows: {triggers: [shop.checkout]}}}
"#;
    home.file("shop.yaml", fulfil);
    let started = |arguments: &[&str]| home.json(&replay(arguments))["runs"].as_u64().unwrap();
    assert_eq!(started(&["--all"]), 0);
    assert_eq!(started(&["--all", "--triggers", "--dry-run"]), 2);
    assert_eq!(started(&["due-0", "--triggers"]), 1);
    assert_eq!(started(&["--all", "--triggers", "--again"]), 1);
    assert_eq!(started(&["--all", "--triggers", "--again"]), 0);
    assert_eq!(home.json(&["run", "list", "--json"])["runs"].as_array().unwrap().len(), 2);
}

#[test]
fn what_is_old_and_done_with_goes_where_somebody_serves() {
    let home = shop();
    accepted(&home, "order.paid", "order", 2);
    accepted(&home, "order.sent", "sent", 1);
    home.json(&replay(&["order-0", "order-1"]));
    let left = || {
        let listed = home.json(&["event", "list", "--json"]);
        listed["events"].as_array().unwrap().len()
    };
    assert_eq!(left(), 3);
    let keep = ["--manifest", "shop.yaml", "--set", "event_delivery.keep_seconds=0.001", "orchestrate"];
    let _serving = Running(home.command(&keep).spawn().unwrap());
    until("they are gone", || left() == 0);
    assert_eq!(home.json(&["store", "check", "--json"])["problems"], json!([]));
}

#[test]
fn a_mistake_is_told_with_the_way_out_and_creates_nothing() {
    let home = shop();
    let check = |home: &Home, arguments: &str, code: i32, says: &[&str]| {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let ended: Ended = home.run(&arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (code, ""), "{arguments:?}: {ended:?}");
        for text in says {
            assert!(ended.stderr.contains(text), "{arguments:?} does not say `{text}`: {ended:?}");
        }
    };
    let none = ["there is no event yet", "`oneiric event emit TOPIC` makes one"];
    check(&home, "event show latest", 3, &none);
    check(&home, "--manifest shop.yaml event replay --all", 3, &none);
    check(&home, "event dead-letters replay --all", 3, &["no dead letter"]);
    check(&home, "event replay --all", 3, &["no handler is known", "`--manifest PATH`"]);
    check(&home, "event replay", 2, &["required", "--since"]);
    check(&home, "event list --since yesterday", 2, &["write a time such as 2026-03-01T18:00:00Z"]);
    check(&home, "event list --topic a.>.b", 2, &["`>` stands for the rest"]);
    check(&home, "event list --status ded", 2, &["there are held, pending, running, done, dead"]);
    check(&home, "event replay --all --rate 0", 2, &["allowed are 1 to 100000 events per second"]);
    check(&home, "event dead-letters --all replay", 2, &["unexpected argument"]);
    assert_eq!(home.run(&["event", "list"]).exits(0).stdout, "(none)\n");
    assert_eq!(home.run(&["event", "tail"]).exits(0).stdout, "");
    assert_eq!(home.json(&["event", "dead-letters", "--json"]), json!({"dead_letters": []}));
    assert!(home.holds_only(&["shop.yaml"]), "something was created");
    let emit = ["--manifest", "shop.yaml", "event", "emit", "order.paid", "--event-id", "order-7"];
    home.run(&emit).exits(0);
    check(&home, "event show ordre-7", 3, &["event `ordre-7` is unknown (did you mean `order-7`?)"]);
    check(&home, "event show #9", 3, &["there is no event at place 9"]);
    check(&home, "event list --handler shop.bok", 3, &["(did you mean `shop.book`?)"]);
    let unknown =
        ["event handler `shop.bok` is unknown (did you mean `shop.book`?)", "oneiric list --domain event"];
    check(&home, "--manifest shop.yaml event replay --handler shop.bok", 3, &unknown);
    check(&home, "event dead-letters drop --handler x", 2, &["`--yes` only", "name their events"]);
    let late = "--manifest shop.yaml event replay --since 1h --until 2h";
    check(&home, late, 2, &["the beginning of the replay"]);
}

#[test]
fn a_replay_that_is_interrupted_says_so() {
    let home = shop();
    accepted(&home, "order.paid", "order", 3);
    let mut replaying = home.command(&replay(&["--all", "--rate", "1"])).spawn().unwrap();
    until("the first one was replayed", || book(&home).len() == 1);
    kill(Pid::from_raw(replaying.id().cast_signed()), Signal::SIGINT).unwrap();
    replaying.stdin.take();
    let ended = wait(replaying).exits(130);
    assert_eq!(ended.json()["interrupted"], true);
    assert!(ended.error()["help"].as_str().unwrap().starts_with("repeat it"), "{ended:?}");
    assert_holds(
        &home.json(&replay(&["--all"])),
        &json!({"handlers": {"shop.book:sh": {"failed": 0}}, "left": 0}),
    );
    assert_eq!(book(&home).len(), 3);
}
