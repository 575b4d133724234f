//! Which server: the nodes that exist, and the one that serves a request.
//!
//! * [`node`]: one server and its links; [`backlog`]: what waits for dedicated ones; [`held_scripts`]: which scripts
//!   the server holds; [`rediscovery`]: whether to look for a better server; [`deferred`]: what is done with links when
//!   no lock is held.
//! * [`standalone`]: there is one node.
//! * [`cluster`]: each node serves a part of the keys.

pub mod backlog;
pub mod cluster;
pub mod deferred;
pub mod held_scripts;
pub mod node;
pub mod rediscovery;
pub mod standalone;

/// Where a request wants to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// To the node that serves its keys.
    ByKey,
    /// To any node.
    Random,
    /// To every primary.
    Primaries,
    /// To every replica.
    Replicas,
    /// To every node.
    All,
    /// To the node of this address.
    Node(&'a str),
}

impl<'a> Route<'a> {
    /// How a user writes it.
    pub fn parse(text: &'a str) -> Route<'a> {
        match text {
            "primaries" => Route::Primaries,
            "replicas" => Route::Replicas,
            "all" => Route::All,
            "random" => Route::Random,
            address => Route::Node(address),
        }
    }

    /// Whether the answer is a map of address to reply.
    pub fn is_several(self) -> bool {
        matches!(self, Route::Primaries | Route::Replicas | Route::All)
    }
}
