//! Sends a request and reads the answer, within bounds.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use oneiric_core::{Clock, Fault};
use reqwest::header::{HeaderName, HeaderValue};
use url::Url;

use super::lookup::{Judged, Lookup, System};
use super::message::{Request, Response};
use super::outcome::{lost, of_error, without_query};
use super::{Policy, redirect};

/// How long, how much, how far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// From the look-up to a connection, TLS included.
    pub connect: Duration,
    /// From the look-up to the last byte of the answer, redirects included.
    pub total: Duration,
    /// The longest body of an answer, in bytes.
    pub max_response_bytes: usize,
    /// The most redirects a request may follow.
    pub max_redirects: u32,
}

impl Limits {
    /// 5 s to connect, as long as the slowest healthy handshake across the world; 30 s in all, where
    /// most load balancers give up too; 8 MiB, what a component may return; 20 redirects, upstream's bound.
    pub const STANDARD: Self = Self {
        connect: Duration::from_secs(5),
        total: Duration::from_secs(30),
        max_response_bytes: 8 * 1024 * 1024,
        max_redirects: 20,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::STANDARD
    }
}

/// Which certificates are believed: those of the platform, and more where settings say so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// A PEM file with certificates of authorities that are believed as well.
    pub ca_file: Option<PathBuf>,
    /// Whether a server has to show a valid certificate at all.
    pub verify: bool,
}

impl Default for Tls {
    fn default() -> Self {
        Self { ca_file: None, verify: true }
    }
}

/// A client. A clone shares its connections.
///
/// It uses no proxy of the environment: a proxy would look names up itself, behind the policy's back.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    policy: Arc<Policy>,
    limits: Limits,
    clock: Arc<dyn Clock>,
}

impl Client {
    /// A client; reads the certificates. Connects to nothing.
    ///
    /// # Errors
    /// The permanent fault `bad-ca-file` or `no-tls`, with the reason.
    pub fn open(policy: Policy, limits: Limits, tls: &Tls, clock: Arc<dyn Clock>) -> Result<Self, Fault> {
        Self::with_lookup(policy, limits, tls, clock, Arc::new(System))
    }

    pub(super) fn with_lookup(
        policy: Policy,
        limits: Limits,
        tls: &Tls,
        clock: Arc<dyn Clock>,
        lookup: Arc<dyn Lookup>,
    ) -> Result<Self, Fault> {
        let policy = Arc::new(policy);
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(limits.connect)
            .user_agent(concat!("oneiric/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(Judged { policy: policy.clone(), lookup }));
        if let Some(path) = &tls.ca_file {
            let bad = |why: &dyn std::fmt::Display| {
                Fault::permanent("bad-ca-file", format!("`ca_file` `{}`: {why}", path.display()))
            };
            let pem = std::fs::read(path).map_err(|error| bad(&error))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| bad(&error))?;
            if certificates.is_empty() {
                return Err(bad(&"holds no certificate in PEM"));
            }
            builder = builder.tls_certs_merge(certificates);
        }
        if !tls.verify {
            builder = builder.tls_danger_accept_invalid_certs(true);
        }
        let http = builder.build().map_err(|error| {
            let why = format!("no client for HTTPS: {error:?}; install the system's root certificates");
            Fault::permanent("no-tls", why)
        })?;
        Ok(Self { http, policy, limits, clock })
    }

    /// Sends the request; an answer that is an error is a fault.
    ///
    /// Dropping the future closes the connection; the request may have taken effect.
    ///
    /// # Errors
    /// As [`Client::exchange`] and [`Response::success`].
    pub async fn send(&self, request: Request) -> Result<Response, Fault> {
        self.exchange(request).await?.success(self.clock.now())
    }

    /// Sends the request and follows redirects; every answer is a response, whatever its status.
    ///
    /// Every address is judged before it is connected to, also those of redirects.
    ///
    /// # Errors
    /// - denied: the policy refuses the host (`egress-denied`);
    /// - permanent: the request is malformed (`bad-url`, `bad-request`), the server's certificate is
    ///   (`certificate-refused`), a redirect leads nowhere (`bad-redirect`) or is one too many
    ///   (`too-many-redirects`), the answer is too long (`response-too-large`);
    /// - transient: nothing was sent (`dns-failed`, `connect-failed`, `connect-timeout`), or an idempotent
    ///   request got no answer (`connection-lost`, `timeout`);
    /// - unknown outcome: any other request got no answer.
    pub async fn exchange(&self, request: Request) -> Result<Response, Fault> {
        let limit = request.timeout.unwrap_or(self.limits.total);
        let (url, idempotent) = (without_query(&request.url), request.idempotent);
        let mut work = pin!(self.follow(request));
        tokio::select! {
            answer = &mut work => answer,
            () = self.clock.sleep(limit) => {
                Err(lost("timeout", format!("`{url}` did not answer within {limit:?}"), idempotent))
            }
        }
    }

    async fn follow(&self, mut request: Request) -> Result<Response, Fault> {
        let mut url = Url::parse(&request.url).map_err(|error| bad_url(&request.url, &error))?;
        let allowed = request.max_redirects.min(self.limits.max_redirects);
        let mut followed = 0;
        loop {
            let response = self.once(&request, &url).await?;
            let location = match response.header("location") {
                Some(location) if redirect::is_redirect(response.status) => location,
                _ => return Ok(response),
            };
            // Whoever follows none wants to see the redirect itself.
            if allowed == 0 {
                return Ok(response);
            }
            if followed == allowed {
                let why =
                    format!("`{}` was redirected more than {allowed} times", without_query(&request.url));
                return Err(Fault::permanent("too-many-redirects", why));
            }
            followed += 1;
            url = redirect::follow(&mut request, &url, response.status, location).map_err(|why| {
                Fault::permanent("bad-redirect", format!("`{}` {why}", without_query(url.as_str())))
            })?;
        }
    }

    async fn once(&self, request: &Request, url: &Url) -> Result<Response, Fault> {
        self.judge(url)?;
        let method = request.method.parse().map_err(|_| {
            Fault::permanent("bad-request", format!("`{}` is not a method of HTTP", request.method))
        })?;
        let mut builder = self.http.request(method, url.clone());
        for (name, value) in &request.headers {
            builder = builder.header(header_name(name)?, header_value(name, value)?);
        }
        if !request.body.is_empty() {
            builder = builder.body(request.body.clone());
        }
        let fault = |error: reqwest::Error| of_error(&error, url.as_str(), request.idempotent);
        let mut answer = builder.send().await.map_err(fault)?;
        let headers = answer.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value)));
        let mut response = Response {
            status: answer.status().as_u16(),
            url: answer.url().to_string(),
            headers: headers.collect(),
            body: Vec::new(),
        };
        while let Some(chunk) = answer.chunk().await.map_err(fault)? {
            if let Some(first) = request.first_bytes {
                let room = first - response.body.len();
                response.body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if chunk.len() >= room {
                    break;
                }
                continue;
            }
            if response.body.len() + chunk.len() > self.limits.max_response_bytes {
                let limit = self.limits.max_response_bytes;
                let why = format!("`{}` answered with more than {limit} bytes", without_query(url.as_str()));
                return Err(Fault::permanent("response-too-large", why));
            }
            response.body.extend_from_slice(&chunk);
        }
        Ok(response)
    }

    /// What can be judged before a name is looked up; [`Judged`] sees the addresses.
    fn judge(&self, url: &Url) -> Result<(), Fault> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(bad_url(url.as_str(), &"only http and https can be asked"));
        }
        let host = url.host_str().ok_or_else(|| bad_url(url.as_str(), &"there is no host in it"))?;
        self.policy.check(host, &[])
    }
}

fn bad_url(url: &str, why: &dyn std::fmt::Display) -> Fault {
    Fault::permanent("bad-url", format!("`{}` is no address that can be asked: {why}", without_query(url)))
}

fn header_name(name: &str) -> Result<HeaderName, Fault> {
    name.parse().map_err(|_| Fault::permanent("bad-request", format!("`{name}` is not the name of a header")))
}

fn header_value(name: &str, value: &str) -> Result<HeaderValue, Fault> {
    // The value may be a secret: it is not repeated.
    HeaderValue::from_str(value)
        .map_err(|_| Fault::permanent("bad-request", format!("the value of header `{name}` cannot be sent")))
}

fn text(value: &HeaderValue) -> String {
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => text.to_owned(),
        Err(_) => value.as_bytes().iter().copied().map(char::from).collect(),
    }
}

#[cfg(test)]
mod tests;
