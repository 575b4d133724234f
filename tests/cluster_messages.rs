//! Messages in a real cluster: plain channels by any node, sharded ones by the owner of their slot, and each gap told,
//! whatever moves and whoever goes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

mod support;

use std::collections::BTreeMap;

use justredis::client::request::Request;
use justredis::error::Status;
use justredis::protocol::reply::Node;
use justredis::topology::Route;
use support::client::{Tester, request, within};
use support::cluster::Cluster;
use support::messages::{Subscription, show};
use support::numbers::Numbers;
use support::server::Server;
use support::wait;

/// Names in three slots, each of another primary of three.
const SHARDS: [&str; 3] = ["b", "c", "a"];

fn address(node: &Server) -> String {
    format!("127.0.0.1:{}", node.port())
}

fn text(map: &Node, key: &str) -> String {
    String::from_utf8_lossy(map.find(key.as_bytes()).unwrap().as_bytes()).into_owned()
}

/// Where the connections for messages lead, in order.
fn message_links(client: &Tester) -> Vec<String> {
    let stats = client.client.stats().unwrap();
    let links = stats.find(b"links").unwrap().items().iter();
    let links = links.filter(|link| text(link, "purpose") == "subscriptions");
    let mut links: Vec<String> = links.map(|link| text(link, "address")).collect();
    links.sort();
    links
}

/// Waits until the client has the map.
fn until_mapped(cluster: &Cluster, client: &Tester) {
    let seed = address(&cluster.nodes[0]);
    let route = Route::Node(&seed);
    wait::until("the map", || client.wait_for(&Request { route, ..request(&[&["PING"]]) }).is_ok());
}

/// The node of this address.
fn node<'a>(cluster: &'a Cluster, at: &str) -> &'a Server {
    cluster.nodes.iter().find(|node| address(node) == at).unwrap()
}

#[test]
fn plain_channels_and_patterns_have_one_connection_to_one_node() {
    let cluster = Cluster::start(3, 0);
    for protocol in ["2", "3"] {
        let client = Tester::with(cluster.url(), &[("protocol", protocol)]);
        let news = Subscription::to(&client, &["SUBSCRIBE", "b", "c", "a"]);
        assert_eq!(news.take(3), ["subscribe b 1", "subscribe c 2", "subscribe a 3"]);
        let patterns = Subscription::to(&client, &["PSUBSCRIBE", "n*"]);
        assert_eq!(patterns.take(1), ["psubscribe n* 1"]);
        for node in &cluster.nodes {
            node.command(&["PUBLISH", "a", "hello"]);
            node.command(&["PUBLISH", "news", "too"]);
        }
        assert_eq!(news.take(3), ["message a hello"; 3]);
        assert_eq!(patterns.take(3), ["pmessage n* news too"; 3]);
        assert!(client.run(&["PUBLISH", "c", "by any node"]).is_ok());
        assert_eq!(news.take(1), ["message c by any node"]);
        assert_eq!(news.change(&["PING", "x"]).text(), "x");
        assert_eq!(news.take(1), ["pong x"]);
        assert!(news.change(&["UNSUBSCRIBE", "b", "c"]).is_ok());
        assert_eq!(news.take(2), ["unsubscribe b 2", "unsubscribe c 1"]);
        assert_eq!(message_links(&client).len(), 1);
        news.cancel();
        patterns.cancel();
        wait::until("the connection to be closed", || message_links(&client).is_empty());
        assert!(client.client.close(None));
    }
}

#[test]
fn plain_channels_go_to_another_node_when_theirs_goes() {
    let cluster = Cluster::start(3, 1);
    let client = Tester::connect(cluster.url());
    until_mapped(&cluster, &client);
    let news = Subscription::to(&client, &["SUBSCRIBE", "news"]);
    assert_eq!(news.take(1), ["subscribe news 1"]);
    let mut gone = Vec::new();
    for _ in 0..2 {
        let at = message_links(&client).remove(0);
        node(&cluster, &at).kill();
        gone.push(at.clone());
        assert_eq!(news.take_gap(1), ["subscribe news 1"]);
        let now_at = message_links(&client).remove(0);
        assert_ne!(at, now_at);
        let is_another = |node: &&Server| !gone.contains(&address(node)) && address(node) != now_at;
        cluster.nodes.iter().find(is_another).unwrap().command(&["PUBLISH", "news", "over the bus"]);
        assert_eq!(news.take(1), ["message news over the bus"]);
    }
}

#[test]
fn sharded_channels_have_a_connection_to_the_owner_of_each_slot() {
    let cluster = Cluster::start(3, 0);
    for protocol in ["2", "3"] {
        let client = Tester::with(cluster.url(), &[("protocol", protocol)]);
        until_mapped(&cluster, &client);
        let all = Subscription::to(&client, &["SSUBSCRIBE", SHARDS[0], SHARDS[1], SHARDS[2]]);
        let mut told = all.take(3);
        assert_eq!(all.until_made(), 3, "once all nodes have confirmed");
        told.iter_mut().for_each(|line| line.truncate("ssubscribe x".len()));
        told.sort();
        assert_eq!(told, ["ssubscribe a", "ssubscribe b", "ssubscribe c"]);
        let mut owners: Vec<String> = SHARDS.iter().map(|name| address(cluster.owner(name))).collect();
        owners.sort();
        owners.dedup();
        assert_eq!((owners.len(), message_links(&client)), (3, owners));
        for name in SHARDS {
            assert_eq!(client.run(&["SPUBLISH", name, "hello"]).integer(), 1, "it goes to the owner");
            assert_eq!(all.take(1), [format!("smessage {name} hello")]);
        }
        // One subscription may have all kinds.
        assert!(all.change(&["SUBSCRIBE", "news"]).is_ok());
        assert_eq!(all.take(1), ["subscribe news 1"]);
        assert!(all.change(&["PING", "x"]).is_ok());
        all.take(1);
        cluster.nodes[1].command(&["PUBLISH", "news", "plain"]);
        assert_eq!(all.take(1), ["message news plain"]);
        assert!(all.change(&["SUNSUBSCRIBE", "b"]).is_ok());
        assert_eq!(all.take(1), ["sunsubscribe b 2"]);
        wait::until("the connection to the owner of b to be closed", || message_links(&client).len() == 3);
        assert!(all.change(&["SUNSUBSCRIBE"]).is_ok());
        assert_eq!(all.take(2).len(), 2);
        assert!(all.change(&["UNSUBSCRIBE"]).is_ok());
        assert_eq!(all.take(1), ["unsubscribe news 0"]);
        assert!(all.change(&["PING", "empty"]).is_ok(), "it lives on with nothing");
        all.take(1);
        all.cancel();
        wait::until("all connections to be closed", || message_links(&client).is_empty());
    }
}

#[test]
fn sharded_channels_that_are_asked_for_before_the_map_is_there_are_found() {
    let cluster = Cluster::start(3, 0);
    for topology in ["cluster", "auto"] {
        let client = Tester::with(cluster.url(), &[("topology", topology)]);
        let all = Subscription::to(&client, &["SSUBSCRIBE", SHARDS[0], SHARDS[1], SHARDS[2]]);
        assert_eq!(all.until_made(), 3);
        for name in SHARDS {
            wait::until("a sharded channel", || cluster.owner(name).command(&["SPUBLISH", name, "x"]).integer() == 1);
        }
        wait::until("three messages", || all.drain().iter().any(|done| show(&done.reply).starts_with("smessage")));
    }
}

#[test]
fn a_slot_that_moves_takes_its_channels_with_it_and_each_gap_is_told() {
    let cluster = Cluster::start(3, 0);
    let client = Tester::connect(cluster.url());
    until_mapped(&cluster, &client);
    let shard = Subscription::to(&client, &["SSUBSCRIBE", "a", "b"]);
    shard.take(2);
    let mut numbers = Numbers::new(&client, &shard, "a");
    for round in 1..=3 {
        numbers.publish(10);
        let owner = cluster.owner("a");
        let moving = cluster.begin_move("a", cluster.another_than(owner));
        numbers.publish(10);
        moving.finish();
        numbers.publish(10);
        numbers.until_they_come();
        // The first one is that the old owner says so; the other that the map has it.
        assert!((round..=2 * round).contains(&numbers.gaps), "{} gaps in {round} moves", numbers.gaps);
        numbers.publish(10);
    }
    numbers.until_they_come();
    assert_eq!(shard.change(&["PING"]).text(), "PONG");
}

#[test]
fn sharded_channels_follow_a_failover() {
    let cluster = Cluster::start(3, 1);
    let client = Tester::with(cluster.url(), &[("dead_after", "500ms"), ("command_timeout", "30s")]);
    until_mapped(&cluster, &client);
    let shard = Subscription::to(&client, &["SSUBSCRIBE", "a", "b"]);
    shard.take(2);
    let mut numbers = Numbers::new(&client, &shard, "a");
    let place = cluster.nodes.iter().position(|node| node.port() == cluster.owner("a").port()).unwrap();
    let (primary, replica) = (&cluster.nodes[place], &cluster.nodes[place + 3]);
    numbers.publish(10);
    // One that nobody dies in.
    replica.command(&["CLUSTER", "FAILOVER"]);
    wait::until("a gap", || {
        numbers.publish(1);
        numbers.look();
        numbers.gaps > 0
    });
    numbers.until_they_come();
    wait::until("the new primary to be the one that has the channel", || {
        numbers.until_they_come();
        message_links(&client).contains(&address(replica))
    });
    wait::until("the old one to follow it", || {
        primary.command(&["INFO", "replication"]).text().contains("master_link_status:up")
    });
    let before = numbers.gaps;
    replica.kill();
    numbers.until_they_come();
    assert!(numbers.gaps > before);
    wait::until("the old primary to have it again", || {
        numbers.until_they_come();
        message_links(&client).contains(&address(primary))
    });
}

/// By the map, long before the silence of the old primary would be taken for its end.
#[test]
fn sharded_channels_leave_a_primary_that_hangs() {
    let cluster = Cluster::start(3, 1);
    let client = Tester::with(cluster.url(), &[("dead_after", "1h"), ("refresh_interval", "1s")]);
    until_mapped(&cluster, &client);
    let shard = Subscription::to(&client, &["SSUBSCRIBE", "a", "b"]);
    shard.take(2);
    let place = cluster.nodes.iter().position(|node| node.port() == cluster.owner("a").port()).unwrap();
    let (primary, replica) = (&cluster.nodes[place], &cluster.nodes[place + 3]);
    primary.stop();
    let (mut gap, mut heard) = (false, false);
    wait::until("a message of the new primary", || {
        replica.command(&["SPUBLISH", "a", "from the new one"]);
        for done in shard.drain() {
            gap |= done.gap && show(&done.reply).starts_with("ssubscribe a ");
            heard |= show(&done.reply) == "smessage a from the new one";
            assert!(gap || !heard, "it is announced first");
        }
        heard
    });
    primary.cont();
    assert!(shard.change(&["PING"]).is_ok());
}

#[test]
fn monitor_and_channels_of_one_node_are_had_by_its_address() {
    let cluster = Cluster::start(3, 0);
    let client = Tester::connect(cluster.url());
    until_mapped(&cluster, &client);
    let error = client.send(&request(&[&["MONITOR"]])).unwrap_err();
    assert!(error.status == Status::Argument && error.message.contains("name its address"), "{error}");
    let at = address(cluster.owner("a"));
    let route = Route::Node(&at);
    let subscribe = |words: &[&str]| {
        let inbox = support::client::Inbox::default();
        let id = client.send_to(&inbox, &Request { route, timeout: within(5000), ..request(&[words]) }).unwrap();
        Subscription { client: client.clone(), inbox, id }
    };
    let monitor = subscribe(&["MONITOR"]);
    assert_eq!(monitor.take(1), ["OK"]);
    assert_eq!(client.text(&["SET", "a", "2"]), "OK");
    wait::until("a line", || monitor.inbox.drain().iter().any(|done| done.text().contains("\"SET\" \"a\" \"2\"")));
    cluster.nodes.iter().for_each(|node| {
        node.command(&["CONFIG", "SET", "notify-keyspace-events", "KEA"]);
    });
    // What happens to keys is told by their own nodes only.
    let events = subscribe(&["SUBSCRIBE", "__keyevent@0__:set"]);
    let elsewhere = Subscription::to(&client, &["SUBSCRIBE", "__keyevent@0__:set", "news"]);
    assert_eq!((events.take(1).len(), elsewhere.take(2).len()), (1, 2), "of two connections");
    let mut keys = BTreeMap::new();
    for key in SHARDS {
        keys.insert(key, address(cluster.owner(key)));
        assert_eq!(client.text(&["SET", key, "3"]), "OK");
    }
    let expected: Vec<String> =
        SHARDS.iter().filter(|key| keys[*key] == at).map(|key| format!("message __keyevent@0__:set {key}")).collect();
    assert_eq!(events.take(expected.len()), expected);
    let nowhere = Request { route: Route::Node("10.0.0.1:1"), ..request(&[&["MONITOR"]]) };
    let error = client.send(&nowhere).unwrap_err();
    assert!(error.message.contains("no such node"), "{error}");
    monitor.cancel();
    events.cancel();
    assert!(client.client.close(None));
}
