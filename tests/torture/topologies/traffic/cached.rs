//! Reads that a cache answers: a client reads what it has written, never something older than it has read, and soon
//! what others have written.

use std::time::{Duration, Instant};

use super::{Traffic, Worker, checked};
use crate::support::client::Tester;
use crate::support::wait;

/// A number that the cache may know.
fn read(client: &Tester, key: &str) -> i64 {
    checked(client.cached(&["GET", key])).integer()
}

pub fn reads(traffic: &Traffic<'_>, worker: &Worker) {
    let (own, foreign) = (traffic.keys("own"), traffic.keys("foreign"));
    let mut number = 0;
    let round = |number: i64| {
        for (own, foreign) in own.iter().zip(&foreign) {
            assert_eq!(traffic.caching.text(&["SET", own, &number.to_string()]), "OK");
            for _ in 0..3 {
                assert_eq!(read(traffic.caching, own), number, "{own}");
            }
            assert_eq!(traffic.client.text(&["SET", foreign, &number.to_string()]), "OK");
            let (begin, mut last, mut stale_for) = (Instant::now(), number - 1, Duration::ZERO);
            wait::until("what another client has written", || {
                let asked = begin.elapsed();
                let found = read(traffic.caching, foreign);
                assert!((last..=number).contains(&found), "{foreign}: {found} after {last}");
                if found < number {
                    stale_for = asked;
                }
                last = found;
                found == number
            });
            let mut most = traffic.stale_for.lock().unwrap();
            *most = most.max(stale_for);
            worker.count();
        }
        // In parts, each of which may be kept or not.
        let words: Vec<&str> = ["MGET"].into_iter().chain(own.iter().map(|key| &**key)).collect();
        let all = checked(traffic.caching.cached(&words));
        let is_right = all.reply.items().iter().all(|item| item.to_i64().is_some_and(|found| found == number));
        assert!(is_right && all.reply.items().len() == own.len(), "{number}: {all:?}");
    };
    foreign.iter().for_each(|key| assert_eq!(traffic.client.text(&["SET", key, "0"]), "OK"));
    while !traffic.is_over() {
        number += 1;
        round(number);
    }
    // After all moves nothing is kept that nobody tells of.
    round(number + 1);
    round(number + 2);
}
