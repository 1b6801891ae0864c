//! The destinations that a component may reach.

mod addresses;

use anyhow::{Context, Result, bail, ensure};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

/// A component's permission: nothing, unless destinations are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// The destinations.
    pub allowed: Vec<Destination>,
    /// A file with the certificates of further authorities, in PEM.
    pub ca_file: Option<PathBuf>,
}

/// The protocol of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// HTTP in the clear.
    Http,
    /// HTTP over TLS.
    Https,
    /// A TCP connection.
    Tcp,
}

/// The destination of a connection: `SCHEME://HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    pub(crate) scheme: Scheme,
    /// A name in lower case, or an address in its usual form, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Network {
    /// Reads a list of destinations, with blanks or commas between them.
    pub fn parse_list(list: &str) -> Result<Vec<Destination>> {
        let is_separator = |char: char| char == ',' || char.is_whitespace();
        list.split(is_separator).filter(|text| !text.is_empty()).map(Destination::parse).collect()
    }

    /// True if the destination is listed.
    pub fn allows(&self, destination: &Destination) -> bool {
        self.allowed.contains(destination)
    }

    /// True if an address that a name stands for may be reached: an address of this node
    /// or link, or of a cloud's metadata, only if the address itself is listed.
    pub fn allows_address(&self, destination: &Destination, address: IpAddr) -> bool {
        !addresses::is_guarded(address) || self.allows(&destination.at(address))
    }

    /// True if any destination has this protocol.
    pub(crate) fn has(&self, scheme: Scheme) -> bool {
        self.allowed.iter().any(|destination| destination.scheme == scheme)
    }
}

impl Destination {
    /// Makes one, with the host in the form in which hosts are compared.
    pub(crate) fn new(scheme: Scheme, host: &str, port: u16) -> Destination {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let host = match bare.parse::<IpAddr>() {
            Ok(address) => address.to_canonical().to_string(),
            Err(_) => host.to_ascii_lowercase(),
        };
        Destination { scheme, host, port }
    }

    /// Does the same with an address in place of the name.
    pub(crate) fn at(&self, address: IpAddr) -> Destination {
        Destination { host: address.to_canonical().to_string(), ..self.clone() }
    }

    fn parse(text: &str) -> Result<Destination> {
        let expected = "a destination is SCHEME://HOST:PORT, such as https://logs.example.com:443";
        let (scheme, rest) = text.split_once("://").with_context(|| format!("`{text}`: {expected}"))?;
        let scheme = match scheme {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            "tcp" => Scheme::Tcp,
            _ => bail!("`{text}`: the scheme is http, https or tcp"),
        };
        ensure!(!rest.contains('*'), "`{text}`: there are no wildcards; list each host");
        let (host, port) =
            split(rest.strip_suffix('/').unwrap_or(rest)).with_context(|| format!("`{text}`: {expected}"))?;
        let default = match scheme {
            Scheme::Http => Some(80),
            Scheme::Https => Some(443),
            Scheme::Tcp => None,
        };
        let port = if port.is_empty() { default } else { port.parse().ok().filter(|port| *port != 0) };
        let port = port.with_context(|| format!("`{text}`: the port is a number from 1 to 65535"))?;
        let destination = Destination::new(scheme, host, port);
        let is_address = destination.host.parse::<IpAddr>().is_ok();
        ensure!(scheme != Scheme::Tcp || is_address, "`{text}`: the host of tcp is an IP address");
        Ok(destination)
    }
}

/// Splits `HOST`, `HOST:PORT` or `[ADDRESS]:PORT`. `None` if anything else is there, as a path.
fn split(authority: &str) -> Option<(&str, &str)> {
    let (host, port) = if authority.starts_with('[') {
        let end = authority.find(']')? + 1;
        let (host, rest) = authority.split_at(end);
        host[1..end - 1].parse::<Ipv6Addr>().ok()?;
        (host, if rest.is_empty() { "" } else { rest.strip_prefix(':')? })
    } else {
        authority.split_once(':').unwrap_or((authority, ""))
    };
    let is_name = |char: char| char.is_ascii_alphanumeric() || "-._".contains(char);
    let is_host = host.starts_with('[') || (!host.is_empty() && host.chars().all(is_name));
    // A name that ends with digits is an address, or none.
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_odd = last.parse::<u64>().is_ok() && host.parse::<Ipv4Addr>().is_err();
    (is_host && !is_odd).then_some((host, port))
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::Tcp => "tcp",
        };
        let Destination { host, port, .. } = self;
        match host.contains(':') {
            true => write!(f, "{scheme}://[{host}]:{port}"),
            false => write!(f, "{scheme}://{host}:{port}"),
        }
    }
}
