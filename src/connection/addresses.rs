//! Which of a name's addresses is tried when. Pure: it is told what the name resolved to and what failed, it looks
//! nothing up. Follows RFC 8305 (Happy Eyeballs).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use crate::lock::Lock;

/// How long an attempt to connect may stay without an answer before the next address is tried beside it.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// So many failed addresses are remembered.
const MOST_FAILED: usize = 64;

/// The order in which to try addresses: the families in turn, beginning with that of the first address, because the
/// resolver's order says which it prefers; then those that failed last time, the longest ago first.
pub fn order(found: &[SocketAddr], failed: &[SocketAddr]) -> VecDeque<SocketAddr> {
    let mut unique: Vec<SocketAddr> = Vec::with_capacity(found.len());
    for address in found {
        if !unique.contains(address) {
            unique.push(*address);
        }
    }
    let v4_first = unique.first().is_some_and(SocketAddr::is_ipv4);
    let good = |address: &&SocketAddr| !failed.contains(address);
    let mut first = unique.iter().filter(good).filter(|address| address.is_ipv4() == v4_first);
    let mut second = unique.iter().filter(good).filter(|address| address.is_ipv4() != v4_first);
    let mut ordered = VecDeque::with_capacity(unique.len());
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            break;
        }
        ordered.extend(pair.into_iter().flatten());
    }
    ordered.extend(failed.iter().filter(|address| unique.contains(address)));
    ordered
}

/// How long to wait for an attempt before the next address is tried beside it, with so much time `left` and so many
/// addresses `remaining`, that one included: each of them gets a turn.
pub fn attempt_delay(left: Duration, remaining: usize) -> Duration {
    let share = left / u32::try_from(remaining.max(1)).unwrap_or(u32::MAX);
    share.min(ATTEMPT_DELAY)
}

/// How much of the time that is `left` the handshake with one address may take, while so many others `remain`.
pub fn handshake_share(left: Duration, remain: usize) -> Duration {
    if remain == 0 { left } else { left / 2 }
}

/// The addresses that failed when they were tried last, the longest ago first; shared by the links of one client.
#[derive(Debug, Default)]
pub struct FailedAddresses(Lock<VecDeque<SocketAddr>>);

impl FailedAddresses {
    /// All of them.
    pub fn list(&self) -> Vec<SocketAddr> {
        self.0.lock().iter().copied().collect()
    }

    /// This one failed just now.
    pub fn add(&self, address: SocketAddr) {
        let mut failed = self.0.lock();
        failed.retain(|other| *other != address);
        failed.push_back(address);
        if failed.len() > MOST_FAILED {
            failed.pop_front();
        }
    }

    /// This one works.
    pub fn remove(&self, address: SocketAddr) {
        self.0.lock().retain(|other| *other != address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &str) -> Vec<SocketAddr> {
        let address = |text: &str| if text.contains(':') { format!("[{text}]:1") } else { format!("10.0.0.{text}:1") };
        texts.split_whitespace().map(|text| address(text).parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns_and_what_failed_goes_last() {
        for (found, failed, ordered) in [
            ("", "", ""),
            ("1", "", "1"),
            ("1 2 3", "", "1 2 3"),
            ("::1 ::2 1 2", "", "::1 1 ::2 2"),
            ("1 2 ::1 ::2", "", "1 ::1 2 ::2"),
            ("1 2 3 ::1", "", "1 ::1 2 3"),
            ("::1 1 2 3", "", "::1 1 2 3"),
            ("1 1 ::1 1 ::1", "", "1 ::1"),
            ("1", "1", "1"),
            ("1 2", "1", "2 1"),
            ("::1 1", "::1", "1 ::1"),
            ("1 2 3", "2 1", "3 2 1"),
            ("1 2 3", "3 1 2", "3 1 2"),
            ("::1 ::2 1 2", "1", "::1 2 ::2 1"),
            ("1 2", "9 8", "1 2"),
        ] {
            assert_eq!(order(&addresses(found), &addresses(failed)), addresses(ordered), "{found} without {failed}");
        }
    }

    #[test]
    fn every_address_gets_its_turn_within_the_budget() {
        let millis = Duration::from_millis;
        for (left, remaining, delay) in [(2000, 2, 250), (200, 2, 100), (2000, 20, 100), (100, 1, 100), (0, 3, 0)] {
            assert_eq!(attempt_delay(millis(left), remaining), millis(delay));
        }
        assert_eq!(attempt_delay(millis(100), 0), millis(100));
        for (left, remain, share) in [(2000, 0, 2000), (2000, 1, 1000), (1000, 5, 500)] {
            assert_eq!(handshake_share(millis(left), remain), millis(share));
        }
    }

    #[test]
    fn an_address_is_remembered_until_it_works_and_not_for_ever() {
        let failed = FailedAddresses::default();
        let [one, two] = addresses("1 2")[..] else { unreachable!() };
        failed.add(one);
        failed.add(two);
        failed.add(one);
        assert_eq!(failed.list(), [two, one]);
        failed.remove(two);
        assert_eq!(failed.list(), [one]);
        (1..=200).for_each(|port| failed.add(SocketAddr::new(two.ip(), port)));
        assert_eq!(failed.list().len(), MOST_FAILED);
    }
}
