//! Several addresses of one name, which no resolver has to know: addresses of 127/8 that answer, hang up, accept and
//! say nothing, refuse, or swallow every attempt to connect.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use socket2::{Domain, Socket, Type};

use super::*;

/// What an address does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Host {
    /// Answers PING, and whatever else, with PONG.
    Good,
    /// Answers everything with this error.
    Refusing(&'static str),
    /// Reads the start of the handshake and hangs up.
    HangsUp,
    /// Accepts and says nothing.
    Mute,
    /// Nobody listens.
    Closed,
    /// Its queue of connections is full, so that no attempt is answered.
    Swallowing,
}

/// Hosts of a name, one address each.
struct Hosts {
    addresses: Vec<SocketAddr>,
    /// How often each was connected to, as far as it accepts.
    accepted: Vec<Arc<AtomicUsize>>,
    /// What must stay open.
    _kept: Vec<(Socket, Vec<Socket>)>,
}

impl Hosts {
    fn of(hosts: &[Host]) -> Hosts {
        let mut all = Hosts { addresses: Vec::new(), accepted: Vec::new(), _kept: Vec::new() };
        for (number, host) in hosts.iter().enumerate() {
            let ip = Ipv4Addr::new(127, 0, 1, number as u8 + 1);
            // Below the ports that the kernel picks for outgoing connections, or one could lead to itself.
            let listener = (0..1000).find_map(|_| TcpListener::bind((ip, fastrand::u16(10_000..32_000))).ok()).unwrap();
            let address = listener.local_addr().unwrap();
            let accepted = Arc::new(AtomicUsize::new(0));
            all.addresses.push(address);
            all.accepted.push(Arc::clone(&accepted));
            match *host {
                Host::Closed => drop(listener),
                Host::Swallowing => {
                    drop(listener);
                    all._kept.push(swallow(address));
                }
                host => _ = thread::spawn(move || serve(&listener, host, &accepted)),
            }
        }
        all
    }
}

fn serve(listener: &TcpListener, host: Host, accepted: &AtomicUsize) {
    let mut kept = Vec::new();
    for stream in listener.incoming().flatten() {
        accepted.fetch_add(1, Ordering::SeqCst);
        match host {
            Host::Good => _ = thread::spawn(move || answer(stream, "+PONG\r\n")),
            Host::Refusing(error) => _ = thread::spawn(move || answer(stream, error)),
            Host::HangsUp => _ = thread::spawn(move || { &stream }.read(&mut [0; 4096])),
            _ => kept.push(stream),
        }
    }
}

fn answer(mut stream: TcpStream, reply: &str) {
    let mut bytes = [0; 4096];
    while stream.read(&mut bytes).is_ok_and(|count| count > 0) && stream.write_all(reply.as_bytes()).is_ok() {}
}

/// A listener whose queue is full.
fn swallow(address: SocketAddr) -> (Socket, Vec<Socket>) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&address.into()).unwrap();
    listener.listen(0).unwrap();
    let mut waiting = Vec::new();
    for _ in 0..16 {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        if socket.connect_timeout(&address.into(), Duration::from_millis(100)).is_err() {
            return (listener, waiting);
        }
        waiting.push(socket);
    }
    panic!("{address} accepts without end");
}

/// Dials the hosts, one of which takes over, and says which did, or why none.
fn dial(hosts: &Hosts, failed: &FailedAddresses, options: &[(&str, &str)]) -> Result<usize, Error> {
    let mut config = Config::default();
    let always = [("protocol", "2"), ("library_info", "off")];
    always.iter().chain(options).for_each(|(name, value)| config.set(name, value).unwrap());
    let config = Arc::new(config);
    let before: Vec<usize> = hosts.accepted.iter().map(|accepted| accepted.load(Ordering::SeqCst)).collect();
    let terms =
        Terms { database: 0, track: false, number: false, resp3_seen: false, primary: false, reads_only: false };
    let identity = IdentityKeeper::default();
    let credentials = Arc::new(CredentialsSource::new(&config, None));
    let dial = Dial {
        config: &config,
        dialer: None,
        failed,
        terms,
        credentials: &credentials,
        identity: &identity,
        warn: &|_| {},
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let until = Instant::now() + config.connect_timeout;
    let login = runtime.block_on(credentials.login(&Address::default(), until))?;
    let dialled = runtime.block_on(dial.try_each((&Address::default(), &login), &hosts.addresses, true, until))?;
    drop(dialled);
    let after = hosts.accepted.iter().map(|accepted| accepted.load(Ordering::SeqCst));
    let connected: Vec<usize> = after.zip(before).enumerate().filter(|(_, (a, b))| a > b).map(|(n, _)| n).collect();
    // The last one that was connected to answered, if it is one that answers.
    Ok(*connected.last().unwrap())
}

/// Far longer than any of this takes, and so short that a budget spent on one address is not what decides.
const BUDGET: (&str, &str) = ("connect_timeout", "20s");

#[test]
fn a_good_address_is_reached_whatever_the_first_ones_do() {
    use Host::{Closed, Good, HangsUp, Mute, Swallowing};
    let loud = Host::Refusing("-ERR max number of clients reached\r\n");
    for hosts in [
        vec![Good],
        vec![Closed, Good],
        vec![HangsUp, Good],
        vec![loud, Good],
        vec![Swallowing, Good],
        vec![Swallowing, Swallowing, Closed, Good],
        vec![Closed, HangsUp, Swallowing, loud, Good],
    ] {
        let reached = dial(&Hosts::of(&hosts), &FailedAddresses::default(), &[BUDGET]);
        assert_eq!(reached.map_err(|error| error.message), Ok(hosts.len() - 1), "{hosts:?}");
    }
    // A handshake without an answer costs half of what is left, and no more.
    for hosts in [vec![Mute, Good], vec![Mute, Swallowing, Good], vec![Mute, Mute, Good]] {
        let reached = dial(&Hosts::of(&hosts), &FailedAddresses::default(), &[("connect_timeout", "2s")]);
        assert_eq!(reached.map_err(|error| error.message), Ok(hosts.len() - 1), "{hosts:?}");
    }
}

#[test]
fn what_failed_goes_last_the_next_time() {
    for bad in [Host::Mute, Host::HangsUp, Host::Closed, Host::Swallowing] {
        let hosts = Hosts::of(&[bad, Host::Good]);
        let failed = FailedAddresses::default();
        assert_eq!(dial(&hosts, &failed, &[("connect_timeout", "1s")]).unwrap(), 1, "{bad:?}");
        assert_eq!(failed.list(), hosts.addresses[..1], "{bad:?}");
        let before = hosts.accepted[0].load(Ordering::SeqCst);
        assert_eq!(dial(&hosts, &failed, &[("connect_timeout", "1s")]).unwrap(), 1, "{bad:?}");
        assert_eq!(hosts.accepted[0].load(Ordering::SeqCst), before, "{bad:?} was not even tried");
    }
    // All of them failed, and are tried all the same.
    let hosts = Hosts::of(&[Host::Good]);
    let failed = FailedAddresses::default();
    failed.add(hosts.addresses[0]);
    assert_eq!(dial(&hosts, &failed, &[BUDGET]).unwrap(), 0);
    assert_eq!(failed.list(), []);
}

#[test]
fn the_error_names_the_address_that_was_tried_last() {
    let wrong = Host::Refusing("-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    for (hosts, named, status, part) in [
        (vec![Host::Closed], 0, Status::Connect, "refused"),
        (vec![Host::Closed, Host::Closed], 1, Status::Connect, "refused"),
        (vec![Host::Closed, Host::HangsUp], 1, Status::Connect, "closed the connection"),
        (vec![Host::Closed, Host::Swallowing], 1, Status::Connect, "no answer to the attempt to connect"),
        (vec![Host::Closed, Host::Mute], 1, Status::Connect, "no connection within 500 ms"),
        // The password is wrong everywhere: nobody else is told it.
        (vec![wrong, Host::Good], 0, Status::Auth, "WRONGPASS"),
    ] {
        let dialled = Hosts::of(&hosts);
        let options = [("connect_timeout", "500"), ("password", "wrong")];
        let error = dial(&dialled, &FailedAddresses::default(), &options).unwrap_err();
        assert_eq!(error.status, status, "{hosts:?}: {}", error.message);
        let address = dialled.addresses[named].to_string();
        assert!(error.message.contains(part) && error.message.contains(&address), "{hosts:?}: {}", error.message);
    }
}
