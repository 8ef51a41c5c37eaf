//! A real server on this machine, in threads of its own, for components behind addresses.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What is done with a request.
pub(crate) enum Reaction {
    /// An answer: status, further headers (each with its line end), body.
    Answer(u16, String, Vec<u8>),
    /// The connection is closed without a word.
    HangUp,
    /// Nothing, until the other side closes the connection.
    Wait,
}

impl Reaction {
    pub(crate) fn json(text: impl Into<Vec<u8>>) -> Self {
        Reaction::Answer(200, "Content-Type: application/json\r\n".to_owned(), text.into())
    }
}

/// A server; it lives as long as the process.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    waiting: Arc<AtomicUsize>,
}

impl Server {
    pub(crate) fn start(react: impl Fn(&Seen) -> Reaction + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = Self { address, seen: Arc::default(), waiting: Arc::default() };
        let (react, shared) = (Arc::new(react), server.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (react, shared) = (react.clone(), shared.clone());
                thread::spawn(move || shared.serve(stream.unwrap(), react.as_ref()));
            }
        });
        server
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// The requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// How many requests wait for the other side to give up.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    /// Serves one connection until it is closed.
    fn serve(&self, stream: TcpStream, react: &dyn Fn(&Seen) -> Reaction) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut stream = stream;
        while let Some(seen) = read(&mut reader) {
            self.seen.lock().unwrap().push(seen.clone());
            match react(&seen) {
                Reaction::HangUp => return,
                Reaction::Wait => {
                    self.waiting.fetch_add(1, Ordering::SeqCst);
                    let _ = reader.read(&mut [0]);
                    self.waiting.fetch_sub(1, Ordering::SeqCst);
                    return;
                }
                Reaction::Answer(status, headers, body) => {
                    let length = body.len();
                    let head = format!("HTTP/1.1 {status} Said\r\n{headers}Content-Length: {length}\r\n\r\n");
                    let head =
                        if status == 204 { format!("HTTP/1.1 204 Said\r\n{headers}\r\n") } else { head };
                    if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).is_err() {
                        return;
                    }
                }
            }
        }
    }
}

fn read(reader: &mut impl BufRead) -> Option<Seen> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split_whitespace();
    let mut seen = Seen {
        method: words.next()?.to_owned(),
        path: words.next()?.trim_start_matches('/').to_owned(),
        ..Seen::default()
    };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        seen.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = seen.header("content-length").map_or(0, |length| length.parse().unwrap());
    seen.body = vec![0; length];
    reader.read_exact(&mut seen.body).ok()?;
    Some(seen)
}
