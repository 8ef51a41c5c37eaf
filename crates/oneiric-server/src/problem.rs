//! What went wrong with a request, as programs read it.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use oneiric_runtime::{Error, Kind};
use oneiric_store::StoreError;
use serde_json::json;

use crate::app::REOPENED;
use crate::authority::Refusal;

/// An answer that is an error. Shape: `{"error":"unknown-run","message":"...","help":"..."}`; `error` is a word for
/// programs, `help` is there where there is a way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The status of the answer.
    pub status: StatusCode,
    /// The word for programs.
    pub code: &'static str,
    /// What went wrong.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
    /// Seconds after which it makes sense to ask again.
    pub retry_after: Option<u32>,
}

impl Problem {
    /// A problem without a way out.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), help: None, retry_after: None }
    }

    /// The same with a way out.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same, for which it makes sense to ask again after so many seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let (status, code) = match (&error, error.kind()) {
            _ if error.wait().is_some() => (StatusCode::SERVICE_UNAVAILABLE, "not-now"),
            (Error::UnknownRun(_), _) => (StatusCode::NOT_FOUND, "unknown-run"),
            (Error::UnknownEvent(_), _) => (StatusCode::NOT_FOUND, "unknown-event"),
            (Error::UnknownHandler { .. }, _) => (StatusCode::NOT_FOUND, "unknown-handler"),
            (Error::Reused(_), _) => (StatusCode::CONFLICT, "reused"),
            (Error::Over { .. }, _) => (StatusCode::CONFLICT, "over"),
            (Error::Stale { .. }, _) => (StatusCode::CONFLICT, "stale"),
            (Error::UnderWay { .. }, _) => (StatusCode::CONFLICT, "under-way"),
            (Error::Busy { .. }, _) => (StatusCode::CONFLICT, "busy"),
            (Error::Unanswered { .. }, _) => (StatusCode::GATEWAY_TIMEOUT, "unanswered"),
            (Error::Denied(_), _) => (StatusCode::FORBIDDEN, "denied"),
            (_, Kind::Resolution) => (StatusCode::NOT_FOUND, "unknown-component"),
            (_, Kind::Configuration) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
            (_, Kind::Security) => (StatusCode::FORBIDDEN, "forbidden"),
            (_, Kind::Execution) => (StatusCode::INTERNAL_SERVER_ERROR, "failed"),
        };
        let mut problem = Self::new(status, code, error.to_string());
        problem.help = error.help();
        problem.retry_after = error.wait().map(|_| REOPENED);
        problem
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Error::from(error).into()
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        refusal.problem()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = json!({ "error": self.code, "message": self.message });
        if let Some(help) = self.help {
            body["help"] = help.into();
        }
        let mut response = (self.status, Json(body)).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
