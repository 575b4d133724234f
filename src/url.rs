//! How a URL spells a configuration: `redis://user:password@host:port/database?option=value`. All of it is taken or
//! nothing, and no error repeats any of what may be a password: not the URL, not its user, hosts or path.

use zeroize::Zeroizing;

use crate::address::{Address, DEFAULT_PORT};
use crate::config::{Config, Secret, TopologyKind};
use crate::error::{Error, Status};

/// The host of a URL that names none.
const DEFAULT_HOST: &str = "127.0.0.1";

/// The port of a sentinel.
const SENTINEL_PORT: u16 = 26379;

/// Sets in `config` what the URL says and leaves the rest as it is; on an error (`Status::Config`) nothing changed.
///
/// `redis://` and `valkey://`, with TLS `rediss://` and `valkeys://`: several hosts may stand before the path,
/// separated by commas. `unix://`: the path is that of the socket, and the database is an option. Everything may be
/// percent-encoded. `redis-sentinel://` and `valkey-sentinel://`: the hosts are sentinels, the path is the name that
/// they know the server by and, behind another slash, the database; user and password are for the server. White space
/// around it is not part of it: a file that holds a URL ends with a newline.
pub fn apply(url: &str, config: &mut Config) -> Result<(), Error> {
    let url = url.trim_matches(|letter: char| letter.is_ascii_whitespace());
    let mut changed = config.clone();
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err(wrong("it has no scheme; write redis://host:port or unix:///path/to.sock"));
    };
    // Whoever forgets to encode the "/", "?" or "#" in a password ends up here. The rest must not be looked at: it
    // is a piece of the password, and the errors about hosts and options would show it.
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if tail.contains('@') {
        return Err(wrong(
            "an \"@\" stands behind the host; in a user name or password write %2F for \"/\", %3F for \"?\", %23 for \
             \"#\", elsewhere %40 for \"@\"",
        ));
    }
    if tail.contains('#') {
        return Err(wrong("it holds a \"#\"; write %23"));
    }
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (Some(user), hosts),
        None => (None, authority),
    };
    match scheme.to_ascii_lowercase().as_str() {
        scheme @ ("redis" | "valkey" | "rediss" | "valkeys") => {
            changed.tls |= matches!(scheme, "rediss" | "valkeys");
            changed.endpoints = tcp_endpoints(hosts, DEFAULT_PORT)?;
            if let Some(database) = database(path)? {
                changed.database = database;
            }
        }
        "redis-sentinel" | "valkey-sentinel" => {
            changed.topology = TopologyKind::Sentinel;
            changed.endpoints = tcp_endpoints(hosts, SENTINEL_PORT)?;
            let path = path.strip_prefix('/').unwrap_or(path);
            let (name, number) = path.split_once('/').unwrap_or((path, ""));
            if name.is_empty() {
                return Err(wrong(
                    "behind sentinels stands the name that they know the server by, such as \
                     redis-sentinel://host/mymaster",
                ));
            }
            changed.sentinel.name = Some(decode(name, "path")?);
            if let Some(database) = database(number)? {
                changed.database = database;
            }
        }
        "unix" => {
            if !hosts.is_empty() {
                return Err(wrong("a unix URL has no host; write three slashes: unix:///path/to.sock"));
            }
            let path = decode(path, "path")?;
            changed.endpoints = vec![Address::unix(path).map_err(|error| wrong(&error.message))?];
        }
        scheme => return Err(wrong(meant(scheme))),
    }
    if let Some(user) = user {
        credentials(user, &mut changed)?;
    }
    options(query, path_names_database(scheme, path), &mut changed)?;
    *config = changed;
    Ok(())
}

/// What to write in the place of a scheme that there is not.
fn meant(scheme: &str) -> &'static str {
    if scheme.contains("sentinel") {
        return "its scheme is unknown; sentinels are redis-sentinel://, with TLS to the servers by the option tls=on, \
                and to the sentinels by sentinel_tls=on";
    }
    if scheme.contains("cluster") {
        return "its scheme is unknown; a cluster is redis://host?topology=cluster, with TLS \
                rediss://host?topology=cluster";
    }
    "its scheme is unknown; write redis://, rediss:// (TLS), valkey://, valkeys://, redis-sentinel:// or unix://"
}

fn tcp_endpoints(hosts: &str, default_port: u16) -> Result<Vec<Address>, Error> {
    if hosts.is_empty() {
        return Ok(vec![Address::tcp(DEFAULT_HOST, default_port)?]);
    }
    let several = hosts.contains(',');
    hosts.split(',').map(|host| tcp_endpoint(host, several, default_port)).collect()
}

fn tcp_endpoint(text: &str, several: bool, default_port: u16) -> Result<Address, Error> {
    // The colon is looked for before decoding; within brackets it belongs to the address.
    let after_bracket = text.rfind(']').map_or(0, |end| end + 1);
    let (bracket, rest) = text.split_at(after_bracket);
    let (name, port) = match rest.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (rest, None),
    };
    if !bracket.is_empty() && !name.is_empty() {
        return Err(wrong("after the bracket of an IPv6 address stands a colon and the port"));
    }
    let host = decode(if bracket.is_empty() { name } else { bracket }, "host")?;
    let host = match host.as_str() {
        "" if several => return Err(wrong("one of several hosts is empty")),
        "" => DEFAULT_HOST,
        host => host,
    };
    let port = match port {
        None => default_port,
        Some(port) if port.contains(':') => {
            return Err(wrong("an IPv6 address stands in brackets, such as redis://[::1]:6379"));
        }
        Some(port) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            port.parse().map_err(|_| wrong("a port is a number from 1 to 65535"))?
        }
        Some(_) => return Err(wrong("a port is a number from 1 to 65535")),
    };
    Address::tcp(host, port).map_err(|error| wrong(&error.message))
}

fn path_names_database(scheme: &str, path: &str) -> bool {
    match scheme.to_ascii_lowercase().as_str() {
        "unix" => false,
        "redis-sentinel" | "valkey-sentinel" => path.split('/').nth(2).is_some_and(|number| !number.is_empty()),
        _ => path.len() > 1,
    }
}

fn database(path: &str) -> Result<Option<u32>, Error> {
    let number = decode(path.strip_prefix('/').unwrap_or(path), "path")?;
    if number.is_empty() {
        return Ok(None);
    }
    let mut parsed = Config::default();
    match parsed.set("database", &number) {
        Ok(()) => Ok(Some(parsed.database)),
        Err(_) => Err(wrong("its path is the database number, such as redis://host/2")),
    }
}

/// Only what is given: `redis://user@host` leaves a password that was set before.
fn credentials(text: &str, config: &mut Config) -> Result<(), Error> {
    let (username, password) = match text.split_once(':') {
        Some((username, password)) => (username, Some(password)),
        None => (text, None),
    };
    if !username.is_empty() {
        config.username = Some(Secret::new(decode(username, "user name")?));
    }
    if let Some(password) = password.filter(|password| !password.is_empty()) {
        config.password = Some(Secret::new(decode(password, "password")?));
    }
    Ok(())
}

fn options(query: &str, database_given: bool, config: &mut Config) -> Result<(), Error> {
    let mut seen: Vec<String> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let Some((key, value)) = pair.split_once('=') else {
            return Err(wrong("an option in it has no value; write ?option=value&option=value"));
        };
        // It may be a password.
        let (key, value) = (decode(key, "option")?, Zeroizing::new(decode(value, "value of an option")?));
        match key.as_str() {
            "url" | "endpoints" => {
                return Err(wrong(
                    "the options \"url\" and \"endpoints\" cannot stand in it: its hosts are the endpoints",
                ));
            }
            "database" if database_given => return Err(wrong("it gives the database twice, as path and as option")),
            _ if seen.contains(&key) => return Err(wrong("it gives an option twice")),
            _ => config.set(&key, &value)?,
        }
        seen.push(key);
    }
    Ok(())
}

/// Undoes percent-encoding. A plus sign is a plus sign.
fn decode(text: &str, what: &str) -> Result<String, Error> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit =
            || rest.next().and_then(|byte| char::from(byte).to_digit(16)).and_then(|d| u8::try_from(d).ok());
        match (digit(), digit()) {
            (Some(high), Some(low)) => bytes.push(high << 4 | low),
            _ => {
                return Err(wrong(&format!(
                    "in its {what}, \"%\" is not followed by two hexadecimal digits; write %25"
                )));
            }
        }
    }
    if bytes.contains(&0) {
        return Err(wrong(&format!("its {what} holds a NUL byte")));
    }
    String::from_utf8(bytes).map_err(|_| wrong(&format!("its {what} is not UTF-8 after decoding")))
}

fn wrong(sentence: &str) -> Error {
    Error::new(Status::Config, format!("the URL is wrong: {sentence}"))
}

#[cfg(test)]
mod tests;
