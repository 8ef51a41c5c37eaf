//! From names to addresses that may be reached: the one door between the client and the network.
//!
//! The client connects to exactly the addresses that come out of here, so a name that says something
//! else a moment later (DNS rebinding) gains nothing.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use oneiric_core::Fault;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::Policy;

/// More addresses of one name are not tried: real ones have a handful.
const MAX_ADDRESSES: usize = 32;

/// Where names are looked up. The system, or a test's table.
#[async_trait]
pub(super) trait Lookup: Send + Sync + fmt::Debug {
    /// The addresses of a name.
    async fn addresses(&self, name: &str) -> std::io::Result<Vec<IpAddr>>;
}

/// The system's resolver: hosts file, DNS, whatever else it is told to use.
#[derive(Debug)]
pub(super) struct System;

#[async_trait]
impl Lookup for System {
    async fn addresses(&self, name: &str) -> std::io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.take(MAX_ADDRESSES).map(|found| found.ip()).collect())
    }
}

/// A resolver that gives no address without the policy's consent.
#[derive(Debug, Clone)]
pub(super) struct Judged {
    pub(super) policy: Arc<Policy>,
    pub(super) lookup: Arc<dyn Lookup>,
}

/// Why there is no address: carried through reqwest's errors to [`super::outcome`].
#[derive(Debug)]
pub(super) struct Refused(pub(super) Fault);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Refused {}

impl Resolve for Judged {
    fn resolve(&self, name: Name) -> Resolving {
        let Self { policy, lookup } = self.clone();
        Box::pin(async move {
            let name = name.as_str();
            let addresses = lookup.addresses(name).await.map_err(|error| {
                Refused(Fault::transient(
                    "dns-failed",
                    format!("host `{name}` could not be resolved: {error}"),
                ))
            })?;
            if addresses.is_empty() {
                let why = format!("host `{name}` has no address");
                return Err(Refused(Fault::transient("dns-failed", why)).into());
            }
            policy.check(name, &addresses).map_err(Refused)?;
            // The connector puts the port of the URL in.
            let addresses: Addrs = Box::new(addresses.into_iter().map(|ip| SocketAddr::new(ip, 0)));
            Ok(addresses)
        })
    }
}
