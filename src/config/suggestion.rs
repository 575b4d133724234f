//! The option that was meant by a name that is none: a former name, another spelling, or a typing error.

use super::options::OPTIONS;
use super::quote::quote;
use crate::error::{Error, Status};

/// What the ancestor called them, so that whoever comes from there is led to the new name.
const FORMER: &[(&str, &str)] = &[
    ("connecttimeout", "connect_timeout"),
    ("connectretry", "connect_retries"),
    ("sockettimeout", "command_timeout"),
    ("recvbuffersize", "receive_buffer"),
    ("tcpkeepalive", "tcp_keepalive"),
    ("tcpnodelay", "tcp_nodelay"),
    ("maxconnections", "max_connections"),
    ("user", "username"),
    ("db", "database"),
    ("host", "endpoints"),
];

/// The error about a name that no option has.
pub(super) fn unknown(name: &str) -> Error {
    let hint = nearest(name).map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
    Error::new(Status::Config, format!("unknown option {}{hint}", quote(name)))
}

/// The option that was probably meant. `Connect-Timeout` and `connecttimeout` are no distance from the name.
fn nearest(name: &str) -> Option<&'static str> {
    if name.len() > 64 {
        return None;
    }
    let bare = |name: &str| name.to_ascii_lowercase().replace(['_', '-', '.', ' '], "");
    let given = bare(name);
    if let Some((_, new)) = FORMER.iter().find(|(former, _)| *former == given) {
        return Some(new);
    }
    let (distance, near) =
        OPTIONS.iter().map(|option| (distance(&given, &bare(option.name)), option.name)).min_by_key(|pair| pair.0)?;
    // Beyond a third of the letters it would be a guess, and "xyz" is not a typo of "url".
    (distance <= near.len().min(given.len()) / 3).then_some(near)
}

/// How many letters must be inserted, removed or changed (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (index, letter) in left.chars().enumerate() {
        let mut cells = row.iter_mut();
        // `diagonal` is the cell above and to the left, `before` the one to the left.
        let (mut diagonal, mut before) = (index, index + 1);
        if let Some(first) = cells.next() {
            *first = before;
        }
        for (cell, other) in cells.zip(right.chars()) {
            let changed = diagonal + usize::from(other != letter);
            diagonal = *cell;
            *cell = changed.min(before + 1).min(diagonal + 1);
            before = *cell;
        }
    }
    row.last().copied().unwrap_or(0)
}
