//! Which hosts a request may go to. Pure: names and addresses in, a verdict out.

use std::net::IpAddr;

use oneiric_core::Fault;
use url::Host;

use super::address::{Reach, reach};

/// Which hosts may be reached.
///
/// The default is every public address and no other: what a payload names must not reach the cloud's
/// metadata service, the database next door or this machine itself, unless somebody said so.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// Names that may be reached: `api.example.com`, `*.example.com` (every name below, not itself),
    /// `203.0.113.7`. Empty means every name. To name a host here does not make its address public.
    pub allow_hosts: Vec<String>,
    /// Whether loopback, private and link-local addresses may be reached too.
    pub allow_private: bool,
}

impl Policy {
    /// Judges the name of a host and every address it stands for. Addresses that are written into the
    /// name itself count, in each notation that URLs allow (`127.1`, `0x7f000001`, `2130706433`,
    /// `[::ffff:7f00:1]`).
    ///
    /// One bad address among good ones refuses all of them: which of them would be tried is chance.
    ///
    /// # Errors
    /// The fault `egress-denied` of class denied, with the setting that would allow it.
    pub fn check(&self, host: &str, addresses: &[IpAddr]) -> Result<(), Fault> {
        let parsed = parse(host)
            .ok_or_else(|| denied(host, "is not the name of a host; nothing can be reached by it"))?;
        if !self.allow_hosts.is_empty() && !self.allow_hosts.iter().any(|entry| names(entry, &parsed)) {
            return Err(denied(
                host,
                &format!("is not among `allow_hosts`: {}", self.allow_hosts.join(", ")),
            ));
        }
        let written = match parsed {
            Host::Ipv4(v4) => Some(IpAddr::V4(v4)),
            Host::Ipv6(v6) => Some(IpAddr::V6(v6)),
            Host::Domain(_) => None,
        };
        for address in written.iter().chain(addresses) {
            match reach(*address) {
                Reach::Public => {}
                Reach::Private(_) if self.allow_private => {}
                Reach::Private(kind) => {
                    let why =
                        format!("leads to the {kind} address {address}; set `allow_private` to allow it");
                    return Err(denied(host, &why));
                }
                Reach::Never(kind) => {
                    return Err(denied(host, &format!("leads to the {kind} address {address}")));
                }
            }
        }
        Ok(())
    }
}

/// As URLs have it: lower case, IDNA, every notation of an IPv4 address. A trailing dot names the same
/// host.
fn parse(host: &str) -> Option<Host> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let bracketed = match host.parse::<std::net::Ipv6Addr>() {
        Ok(v6) => format!("[{v6}]"),
        Err(_) => host.to_owned(),
    };
    Host::parse(&bracketed).ok()
}

fn names(entry: &str, host: &Host) -> bool {
    match (entry.strip_prefix("*."), host) {
        (Some(above), Host::Domain(name)) => {
            let Some(Host::Domain(above)) = parse(above) else { return false };
            name.strip_suffix(above.as_str()).is_some_and(|below| below.ends_with('.') && below.len() > 1)
        }
        (Some(_), _) => false,
        (None, _) => parse(entry).as_ref() == Some(host),
    }
}

fn denied(host: &str, why: &str) -> Fault {
    Fault::denied("egress-denied", format!("host `{host}` {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(policy: &Policy, host: &str, addresses: &[&str]) -> Result<(), String> {
        let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        policy.check(host, &addresses).map_err(|fault| {
            assert_eq!((fault.class, fault.code.as_str()), (oneiric_core::Class::Denied, "egress-denied"));
            fault.message
        })
    }

    #[test]
    fn by_default_every_public_address_may_be_reached_and_no_other() {
        let allowed = |host, addresses: &[&str]| {
            assert_eq!(judge(&Policy::default(), host, addresses), Ok(()), "{host}");
        };
        let refused = |host: &str, addresses: &[&str], end: &str| {
            let found = judge(&Policy::default(), host, addresses).unwrap_err();
            assert!(found.starts_with(&format!("host `{host}` ")) && found.contains(end), "{host}: {found}");
        };
        allowed("example.com", &["93.184.215.14", "2606:2800:21f::1"]);
        allowed("8.8.8.8", &[]);
        refused("rebound.example", &["93.184.215.14", "127.0.0.1"], "loopback address 127.0.0.1; set `allow");
        refused("localhost", &["::1"], "loopback address ::1");
        for loopback in
            ["127.0.0.1", "127.1", "0x7f000001", "0x7f.1", "2130706433", "0177.0.0.1", "017700000001"]
        {
            refused(loopback, &[], "the loopback address 127.0.0.1");
        }
        refused("[::ffff:127.0.0.1]", &[], "the loopback address");
        refused("::ffff:a9fe:a9fe", &[], "the link-local address");
        refused("169.254.169.254", &[], "the link-local address");
        refused("metadata.google.internal", &["169.254.169.254"], "the link-local address");
        refused("100.100.100.200", &[], "the carrier's private address");
        refused("fd00:ec2::254", &[], "the private address");
        refused("0.0.0.0", &[], "the unspecified address");
        refused("0", &[], "the unspecified address");
        refused("１２７.0.0.1", &[], "the loopback address 127.0.0.1");
        refused("256.1.1.1", &[], "is not the name of a host");
        refused("a b", &[], "is not the name of a host");
        refused("", &[], "is not the name of a host");
    }

    #[test]
    fn private_addresses_can_be_allowed_and_addresses_of_nobody_cannot() {
        let policy = Policy { allow_private: true, ..Policy::default() };
        for host in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1"] {
            assert_eq!(judge(&policy, host, &[]), Ok(()), "{host}");
        }
        for host in ["0.0.0.0", "224.0.0.1", "255.255.255.255", "ff02::1"] {
            assert!(judge(&policy, host, &[]).is_err(), "{host}");
        }
    }

    #[test]
    fn a_list_of_hosts_allows_what_it_names_and_makes_no_address_public() {
        let policy = Policy {
            allow_hosts: ["api.example.com", "*.shop.example", "9.9.9.9", "*.", "*"]
                .map(str::to_owned)
                .into(),
            allow_private: false,
        };
        for host in ["api.example.com", "API.example.COM.", "eu.shop.example", "a.b.shop.example", "9.9.9.9"]
        {
            assert_eq!(judge(&policy, host, &["1.1.1.1"]), Ok(()), "{host}");
        }
        for host in [
            "example.com",
            "xapi.example.com",
            "api.example.com.evil.test",
            "shop.example",
            "eshop.example",
            "8.8.8.8",
        ] {
            assert!(judge(&policy, host, &["1.1.1.1"]).unwrap_err().contains("`allow_hosts`"), "{host}");
        }
        assert!(judge(&policy, "api.example.com", &["10.0.0.1"]).unwrap_err().contains("`allow_private`"));
    }
}
