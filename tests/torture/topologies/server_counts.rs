//! What the servers of a cluster have counted, of all together.

use std::ops::Sub;

use crate::support::cluster::Cluster;

/// Refusals, and questions for the map.
#[derive(Clone, Copy, Debug)]
pub struct ServerCounts {
    pub moved: usize,
    pub ask: usize,
    pub try_again: usize,
    /// Clients asked for the map.
    pub questions: usize,
}

impl ServerCounts {
    pub fn of(cluster: &Cluster) -> ServerCounts {
        let info = |node: &crate::support::server::Server| node.command(&["INFO", "everything"]).text();
        let texts: Vec<String> = cluster.nodes.iter().map(info).collect();
        let sum = |what: &str| texts.iter().map(|text| number_behind(text, what)).sum();
        ServerCounts {
            moved: sum("errorstat_MOVED:count="),
            ask: sum("errorstat_ASK:count="),
            try_again: sum("errorstat_TRYAGAIN:count="),
            questions: sum("cmdstat_cluster|slots:calls="),
        }
    }
}

impl Sub for ServerCounts {
    type Output = ServerCounts;

    fn sub(self, before: ServerCounts) -> ServerCounts {
        ServerCounts {
            moved: self.moved - before.moved,
            ask: self.ask - before.ask,
            try_again: self.try_again - before.try_again,
            questions: self.questions - before.questions,
        }
    }
}

/// 0 where it is not said.
fn number_behind(text: &str, what: &str) -> usize {
    let line = text.lines().find_map(|line| line.strip_prefix(what));
    let digits = line.and_then(|line| line.split(',').next());
    digits.map_or(0, |digits| digits.trim().parse().unwrap())
}
