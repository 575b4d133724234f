//! The bytes of a request: of which units it consists, how long they are, and how they get into the outgoing bytes of a
//! link.
//!
//! Invariant: what is appended is exactly as long as what was measured.

use bytes::Bytes;

use super::transaction::FRAME;
use crate::connection::pipeline::Pipeline;
use crate::connection::quota::Load;
use crate::connection::segments::LARGE;
use crate::connection::unit::{Addressee, Ticket, Unit};
use crate::error::{Error, Status};
use crate::protocol::command::{self, Output};

/// The bytes of a request, and how they are cut into units that stand in the FIFO on their own.
pub enum Plan<'a, A> {
    /// One command.
    One(&'a [A]),
    /// One command behind CLIENT CACHING, as one unit: the server tells when its answer is wrong.
    Tracked(&'a [A]),
    /// One command that is encoded already.
    Encoded(Bytes),
    /// Several, each a unit of its own.
    Several(&'a [&'a [A]]),
    /// Several between MULTI and EXEC, as one unit.
    Atomic(&'a [&'a [A]]),
}

/// The lengths of units; one is the rule and costs no memory.
enum Lengths {
    One(usize),
    Many(Vec<usize>),
}

impl Lengths {
    fn as_slice(&self) -> &[usize] {
        match self {
            Lengths::One(length) => std::slice::from_ref(length),
            Lengths::Many(lengths) => lengths,
        }
    }
}

const CACHING: [&str; 3] = ["CLIENT", "CACHING", "YES"];
const MULTI: [&str; 1] = ["MULTI"];
const EXEC: [&str; 1] = ["EXEC"];

/// A unit of one command, behind CLIENT CACHING.
pub fn tracked(unit: Unit) -> Unit {
    let mut bytes = Vec::with_capacity(command::encoded_length(&CACHING).unwrap_or_default() + unit.bytes.len());
    command::encode(&CACHING, &mut bytes);
    bytes.extend_from_slice(&unit.bytes);
    Unit { bytes: bytes.into(), replies: unit.replies + 1, ..unit }
}

impl<'a, A: AsRef<[u8]>> Plan<'a, A> {
    /// Of these commands; `atomic`: as a transaction.
    pub fn of(commands: &'a [&'a [A]], atomic: bool) -> Plan<'a, A> {
        match commands {
            commands if atomic => Plan::Atomic(commands),
            [args] => Plan::One(args),
            commands => Plan::Several(commands),
        }
    }

    /// The length of each unit; `None` if it is beyond what can be addressed.
    fn lengths(&self) -> Option<Lengths> {
        let of = |args: &&[A]| command::encoded_length(args);
        match self {
            Plan::One(args) => of(args).map(Lengths::One),
            Plan::Tracked(args) => {
                let prelude = command::encoded_length(&CACHING)?;
                prelude.checked_add(of(args)?).map(Lengths::One)
            }
            Plan::Encoded(bytes) => Some(Lengths::One(bytes.len())),
            Plan::Several(commands) => commands.iter().map(of).collect::<Option<_>>().map(Lengths::Many),
            Plan::Atomic(commands) => {
                let frame = command::encoded_length(&MULTI)? + command::encoded_length(&EXEC)?;
                let sum = commands.iter().map(of).try_fold(frame, |sum, length| sum.checked_add(length?))?;
                Some(Lengths::One(sum))
            }
        }
    }

    /// How many replies each unit gets.
    fn replies(&self) -> u32 {
        match self {
            Plan::Atomic(commands) => commands.len() as u32 + FRAME,
            Plan::Tracked(_) => 2,
            _ => 1,
        }
    }

    fn encode(&self, unit: usize, out: &mut impl Output) {
        match self {
            Plan::One(args) => command::encode(args, out),
            Plan::Tracked(args) => {
                command::encode(&CACHING, out);
                command::encode(args, out);
            }
            Plan::Encoded(bytes) => out.put(bytes),
            Plan::Several(commands) => commands.get(unit).into_iter().for_each(|args| command::encode(args, out)),
            Plan::Atomic(commands) => {
                command::encode(&MULTI, out);
                commands.iter().for_each(|args| command::encode(args, out));
                command::encode(&EXEC, out);
            }
        }
    }
}

/// A checked request, ready to be appended: small ones are encoded where they go, large ones before any lock is taken.
pub struct Prepared<'a, A> {
    /// What it consists of.
    pub plan: Plan<'a, A>,
    lengths: Lengths,
    total: usize,
    encoded: Option<Bytes>,
}

impl<'a, A: AsRef<[u8]>> Prepared<'a, A> {
    /// Measures and, if it is large, encodes; an error if it is longer than `most`.
    pub fn new(plan: Plan<'a, A>, most: usize) -> Result<Prepared<'a, A>, Error> {
        let measured = plan.lengths().and_then(|lengths| {
            let total = lengths.as_slice().iter().try_fold(0usize, |sum, length| sum.checked_add(*length))?;
            (total <= most).then_some((lengths, total))
        });
        let Some((lengths, total)) = measured else {
            let sentence = format!("the request is longer than max_request_bytes ({most}) allows");
            return Err(Error::new(Status::Argument, sentence));
        };
        let mut prepared = Prepared { plan, lengths, total, encoded: None };
        prepared.encoded = match &prepared.plan {
            Plan::Encoded(bytes) => Some(bytes.clone()),
            _ if total < LARGE => None,
            _ => Some(prepared.encode()?),
        };
        Ok(prepared)
    }

    fn encode(&self) -> Result<Bytes, Error> {
        let mut out = Vec::new();
        out.try_reserve_exact(self.total).map_err(|_| Error::memory(self.total))?;
        (0..self.lengths.as_slice().len()).for_each(|unit| self.plan.encode(unit, &mut out));
        Ok(Bytes::from(out))
    }

    /// How many units there are, and their bytes.
    pub fn load(&self) -> Load {
        Load { requests: self.lengths.as_slice().len(), bytes: self.total }
    }

    /// All units, to be appended later.
    pub fn units(&self, ticket: Ticket) -> Result<Vec<Unit>, Error> {
        let mut bytes = match &self.encoded {
            Some(bytes) => bytes.clone(),
            None => self.encode()?,
        };
        let units = self.lengths.as_slice().iter().enumerate().map(|(unit, length)| {
            let to = Addressee { ticket, part: unit as u32 };
            Unit { to, replies: self.plan.replies(), bytes: bytes.split_to(*length) }
        });
        Ok(units.collect())
    }

    /// Appends all units; gives the first sequence number, the others follow it.
    pub fn append(&self, pipeline: &mut Pipeline, ticket: Ticket) -> u64 {
        let lengths = self.lengths.as_slice();
        match (&self.encoded, lengths.len()) {
            (Some(bytes), 1) => {
                pipeline.append_encoded(Addressee { ticket, part: 0 }, self.plan.replies(), bytes.clone())
            }
            (Some(bytes), _) => pipeline.append_parts(ticket, bytes.clone(), lengths),
            (None, _) => {
                let units = lengths.iter().enumerate().map(|(unit, length)| {
                    let to = Addressee { ticket, part: unit as u32 };
                    pipeline.append(to, self.plan.replies(), *length, |mut room| {
                        self.plan.encode(unit, &mut room);
                        room
                    })
                });
                // Every unit is appended; their numbers follow each other.
                units.reduce(|first, _| first).unwrap_or_default()
            }
        }
    }
}
