//! Tokens for HTTP.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use oneiric_core::settings::HttpScope;

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    Create(CreateArgs),
    /// List tokens: what they are called and what they allow, never what they are
    #[command(after_help = "Examples:
  oneiric token list
  oneiric token list --json")]
    List,
    Revoke(RevokeArgs),
    Hash(HashArgs),
}

/// Make a token, and print it this once
///
/// The token alone goes to standard output. The state keeps its hash; live processes on the state folder know
/// it within a second. Where there is a token, whoever comes without one is refused, on this machine, too.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric token create --scope operate --name ci --expires-in 90d
  TOKEN=$(oneiric token create --scope read); curl -H \"Authorization: Bearer $TOKEN\" ...")]
pub(crate) struct CreateArgs {
    /// What it allows; each includes those before it
    #[arg(long, value_name = "SCOPE")]
    pub(crate) scope: Scope,
    /// What to call it: letters, digits, `.`, `-`, `_` [default: its id]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// For how long it counts, such as 90d, 12h or 30m [default: until it is revoked]
    #[arg(long, value_name = "TIME", value_parser = lifetime)]
    pub(crate) expires_in: Option<Duration>,
}

/// Take a token back; live processes refuse it within a second
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric token revoke ci")]
pub(crate) struct RevokeArgs {
    /// Its name or its id
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

/// Print what settings need to know of a token that is read from standard input
///
/// For processes without state of their own, such as containers: their settings name the hash. Any text without
/// spaces of at least 32 characters is a token; let chance make it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  openssl rand -hex 32 | tee token.txt | oneiric token hash --name ci --scope operate")]
pub(crate) struct HashArgs {
    /// What it allows; each includes those before it
    #[arg(long, value_name = "SCOPE", default_value = "read")]
    pub(crate) scope: Scope,
    /// What to call it
    #[arg(long, value_name = "NAME", default_value = "NAME")]
    pub(crate) name: String,
}

/// What a token allows.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Scope {
    /// See how things stand
    Read,
    /// Start, stop and change runs, components and services
    Operate,
    /// All of it, and stop the process
    Admin,
}

impl From<Scope> for HttpScope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Read => HttpScope::Read,
            Scope::Operate => HttpScope::Operate,
            Scope::Admin => HttpScope::Admin,
        }
    }
}

/// `90d`: a whole number, and one of `s`, `m`, `h`, `d`, `w`.
fn lifetime(text: &str) -> Result<Duration, String> {
    let wrong = || "write a number with `s`, `m`, `h`, `d` or `w`, such as 90d".to_owned();
    let split = text.len().checked_sub(1).filter(|at| text.is_char_boundary(*at)).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        "w" => 7 * 24 * 3600,
        _ => return Err(wrong()),
    };
    let number: u32 = number.parse().map_err(|_| wrong())?;
    if number == 0 { Err(wrong()) } else { Ok(Duration::from_secs(u64::from(number) * seconds)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_has_a_unit() {
        let check = |text, seconds: Option<u64>| {
            assert_eq!(lifetime(text).ok(), seconds.map(Duration::from_secs), "{text}");
        };
        check("90d", Some(90 * 86400));
        check("2w", Some(14 * 86400));
        check("12h", Some(12 * 3600));
        check("30s", Some(30));
        for text in ["", "d", "90", "0d", "-1d", "1.5h", "9é", "99999999999d"] {
            check(text, None);
        }
    }
}
