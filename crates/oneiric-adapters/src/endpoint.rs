//! `http(s)://HOST/PATH`: a component behind an address, called by POST.
//!
//! ```yaml
//! factory: https://hooks.shop.example/charge
//! metadata:
//!   http:
//!     headers: {X-Ledger: main}                # default: none; what is secret belongs into settings
//!     timeout_seconds: 60                      # default: the entry's, otherwise a quarter of an hour
//!     health: https://hooks.shop.example/up # default: none; asked by GET, same host
//! ```
//!
//! The provider's settings may hold `headers`, which win name by name (their values may be secrets), and a
//! table `http` with the keys above and three more, which no manifest can set: `allow_private`,
//! `allow_hosts` and `ca_file`. No other settings are used: the other side has its own.
//!
//! **Roles.** Task, action and event handler, whatever its domain.
//!
//! **Request.** The input as JSON; a handler gets the envelope. `Oneiric-Role` says `task`, `event` or
//! `action`; a task has `Oneiric-Run-Id`, `Oneiric-Workflow`, `Oneiric-Node`, `Oneiric-Attempt` and
//! `Idempotency-Key` too. No redirect is followed: a POST that turns into a GET is another request.
//!
//! **Result.** 2xx with JSON is the result, with nothing `null`; anything else is `bad-output`.
//!
//! **Faults.** `http-STATUS`: denied for 401, 403 and 407, transient for 408, 425, 429 and 5xx, for as long
//! as `Retry-After` asks, permanent for all others. What a problem in JSON (RFC 9457) says is in the message.
//! A connection that is lost after the request was sent is an unknown outcome, and transient where the entry
//! says `idempotent: true`, or says nothing but states a retry policy. `egress-denied`: private addresses
//! are refused unless the operator allows them. Cancelling and dropping a call close the connection.

mod answer;
mod settings;

use std::sync::Arc;

use async_trait::async_trait;
use oneiric_core::{Blueprint, Class, Clock, ComponentRuntime, Descriptor, Fault, Instance, Payload};

pub use settings::HttpSettings;

use crate::foreign::{Call, Caller, Foreign, Role, loss};
use crate::http::{self, Client, Request, without_query};
use crate::{Limits, Parts};
use settings::Settings;

/// Its name, and that of its section.
const NAME: &str = "http";

/// The schemes of its factories.
const SCHEMES: [&str; 2] = ["http", "https"];

/// Builds components that are somewhere else.
#[derive(Debug)]
pub struct Http {
    clock: Arc<dyn Clock>,
    limits: Limits,
    defaults: HttpSettings,
}

impl Http {
    /// The runtime; uses clock, limits and HTTP settings of `parts`.
    pub fn new(parts: &Parts) -> Self {
        Self { clock: parts.clock.clone(), limits: parts.limits, defaults: parts.http.clone() }
    }
}

#[async_trait]
impl ComponentRuntime for Http {
    fn name(&self) -> &'static str {
        NAME
    }

    fn recognises(&self, descriptor: &Descriptor) -> bool {
        SCHEMES.iter().any(|scheme| descriptor.factory.of_scheme(scheme).is_some())
    }

    fn check(&self, blueprint: &Blueprint) -> Result<(), Fault> {
        Settings::read(blueprint, &self.defaults).map(|_| ())
    }

    async fn build(&self, blueprint: &Blueprint) -> Result<Instance, Fault> {
        let settings = Settings::read(blueprint, &self.defaults)?;
        let limits = http::Limits {
            total: settings.timeout,
            max_response_bytes: self.limits.stdout_bytes,
            max_redirects: 0,
            ..http::Limits::STANDARD
        };
        let client = Client::open(settings.policy.clone(), limits, &settings.tls, self.clock.clone())?;
        let endpoint = Endpoint {
            client,
            settings,
            repeatable: loss(&blueprint.descriptor) == Class::Transient,
            limits: self.limits,
            clock: self.clock.clone(),
        };
        Ok(Foreign::instance(blueprint, endpoint, self.clock.clone(), &Role::ALL))
    }
}

/// A component behind an address.
struct Endpoint {
    client: Client,
    settings: Settings,
    /// Whether a request that was lost may be sent again.
    repeatable: bool,
    limits: Limits,
    clock: Arc<dyn Clock>,
}

impl Endpoint {
    fn request(&self, call: &Call<'_>) -> Result<Request, Fault> {
        let body = serde_json::to_vec(call.input.value()).map_err(|error| {
            Fault::permanent("bad-payload", format!("cannot write the payload as JSON: {error}"))
        })?;
        let mut request = Request::new("POST", &self.settings.url)
            .header("Content-Type", "application/json")
            .header("Accept", "application/json")
            .header("Oneiric-Role", call.role.name())
            .body(body);
        if let Some(cx) = call.cx {
            request = request
                .header("Oneiric-Run-Id", cx.run.to_string())
                .header("Oneiric-Workflow", cx.workflow.as_str())
                .header("Oneiric-Node", cx.node.as_str())
                .header("Oneiric-Attempt", cx.attempt.to_string())
                .header("Idempotency-Key", cx.idempotency_key());
        }
        for (name, value) in &self.settings.headers {
            request = request.header(name, value);
        }
        request.idempotent = self.repeatable;
        Ok(request)
    }
}

#[async_trait]
impl Caller for Endpoint {
    async fn call(&self, call: Call<'_>) -> Result<Payload, Fault> {
        let name = self.settings.name.as_str();
        if call.is_cancelled() {
            return Err(call.cancelled_fault(name));
        }
        let request = self.request(&call)?;
        let answer = tokio::select! {
            biased;
            answer = self.client.exchange(request) => answer,
            () = call.cancelled() => return Err(call.cancelled_fault(name)),
        };
        answer::judge(answer, name, self.limits, self.clock.now())
    }

    async fn health(&self) -> Result<(), Fault> {
        let Some(health) = &self.settings.health else { return Ok(()) };
        let mut request = Request::new("GET", health);
        for (name, value) in &self.settings.headers {
            request = request.header(name, value);
        }
        let answer = self.client.exchange(request).await?;
        answer::success(answer, &without_query(health), self.clock.now()).map(|_| ())
    }

    async fn stop(&self) -> Result<(), Fault> {
        Ok(())
    }
}
