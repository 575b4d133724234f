//! Where a server listens: a host name with a port, or the path of a Unix socket. Says what people wrote is wrong
//! without repeating it, because it may come out of a URL that holds a password; whoever reports it may quote.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::{Error, Status};

/// The port of a server whose address names none.
pub const DEFAULT_PORT: u16 = 6379;

/// The longest name that DNS allows.
const LONGEST_HOST: usize = 253;

/// Where one server listens. A host name is resolved anew on every dial, so it stays text here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// A host name or numeric address (IPv6 without brackets) and a port.
    Tcp {
        /// Never empty; no spaces, no brackets.
        host: String,
        /// Never 0.
        port: u16,
    },
    /// A socket in the file system.
    Unix(PathBuf),
}

impl Address {
    /// An address on the network; `host` may be an IPv6 address with or without brackets.
    pub fn tcp(host: &str, port: u16) -> Result<Address, Error> {
        if port == 0 {
            return Err(wrong("a port is a number from 1 to 65535"));
        }
        let bracketed = host.strip_prefix('[').map(|rest| rest.strip_suffix(']').ok_or(rest));
        let host = match bracketed {
            Some(Ok(inside)) if inside.contains(':') => inside,
            Some(Ok(_)) => return Err(wrong("brackets hold an IPv6 address, such as [::1]")),
            Some(Err(_)) => return Err(wrong("the bracket of an IPv6 address is not closed")),
            None => host,
        };
        check_host(host)?;
        Ok(Address::Tcp { host: host.to_owned(), port })
    }

    /// The address of a Unix socket; the path must fit what the system allows (about 100 bytes).
    pub fn unix(path: impl AsRef<Path>) -> Result<Address, Error> {
        let path = path.as_ref();
        if path.as_os_str().is_empty() {
            return Err(wrong("the path of a Unix socket is empty"));
        }
        if std::os::unix::net::SocketAddr::from_pathname(path).is_err() {
            return Err(wrong("the path of a Unix socket is longer than the system allows, or holds a NUL byte"));
        }
        Ok(Address::Unix(path.to_owned()))
    }

    /// Reads `host:port`, `[v6]:port`, `host`, `/path` or `unix:/path`.
    pub fn parse(text: &str) -> Result<Address, Error> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.starts_with('/') && !path.starts_with("//") {
                Address::unix(path)
            } else {
                Err(wrong("after \"unix:\" stands an absolute path, such as unix:/run/redis.sock"))
            };
        }
        if text.starts_with('/') {
            return Address::unix(text);
        }
        if text.contains("://") {
            return Err(wrong("an endpoint is host:port or a path; a URL belongs into the option \"url\""));
        }
        let (host, port) = if text.starts_with('[') {
            match text.find(']') {
                Some(end) => text.split_at(end + 1),
                None => return Err(wrong("the bracket of an IPv6 address is not closed")),
            }
        } else {
            match text.find(':') {
                Some(colon) => text.split_at(colon),
                None => (text, ""),
            }
        };
        let port = match port.strip_prefix(':') {
            Some(digits) if digits.contains(':') => {
                return Err(wrong("an IPv6 address stands in brackets, such as [::1]:6379"));
            }
            Some(digits) => parse_port(digits)?,
            None if port.is_empty() => DEFAULT_PORT,
            None => return Err(wrong("after the bracket of an IPv6 address stands a colon and the port")),
        };
        Address::tcp(host, port)
    }
}

/// Digits only: `u16::from_str` alone would take a sign.
fn parse_port(digits: &str) -> Result<u16, Error> {
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    match digits.parse() {
        Ok(port) if all_digits && port != 0 => Ok(port),
        _ => Err(wrong("a port is a number from 1 to 65535")),
    }
}

fn check_host(host: &str) -> Result<(), Error> {
    if host.is_empty() {
        return Err(wrong("the host is empty"));
    }
    if host.len() > LONGEST_HOST {
        return Err(wrong("the host is longer than 253 bytes"));
    }
    if host.contains(':') {
        // The scope of a link-local address ("fe80::1%eth0") is not part of what the parser knows.
        let (number, scope) = host.split_once('%').unwrap_or((host, "x"));
        return if Ipv6Addr::from_str(number).is_ok() && !scope.is_empty() && scope.bytes().all(is_host_byte) {
            Ok(())
        } else {
            Err(wrong("what stands in brackets is not an IPv6 address"))
        };
    }
    if !host.is_ascii() {
        return Err(wrong("the host holds letters outside ASCII; write an international name in its xn-- form"));
    }
    if !host.bytes().all(is_host_byte) {
        return Err(wrong("the host holds a character that no host name has"));
    }
    Ok(())
}

/// Underscores are no part of a host name by the book, but container networks use them.
fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
}

fn wrong(sentence: &str) -> Error {
    Error::new(Status::Config, sentence)
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Address, Error> {
        Address::parse(text)
    }
}

impl Default for Address {
    fn default() -> Address {
        Address::Tcp { host: "127.0.0.1".to_owned(), port: DEFAULT_PORT }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp { host, port } if host.contains(':') => write!(formatter, "[{host}]:{port}"),
            Address::Tcp { host, port } => write!(formatter, "{host}:{port}"),
            Address::Unix(path) => write!(formatter, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, shown) in [
            ("localhost:7000", "localhost:7000"),
            ("localhost", "localhost:6379"),
            ("10.0.0.3:1", "10.0.0.3:1"),
            ("[::1]:6379", "[::1]:6379"),
            ("[::1]", "[::1]:6379"),
            ("[fe80::1%eth0]:65535", "[fe80::1%eth0]:65535"),
            ("my_redis-1.example.org:06379", "my_redis-1.example.org:6379"),
            ("/run/redis.sock", "/run/redis.sock"),
            ("unix:/run/my redis.sock", "/run/my redis.sock"),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.to_string(), shown);
            assert_eq!(Address::parse(shown).unwrap(), address);
        }
        assert_eq!(Address::parse("[::1]:7").unwrap(), Address::Tcp { host: "::1".into(), port: 7 });
        assert_eq!(Address::default().to_string(), "127.0.0.1:6379");
    }

    #[test]
    fn refuses_the_rest_without_repeating_it() {
        let long_path = format!("/{}", "p".repeat(108));
        let long_host = "h".repeat(254);
        for text in [
            "",
            ":6379",
            "host:",
            "host:0",
            "host:65536",
            "host:+1",
            "host:x1",
            "host:1:2",
            "::1",
            "[::1",
            "[::1]x",
            "[::1]:",
            "[]",
            "[host]:1",
            "[::g]:1",
            "[fe80::1%]:1",
            "ho st:1",
            "ho\tst",
            "host\n",
            "user:secret@host",
            "h\u{f6}st:1",
            "redis://host:1",
            "unix:",
            "unix:relative",
            "unix:///path",
            "/with\0nul",
            &long_path,
            &long_host,
        ] {
            let error = Address::parse(text).unwrap_err();
            assert_eq!(error.status, Status::Config, "{text:?}");
            assert!(!error.message.contains("secret"), "{}", error.message);
        }
        assert!(Address::tcp("host", 0).is_err());
        assert!(Address::unix("").is_err());
    }
}
