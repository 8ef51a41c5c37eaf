//! Who asks.

use std::fmt;

/// Who asks, as far as it was shown. Printed as runs and logs have it: `local`, `token:ci`,
/// `google:tasks@shop.iam.gserviceaccount.com`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Actor {
    /// Nobody was asked: the route is open.
    Anyone,
    /// Somebody on this machine, where no token is needed.
    Local,
    /// Whoever has the token of this name.
    Token(String),
    /// A service account for which Google signed.
    Google(String),
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Actor::Anyone => f.write_str("anyone"),
            Actor::Local => f.write_str("local"),
            Actor::Token(name) => write!(f, "token:{name}"),
            Actor::Google(email) => write!(f, "google:{email}"),
        }
    }
}
