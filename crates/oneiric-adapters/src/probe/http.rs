//! An address that answers.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use oneiric_core::probe::HttpQuestion;
use oneiric_core::{Clock, Fault};
use url::Url;

use crate::Parts;
use crate::http::{Client, Limits, Policy, Request, Tls, without_query};

/// How much of an answer is read.
const FIRST_BYTES: usize = 64 * 1024;

/// Whoever asks loses patience, and not the client: longer than any probe may take.
const LONGEST: Duration = Duration::from_secs(86_400);

/// Asks addresses.
#[derive(Debug)]
pub(super) struct Addresses {
    clock: Arc<dyn Clock>,
    tls: Tls,
    /// Made for the first question: it reads the certificates of the platform.
    client: OnceLock<Client>,
}

impl Addresses {
    pub(super) fn new(parts: &Parts) -> Self {
        let tls = Tls { ca_file: parts.http.ca_file.clone(), ..Tls::default() };
        Self { clock: parts.clock.clone(), tls, client: OnceLock::new() }
    }

    fn client(&self) -> Result<&Client, Fault> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let policy = Policy { allow_hosts: Vec::new(), allow_private: true };
        let limits =
            Limits { connect: LONGEST, total: LONGEST, max_response_bytes: FIRST_BYTES, max_redirects: 0 };
        let client = Client::open(policy, limits, &self.tls, self.clock.clone())?;
        Ok(self.client.get_or_init(|| client))
    }

    /// Asks once, on a connection of its own: one that is kept says that a process is there which has long been another.
    pub(super) async fn ask(&self, question: &HttpQuestion) -> Result<(), Fault> {
        let mut request = Request::new("GET", &question.url).header("Connection", "close");
        request.first_bytes = Some(FIRST_BYTES);
        let answer = self.client()?.exchange(request).await?;
        judge(question, answer.status, &answer.body)
    }
}

/// Checks a question without asking it.
pub(super) fn check(question: &HttpQuestion) -> Result<(), Fault> {
    let bad = |why: &dyn std::fmt::Display| {
        let message = format!("`{}` is no address that can be asked: {why}", without_query(&question.url));
        Fault::permanent("bad-url", message)
    };
    let url = Url::parse(&question.url).map_err(|error| bad(&error))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad(&"only http and https can be asked"));
    }
    match question.status {
        Some(status) if !(200..600).contains(&status) => Err(Fault::permanent(
            "bad-question",
            format!("`status` {status} is none that ends an answer; it is 200 to 599"),
        )),
        Some(_) | None => Ok(()),
    }
}

/// Whether an answer is a good one.
fn judge(question: &HttpQuestion, status: u16, body: &[u8]) -> Result<(), Fault> {
    let url = without_query(&question.url);
    let wrong = |code: &str, why: String| Err(Fault::transient(code, format!("`{url}` {why}")));
    match question.status {
        Some(wanted) if wanted != status => wrong("status", format!("answered {status}, not {wanted}")),
        None if !(200..400).contains(&status) => {
            wrong("status", format!("answered {status}, not 200 to 399"))
        }
        Some(_) | None => match &question.contains {
            Some(text) if !occurs(text.as_bytes(), body) => wrong(
                "content",
                format!("answered {status} without `{text}` in its first {FIRST_BYTES} bytes"),
            ),
            Some(_) | None => Ok(()),
        },
    }
}

fn occurs(text: &[u8], body: &[u8]) -> bool {
    text.is_empty() || body.windows(text.len()).any(|window| window == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_judged_by_its_status_and_its_text() {
        let check = |status: Option<u16>, contains: Option<&str>, answer: u16, expected: Option<&str>| {
            let url = "http://ada:pw@h/up?token=x".to_owned();
            let question = HttpQuestion { url, status, contains: contains.map(str::to_owned) };
            let found = judge(&question, answer, b"{\"up\":true}").err().map(|fault| fault.message);
            assert_eq!(found.as_deref(), expected);
        };
        check(None, None, 200, None);
        check(None, None, 302, None);
        check(None, None, 404, Some("`http://h/up` answered 404, not 200 to 399"));
        check(Some(404), None, 404, None);
        check(Some(204), None, 200, Some("`http://h/up` answered 200, not 204"));
        check(None, Some("\"up\":true"), 200, None);
        check(None, Some(""), 200, None);
        check(
            None,
            Some("down"),
            200,
            Some("`http://h/up` answered 200 without `down` in its first 65536 bytes"),
        );
    }
}
