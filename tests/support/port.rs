//! Free TCP ports below the range from which the kernel picks ports for outgoing connections. A port of that range
//! could be taken by a client between a kill and a restart, and a client that dials one in vain can reach itself.

use std::net::{IpAddr, TcpListener};

const FIRST: u16 = 10_000;
const LAST: u16 = 31_999;

/// A port of `address` that is free at this moment.
pub fn free(address: IpAddr) -> u16 {
    listener(address).local_addr().unwrap().port()
}

/// A listener on a free port of `address`.
pub fn listener(address: IpAddr) -> TcpListener {
    let mut refusal = None;
    for _ in 0..1_000 {
        match TcpListener::bind((address, fastrand::u16(FIRST..=LAST))) {
            Ok(listener) => return listener,
            Err(error) => refusal = Some(error),
        }
    }
    panic!("no free port on {address}: {refusal:?}");
}
