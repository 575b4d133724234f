//! What is sent in one piece and answered as a whole: who its answer is for, the answer, and what is known of it when
//! its connection is lost. Data.

use bytes::Bytes;

use crate::protocol::reply::Reply;

/// The name under which the owner of a request knows it. [`Ticket::NOBODY`] marks what nobody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

impl Ticket {
    /// A command of the link itself (a ping): its reply is only counted.
    pub const NOBODY: Ticket = Ticket(0);
}

/// Who a unit is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addressee {
    /// The request.
    pub ticket: Ticket,
    /// Which unit of the request.
    pub part: u32,
}

/// What is sent in one piece, and who its answer is for: a command, MULTI .. EXEC, or a command behind another one that
/// prepares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Who it is for.
    pub to: Addressee,
    /// How many replies it gets.
    pub replies: u32,
    /// What is sent.
    pub bytes: Bytes,
}

/// The answer to a unit: all its replies together.
#[derive(Debug)]
pub struct Answer {
    /// Who it is for.
    pub to: Addressee,
    /// The last reply; nearly always the only one.
    pub reply: Reply,
    /// What else is known of the unit, where that may matter; `None`: it had one reply, which is no error.
    pub exchange: Option<Box<Exchange>>,
}

/// What was sent for an answer, and the replies before its last.
#[derive(Debug, Default)]
pub struct Exchange {
    /// The bytes of the unit.
    pub request: Bytes,
    /// The replies before the last one, in order.
    pub earlier: Vec<Reply>,
}

/// A unit of which at least one byte was sent and whose connection is gone.
#[derive(Debug)]
pub struct Lost {
    /// The unit, to be sent again.
    pub unit: Unit,
    /// The next reply would have been its.
    pub is_next: bool,
    /// All of it was sent; otherwise the server cannot have read the end of its last command.
    pub is_whole: bool,
    /// The replies that came, in order; the last one is not among them.
    pub received: Vec<Reply>,
}
