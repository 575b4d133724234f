//! What is sent in one piece, who its replies are for, and what is known of it when its connection is lost. Data.

use bytes::Bytes;

/// The name under which the owner of a request knows it. [`Ticket::NOBODY`] marks what nobody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

impl Ticket {
    /// A command of the link itself (a ping): its reply is only counted.
    pub const NOBODY: Ticket = Ticket(0);
}

/// Who a reply is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addressee {
    /// The request.
    pub ticket: Ticket,
    /// Which reply of the request.
    pub part: u32,
}

/// What is sent in one piece, and who its replies are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// The request, and the number of the first reply within it.
    pub to: Addressee,
    /// How many replies it gets.
    pub replies: u32,
    /// What is sent.
    pub bytes: Bytes,
}

/// A slot of which at least one byte was sent and whose connection is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The request.
    pub ticket: Ticket,
    /// The number of the slot's first reply within the request.
    pub part: u32,
    /// How many replies the slot would get.
    pub replies: u32,
    /// What was sent, for sending it again.
    pub bytes: Bytes,
    /// The next reply would have been its.
    pub is_next: bool,
    /// All of it was sent; otherwise the server cannot have read the end of its last command.
    pub is_whole: bool,
    /// How many of its replies came.
    pub received: u32,
}
