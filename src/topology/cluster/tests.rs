//! Nodes, links and rounds, with links that are never started.

use std::time::Duration;

use super::*;
use crate::config::Config;
use crate::connection::fixture::{self, Noted};

fn cluster(max_nodes: usize) -> Cluster {
    let endpoints = vec![Address::parse("seed:1").unwrap()];
    let config = Config { endpoints, max_nodes, ..Config::default() };
    let opening = fixture::opening(config, &Noted::new());
    let seeds = Node::new(opening.clone(), Arc::default());
    Cluster::new(opening, Arc::new(seeds), Instant::now())
}

fn node(port: u16) -> Address {
    Address::tcp("node", port).unwrap()
}

/// A view in which these nodes have so many slots each, one behind the other.
fn view(nodes: &[(u16, u16)]) -> View {
    let (mut map, mut next) = (SlotMap::default(), 0);
    for (port, count) in nodes {
        let shard = map.add_shard(node(*port), BTreeSet::new());
        (next..next + count).for_each(|slot| map.give(slot, shard));
        next += count;
    }
    View { map, ..View::default() }
}

/// A round in which nodes said this.
fn learn(cluster: &Cluster, views: &[View]) -> Found {
    let round = cluster.begin_round(views.len());
    let ends = views.iter().filter_map(|view| {
        cluster.add_view(round, view.clone(), Instant::now());
        cluster.one_is_over(round, Instant::now(), 0.5)
    });
    let [end]: [Found; 1] = ends.collect::<Vec<_>>().try_into().expect("a round has one end");
    end
}

#[test]
fn a_slot_has_the_link_of_its_primary_which_is_opened_once() {
    let (cluster, mut deferred) = (cluster(10), Deferred::default());
    assert!(cluster.link_of_slot(5, 0, &mut deferred).unwrap().is_none() && deferred.is_empty());
    assert_eq!(learn(&cluster, &[view(&[(1, 10), (2, 10)])]), Found::Changed);
    let mut link = |slot| cluster.link_of_slot(slot, 0, &mut deferred).unwrap().unwrap();
    let (first, second) = (link(5), link(15));
    assert_eq!((first.address(), second.address()), ("node:1".to_string(), "node:2".to_string()));
    assert!(Arc::ptr_eq(&first, &link(9)) && Arc::ptr_eq(&second, &link(19)));
    assert_eq!(cluster.apply_moved(5, &node(1), &node(2)), Change::Taken);
    assert!(Arc::ptr_eq(&second, &link(5)));
    assert_eq!(learn(&cluster, &[view(&[(1, 10), (2, 10)])]), Found::Changed);
    assert!(Arc::ptr_eq(&first, &link(5)), "the same one again");
    assert_eq!(cluster.links().len(), 2);
    let numbers: Vec<_> = [&first, &second].map(|link| link.purpose()).into();
    assert_eq!(numbers, [Purpose::Commands(1), Purpose::Commands(2)]);
    assert!(Arc::ptr_eq(&cluster.link_of(2).unwrap(), &second) && cluster.link_of(3).is_none());
}

#[test]
fn a_round_is_over_when_all_have_answered_or_most_the_same() {
    let cluster = cluster(10);
    let round = cluster.begin_round(3);
    let answer = |port| {
        cluster.add_view(round, view(&[(port, 10)]), Instant::now());
        cluster.one_is_over(round, Instant::now(), 0.5)
    };
    assert_eq!([answer(1), answer(1), answer(2)], [None, Some(Found::Changed), None], "the third may be silent");
    assert_eq!(learn(&cluster, &[view(&[(1, 10)]), view(&[(2, 10)]), view(&[(2, 10)])]), Found::Changed);
    assert_eq!(cluster.known.lock().map, view(&[(2, 10)]).map);
    assert_eq!(learn(&cluster, &[view(&[(2, 10)])]), Found::Same);
    assert_eq!(learn(&cluster, &[view(&[])]), Found::Nothing, "no slot is served: no map is worse than that");
    let old = cluster.begin_round(1);
    let round = cluster.begin_round(1);
    cluster.add_view(old, view(&[(3, 10)]), Instant::now());
    assert_eq!(cluster.one_is_over(old, Instant::now(), 0.5), None, "of an earlier round");
    assert_eq!(cluster.one_is_over(round, Instant::now(), 0.5), Some(Found::Nothing));
    assert_eq!(cluster.one_is_over(round, Instant::now(), 0.5), None);
}

#[test]
fn there_are_no_more_nodes_than_may_be() {
    let (cluster, mut deferred) = (cluster(2), Deferred::default());
    for port in [1, 2, 1] {
        cluster.link_at(&node(port), 0, &mut deferred).unwrap();
    }
    assert_eq!(cluster.link_at(&node(3), 0, &mut deferred).unwrap_err().status, Status::Full);
    assert_eq!(cluster.links().len(), 2);
}

#[test]
fn a_node_that_two_maps_do_not_name_is_closed_and_then_forgotten() {
    let (cluster, mut deferred) = (cluster(10), Deferred::default());
    learn(&cluster, &[view(&[(1, 10), (2, 10)])]);
    let first = cluster.link_of_slot(5, 0, &mut deferred).unwrap().unwrap();
    let part = |views: &[View]| {
        learn(&cluster, views);
        let mut deferred = Deferred::default();
        cluster.part_with_nodes(&mut deferred);
        deferred.run(None);
    };
    part(&[view(&[(2, 20)])]);
    assert!(!first.is_closed(), "a map may be wrong");
    part(&[view(&[(1, 20)])]);
    part(&[view(&[(2, 20)])]);
    assert!(!first.is_closed(), "it was named again");
    part(&[view(&[(2, 20)])]);
    assert!(first.is_closed());
    part(&[view(&[(2, 20)])]);
    assert!(cluster.link_of(1).is_some(), "somebody has it and may be about to submit something");
    // The deferred start, which never comes, has it too.
    drop((first, std::mem::take(&mut deferred)));
    part(&[view(&[(2, 20)])]);
    assert!(cluster.link_of(1).is_none());
    part(&[view(&[(1, 20)])]);
    assert_eq!(cluster.link_of_slot(5, 0, &mut deferred).unwrap().unwrap().purpose(), Purpose::Commands(1));
}

#[test]
fn the_seed_is_asked_where_no_node_is_connected() {
    let (cluster, mut deferred) = (cluster(10), Deferred::default());
    assert!(cluster.links_to_ask(|_| {}).is_empty());
    let seed = cluster.seeds.link(0, &mut deferred).unwrap();
    cluster.link_at(&node(1), 0, &mut deferred).unwrap();
    let asked = cluster.links_to_ask(|_| {});
    assert!(asked.len() == 1 && Arc::ptr_eq(&asked[0], &seed));
}

#[test]
fn only_what_makes_the_next_look_earlier_is_told() {
    let cluster = cluster(10);
    let now = Instant::now();
    assert_eq!(cluster.look(now), Action::Ask);
    assert!(!cluster.note(Reason::Lost, now, 0.0), "they are being asked");
    let round = cluster.begin_round(1);
    cluster.add_view(round, view(&[(1, 16384)]), now);
    cluster.one_is_over(round, now, 0.5);
    let later = now + Duration::from_secs(5);
    assert_eq!(cluster.look(later), Action::Ask, "for what happened meanwhile");
    let round = cluster.begin_round(1);
    cluster.add_view(round, view(&[(1, 16384)]), now);
    cluster.one_is_over(round, later, 0.5);
    assert!(cluster.note(Reason::Moved, later, 0.5) && !cluster.note(Reason::Moved, later, 0.5));
    assert!(cluster.note(Reason::Lost, later, 0.5));
}

/// Whoever uses few nodes of many must not ask as often as in a cluster of few.
#[test]
fn the_pause_between_two_rounds_grows_with_the_nodes_of_the_map_and_not_with_those_that_are_used() {
    for (nodes, pause) in [(3, 250), (100, 250), (500, 1250), (1000, 2500)] {
        let (cluster, start) = (cluster(1024), Instant::now());
        assert_eq!(cluster.look(start), Action::Ask);
        let shards: Vec<(u16, u16)> = (1..=nodes).map(|port| (port, 16384 / nodes)).collect();
        learn(&cluster, &[view(&shards)]);
        cluster.note(Reason::Lost, start, 0.0);
        let due = start + Duration::from_millis(pause);
        assert_eq!(cluster.look(start), Action::LookAt(due), "{nodes} nodes");
    }
}

#[test]
fn a_closed_cluster_opens_nothing() {
    let (cluster, mut deferred) = (cluster(10), Deferred::default());
    let link = cluster.link_at(&node(1), 0, &mut deferred).unwrap();
    cluster.close();
    assert!(link.is_closed());
    assert_eq!(cluster.link_at(&node(1), 0, &mut deferred).unwrap_err().status, Status::Closed);
    assert_eq!(cluster.link_at(&node(2), 0, &mut deferred).unwrap_err().status, Status::Closed);
}
