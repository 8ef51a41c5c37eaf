//! `app`: the program that embeds Oneiric.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The program itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct App {
    /// What the program calls itself in logs and reports.
    pub name: String,
    /// Where it runs: `dev`, `staging`, `prod` or a word of your own.
    pub environment: String,
    /// Whether to be more talkative than in production.
    pub debug: bool,
}

impl Default for App {
    fn default() -> Self {
        Self { name: "oneiric".to_owned(), environment: "dev".to_owned(), debug: false }
    }
}
