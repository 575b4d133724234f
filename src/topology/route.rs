//! Where a request wants to go, as its user says.

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
