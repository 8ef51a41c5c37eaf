//! Against a server of our own that says what it is told to.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;

use async_trait::async_trait;
use oneiric_core::clock::Sleep;
use oneiric_core::{Class, Timestamp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;

/// The tests' clock: sleeps for real, says that it is 1994.
#[derive(Debug)]
struct TestClock;

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(784_111_777_000_000)
    }
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
    #[expect(clippy::disallowed_methods, reason = "the tests' own source of time")]
    fn sleep(&self, delay: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(delay))
    }
}

/// Names and, for each look-up in turn, their addresses; the last one stays.
#[derive(Debug, Default)]
struct Table(Mutex<HashMap<String, Vec<Vec<IpAddr>>>>);

#[async_trait]
impl Lookup for Table {
    async fn addresses(&self, name: &str) -> std::io::Result<Vec<IpAddr>> {
        let mut table = self.0.lock().unwrap();
        let answers = table.get_mut(name).ok_or_else(|| std::io::Error::other("no such name"))?;
        Ok(if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() })
    }
}

/// Answers each connection with the next text, then closes it; gives the requests back.
async fn server(answers: Vec<String>) -> (u16, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = tokio::spawn(async move {
        let mut requests = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
            while !request.windows(4).any(|window| window == b"\r\n\r\n") {
                match stream.read(&mut buffer).await.unwrap() {
                    0 => break,
                    count => request.extend_from_slice(&buffer[..count]),
                }
            }
            requests.push(String::from_utf8(request).unwrap());
            // The client may hang up in the middle of a long answer.
            let _ = stream.write_all(answer.replace("PORT", &port.to_string()).as_bytes()).await;
        }
        requests
    });
    (port, served)
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}", body.len())
}

fn client(allow_private: bool, table: &[(&str, &[&str])]) -> Client {
    let policy = Policy { allow_private, ..Policy::default() };
    let limits = Limits { max_response_bytes: 1_000, ..Limits::STANDARD };
    let table = table.iter().map(|(name, answers)| {
        let answers = answers.iter().map(|list| list.split(' ').map(|ip| ip.parse().unwrap()).collect());
        ((*name).to_owned(), answers.collect())
    });
    let lookup = Arc::new(Table(Mutex::new(table.collect())));
    Client::with_lookup(policy, limits, &Tls::default(), Arc::new(TestClock), lookup).unwrap()
}

fn code(result: Result<Response, Fault>) -> (Class, String) {
    let fault = result.unwrap_err();
    (fault.class, fault.code)
}

#[tokio::test]
async fn an_answer_comes_back_whole() {
    let (port, served) = server(vec![answer("200 OK", "X-A: 1\r\nX-A: 2\r\n", "grüße")]).await;
    let request =
        Request::new("POST", format!("http://127.0.0.1:{port}/p?q=1")).header("X-B", "b").body("hi");
    let response = client(true, &[]).send(request).await.unwrap();
    assert_eq!((response.status, response.body.as_slice()), (200, "grüße".as_bytes()));
    assert_eq!(response.headers.iter().filter(|(name, _)| name == "x-a").count(), 2);
    let sent = served.await.unwrap().remove(0);
    assert!(sent.starts_with("POST /p?q=1 HTTP/1.1\r\n") && sent.contains("x-b: b\r\n"), "{sent}");
    assert!(sent.contains("user-agent: oneiric/"), "{sent}");
}

#[tokio::test]
async fn the_status_of_an_answer_decides_the_class() {
    let check = async |status: &str, headers: &str, expected: (Class, &str, Option<u64>)| {
        let (port, _served) = server(vec![answer(status, headers, "")]).await;
        let fault = client(true, &[]).send(Request::new("GET", format!("http://127.0.0.1:{port}/"))).await;
        let fault = fault.unwrap_err();
        assert_eq!((fault.class, fault.code.as_str(), fault.retry_after_ms), expected, "{status}");
    };
    check("429 No", "Retry-After: 3\r\n", (Class::Transient, "http-429", Some(3_000))).await;
    let date = "Retry-After: Sun, 06 Nov 1994 08:49:47 GMT\r\n";
    check("503 No", date, (Class::Transient, "http-503", Some(10_000))).await;
    check("403 No", "", (Class::Denied, "http-403", None)).await;
    check("404 No", "", (Class::Permanent, "http-404", None)).await;
}

#[tokio::test]
async fn what_was_not_sent_is_transient_and_what_may_have_been_sent_is_unknown() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let refused = client(true, &[]).send(Request::new("POST", format!("http://127.0.0.1:{closed}/"))).await;
    assert_eq!(code(refused), (Class::Transient, "connect-failed".to_owned()));
    let unresolved = client(true, &[]).send(Request::new("POST", "http://nowhere.test/")).await;
    assert_eq!(code(unresolved), (Class::Transient, "dns-failed".to_owned()));

    let lost = async |method: &str, answer: &str, timeout: Option<Duration>| {
        let (port, _served) = server(vec![answer.to_owned(); 2]).await;
        let mut request = Request::new(method, format!("http://127.0.0.1:{port}/"));
        request.timeout = timeout;
        code(client(true, &[]).send(request).await)
    };
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf";
    assert_eq!(lost("POST", "", None).await, (Class::UnknownOutcome, "connection-lost".to_owned()));
    assert_eq!(lost("POST", half, None).await, (Class::UnknownOutcome, "connection-lost".to_owned()));
    assert_eq!(lost("GET", "", None).await, (Class::Transient, "connection-lost".to_owned()));
    assert_eq!(lost("PUT", half, None).await, (Class::Transient, "connection-lost".to_owned()));

    // A server that accepts and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = async |method: &str| {
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let mut request = Request::new(method, url);
        request.timeout = Some(Duration::from_millis(20));
        code(client(true, &[]).send(request).await)
    };
    assert_eq!(silent("POST").await, (Class::UnknownOutcome, "timeout".to_owned()));
    assert_eq!(silent("GET").await, (Class::Transient, "timeout".to_owned()));
}

#[tokio::test]
async fn no_name_and_no_redirect_leads_to_an_address_that_was_not_judged() {
    let denied = (Class::Denied, "egress-denied".to_owned());
    let get = |url: &str| Request::new("GET", url);
    let plain = client(false, &[("evil.test", &["127.0.0.1"]), ("mixed.test", &["1.1.1.1 ::ffff:10.0.0.1"])]);
    for url in ["http://evil.test/", "https://mixed.test/", "http://2130706433/", "http://[::1]/"] {
        assert_eq!(code(plain.send(get(url)).await), denied, "{url}");
    }
    assert_eq!(code(plain.send(get("file:///etc/passwd")).await).1, "bad-url");

    // A redirect from a host that is allowed to one that is not.
    let (port, served) = server(vec![answer("302 Found", "Location: http://b.test:PORT/\r\n", "")]).await;
    let mut listed = client(true, &[("a.test", &["127.0.0.1"]), ("b.test", &["127.0.0.1"])]);
    listed.policy = Arc::new(Policy { allow_hosts: vec!["a.test".to_owned()], allow_private: true });
    let mut request = get(&format!("http://a.test:{port}/"));
    request.max_redirects = 5;
    assert_eq!(code(listed.send(request).await), denied);
    assert_eq!(served.await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_name_that_changes_its_mind_is_connected_to_where_it_was_judged() {
    // The first look-up is the one that is judged and the one that is used: there is no second.
    let (port, _served) = server(vec![answer("200 OK", "", "")]).await;
    let table: &[(&str, &[&str])] = &[("fickle.test", &["127.0.0.1", "0.0.0.0"])];
    let fickle = client(true, table);
    let request = || Request::new("GET", format!("http://fickle.test:{port}/"));
    assert_eq!(fickle.send(request()).await.unwrap().status, 200);
    // By the second request it has become an address of nobody.
    assert_eq!(code(fickle.send(request()).await), (Class::Denied, "egress-denied".to_owned()));
}

#[tokio::test]
async fn redirects_are_followed_so_far_and_no_further() {
    let hop = answer("302 Found", "Location: http://127.0.0.1:PORT/next\r\n", "");
    let run = async |answers: Vec<String>, max_redirects| {
        let (port, served) = server(answers).await;
        let mut request = Request::new("GET", format!("http://127.0.0.1:{port}/")).header("X-A", "1");
        request.max_redirects = max_redirects;
        (client(true, &[]).send(request).await, served)
    };
    let (response, served) = run(vec![hop.clone(), answer("200 OK", "", "there")], 1).await;
    assert_eq!(response.unwrap().body, b"there");
    assert!(served.await.unwrap()[1].starts_with("GET /next "));
    let (response, _served) = run(vec![hop.clone(), hop.clone(), hop.clone()], 2).await;
    assert_eq!(code(response), (Class::Permanent, "too-many-redirects".to_owned()));
    let (response, _served) = run(vec![hop], 0).await;
    assert_eq!(response.unwrap().status, 302);
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let (port, _served) = server(vec![answer("200 OK", "", &"x".repeat(1_001))]).await;
    let response = client(true, &[]).send(Request::new("GET", format!("http://127.0.0.1:{port}/"))).await;
    assert_eq!(code(response), (Class::Permanent, "response-too-large".to_owned()));
}

#[tokio::test]
async fn what_cannot_be_sent_is_permanent_and_no_secret_is_repeated() {
    let check = async |request: Request, expected: &str| {
        let fault = client(true, &[]).send(request).await.unwrap_err();
        assert_eq!((fault.class, fault.code.as_str()), (Class::Permanent, expected), "{fault}");
        assert!(!fault.message.contains("s3cret"), "{fault}");
    };
    check(Request::new("GE T", "http://127.0.0.1/"), "bad-request").await;
    check(Request::new("GET", "http://127.0.0.1/").header("a b", "s3cret"), "bad-request").await;
    check(Request::new("GET", "http://127.0.0.1/").header("a", "s3cret\n"), "bad-request").await;
    check(Request::new("GET", "//no-scheme?t=s3cret"), "bad-url").await;
}

#[test]
fn a_file_without_certificates_is_refused_at_once() {
    let check = |path: &std::path::Path, expected: &str| {
        let tls = Tls { ca_file: Some(path.to_owned()), verify: true };
        let opened = Client::open(Policy::default(), Limits::STANDARD, &tls, Arc::new(TestClock));
        let fault = opened.unwrap_err();
        assert_eq!(fault.code, "bad-ca-file");
        assert!(fault.message.contains(expected), "{fault}");
    };
    let folder = tempfile::tempdir().unwrap();
    check(&folder.path().join("missing.pem"), "No such file");
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "nothing").unwrap();
    check(&empty, "holds no certificate");
}
