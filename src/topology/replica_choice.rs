//! Which server answers a read: the primary or one of its replicas, as the option `read_from` says. Pure.

use crate::config::ReadFrom;

/// What is known of the data of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    /// It has what its primary has, or has had within `max_replica_lag`.
    Current,
    /// Its connection to the primary is down; how old its data may be is not limited.
    Old,
    /// Too old, or there are none, or it is no replica, or nothing is known of it.
    Unusable,
}

/// A server that could be asked.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Something can be sent to it at once.
    pub is_connected: bool,
    /// It is in the zone of the client.
    pub is_near: bool,
    /// What is known of its data; a primary's are current.
    pub data: Data,
}

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The replica in this place.
    Replica(usize),
    /// The primary.
    Primary,
    /// Nobody just now.
    Nobody,
}

/// Chooses; among those that are as good as each other, each in its `turn`.
pub fn choose(read_from: ReadFrom, primary: Candidate, replicas: &[Candidate], turn: usize) -> Choice {
    let of_replicas = replicas.iter().enumerate();
    let ranked = of_replicas
        .filter_map(|(place, replica)| rank_of_replica(read_from, *replica).map(|rank| (rank, Choice::Replica(place))));
    let primary = rank_of_primary(read_from, primary).map(|rank| (rank, Choice::Primary));
    let ranked: Vec<(u8, Choice)> = ranked.chain(primary).collect();
    let Some(best) = ranked.iter().map(|(rank, _)| *rank).min() else { return Choice::Nobody };
    let best: Vec<Choice> = ranked.into_iter().filter(|(rank, _)| *rank == best).map(|(_, choice)| choice).collect();
    best.get(turn % best.len().max(1)).copied().unwrap_or(Choice::Nobody)
}

/// The lower the better; `None`: never.
fn rank_of_replica(read_from: ReadFrom, replica: Candidate) -> Option<u8> {
    let is_meant = replica.is_connected && read_from != ReadFrom::Primary;
    match replica.data {
        Data::Current if read_from == ReadFrom::NearestZone && !replica.is_near => Some(2),
        Data::Current => Some(0),
        Data::Old => Some(4),
        Data::Unusable => None,
    }
    .filter(|_| is_meant)
}

fn rank_of_primary(read_from: ReadFrom, primary: Candidate) -> Option<u8> {
    match read_from {
        ReadFrom::Replica => None,
        _ if !primary.is_connected => Some(5),
        ReadFrom::Any => Some(0),
        ReadFrom::NearestZone if primary.is_near => Some(1),
        ReadFrom::Primary | ReadFrom::PreferReplica | ReadFrom::NearestZone => Some(3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ReadFrom::{Any, NearestZone, PreferReplica, Primary, Replica};

    /// `+` is connected, `-` is not; then the data, and `n` for near.
    fn candidate(text: &str) -> Candidate {
        let data = match text.get(1..2) {
            Some("c") => Data::Current,
            Some("o") => Data::Old,
            _ => Data::Unusable,
        };
        Candidate { is_connected: text.starts_with('+'), is_near: text.ends_with('n'), data }
    }

    /// Who is asked in six turns: `p` the primary, a number a replica, `.` nobody.
    fn turns(read_from: ReadFrom, primary: &str, replicas: &str) -> String {
        let replicas: Vec<Candidate> = replicas.split_whitespace().map(candidate).collect();
        let shown = |turn| match choose(read_from, candidate(primary), &replicas, turn) {
            Choice::Replica(place) => place.to_string(),
            Choice::Primary => "p".to_owned(),
            Choice::Nobody => ".".to_owned(),
        };
        (0..6).map(shown).collect()
    }

    #[test]
    fn who_is_asked() {
        for (primary, replicas, of_primary, preferred, only, any, nearest) in [
            // Who is asked of these with primary, prefer_replica, replica, any and nearest_zone.
            ("+c", "", "pppppp", "pppppp", "......", "pppppp", "pppppp"),
            ("+c", "+c +c", "pppppp", "010101", "010101", "01p01p", "010101"),
            ("-c", "+c", "pppppp", "000000", "000000", "000000", "000000"),
            // Those that are not connected, that have nothing, or are cut off.
            ("+c", "-c +c", "pppppp", "111111", "111111", "1p1p1p", "111111"),
            ("+c", "-c", "pppppp", "pppppp", "......", "pppppp", "pppppp"),
            ("+c", "+x -x", "pppppp", "pppppp", "......", "pppppp", "pppppp"),
            ("+c", "+o", "pppppp", "pppppp", "000000", "pppppp", "pppppp"),
            ("-c", "+o", "pppppp", "000000", "000000", "000000", "000000"),
            ("-c", "-o +x", "pppppp", "pppppp", "......", "pppppp", "pppppp"),
            // The near ones first.
            ("+c", "+c +cn +c +cn", "pppppp", "012301", "012301", "0123p0", "131313"),
            ("+cn", "+c +c", "pppppp", "010101", "010101", "01p01p", "pppppp"),
            ("+cn", "+c -cn +xn", "pppppp", "000000", "000000", "0p0p0p", "pppppp"),
            ("-cn", "+c +on", "pppppp", "000000", "000000", "000000", "000000"),
        ] {
            let all = [Primary, PreferReplica, Replica, Any, NearestZone].map(|from| turns(from, primary, replicas));
            assert_eq!(all, [of_primary, preferred, only, any, nearest], "{primary}; {replicas}");
        }
    }
}
