//! Who may ask for what.

use oneiric_core::settings::HttpScope;

/// What a route asks of whoever calls it. Every route says it; there is no default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing: probes of a platform carry no token.
    Open,
    /// A token of this scope, or of one that includes it.
    Scope(HttpScope),
    /// A token of scope `operate`, or one that Google signed for this service.
    Callback,
}

impl Access {
    /// The word in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Access::Open => "open",
            Access::Scope(HttpScope::Read) => "read",
            Access::Scope(HttpScope::Operate) => "operate",
            Access::Scope(HttpScope::Admin) => "admin",
            Access::Callback => "callback",
        }
    }
}
