//! A real cluster whose nodes announce names, nothing or other addresses than before: what the client makes of it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use justredis::address::Address;
use justredis::connection::stream::Dialer;
use justredis::error::Outcome::NotRun;
use justredis::error::Status;
use justredis::protocol::reply::Node;
use support::client::Tester;
use support::cluster::Cluster;
use support::server::Server;
use support::transport::{self, Tls};
use support::{certificates, wait};

/// The other address of the machine.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

fn keys() -> impl Iterator<Item = String> {
    (0..60).map(|number| format!("key:{number}"))
}

/// Every node is written to and read from.
fn uses_all(client: &Tester) {
    for key in keys() {
        assert_eq!(client.text(&["SET", &key, "value"]), "OK");
        assert_eq!(client.text(&["GET", &key]), "value");
    }
}

fn text(map: &Node, key: &str) -> String {
    String::from_utf8_lossy(map.find(key.as_bytes()).unwrap().as_bytes()).into_owned()
}

/// One thing of all nodes.
fn nodes(client: &Tester, key: &str) -> BTreeSet<String> {
    let stats = client.client.stats().unwrap();
    stats.find(b"nodes").unwrap().items().iter().map(|node| text(node, key)).collect()
}

fn until_nodes(client: &Tester, key: &str, expected: &BTreeSet<String>) {
    wait::until(&format!("the {key} of all nodes to be {expected:?}"), || nodes(client, key) == *expected);
}

fn at(host: &str, cluster: &Cluster) -> BTreeSet<String> {
    cluster.nodes.iter().map(|node| format!("{host}:{}", node.port())).collect()
}

/// Waits until every node tells these hosts of all nodes; a host that is nil or a question mark is that text.
fn until_announced(cluster: &Cluster, hosts: &BTreeSet<String>) {
    let told = |server: &Server| -> BTreeSet<String> {
        let slots = server.command(&["CLUSTER", "SLOTS"]);
        let entries = slots.items().iter().flat_map(|entry| &entry.items()[2..]);
        entries
            .map(|node| match &node.items()[0] {
                support::resp::Answer::Nil => "nil".to_string(),
                host => host.text(),
            })
            .collect()
    };
    wait::until("all nodes to tell the hosts of all", || cluster.nodes.iter().all(|node| told(node) == *hosts));
}

fn hosts(hosts: &[&str]) -> BTreeSet<String> {
    hosts.iter().map(ToString::to_string).collect()
}

/// A client that looks at the map often, because nothing here is a reason to.
fn client(url: &str) -> Tester {
    Tester::with(url, &[("refresh_interval", "1s"), ("command_timeout", "30s")])
}

/// The slot of a key goes to another node, and the old one says so. `is_told`: it knows the host of the new one.
fn follows_a_move(cluster: &Cluster, client: &Tester, key: &str, is_told: bool) {
    assert_eq!(client.text(&["SET", key, "1"]), "OK");
    let moving = cluster.begin_move(key, cluster.another_than(cluster.owner(key)));
    assert_eq!(client.run(&["APPEND", key, "2"]).integer(), 2);
    moving.keys();
    let waiting = client.submit(&["APPEND", key, "3"]);
    if is_told {
        client.inbox.until(1);
    }
    moving.finish();
    assert_eq!(client.inbox.each_once(&[waiting])[&waiting].integer(), 3);
    assert_eq!(client.text(&["GET", key]), "123");
}

/// What a resolver would say, in the hands of a test.
#[derive(Default)]
struct Names(Mutex<BTreeMap<String, SocketAddr>>);

impl Names {
    fn set(&self, name: &str, server: &Server) {
        self.0.lock().unwrap().insert(name.to_string(), server.address());
    }
}

impl Dialer for Names {
    fn dial(&self, address: &Address, _: Duration) -> Result<OwnedFd, String> {
        let Address::Tcp { host, .. } = address else { return Err("no name".to_string()) };
        let found = self.0.lock().unwrap().get(&**host).copied().ok_or("nobody knows it")?;
        TcpStream::connect(found).map(OwnedFd::from).map_err(|error| error.to_string())
    }
}

fn name(place: usize) -> String {
    format!("node-{place}.test")
}

#[test]
fn a_node_keeps_its_name_and_comes_back_elsewhere() {
    let mut cluster = Cluster::of(3, 0, |place| {
        let arguments = ["--cluster-announce-hostname", &name(place), "--cluster-preferred-endpoint-type", "hostname"];
        Server::builder().arguments(&arguments)
    });
    let all: BTreeSet<String> = (0..3).map(name).collect();
    until_announced(&cluster, &all);
    let names = Arc::new(Names::default());
    cluster.nodes.iter().enumerate().for_each(|(place, node)| names.set(&name(place), node));
    let url = transport::url(format!("{}:{}?topology=cluster", name(0), cluster.nodes[0].port()));
    let options = [("refresh_interval", "1h"), ("command_timeout", "30s"), ("tls_server_name", "localhost")];
    let options = if transport::current().is_some() { &options[..] } else { &options[..2] };
    let client = Tester::dialling(url, options, Some(names.clone()));
    uses_all(&client);
    let named = (0..3).map(|place| format!("{}:{}", name(place), cluster.nodes[place].port())).collect();
    until_nodes(&client, "address", &named);
    follows_a_move(&cluster, &client, "a", true);
    let announced = ["--cluster-announce-ip", &ELSEWHERE.to_string()];
    cluster.nodes[1].restart_as(|builder| builder.bind(ELSEWHERE).arguments(&announced));
    names.set(&name(1), &cluster.nodes[1]);
    uses_all(&client);
    assert_eq!(nodes(&client, "address"), named);
}

#[test]
fn a_node_comes_back_at_another_address() {
    let mut cluster = Cluster::start(3, 0);
    let client = Tester::with(cluster.url(), &[("refresh_interval", "1h"), ("command_timeout", "30s")]);
    uses_all(&client);
    let (before, port) = (at("127.0.0.1", &cluster), cluster.nodes[1].port());
    until_nodes(&client, "address", &before);
    let announced = ["--cluster-announce-ip", &ELSEWHERE.to_string()];
    cluster.nodes[1].restart_as(|builder| builder.bind(ELSEWHERE).arguments(&announced));
    uses_all(&client);
    let after = &(&before - &hosts(&[&format!("127.0.0.1:{port}")])) | &hosts(&[&format!("{ELSEWHERE}:{port}")]);
    until_nodes(&client, "address", &after);
    // Nobody dials it any more where it was.
    let former = format!("127.0.0.1:{port}");
    wait::until("the old connections to be gone", || {
        let stats = client.client.stats().unwrap();
        !stats.find(b"links").unwrap().items().iter().any(|link| text(link, "address") == former)
    });
}

/// With `localhost` as the name of all, by a certificate that is for no address.
#[test]
fn certificates_are_checked_for_the_names_that_nodes_announce() {
    let tls = Tls { certificate: "no-address", ..Tls::default() };
    let cluster = Cluster::of(3, 0, |_| {
        Server::builder().tls(tls.clone()).arguments(&["--cluster-announce-hostname", "localhost"])
    });
    until_announced(&cluster, &hosts(&["127.0.0.1"]));
    let ca = certificates::path("ca.pem");
    let url = format!("rediss://localhost:{}?topology=cluster", cluster.nodes[0].port());
    let options = [("tls_ca", ca.as_str()), ("refresh_interval", "1s"), ("command_timeout", "30s")];
    // They announce addresses: whoever wants them has to say what name the certificates are for.
    let client = Tester::with(&url, &[("tls_ca", &*ca), ("connect_retries", "1")]);
    let elsewhere = keys().find(|key| cluster.owner(key).port() != cluster.nodes[0].port()).unwrap();
    client.run(&["GET", &elsewhere]).says(Status::Tls, NotRun, &["127.0.0.1", "localhost"]);
    let named = Tester::with(&url, &[&options[..], &[("tls_server_name", "localhost")]].concat());
    uses_all(&named);
    // Now they announce the name. Who knew them by address goes on.
    for node in &cluster.nodes {
        assert!(node.command(&["CONFIG", "SET", "cluster-preferred-endpoint-type", "hostname"]).is_ok());
    }
    until_announced(&cluster, &hosts(&["localhost"]));
    let client = Tester::with(&url, &options);
    uses_all(&client);
    follows_a_move(&cluster, &client, "a", true);
    until_nodes(&client, "address", &at("localhost", &cluster));
    until_nodes(&named, "address", &at("localhost", &cluster));
    uses_all(&named);
    // Without a port that speaks no TLS.
    for node in &cluster.nodes {
        let mut plain = node.connect().unwrap();
        // (It may hang up before it says that it did.)
        _ = plain.command(&["CONFIG", "SET", "port", "0"]);
        wait::until("the port to be closed", || node.connect().is_err());
    }
    uses_all(&client);
    let client = Tester::with(&url, &options);
    uses_all(&client);
    until_nodes(&client, "address", &at("localhost", &cluster));
}

#[test]
fn nodes_without_a_host_are_where_the_client_is() {
    let cluster = Cluster::start(3, 0);
    let early = client(&cluster.url());
    uses_all(&early);
    until_nodes(&early, "address", &at("127.0.0.1", &cluster));
    let prefer = |kind: &str| {
        for node in &cluster.nodes {
            assert!(node.command(&["CONFIG", "SET", "cluster-preferred-endpoint-type", kind]).is_ok());
        }
    };
    prefer("unknown-endpoint");
    until_announced(&cluster, &hosts(&["nil"]));
    let url = transport::url(format!("localhost:{}?topology=cluster", cluster.nodes[0].port()));
    let late = client(&url);
    uses_all(&late);
    until_nodes(&late, "address", &at("localhost", &cluster));
    for client in [&early, &late] {
        follows_a_move(&cluster, client, "a", true);
    }
    // Who came by the address goes on, and so does who came by the name, when they announce names that they have not.
    prefer("hostname");
    until_announced(&cluster, &hosts(&["?"]));
    for client in [&early, &late] {
        until_nodes(client, "address", &at("127.0.0.1", &cluster));
        uses_all(client);
        follows_a_move(&cluster, client, "a", false);
    }
}

/// A cluster of a version, each node of which is in a zone of its own; `None` where it cannot be had.
fn in_zones(version: &str) -> Option<Cluster> {
    let builder = Server::version(version)?;
    let zone = |place: usize| format!("zone-{place}");
    Some(Cluster::of(3, 1, |place| builder.clone().arguments(&["--availability-zone", &zone(place)])))
}

#[test]
fn statistics_name_the_zones_of_nodes() {
    // Since 9.1 the map tells the zone of each; before, each node tells it of itself.
    for (version, of_all) in [("valkey-9.1", true), ("valkey-8.1", false)] {
        let Some(cluster) = in_zones(version) else { continue };
        let client = client(&cluster.url());
        uses_all(&client);
        let known = if of_all { 6 } else { 3 };
        let zones: BTreeSet<String> = (0..known).map(|place| format!("zone-{place}")).collect();
        let unknown = if of_all { BTreeSet::new() } else { hosts(&[""]) };
        until_nodes(&client, "zone", &(&zones | &unknown));
    }
}
