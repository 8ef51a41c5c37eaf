//! Which addresses belong to everybody, which to somebody, and which to nobody.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where an address leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Anywhere on the Internet.
    Public,
    /// This machine or its surroundings; the word says which.
    Private(&'static str),
    /// Nowhere that a request could be meant for, whatever the settings say.
    Never(&'static str),
}

/// The IANA registries of special-purpose addresses (RFC 6890 and its updates), as far as one can
/// connect to them.
const V4: [(Ipv4Addr, u32, Reach); 16] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, Reach::Never("unspecified")),
    (Ipv4Addr::new(10, 0, 0, 0), 8, Reach::Private("private")),
    (Ipv4Addr::new(100, 64, 0, 0), 10, Reach::Private("carrier's private")),
    (Ipv4Addr::new(127, 0, 0, 0), 8, Reach::Private("loopback")),
    (Ipv4Addr::new(169, 254, 0, 0), 16, Reach::Private("link-local")),
    (Ipv4Addr::new(172, 16, 0, 0), 12, Reach::Private("private")),
    (Ipv4Addr::new(192, 0, 0, 0), 24, Reach::Never("reserved")),
    (Ipv4Addr::new(192, 0, 2, 0), 24, Reach::Never("documentation")),
    (Ipv4Addr::new(192, 88, 99, 0), 24, Reach::Never("reserved")),
    (Ipv4Addr::new(192, 168, 0, 0), 16, Reach::Private("private")),
    (Ipv4Addr::new(198, 18, 0, 0), 15, Reach::Private("benchmark")),
    (Ipv4Addr::new(198, 51, 100, 0), 24, Reach::Never("documentation")),
    (Ipv4Addr::new(203, 0, 113, 0), 24, Reach::Never("documentation")),
    (Ipv4Addr::new(224, 0, 0, 0), 4, Reach::Never("multicast")),
    (Ipv4Addr::new(240, 0, 0, 0), 4, Reach::Never("reserved")),
    (Ipv4Addr::BROADCAST, 32, Reach::Never("broadcast")),
];

const V6: [(Ipv6Addr, u32, Reach); 13] = [
    (Ipv6Addr::UNSPECIFIED, 128, Reach::Never("unspecified")),
    (Ipv6Addr::LOCALHOST, 128, Reach::Private("loopback")),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, Reach::Private("translated private")),
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 64, Reach::Never("discard")),
    // Teredo hides an IPv4 address of a relay's choice.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32, Reach::Never("tunnel")),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, Reach::Never("documentation")),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, Reach::Never("documentation")),
    (Ipv6Addr::new(0x5f00, 0, 0, 0, 0, 0, 0, 0), 16, Reach::Never("reserved")),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, Reach::Private("private")),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, Reach::Private("link-local")),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, Reach::Private("site-local")),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, Reach::Never("multicast")),
    (Ipv6Addr::new(0x2001, 0x10, 0, 0, 0, 0, 0, 0), 28, Reach::Never("reserved")),
];

/// Where `address` leads. An IPv6 address that carries an IPv4 one leads where that one does.
pub(super) fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(v4) => reach_v4(v4),
        IpAddr::V6(v6) => match embedded(v6) {
            Some(v4) => reach_v4(v4),
            None => first(&V6, |net, bits| {
                let mask = u128::MAX << (128 - bits);
                u128::from(v6) & mask == u128::from(net)
            }),
        },
    }
}

fn reach_v4(v4: Ipv4Addr) -> Reach {
    first(&V4, |net, bits| {
        let mask = u32::MAX << (32 - bits);
        u32::from(v4) & mask == u32::from(net)
    })
}

fn first<A: Copy>(table: &[(A, u32, Reach)], matches: impl Fn(A, u32) -> bool) -> Reach {
    table.iter().find(|(net, bits, _)| matches(*net, *bits)).map_or(Reach::Public, |(.., reach)| *reach)
}

/// The IPv4 address inside of `::ffff:a.b.c.d`, `::a.b.c.d`, `64:ff9b::a.b.c.d` (NAT64) and
/// `2002:aabb:ccdd::` (6to4).
fn embedded(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let low = |pair: [u16; 2]| Ipv4Addr::from((u32::from(pair[0]) << 16) | u32::from(pair[1]));
    match v6.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, a, b] | [0x64, 0xff9b, 0, 0, 0, 0, a, b] | [0x2002, a, b, ..] => {
            Some(low([a, b]))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_told_from_public_ones() {
        let check = |text: &str, expected: Reach| {
            assert_eq!(reach(text.parse().unwrap()), expected, "{text}");
        };
        for public in
            ["1.1.1.1", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0", "192.1.0.1"]
        {
            check(public, Reach::Public);
        }
        for public in ["2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"] {
            check(public, Reach::Public);
        }
        check("10.255.0.1", Reach::Private("private"));
        check("172.31.255.255", Reach::Private("private"));
        check("192.168.0.1", Reach::Private("private"));
        check("127.0.0.1", Reach::Private("loopback"));
        check("127.255.255.254", Reach::Private("loopback"));
        check("100.64.0.1", Reach::Private("carrier's private"));
        check("100.127.255.255", Reach::Private("carrier's private"));
        check("169.254.169.254", Reach::Private("link-local"));
        check("198.19.0.1", Reach::Private("benchmark"));
        check("0.0.0.0", Reach::Never("unspecified"));
        check("0.1.2.3", Reach::Never("unspecified"));
        check("224.0.0.1", Reach::Never("multicast"));
        check("255.255.255.255", Reach::Never("reserved"));
        check("::", Reach::Never("unspecified"));
        check("::1", Reach::Private("loopback"));
        check("fc00::1", Reach::Private("private"));
        check("fdff:ffff::1", Reach::Private("private"));
        check("fe80::1", Reach::Private("link-local"));
        check("febf::1", Reach::Private("link-local"));
        check("fec0::1", Reach::Private("site-local"));
        check("ff02::1", Reach::Never("multicast"));
        check("2001:db8::1", Reach::Never("documentation"));
        check("2001::1", Reach::Never("tunnel"));
        check("::ffff:127.0.0.1", Reach::Private("loopback"));
        check("::ffff:169.254.169.254", Reach::Private("link-local"));
        check("::127.0.0.1", Reach::Private("loopback"));
        check("64:ff9b::7f00:1", Reach::Private("loopback"));
        check("64:ff9b:1::1", Reach::Private("translated private"));
        check("2002:7f00:1::", Reach::Private("loopback"));
        check("2002:a9fe:a9fe::1", Reach::Private("link-local"));
    }
}
