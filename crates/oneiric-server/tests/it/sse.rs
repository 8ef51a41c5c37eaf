//! A reader of streams of events, as a browser has one.

use serde_json::Value;

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Frame {
    pub(crate) id: Option<u64>,
    pub(crate) event: String,
    pub(crate) data: Value,
}

/// A stream that is read.
pub(crate) struct Reader {
    pub(crate) answer: reqwest::Response,
    text: String,
}

impl Reader {
    /// Goes on after `last`, where there is one.
    pub(crate) async fn open(client: &reqwest::Client, url: &str, last: Option<u64>) -> Self {
        let mut request = client.get(url);
        if let Some(last) = last {
            request = request.header("last-event-id", last.to_string());
        }
        Self { answer: request.send().await.unwrap(), text: String::new() }
    }

    /// The next event; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let frame = frame(block);
                self.text = rest.to_owned();
                if frame.is_some() {
                    return frame;
                }
            }
            let chunk = self.answer.chunk().await.ok()??;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

/// An event; `None` for a comment, or for what only says when to come back.
fn frame(block: &str) -> Option<Frame> {
    let field = |name: &str| {
        block.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim_start()))
    };
    Some(Frame {
        id: field("id").map(|id| id.parse().unwrap()),
        event: field("event")?.to_owned(),
        data: serde_json::from_str(field("data")?).unwrap(),
    })
}
