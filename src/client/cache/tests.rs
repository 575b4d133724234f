//! The cache alone: what is kept and what is not, and random operations against a model that forgets nothing by itself.

use std::collections::{HashMap, HashSet};

use super::*;

fn key(database: u32, line: &str) -> CacheKey {
    CacheKey::new(Origin { number: database, generation: 0 }, &line.split(' ').collect::<Vec<_>>()).unwrap()
}

fn place(cache: &mut Cache, line: &str) -> Reservation {
    match cache.lookup(&key(0, line)) {
        Found::Miss(Some(place)) => place,
        found => panic!("{line}: {found:?}"),
    }
}

fn keep(cache: &mut Cache, line: &str, answer: &str) {
    let place = place(cache, line);
    cache.fill(place, Reply::string(answer.as_bytes()));
}

fn answer(cache: &mut Cache, database: u32, line: &str) -> Option<String> {
    match cache.lookup(&key(database, line)) {
        Found::Hit(reply) => Some(String::from_utf8(reply.as_bytes().to_vec()).unwrap()),
        Found::Miss(Some(place)) => {
            cache.give_back(place);
            None
        }
        Found::Miss(None) => None,
    }
}

fn nothing_is_left(cache: &Cache) {
    let Counts { entries, bytes, .. } = cache.counts();
    assert_eq!((entries, bytes), (0, 0));
    assert!(cache.questions.is_empty() && cache.keys.is_empty() && cache.recency.oldest().is_none());
}

#[test]
fn an_answer_is_given_until_a_key_of_it_is_invalidated() {
    let mut cache = Cache::new(1 << 20);
    keep(&mut cache, "GET a", "1");
    keep(&mut cache, "MGET a b a", "2");
    keep(&mut cache, "GET b", "3");
    for line in ["GET a", "MGET a b a", "GET b"] {
        assert!(answer(&mut cache, 0, line).is_some(), "{line}");
        assert_eq!(answer(&mut cache, 1, line), None, "another database: {line}");
    }
    cache.invalidate(b"a");
    assert_eq!(answer(&mut cache, 0, "GET a"), None);
    assert_eq!(answer(&mut cache, 0, "MGET a b a"), None);
    assert_eq!(answer(&mut cache, 0, "GET b").unwrap(), "3");
    assert_eq!(cache.counts().invalidations, 2);
    cache.invalidate(b"GET");
    cache.invalidate(b"b");
    nothing_is_left(&cache);
}

#[test]
fn what_was_overtaken_by_a_change_is_not_kept() {
    let mut cache = Cache::new(1 << 20);
    let first = place(&mut cache, "GET a");
    assert!(matches!(cache.lookup(&key(0, "GET a")), Found::Miss(None)), "one waits already");
    cache.invalidate(b"a");
    let second = place(&mut cache, "GET a");
    cache.fill(first, Reply::string(b"old"));
    assert!(matches!(cache.lookup(&key(0, "GET a")), Found::Miss(None)), "the second still waits");
    cache.give_back(first);
    cache.fill(second, Reply::string(b"new"));
    assert_eq!(answer(&mut cache, 0, "GET a").unwrap(), "new");
    cache.give_back(second);
    cache.fill(second, Reply::string(b"again"));
    assert_eq!(answer(&mut cache, 0, "GET a").unwrap(), "new", "a place is filled once");
    assert_eq!(cache.counts().invalidations, 0, "no answer was lost");
}

#[test]
fn databases_are_cleared_one_by_one() {
    let mut cache = Cache::new(1 << 20);
    let Found::Miss(Some(other)) = cache.lookup(&key(1, "GET a")) else { panic!() };
    keep(&mut cache, "GET a", "0");
    cache.clear_origin(0);
    assert_eq!(answer(&mut cache, 0, "GET a"), None);
    cache.fill(other, Reply::string(b"1"));
    assert_eq!(answer(&mut cache, 1, "GET a").unwrap(), "1");
    let lost = place(&mut cache, "GET b");
    cache.clear();
    cache.fill(lost, Reply::string(b"b"));
    nothing_is_left(&cache);
}

#[test]
fn the_answer_that_was_not_asked_for_longest_makes_room() {
    let mut cache = Cache::new(64 << 10);
    for number in 0..1000 {
        keep(&mut cache, &format!("GET key{number}"), &"x".repeat(100));
        assert!(answer(&mut cache, 0, "GET key0").is_some(), "{number}");
        assert!(cache.counts().bytes <= 64 << 10);
    }
    let Counts { entries, evictions, invalidations, .. } = cache.counts();
    assert_eq!((entries as u64 + evictions, invalidations), (1000, 0));
    assert!(entries > 50, "{entries}");
    assert_eq!(answer(&mut cache, 0, "GET key1"), None);
}

#[test]
fn what_is_too_large_or_has_no_key_is_not_kept() {
    let mut cache = Cache::new(64 << 10);
    keep(&mut cache, "GET large", &"x".repeat(8 << 10));
    nothing_is_left(&cache);
    assert!(matches!(cache.lookup(&key(0, &format!("GET {}", "x".repeat(8 << 10)))), Found::Miss(None)));
    assert!(matches!(cache.lookup(&key(0, "GET")), Found::Miss(None)));
    assert!(matches!(Cache::new(0).lookup(&key(0, "GET a")), Found::Miss(None)));
    nothing_is_left(&cache);
}

/// Answers are numbers that never come again; the model knows of each key when it was changed last.
#[test]
fn random_operations_against_a_model() {
    let mut random = fastrand::Rng::with_seed(5);
    for limit in [0, 3 << 10, 16 << 10, 1 << 20] {
        let mut cache = Cache::new(limit);
        let mut changed: HashMap<String, u64> = HashMap::new();
        let mut cleared = [0; 2];
        // Of each place that waits: where, what, since when.
        let mut waiting: Vec<(Reservation, u32, Vec<String>, u64)> = Vec::new();
        // Of each answer that was kept: of which database and keys, asked for when.
        let mut given: HashMap<u64, (u32, Vec<String>, u64)> = HashMap::new();
        let mut hits = 0;
        for now in 1..30_000 {
            let database = random.u32(..2);
            let keys: Vec<String> = (0..random.usize(1..3)).map(|_| format!("k{}", random.u32(..6))).collect();
            match random.u32(..20) {
                0..=13 if waiting.len() < 8 => {
                    match cache.lookup(&key(database, &format!("MGET {}", keys.join(" ")))) {
                        Found::Miss(Some(place)) => waiting.push((place, database, keys, now)),
                        Found::Miss(None) => {}
                        Found::Hit(reply) => {
                            hits += 1;
                            let (of, about, asked) = &given[&number_of(&reply)];
                            assert_eq!((*of, about), (database, &keys));
                            assert!(*asked > cleared[database as usize]);
                            assert!(about.iter().all(|key| changed.get(key).is_none_or(|changed| changed < asked)));
                        }
                    }
                }
                0..=18 if !waiting.is_empty() => {
                    let (place, database, keys, asked) = waiting.swap_remove(random.usize(..waiting.len()));
                    if random.u32(..8) == 0 {
                        cache.give_back(place);
                    } else {
                        let text = format!("{now:0width$}", width = random.usize(10..300));
                        cache.fill(place, Reply::string(text.as_bytes()));
                        given.insert(now, (database, keys, asked));
                    }
                }
                19 => {
                    cache.invalidate(keys[0].as_bytes());
                    changed.insert(keys[0].clone(), now);
                }
                _ if random.u32(..10) == 0 => {
                    cache.clear_origin(database);
                    cleared[database as usize] = now;
                }
                _ => {}
            }
            let Counts { entries, bytes, .. } = cache.counts();
            assert!(bytes <= limit);
            let held = cache.entries.iter().flatten();
            assert_eq!(bytes, held.clone().map(|entry| entry.bytes).sum());
            assert_eq!(entries, held.filter(|entry| entry.reply.is_some()).count());
        }
        assert_eq!(hits > 1000, limit > 0, "{hits} hits in {limit} bytes");
        let named: HashSet<Box<[u8]>> =
            cache.entries.iter().flatten().flat_map(|entry| keys_of(&entry.key)).map(Box::from).collect();
        assert_eq!(named, cache.keys.keys().cloned().collect());
        cache.clear();
        nothing_is_left(&cache);
    }
}

fn number_of(reply: &Reply) -> u64 {
    std::str::from_utf8(reply.as_bytes()).unwrap().parse().unwrap()
}
