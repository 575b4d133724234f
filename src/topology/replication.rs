//! What a server says of its replication, in answer to INFO, and how far behind its primary a replica is. Pure.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::address::Address;

/// So many of the primary's positions are remembered: a replica that is behind all of them is behind.
const REMEMBERED: usize = 64;

/// The answer to INFO replication.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replication {
    /// It follows another server.
    pub is_replica: bool,
    /// It is connected to that one and has its data.
    pub is_linked: bool,
    /// How many bytes of the primary's changes it has or, of a primary, has made.
    pub position: u64,
    /// Of a primary: where its replicas are that have its data.
    pub replicas: Vec<Address>,
}

impl Replication {
    /// Of the text of the answer; what is not in it is not so.
    pub fn of(text: &str) -> Replication {
        let mut replication = Replication::default();
        let (mut is_up, mut is_syncing, mut of_primary, mut of_replica) = (false, false, 0, None);
        for line in text.lines() {
            let Some((key, value)) = line.trim_end().split_once(':') else { continue };
            match key {
                "role" => replication.is_replica = matches!(value, "slave" | "replica"),
                "master_link_status" => is_up = value == "up",
                "master_sync_in_progress" => is_syncing = value != "0",
                "master_repl_offset" => of_primary = value.parse().unwrap_or_default(),
                "slave_repl_offset" => of_replica = value.parse().ok(),
                _ if key.strip_prefix("slave").is_some_and(|number| number.parse::<u32>().is_ok()) => {
                    replication.replicas.extend(address_of(value));
                }
                _ => {}
            }
        }
        replication.is_linked = replication.is_replica && is_up && !is_syncing;
        replication.position = of_replica.filter(|_| replication.is_replica).unwrap_or(of_primary);
        replication
    }
}

/// Where a replica is of which its primary says `ip=10.0.0.3,port=6379,state=online,offset=14,lag=0`; `None`: it has
/// not all data yet.
fn address_of(text: &str) -> Option<Address> {
    let field = |name: &str| text.split(',').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name));
    let (_, state) = field("state")?;
    let ((_, host), (_, port)) = (field("ip")?, field("port")?);
    Address::tcp(host, port.parse().ok()?).ok().filter(|_| state == "online")
}

/// Which position a primary had when.
#[derive(Debug, Default)]
pub struct History(VecDeque<(Instant, u64)>);

impl History {
    /// The primary has this position.
    pub fn note(&mut self, position: u64, now: Instant) {
        match self.0.back_mut() {
            Some((at, last)) if *last == position => *at = now,
            // It is another primary, or its data are others.
            Some((_, last)) if *last > position => self.0 = VecDeque::from([(now, position)]),
            _ => self.0.push_back((now, position)),
        }
        if self.0.len() > REMEMBERED {
            self.0.pop_front();
        }
    }

    /// How old at most what a replica has is that is at this position; `None`: that is not known, or too long ago.
    pub fn lag(&self, position: u64, now: Instant) -> Option<Duration> {
        let (at, _) = self.0.iter().rev().find(|(_, of_primary)| *of_primary <= position)?;
        Some(now.saturating_duration_since(*at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_of_its_replication() {
        let of = |lines: &str| Replication::of(&lines.replace(' ', "\r\n"));
        let at = |address: &str| Address::parse(address).unwrap();
        let primary = "# role:master connected_slaves:3 slave0:ip=10.0.0.2,port=6380,state=online,offset=14,lag=1 \
                       slave1:ip=fd00::2,port=6379,state=online,offset=14,lag=0 \
                       slave2:ip=10.0.0.4,port=6379,state=wait_bgsave,offset=0,lag=0 slave_expires_tracked_keys:0 \
                       master_repl_offset:28";
        let replicas = vec![at("10.0.0.2:6380"), at("[fd00::2]:6379")];
        assert_eq!(of(primary), Replication { is_replica: false, is_linked: false, position: 28, replicas });
        for (lines, is_replica, is_linked, position) in [
            ("", false, false, 0),
            ("role:slave master_link_status:up master_sync_in_progress:0 slave_repl_offset:7", true, true, 7),
            ("role:replica master_link_status:up slave_repl_offset:7 master_repl_offset:9", true, true, 7),
            ("role:slave master_link_status:down slave_repl_offset:7", true, false, 7),
            ("role:slave master_link_status:up master_sync_in_progress:1", true, false, 0),
            ("role:master master_link_status:up slave_repl_offset:7 master_repl_offset:9", false, false, 9),
            ("slave0:ip=,port=x,state=online slave1:nothing slavex:ip=a,port=1,state=online role", false, false, 0),
        ] {
            let expected = Replication { is_replica, is_linked, position, replicas: Vec::new() };
            assert_eq!(of(lines), expected, "{lines}");
        }
    }

    #[test]
    fn a_replica_is_as_old_as_the_last_position_of_the_primary_that_it_has() {
        let start = Instant::now();
        let at = |second: u64| start + Duration::from_secs(second);
        let mut history = History::default();
        assert_eq!(history.lag(100, at(0)), None, "nothing is known of the primary");
        for (second, position) in [(1, 100), (2, 200), (3, 200), (4, 300)] {
            history.note(position, at(second));
        }
        for (position, lag) in
            [(99, None), (100, Some(4)), (199, Some(4)), (200, Some(2)), (300, Some(1)), (400, Some(1))]
        {
            assert_eq!(history.lag(position, at(5)), lag.map(Duration::from_secs), "{position}");
        }
        history.note(50, at(6));
        assert_eq!(history.lag(400, at(6)), Some(Duration::ZERO), "it is another primary");
        assert_eq!(history.lag(49, at(6)), None);
        (0..1000).for_each(|number| history.note(100 + number, at(7)));
        assert_eq!(history.0.len(), REMEMBERED);
    }
}
