//! What is sent in one piece and answered as a whole: who its answer is for, the answer, and what is known of it when
//! its connection is lost. Data.

use bytes::Bytes;

use crate::protocol::reply::Reply;

/// The id of a request: the number of the link that it waits at (16 bits), a serial number that is never 0 and an index
/// there (24 bits each). [`Ticket::NOBODY`] marks what nobody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

impl Ticket {
    /// A command of the link itself (a ping): its reply is only counted.
    pub const NOBODY: Ticket = Ticket(0);
    /// AUTH and the PING behind it, by the link itself: see [`super::credentials::login`]. No request has a serial
    /// number of 0.
    pub const LOGIN: Ticket = Ticket(1);
    /// In the place of a number: the request is one that the client keeps itself.
    pub const NO_LINK: u16 = 0;
    /// Indices are less than this.
    pub const INDICES: u32 = 1 << 24;

    /// The id of these parts.
    #[inline]
    pub const fn new(link: u16, serial: u32, index: u32) -> Ticket {
        Ticket((link as u64) << 48 | (serial as u64) << 24 | index as u64)
    }

    /// The number of the link.
    #[inline]
    pub const fn link(self) -> u16 {
        (self.0 >> 48) as u16
    }

    /// The index.
    #[inline]
    pub const fn index(self) -> u32 {
        self.0 as u32 % Ticket::INDICES
    }

    /// The serial number that follows another one.
    #[inline]
    pub const fn serial_after(serial: u32) -> u32 {
        let next = (serial + 1) % Ticket::INDICES;
        if next == 0 { 1 } else { next }
    }
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
