//! Questions to something outside: is it well?
//!
//! Only what is asked, and the port through which it is asked. How often, and what follows from the answers, is the
//! supervisor's; programs, sockets and HTTP are the adapters'.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::Fault;

/// What is done to find out whether something is well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Runs a program, which is well where it exits with 0. Not a shell's line: the program, then its arguments.
    Exec(Vec<String>),
    /// Asks an address.
    Http(HttpQuestion),
    /// Connects to `HOST:PORT`.
    Tcp(String),
    /// Asks the component itself: [`crate::Component::health`].
    Component,
}

/// A question by HTTP GET. Redirects are not followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpQuestion {
    /// Where: `http` or `https`.
    pub url: String,
    /// The status of an answer that is well; any of 200 to 399 where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// A text that must occur in the first 64 KiB of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
}

/// Puts questions to the outside.
#[async_trait]
pub trait Prober: Send + Sync + fmt::Debug {
    /// Checks a question without side effect, so that a bad one is an error when it is loaded.
    ///
    /// # Errors
    /// A permanent fault that names what is wrong, or that nobody here can put such a question.
    fn check(&self, question: &Question) -> Result<(), Fault>;

    /// Asks. Has no time limit of its own: whoever asks drops the future, and nothing stays behind.
    ///
    /// # Errors
    /// Why it is not well, in a sentence for people.
    async fn ask(&self, question: &Question) -> Result<(), Fault>;
}

const _: fn(&dyn Prober) = |_| {};
