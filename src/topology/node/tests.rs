use super::*;
use crate::config::Config;
use crate::connection::fixture::{self, Noted};

fn node(max_connections: usize) -> Node {
    Node::new(fixture::opening(Config { max_connections, ..Config::default() }, &Noted::new()), Arc::default())
}

/// A dedicated link, or `None`: a place in line.
fn check_out(node: &Node, database: u32, session: SessionId, deferred: &mut Deferred) -> Option<Arc<Link>> {
    match node.check_out(database, session, deferred).unwrap() {
        Checkout::Link(link) => Some(link),
        Checkout::Waiting(_) => None,
    }
}

#[test]
fn a_database_has_one_shared_link_which_is_started_once() {
    let (node, mut deferred) = (node(1), Deferred::default());
    let link = node.link(3, &mut deferred).unwrap();
    assert!(!deferred.is_empty(), "it is to be started");
    assert!(Arc::ptr_eq(&link, &node.shared_link(3).unwrap()));
    let mut again = Deferred::default();
    assert!(Arc::ptr_eq(&link, &node.link(3, &mut again).unwrap()));
    assert!(again.is_empty());
    assert_eq!(node.link(4, &mut again).unwrap().database(), 4);
    assert_eq!(node.links().len(), 2);
    assert!(node.shared_link(5).is_none());
}

#[test]
fn a_dedicated_link_goes_from_hand_to_hand_and_is_closed_only_when_that_is_carried_out() {
    let (node, mut deferred) = (node(1), Deferred::default());
    let link = check_out(&node, 0, 1, &mut deferred).unwrap();
    let Purpose::Dedicated(number) = link.purpose() else { panic!("{:?}", link.purpose()) };
    assert!(check_out(&node, 0, 2, &mut deferred).is_none());
    assert!(check_out(&node, 7, 3, &mut deferred).is_none());
    assert_eq!(node.sessions_for(number, 0), [1, 2]);
    assert!(node.serve(&mut deferred).is_none());
    node.check_in(number, 10);
    let (session, same) = node.serve(&mut deferred).unwrap();
    assert!(session == 2 && Arc::ptr_eq(&link, &same));
    // The next one wants another database.
    node.check_in(number, 20);
    let (session, other) = node.serve(&mut deferred).unwrap();
    assert_eq!((session, other.database()), (3, 7));
    assert_eq!((node.dedicated().in_use, node.dedicated().opened), (1, 2));
    assert!(!link.is_closed());
    deferred.run(None);
    assert!(link.is_closed() && !other.is_closed());
}

#[test]
fn a_closed_node_opens_nothing() {
    let (node, mut deferred) = (node(2), Deferred::default());
    let links = [node.link(0, &mut deferred).unwrap(), check_out(&node, 0, 1, &mut deferred).unwrap()];
    node.close();
    assert!(links.iter().all(|link| link.is_closed()));
    let mut later = Deferred::default();
    assert_eq!(node.link(1, &mut later).unwrap_err().status, Status::Closed);
    assert_eq!(node.check_out(0, 2, &mut later).unwrap_err().status, Status::Closed);
    assert!(node.opening().is_err() && node.serve(&mut later).is_none() && later.is_empty());
    assert_eq!(node.dedicated().in_use, 0);
}

#[test]
fn no_two_links_that_exist_have_the_same_number() {
    let numbers = Arc::new(LinkNumbers::default());
    let opening = || fixture::opening(Config::default(), &Noted::new());
    for _ in 0..3 {
        let nodes = [(); 2].map(|()| Node::new(opening(), Arc::clone(&numbers)));
        let links = nodes.each_ref().map(|node| node.link(0, &mut Deferred::default()).unwrap());
        assert_eq!(links.each_ref().map(|link| link.purpose()), [Purpose::Commands(1), Purpose::Commands(2)]);
    }
}
