//! The server that the records of `http.fetch` and `event.dispatch` speak of: as `record.py` has it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::kits::folder;

/// A server on a port of its own; ends with this value.
pub(crate) struct Server {
    pub(crate) address: String,
    accepting: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        let text = std::fs::read_to_string(folder().join("server.json")).unwrap();
        let routes: Arc<Value> = Arc::new(serde_json::from_str(&text).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                serve(stream, routes.clone()).await;
            }
        });
        Self { address, accepting }
    }
}

async fn serve(mut stream: TcpStream, routes: Arc<Value>) {
    let Some((head, body)) = read(&mut stream).await else { return };
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap().split(' ');
    let (method, target) = (first.next().unwrap(), first.next().unwrap());
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let path = target.split('?').next().unwrap();
    let mut route = routes[path].clone();
    if path == "/echo" {
        let is_echoed = |name: &str| {
            let begins =
                ["content-type", "x-", "authorization", "accept"].iter().any(|begin| name.starts_with(begin));
            begins && name != "accept-encoding"
        };
        let headers: BTreeMap<_, _> = headers.iter().filter(|(name, _)| is_echoed(name)).collect();
        let echo = json!({ "method": method, "target": target, "headers": headers, "body": body });
        route = json!({ "status": 200, "reason": "OK", "headers": [["Content-Type", "application/json"]] });
        // The length is that of Python's JSON.
        route["body"] = python_json(&echo).into();
    }
    let lacks = route.get("requires").is_some_and(|needed| {
        headers.get(needed[0].as_str().unwrap()).map(String::as_str) != needed[1].as_str()
    });
    if route.is_null() || lacks {
        route = json!({ "status": 401, "reason": "Unauthorized", "headers": [], "body": "" });
    }
    let body = route["body"].as_str().unwrap();
    let mut answer = format!("HTTP/1.1 {} {}\r\n", route["status"], route["reason"].as_str().unwrap());
    for header in route["headers"].as_array().unwrap() {
        answer += &format!("{}: {}\r\n", header[0].as_str().unwrap(), header[1].as_str().unwrap());
    }
    if route["status"] != 204 {
        answer += &format!("Content-Length: {}\r\n", body.len());
    }
    answer += "Connection: close\r\n\r\n";
    if method != "HEAD" {
        answer += body;
    }
    let _ = stream.write_all(answer.as_bytes()).await;
}

/// Head and body of a request.
async fn read(stream: &mut TcpStream) -> Option<(String, String)> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
            });
            let body = &bytes[end + 4..];
            if body.len() >= length.unwrap_or(0) {
                return Some((head, String::from_utf8(body.to_vec()).unwrap()));
            }
        }
        match stream.read(&mut buffer).await {
            Ok(count) if count > 0 => bytes.extend_from_slice(&buffer[..count]),
            _ => return None,
        }
    }
}

/// As `json.dumps` for the few values there are: blanks behind commas and colons, ASCII only.
fn python_json(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            // In the order in which the script writes them.
            let order = ["method", "target", "headers", "body"];
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort_by_key(|name| order.iter().position(|known| known == name));
            let pair = |name: &String| {
                format!("{}: {}", python_json(&name.as_str().into()), python_json(&fields[name]))
            };
            format!("{{{}}}", names.into_iter().map(pair).collect::<Vec<_>>().join(", "))
        }
        other => {
            let mut ascii = String::new();
            for letter in other.to_string().chars() {
                if letter.is_ascii() {
                    ascii.push(letter);
                } else {
                    let units = letter
                        .encode_utf16(&mut [0; 2])
                        .iter()
                        .map(|unit| format!("\\u{unit:04x}"))
                        .collect::<String>();
                    ascii += &units;
                }
            }
            ascii
        }
    }
}
