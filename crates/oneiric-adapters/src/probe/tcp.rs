//! A port that takes connections.

use std::fmt;
use std::net::Ipv6Addr;

use oneiric_core::Fault;
use tokio::net::{TcpStream, lookup_host};

/// More addresses of one name are not tried: real ones have a handful.
const MAX_ADDRESSES: usize = 32;

/// Checks `HOST:PORT`, `[::1]:PORT` without connecting.
pub(super) fn check(address: &str) -> Result<(), Fault> {
    read(address).map(|_| ())
}

/// Connects and closes the connection.
pub(super) async fn ask(address: &str) -> Result<(), Fault> {
    let (host, port) = read(address)?;
    let found = lookup_host((host, port)).await.map_err(|error| {
        Fault::transient("dns-failed", format!("host `{host}` could not be resolved: {error}"))
    })?;
    let mut last: Option<std::io::Error> = None;
    for one in found.take(MAX_ADDRESSES) {
        match TcpStream::connect(one).await {
            Ok(_) => return Ok(()),
            Err(error) => last = Some(error),
        }
    }
    let why = last.map_or_else(|| "its host has no address".to_owned(), |error| error.to_string());
    Err(Fault::transient("connect-failed", format!("`{address}` takes no connection: {why}")))
}

fn read(address: &str) -> Result<(&str, u16), Fault> {
    let bad = |why: &dyn fmt::Display| {
        Err(Fault::permanent("bad-address", format!("`{address}` is not `HOST:PORT`: {why}")))
    };
    let Some((host, port)) = address.rsplit_once(':') else { return bad(&"there is no port") };
    let port = match port.parse::<u16>() {
        Ok(0) => return bad(&"nothing listens on port 0"),
        Ok(port) if !address.ends_with(&format!("+{port}")) => port,
        Ok(_) => return bad(&"the port is not a number"),
        Err(error) => return bad(&format!("the port is none, {error}")),
    };
    match host.strip_prefix('[').map(|rest| rest.strip_suffix(']')) {
        Some(Some(inner)) if inner.parse::<Ipv6Addr>().is_ok() => Ok((inner, port)),
        Some(_) => bad(&"what stands in brackets is no IPv6 address"),
        None if host.is_empty() => bad(&"there is no host"),
        None if host.contains(':') => bad(&"an IPv6 address stands in brackets"),
        None if host.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '@' | '\0')) => {
            bad(&"that is no name of a host")
        }
        None => Ok((host, port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for (text, expected) in [
            ("localhost:80", ("localhost", 80)),
            ("10.0.0.1:65535", ("10.0.0.1", 65535)),
            ("[::1]:6379", ("::1", 6379)),
        ] {
            assert_eq!(read(text).unwrap(), expected, "{text}");
        }
        for text in [
            "",
            "localhost",
            "localhost:",
            ":80",
            "localhost:0",
            "localhost:+80",
            "localhost:65536",
            "::1:80",
            "[::1]80",
            "[x]:80",
            "[::1:80",
            "http://h:80",
            "a b:80",
            "u@h:80",
        ] {
            assert_eq!(read(text).unwrap_err().code, "bad-address", "{text}");
        }
    }
}
