//! Whether the port could be bound, as far as the kernel's tables tell: a bind that is closed at once may be seen by
//! others, and may take the port from one who starts at this moment.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use oneiric_server::Options;
use serde::Serialize;

use crate::exit::Code;
use crate::failure::Failure;

/// The state of a socket that listens: <https://www.kernel.org/doc/html/latest/networking/proc_net_tcp.html>.
const LISTEN: &str = "0A";

/// The bit of the right to bind lower ports: <https://man7.org/linux/man-pages/man7/capabilities.7.html>.
const CAP_NET_BIND_SERVICE: u64 = 1 << 10;

/// Where it would answer.
#[derive(Debug, Serialize)]
pub(super) struct Port {
    pub(super) address: SocketAddr,
    /// Whether whoever comes without a token may do everything.
    pub(super) is_local: bool,
    /// Whether it could be bound; `null` where that cannot be seen.
    pub(super) free: Option<bool>,
}

impl Port {
    /// Reads what the kernel says of this machine.
    pub(super) fn of(options: &Options) -> (Self, Option<Failure>) {
        let address = options.address;
        let read = |name: &str| std::fs::read_to_string(name).ok();
        let tables = [read("/proc/net/tcp"), read("/proc/net/tcp6")];
        let taken =
            tables.iter().flatten().flat_map(|text| listeners(text)).find(|one| collide(*one, address));
        let own = nix::ifaddrs::getifaddrs().ok().map(|all| {
            all.filter_map(|one| {
                let address = one.address?;
                let four = address.as_sockaddr_in().map(|four| IpAddr::V4(four.ip()));
                four.or_else(|| address.as_sockaddr_in6().map(|six| IpAddr::V6(six.ip())))
            })
            .collect::<Vec<_>>()
        });
        let lowest =
            read("/proc/sys/net/ipv4/ip_unprivileged_port_start").and_then(|text| text.trim().parse().ok());
        let wrong = if let Some(other) = taken {
            Some(format!("the port is taken: {other} is listened on already"))
        } else if own.is_some_and(|own| !is_of(address.ip(), &own)) {
            Some("no network interface of this machine has that address".to_owned())
        } else if needs_right(address.port(), lowest.unwrap_or(1024))
            && !may_bind_low(read("/proc/self/status").as_deref())
        {
            Some("a port this low needs the right CAP_NET_BIND_SERVICE".to_owned())
        } else {
            None
        };
        let free = match (&wrong, &tables[0]) {
            (Some(_), _) => Some(false),
            (None, Some(_)) => Some(true),
            (None, None) => None,
        };
        let failure = wrong.map(|why| {
            Failure::said(Code::Configuration, format!("cannot listen on {address}: {why}"))
                .help("name another port with `--http-port`, 0 for a free one")
        });
        (Self { address, is_local: options.is_local, free }, failure)
    }
}

/// The addresses that are listened on, from the text of `/proc/net/tcp` or `/proc/net/tcp6`.
fn listeners(text: &str) -> impl Iterator<Item = SocketAddr> {
    text.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, _remote, state) = (fields.next()?, fields.next()?, fields.next()?);
        let (ip, port) = local.split_once(':')?;
        if state != LISTEN {
            return None;
        }
        Some(SocketAddr::new(address(ip)?, u16::from_str_radix(port, 16).ok()?))
    })
}

/// Words of four bytes, each as this machine keeps a number.
fn address(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let word = u32::from_str_radix(hex.get(at..at + 8)?, 16).ok()?;
        Some(word.to_ne_bytes())
    };
    match hex.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(0)?))),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let bytes: Vec<u8> = words.concat();
            let bytes: [u8; 16] = bytes.try_into().ok()?;
            let six = Ipv6Addr::from(bytes);
            Some(six.to_ipv4_mapped().map_or(IpAddr::V6(six), IpAddr::V4))
        }
        _ => None,
    }
}

/// Whether the second cannot be bound while the first is. `::` takes IPv4, too, unless its owner said otherwise, which
/// the tables do not tell.
fn collide(taken: SocketAddr, wanted: SocketAddr) -> bool {
    wanted.port() != 0
        && taken.port() == wanted.port()
        && (taken.ip() == wanted.ip()
            || taken.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
            || wanted.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
            || (taken.is_ipv4() == wanted.is_ipv4()
                && (taken.ip().is_unspecified() || wanted.ip().is_unspecified())))
}

fn is_of(ip: IpAddr, own: &[IpAddr]) -> bool {
    // All of 127.0.0.0/8 is the machine's, though it names only the first.
    ip.is_unspecified()
        || (ip.is_loopback() && own.iter().any(|one| one.is_ipv4() == ip.is_ipv4()))
        || own.contains(&ip)
}

fn needs_right(port: u16, lowest: u16) -> bool {
    port != 0 && port < lowest
}

/// From the text of `/proc/self/status`.
fn may_bind_low(status: Option<&str>) -> bool {
    let said = status.and_then(|text| text.lines().find_map(|line| line.strip_prefix("CapEff:")));
    let rights = said.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    // Where it cannot be seen, the start says it.
    rights.is_none_or(|rights| rights & CAP_NET_BIND_SERVICE != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_tables_are_read() {
        let four = "  sl  local_address rem_address   st tx_queue\n   \
             0: 0100007F:1F90 00000000:0000 0A 00000000:00000000\n   \
             1: 0100007F:1F91 0100007F:9C40 01 00000000:00000000\n";
        let six = "  sl  local_address                         remote_address                        st\n   \
             0: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 0\n   \
             1: 0000000000000000FFFF00000100007F:0051 00000000000000000000000000000000:0000 0A 0\n";
        let read = |text| listeners(text).map(|one| one.to_string()).collect::<Vec<_>>();
        if cfg!(target_endian = "little") {
            assert_eq!(read(four), ["127.0.0.1:8080"]);
            assert_eq!(read(six), ["[::1]:80", "127.0.0.1:81"]);
        }
        assert!(read("").is_empty());
    }

    #[test]
    fn two_sockets_collide_as_the_kernel_says() {
        let check = |taken: &str, wanted: &str, expected: bool| {
            assert_eq!(
                collide(taken.parse().unwrap(), wanted.parse().unwrap()),
                expected,
                "{taken} {wanted}"
            );
        };
        check("127.0.0.1:80", "127.0.0.1:80", true);
        check("127.0.0.1:80", "127.0.0.2:80", false);
        check("127.0.0.1:80", "0.0.0.0:80", true);
        check("0.0.0.0:80", "127.0.0.1:80", true);
        check("0.0.0.0:80", "[::1]:80", false);
        check("[::]:80", "127.0.0.1:80", true);
        check("127.0.0.1:80", "127.0.0.1:81", false);
        check("127.0.0.1:80", "127.0.0.1:0", false);
    }

    #[test]
    fn a_port_is_taken_while_somebody_listens() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let options = Options { address, is_local: true, http: oneiric_core::settings::Http::default() };
        let (port, wrong) = Port::of(&options);
        assert_eq!(port.free, Some(false));
        assert!(wrong.unwrap().to_string().contains("the port is taken"));
        drop(listener);
        assert_eq!(Port::of(&options).0.free, Some(true));
    }
}
