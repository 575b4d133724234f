//! How large a reply may be.

/// What a reply may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many aggregates may be open within each other.
    pub depth: usize,
    /// The memory of one reply: 48 for each node, and its texts. The longest bulk string is shorter than this.
    pub reply_bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { depth: 128, reply_bytes: 1 << 30 }
    }
}
