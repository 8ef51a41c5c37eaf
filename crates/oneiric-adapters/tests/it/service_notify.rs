//! `process:` what a program says through its socket, as under systemd.

use oneiric_core::roles::Stream;
use serde_json::json;

use crate::service::build;
use crate::support::eventually;

/// Says what its arguments are, each as a message; one that begins with `@` is said with a descriptor, and one with `!`
/// by another user outside of the group.
const SAY: &str = r#"
import os, socket, sys, time
def say(text):
    name = os.environ["NOTIFY_SOCKET"]
    assert name[0] == "@"
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.connect("\0" + name[1:])
    if text[0] == "@":
        r, w = os.pipe()
        socket.send_fds(s, [text[1:].encode()], [w])
        os.close(w)
        assert os.read(r, 1) == b""
    elif text[0] == "!":
        if os.getuid() != 0: return
        pid = os.fork()
        if pid == 0:
            os.setpgid(0, 0); os.setgroups([]); os.setgid(65534); os.setuid(65534)
            s.send(text[1:].encode()); os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
    else:
        s.send(text.encode())
for text in sys.argv[1:]: say(text)
time.sleep(1000)
"#;

async fn says(messages: &[&str]) -> (usize, Vec<String>) {
    let args: Vec<&str> = ["-c", SAY].iter().chain(messages).chain(&["STATUS=last"]).copied().collect();
    let stand = build("process:python3", json!({"args": args, "notify": true})).await.unwrap();
    assert!(stand.service.says_ready());
    let last = || stand.watch.lines(Stream::Stdout).iter().any(|line| line == "[status] last").then_some(());
    let (end, ()) = stand.run_until(eventually("it has said all", last)).await;
    assert_eq!(end, Ok(()), "{:?}", stand.watch.lines(Stream::Stderr));
    stand.leaves_nothing().await;
    (stand.watch.readies(), stand.watch.lines(Stream::Stdout))
}

#[tokio::test]
async fn a_program_says_that_it_is_ready_and_what_it_is_doing() {
    let (readies, lines) = says(&["STATUS=loading", "READY=1\nSTATUS=serving", "READY=1"]).await;
    assert_eq!(readies, 1);
    assert_eq!(lines, ["[status] loading", "[status] serving", "[status] last"]);
}

#[tokio::test]
async fn one_that_says_something_else_is_not_ready() {
    let long = format!("STATUS={}", "x".repeat(10_000));
    let (readies, lines) = says(&["WATCHDOG=1", "READY=0", "nonsense", &long]).await;
    assert_eq!(readies, 0);
    assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), ["[status] ".len() + 4096 - 7, 13]);
}

#[tokio::test]
async fn descriptors_are_not_taken() {
    let files = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = files();
    let messages = vec!["@READY=1\nBARRIER=1"; 50];
    assert_eq!(says(&messages).await.0, 1);
    assert!(files() < before + 25, "{before} before, {} after", files());
}

#[tokio::test]
async fn a_stranger_is_not_heard() {
    // Where the tests do not run as root, nobody can become a stranger, and nothing is said.
    let (readies, lines) = says(&["!READY=1\nSTATUS=evil"]).await;
    assert_eq!((readies, lines), (0, vec!["[status] last".to_owned()]));
}
