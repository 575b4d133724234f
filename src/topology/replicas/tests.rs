use super::*;
use crate::connection::fixture::{self, Noted};
use std::sync::Arc;

fn at(name: &str) -> Address {
    Address::parse(name).unwrap()
}

#[test]
fn what_data_are_worth() {
    use Data::{Current, Old, Unusable};
    let said =
        |is_replica, is_linked, position| Replication { is_replica, is_linked, position, ..Replication::default() };
    let seconds = |number: Option<u64>| number.map(Duration::from_secs);
    for (said, lag, most, data) in [
        (said(true, true, 9), None, None, Current),
        (said(true, false, 9), None, None, Old),
        (said(true, false, 0), None, None, Unusable),
        (said(false, false, 9), None, None, Unusable),
        (said(true, true, 9), Some(2), Some(2), Current),
        (said(true, true, 9), Some(3), Some(2), Unusable),
        (said(true, true, 9), None, Some(2), Unusable),
        (said(true, false, 9), Some(0), Some(2), Unusable),
    ] {
        assert_eq!(judge(&said, seconds(lag), seconds(most)), data, "{said:?} {lag:?} {most:?}");
    }
}

#[test]
fn there_are_those_that_are_named_and_not_more_than_may_be() {
    let config = Config { max_nodes: 3, ..Config::default() };
    let (noted, now) = (Noted::new(), Instant::now());
    let opening = fixture::opening(config, &noted);
    let node = Node::new(opening.clone(), Arc::default());
    let replicas = Replicas::new(&opening.config);
    assert!(replicas.want(&opening, now) && !replicas.want(&opening, now));
    let set = |names: &[&str]| {
        let named: Vec<_> = names.iter().map(|name| (at(name), at("p:1"))).collect();
        let mut deferred = Deferred::default();
        replicas.set(&named, true, &node, &mut deferred);
        deferred.run(None);
        replicas.ask(&[], &mut Deferred::default());
        let mut open: Vec<String> =
            replicas.links().iter().filter(|link| !link.is_closed()).map(|link| link.address()).collect();
        open.sort();
        open
    };
    assert_eq!(set(&["a:1", "b:1"]), ["a:1", "b:1"]);
    assert_eq!(set(&["a:1", "b:1", "c:1", "d:1"]), ["a:1", "b:1", "c:1"]);
    let kept = replicas.links();
    assert_eq!(kept.len(), 3);
    // One that is missing once may be back.
    assert_eq!(set(&["a:1"]), ["a:1", "b:1", "c:1"]);
    assert_eq!(set(&["a:1", "b:1"]), ["a:1", "b:1"]);
    replicas.close();
    assert!(kept.iter().all(|link| link.is_closed()));
}

#[test]
fn who_reads_from_a_closed_client_keeps_nothing_of_it() {
    let noted = Noted::new();
    let opening = fixture::opening(Config::default(), &noted);
    let replicas = Replicas::new(&opening.config);
    replicas.close();
    assert!(!replicas.want(&opening, Instant::now()));
    assert!(replicas.known.lock().opening.is_none(), "its tasks would never seem to have ended");
    assert!(replicas.look(Instant::now()).is_none());
}
