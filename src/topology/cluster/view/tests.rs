//! Answers to CLUSTER SLOTS, as RESP of both versions.

use super::*;
use crate::protocol::parser::{Frame, Limits, Parser};
use crate::protocol::reply::Reply;
use crate::topology::cluster::slot_map::Shard;

const ASKED: &str = "seed.example:7000";

/// A reply of these lines.
fn reply(lines: &str) -> Reply {
    let bytes: String = lines.split_whitespace().map(|line| format!("{line}\r\n")).collect();
    let mut parser = Parser::new(Limits { depth: 16, reply_bytes: 1 << 30 }, 1 << 16);
    parser.feed(bytes.as_bytes());
    match parser.next().unwrap() {
        Some(Frame::Reply(reply)) => reply,
        other => panic!("{other:?}"),
    }
}

fn bulk(text: &str) -> String {
    format!("${} {text}", text.len())
}

/// A node as RESP2 tells it.
fn node(host: &str, port: u16) -> String {
    format!("*4 {} :{port} {} *0", bulk(host), bulk("0123456789abcdef"))
}

/// An entry of such nodes, `host:port` each.
fn entry(first: i64, last: i64, nodes: &[&str]) -> String {
    let nodes: Vec<String> = nodes
        .iter()
        .map(|text| {
            let (host, port) = text.rsplit_once(':').unwrap();
            if host == "nil" { format!("*3 $-1 :{port} $2 id") } else { node(host, port.parse().unwrap()) }
        })
        .collect();
    format!("*{} :{first} :{last} {}", nodes.len() + 2, nodes.join(" "))
}

fn list(entries: &[String]) -> String {
    format!("*{} {}", entries.len(), entries.join(" "))
}

fn read(text: &str, most: usize) -> Result<View, Error> {
    View::of(&reply(text), &Address::parse(ASKED).unwrap(), most)
}

/// Each shard as `primary replicas.. slots`.
fn shown(view: &View) -> Vec<String> {
    let describe = |Shard { primary, replicas, slots }: &Shard| {
        let replicas: Vec<String> = replicas.iter().map(|replica| format!(" {replica}")).collect();
        format!("{primary}{} {slots}", replicas.concat())
    };
    view.map.shards().iter().map(describe).collect()
}

#[test]
fn a_whole_cluster() {
    let entries = [
        entry(10923, 16383, &["10.0.0.3:7000", "10.0.0.6:7000"]),
        entry(0, 5460, &["10.0.0.1:7000", "10.0.0.5:7000", "10.0.0.4:7000"]),
        entry(5461, 10922, &["10.0.0.2:7000"]),
    ];
    let view = read(&list(&entries), 1024).unwrap();
    assert_eq!(
        shown(&view),
        ["10.0.0.1:7000 10.0.0.4:7000 10.0.0.5:7000 5461", "10.0.0.2:7000 5462", "10.0.0.3:7000 10.0.0.6:7000 5461"]
    );
    assert!(view.map.is_complete() && view.left_out == 0);
    assert_eq!([0, 5460, 5461, 10923].map(|slot| view.map.shard_of(slot)), [Some(0), Some(0), Some(1), Some(2)]);
    let mut turned = entries;
    turned.reverse();
    assert_eq!(read(&list(&turned), 1024).unwrap(), view, "views are compared, whatever their order");
}

#[test]
fn ranges_of_one_primary_are_one_shard() {
    let entries = [
        entry(0, 0, &["10.0.0.1:7000", "10.0.0.4:7000"]),
        entry(1, 1, &["10.0.0.2:7000", "10.0.0.1:7000"]),
        entry(2, 9, &["10.0.0.1:7000", "10.0.0.5:7000", "10.0.0.4:7000"]),
    ];
    let view = read(&list(&entries), 1024).unwrap();
    assert_eq!(shown(&view), ["10.0.0.1:7000 10.0.0.4:7000 10.0.0.5:7000 9", "10.0.0.2:7000 1"]);
}

#[test]
fn nodes_that_say_little_of_themselves() {
    let metadata = |host: &str, metadata: &str| format!("*1 *3 :0 :9 *4 {} :7001 $2 id {metadata}", bulk(host));
    // The answer, what is found, how many nodes are left out.
    for (text, found, left_out) in [
        (list(&[entry(0, 9, &["nil:7001"])]), vec!["seed.example:7001 10"], 0),
        (list(&[entry(0, 9, &["10.0.0.1:0"])]), vec!["10.0.0.1:7000 10"], 0),
        (list(&[entry(0, 9, &["?:7001", "10.0.0.4:7000"])]), vec![], 1),
        (list(&[entry(0, 9, &["10.0.0.1:7000", "?:7001"])]), vec!["10.0.0.1:7000 10"], 1),
        (metadata("?", "*2 $2 ip $8 10.0.0.9"), vec!["10.0.0.9:7001 10"], 0),
        (metadata("?", "%1 $2 ip $8 10.0.0.9"), vec!["10.0.0.9:7001 10"], 0),
        (metadata("?", "%1 $8 hostname $1 x"), vec![], 1),
        (metadata("h.example", "%1 $2 ip $8 10.0.0.9"), vec!["h.example:7001 10"], 0),
        (metadata("::1", "*0"), vec!["[::1]:7001 10"], 0),
        ("*1 *3 :0 :9 *2 $8 10.0.0.1 :7001".to_string(), vec!["10.0.0.1:7001 10"], 0),
        ("*0".to_string(), vec![], 0),
    ] {
        let view = read(&text, 1024).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(
            (shown(&view), view.left_out),
            (found.iter().map(ToString::to_string).collect(), left_out),
            "{text}"
        );
    }
}

/// A node that never met another calls itself by no name.
#[test]
fn an_empty_host_is_the_one_that_was_asked() {
    let node = Reply::array(vec![Reply::string(b""), Reply::integer(7001)]).unwrap();
    let slots = Reply::array(vec![Reply::integer(0), Reply::integer(9), node]).unwrap();
    let view = View::of(&Reply::array(vec![slots]).unwrap(), &Address::parse(ASKED).unwrap(), 10).unwrap();
    assert_eq!(shown(&view), ["seed.example:7001 10"]);
}

#[test]
fn an_answer_that_contradicts_itself_is_refused() {
    for (text, why) in [
        ("-ERR This_instance_has_cluster_support_disabled".to_string(), "is an error: ERR"),
        ("+OK".to_string(), "is no list"),
        ("*1 :1".to_string(), "without slots"),
        ("*1 *1 :1".to_string(), "without slots"),
        ("*1 *2 :1 :2".to_string(), "names no node for slot 1"),
        (list(&[entry(0, 16384, &["h:1"])]), "in the place of a slot"),
        (list(&[entry(-1, 5, &["h:1"])]), "in the place of a slot"),
        (list(&[entry(9, 5, &["h:1"])]), "from 9 down to 5"),
        (list(&[entry(0, 5, &["h:1"]), entry(5, 6, &["h:2"])]), "gives slot 5 twice"),
        (list(&[entry(3, 3, &["h:1"]), entry(0, 16383, &["h:2"])]), "gives slot 3 twice"),
        ("*1 *3 :0 :9 *1 $1 h".to_string(), "cannot be read"),
        ("*1 *3 :0 :9 *2 $1 h :65536".to_string(), "cannot be read"),
        ("*1 *3 :0 :9 *2 $1 h $1 x".to_string(), "cannot be read"),
        ("*1 *3 :0 :9 *2 :7 :7".to_string(), "cannot be read"),
        ("*1 *3 :0 :9 *2 $3 a/b :7".to_string(), "cannot be read"),
        ("*1 *3 :0 :9 $1 h".to_string(), "cannot be read"),
    ] {
        let error = read(&text, 1024).unwrap_err();
        assert_eq!(error.status, Status::Protocol);
        let message = &error.message;
        assert!(message.contains(why) && message.contains(ASKED), "{text}: {message}");
    }
}

#[test]
fn a_server_cannot_make_the_map_large() {
    let many: Vec<String> = (1..=9).map(|port| entry(port, port, &[&format!("h:{port}")])).collect();
    assert_eq!(read(&list(&many), 9).unwrap().map.shards().len(), 9);
    assert!(read(&list(&many), 8).unwrap_err().message.contains("more than 8 nodes (max_nodes)"));
    let replicas: Vec<String> = (1..=9).map(|port| format!("h:{port}")).collect();
    let replicas: Vec<&str> = replicas.iter().map(String::as_str).collect();
    assert!(read(&list(&[entry(0, 9, &replicas)]), 8).is_err());
    // As many entries as there are slots, each with the same nodes, take no more memory than one.
    let every: Vec<String> = (0..16384).map(|slot| entry(slot, slot, &["h:1", "h:2", "h:3"])).collect();
    let view = read(&list(&every), 3).unwrap();
    assert_eq!(shown(&view), ["h:1 h:2 h:3 16384"]);
    let mut more = every;
    more.push(entry(0, 0, &["h:1"]));
    assert!(read(&list(&more), 3).unwrap_err().message.contains("more entries than there are slots"));
}

#[test]
fn the_zones_of_nodes_that_tell_them() {
    let long = format!("*2 {} {}", bulk("availability-zone"), bulk(&"z".repeat(LONGEST_ZONE + 1)));
    // What a node says of itself besides, and the zone that is taken.
    for (metadata, zone) in [
        ("%1 $17 availability-zone $4 west", Some("west")),
        ("*4 $2 ip $8 10.0.0.9 $17 availability-zone $4 west", Some("west")),
        ("%1 $17 availability-zone $-1", None),
        ("%1 $17 availability-zone :1", None),
        ("%1 $2 ip $8 10.0.0.9", None),
        ("*0", None),
        (&long, None),
    ] {
        let text = format!("*1 *4 :0 :9 *4 $1 a :1 $2 id {metadata} *2 $1 b :1");
        let view = read(&text, 10).unwrap_or_else(|error| panic!("{text}: {error}"));
        let zones: Vec<_> = view.zones.iter().map(|(address, zone)| (address.to_string(), zone.as_str())).collect();
        assert_eq!(zones, zone.map(|zone| ("a:1".to_string(), zone)).into_iter().collect::<Vec<_>>(), "{metadata}");
    }
}
