//! What settings say of the port, and whether that is safe.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use oneiric_core::settings::{Http, HttpAuth, Settings};

/// The profile of short-lived containers, which get their port from the platform and stand behind it.
const SERVERLESS: &str = "serverless";

/// The port that Cloud Run sends requests to where nobody says otherwise:
/// <https://cloud.google.com/run/docs/container-contract#port>.
const SERVERLESS_PORT: u16 = 8080;

/// Where and for whom a process answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Where it listens; port 0 is a free one.
    pub address: SocketAddr,
    /// Whether whoever comes without a token may do everything: on this machine only, outside of `serverless`, and
    /// where no token is known.
    pub is_local: bool,
    /// The section `http` of the settings.
    pub http: Http,
}

/// What is wrong with what settings say of the port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// The host is no address.
    #[error(
        "`http.host` is `{0}`, which is no address; name one such as 127.0.0.1, 0.0.0.0 or ::1, or `localhost`"
    )]
    Host(String),
    /// Others could reach it, and nobody would be asked for a token.
    #[error(
        "refusing to listen on {0}: others can reach it, and nobody would be asked for a token; make one with `oneiric \
         token create` or name one in `http.tokens`, or listen on 127.0.0.1"
    )]
    Exposed(SocketAddr),
}

impl Options {
    /// What settings say; `None` where the process is to answer nothing. `has_tokens` says whether the store knows
    /// tokens.
    ///
    /// # Errors
    /// [`OptionsError`].
    pub fn of(settings: &Settings, has_tokens: bool) -> Result<Option<Self>, OptionsError> {
        let http = &settings.http;
        let is_serverless = settings.profile.name == SERVERLESS;
        let port = http.port.or(is_serverless.then_some(SERVERLESS_PORT));
        let Some(port) = port.filter(|_| http.enabled) else { return Ok(None) };
        let host = match http.host.as_deref() {
            None if is_serverless => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            None | Some("localhost") => IpAddr::V4(Ipv4Addr::LOCALHOST),
            Some(host) => host.parse().map_err(|_| OptionsError::Host(host.to_owned()))?,
        };
        let address = SocketAddr::new(host, port);
        let knows_tokens = has_tokens || !http.tokens.is_empty() || !http.oidc.audiences.is_empty();
        let is_local = match http.auth {
            HttpAuth::None => true,
            HttpAuth::Required => false,
            HttpAuth::Auto => host.is_loopback() && !is_serverless && !knows_tokens,
        };
        // In `serverless` without a token whatever needs one is refused to everybody: health is all that shows.
        let exposed = is_local || !(knows_tokens || is_serverless);
        if !host.is_loopback() && exposed {
            return Err(OptionsError::Exposed(address));
        }
        Ok(Some(Self { address, is_local, http: http.clone() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(profile: &str, host: Option<&str>, port: Option<u16>, auth: HttpAuth, tokens: bool) -> String {
        let mut settings = Settings::default();
        settings.profile.name = profile.to_owned();
        settings.http = Http { host: host.map(str::to_owned), port, auth, ..Http::default() };
        match Options::of(&settings, tokens) {
            Ok(None) => "none".to_owned(),
            Ok(Some(options)) if options.is_local => format!("{} for all", options.address),
            Ok(Some(options)) => format!("{} with tokens", options.address),
            Err(OptionsError::Host(_)) => "no host".to_owned(),
            Err(OptionsError::Exposed(_)) => "exposed".to_owned(),
        }
    }

    #[test]
    fn nobody_listens_for_all_the_world() {
        use HttpAuth::{Auto, None as Off, Required};
        let check = |profile, host, port, auth, tokens, expected: &str| {
            assert_eq!(
                told(profile, host, port, auth, tokens),
                expected,
                "{profile} {host:?} {auth:?} {tokens}"
            );
        };
        check("default", None, None, Auto, false, "none");
        check("default", None, Some(80), Auto, false, "127.0.0.1:80 for all");
        check("default", Some("::1"), Some(80), Auto, true, "[::1]:80 with tokens");
        check("default", Some("localhost"), Some(80), Required, false, "127.0.0.1:80 with tokens");
        check("default", Some("0.0.0.0"), Some(80), Auto, false, "exposed");
        check("default", Some("0.0.0.0"), Some(80), Off, true, "exposed");
        check("default", Some("0.0.0.0"), Some(80), Auto, true, "0.0.0.0:80 with tokens");
        check("default", Some("here"), Some(80), Auto, true, "no host");
        check("serverless", None, None, Auto, false, "0.0.0.0:8080 with tokens");
        check("serverless", Some("127.0.0.1"), Some(1), Auto, false, "127.0.0.1:1 with tokens");
        check("serverless", None, None, Off, false, "exposed");
    }
}
