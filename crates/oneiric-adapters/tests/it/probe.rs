//! Questions to the outside, put to real programs and sockets.

use std::net::TcpListener;
use std::sync::Arc;

use oneiric_adapters::{Limits, prober};
use oneiric_core::probe::{HttpQuestion, Prober, Question};
use oneiric_core::{Class, Fault};

use crate::process::{alive, children, pid_in};
use crate::server::{Reaction, Server};
use crate::support::{LONG, eventually, parts, within};

fn ours() -> Arc<dyn Prober> {
    prober(&parts(Limits::STANDARD))
}

async fn ask(question: &Question) -> Result<(), Fault> {
    let prober = ours();
    prober.check(question)?;
    within(LONG, prober.ask(question)).await.expect("there is an answer")
}

fn program(words: &[&str]) -> Question {
    Question::Exec(words.iter().map(|word| (*word).to_owned()).collect())
}

fn address(url: String) -> HttpQuestion {
    HttpQuestion { url, status: None, contains: None }
}

fn message(found: Result<(), Fault>) -> String {
    found.unwrap_err().message
}

#[tokio::test]
async fn a_program_is_well_where_it_exits_with_zero() {
    assert_eq!(ask(&program(&["true"])).await, Ok(()));
    assert_eq!(message(ask(&program(&["false"])).await), "`false` exited with 1");
    let said = |text| async move { message(ask(&program(&["sh", "-c", text])).await) };
    assert_eq!(said("echo a; echo no connection >&2; exit 2").await, "`sh` exited with 2: no connection");
    assert_eq!(said("echo only here; exit 2").await, "`sh` exited with 2: only here");
    assert_eq!(said("kill -9 $$").await, "`sh` was killed by SIGKILL");
    assert_eq!(said("yes | head -c 10000000; echo end; exit 1").await, "`sh` exited with 1: end");
    assert_eq!(said("test -z \"$CANARY\" && ! read line && exit 4").await, "`sh` exited with 4");
    assert_eq!(children(), []);
}

#[tokio::test]
async fn a_dropped_question_leaves_no_process() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let text = format!("trap '' TERM; sleep 1000 & echo $! >{}; wait; wait", file.display());
    let (prober, question) = (ours(), program(&["sh", "-c", &text]));
    let pid = tokio::select! {
        _ = prober.ask(&question) => panic!("it does not end"),
        pid = pid_in(&file) => pid,
    };
    eventually("the group is gone", || (!alive(pid)).then_some(())).await;
    eventually("nothing is left to reap", || children().is_empty().then_some(())).await;
}

#[tokio::test]
async fn an_address_is_well_where_it_answers_so() {
    let server = Server::start(|seen| match seen.path.as_str() {
        "up" => Reaction::json("{\"up\":true}"),
        "empty" => Reaction::Answer(204, String::new(), Vec::new()),
        "moved" => Reaction::Answer(302, "Location: /gone\r\n".to_owned(), Vec::new()),
        "long" => Reaction::Answer(
            200,
            String::new(),
            [vec![b'x'; 65_530], b"inside outside".to_vec(), vec![b'x'; 9_000_000]].concat(),
        ),
        _ => Reaction::Answer(503, String::new(), b"busy".to_vec()),
    });
    let check = async |path: &str, status: Option<u16>, contains: Option<&str>, expected: Option<&str>| {
        let contains = contains.map(str::to_owned);
        let question = HttpQuestion { status, contains, ..address(server.url(path)) };
        let found = ask(&Question::Http(question)).await.err().map(|fault| fault.message);
        let expected = expected.map(|why| format!("`{}` {why}", server.url(path)));
        assert_eq!(found, expected, "{path}");
    };
    check("up", None, Some("\"up\":true"), None).await;
    check("empty", Some(204), None, None).await;
    check("moved", None, None, None).await;
    check("gone", None, None, Some("answered 503, not 200 to 399")).await;
    check("gone", Some(503), Some("busy"), None).await;
    check("up", Some(204), None, Some("answered 200, not 204")).await;
    check("up", None, Some("down"), Some("answered 200 without `down` in its first 65536 bytes")).await;
    check("long", None, Some("inside"), None).await;
    check("long", None, Some("outside"), Some("answered 200 without `outside` in its first 65536 bytes"))
        .await;
    let seen = server.seen();
    assert!(seen.iter().all(|seen| seen.method == "GET" && seen.header("connection") == Some("close")));
    assert!(!seen.iter().any(|seen| seen.path == "/gone"), "no redirect is followed");
}

#[tokio::test]
async fn an_address_that_does_not_answer_is_not_well() {
    let silent = Server::start(|seen| if seen.path == "wait" { Reaction::Wait } else { Reaction::HangUp });
    let told = message(ask(&Question::Http(address(silent.url("x")))).await);
    assert!(told.contains(&silent.url("x")), "{told}");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let fault = ask(&Question::Http(address(format!("http://{closed}/")))).await.unwrap_err();
    assert_eq!((fault.class, fault.code.as_str()), (Class::Transient, "connect-failed"));

    let (prober, question) = (ours(), Question::Http(address(silent.url("wait"))));
    tokio::select! {
        _ = prober.ask(&question) => panic!("it never answers"),
        () = eventually("it is asked", || (silent.waiting() == 1).then_some(())) => {}
    }
    eventually("the connection is closed", || (silent.waiting() == 0).then_some(())).await;
}

#[tokio::test]
async fn a_port_is_well_where_it_takes_connections() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    assert_eq!(ask(&Question::Tcp(format!("127.0.0.1:{port}"))).await, Ok(()));
    // Whichever of its addresses come first.
    assert_eq!(ask(&Question::Tcp(format!("localhost:{port}"))).await, Ok(()));
    drop(listener);
    let told = message(ask(&Question::Tcp(format!("127.0.0.1:{port}"))).await);
    assert!(told.starts_with(&format!("`127.0.0.1:{port}` takes no connection: ")), "{told}");
    let fault = ask(&Question::Tcp("no-such-host.invalid:80".to_owned())).await.unwrap_err();
    assert_eq!(fault.code, "dns-failed");
}

#[tokio::test]
async fn a_bad_question_is_found_without_asking_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("touched");
    let touch = program(&["touch", file.to_str().unwrap()]);
    let http = |url: &str| Question::Http(address(url.to_owned()));
    let prober = ours();
    assert_eq!(prober.check(&touch), Ok(()));
    assert_eq!(prober.check(&http("http://192.0.2.1/up")), Ok(()));
    assert_eq!(prober.check(&Question::Tcp("no-such-host.invalid:80".to_owned())), Ok(()));
    assert!(!file.exists());
    let code = |question: &Question| {
        let fault = prober.check(question).unwrap_err();
        assert_eq!(fault.class, Class::Permanent, "{fault}");
        fault.code
    };
    assert_eq!(code(&program(&[])), "bad-question");
    assert_eq!(code(&program(&["no-such-program"])), "program-missing");
    assert_eq!(code(&program(&["/etc/passwd"])), "program-not-executable");
    assert_eq!(code(&http("not an address")), "bad-url");
    assert_eq!(code(&http("ftp://h/")), "bad-url");
    let status = HttpQuestion { status: Some(99), ..address("http://h/".to_owned()) };
    assert_eq!(code(&Question::Http(status)), "bad-question");
    assert_eq!(code(&Question::Tcp("localhost".to_owned())), "bad-address");
    assert_eq!(code(&Question::Component), "not-outside");
    assert_eq!(ours().ask(&Question::Component).await.unwrap_err().code, "not-outside");
}
