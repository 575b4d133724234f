//! WAIT and WAITAOF at the end of a pipeline whose commands are sent to another node of a cluster: they speak of the
//! writes of one connection, and so are sent again behind those of the next.
//!
//! Invariant: their answer is the least of those that speak of writes of this request.

use super::core::Core;
use super::destination::Destination;
use super::pending::{NOT_QUEUED, Pending, Work};
use super::state::State;
use super::unblock::with_some_time_left;
use crate::connection::unit::{Addressee, Ticket, Unit};
use crate::protocol::reply::{Node, Reply};

/// What WAIT and WAITAOF are answered when both answers hold.
fn lesser(one: &Node, other: &Node) -> Option<Reply> {
    let least = |one: &Node, other: &Node| Some(Reply::integer(one.to_i64()?.min(other.to_i64()?)));
    if one.items().is_empty() {
        return least(one, other);
    }
    let items = one.items().iter().zip(other.items()).map(|(one, other)| least(one, other));
    Reply::array(items.collect::<Option<Vec<Reply>>>()?).ok()
}

impl<D: Destination> Core<D> {
    /// A unit of a pipeline that ends with such a command was answered. `None`: it was that command, and it is sent
    /// again, because a command before it is; else its answer.
    pub(super) fn answer_of_whole(&self, state: &mut State<D>, to: Addressee, reply: Reply) -> Option<Reply> {
        let is_cluster = self.topology.cluster().is_some();
        let Some(Pending { work: Work::Gather(gather), dedicated: Some(dedicated), .. }) =
            state.requests.get(to.ticket).filter(|_| is_cluster)
        else {
            return Some(reply);
        };
        if !dedicated.whole || dedicated.last.is_none() || dedicated.abandoned.is_some() {
            return Some(reply);
        }
        if !gather.is_last(to.part) {
            dedicated.has_run = true;
            return Some(reply);
        }
        let counts = std::mem::take(&mut dedicated.has_run) && !reply.is_error();
        let least = dedicated.acknowledged.take();
        let reply = match least.filter(|_| !reply.is_error()).and_then(|least| lesser(&least, &reply)) {
            Some(least) if counts => least,
            Some(least) if gather.is_last_missing() => least,
            _ => reply,
        };
        if gather.is_last_missing() {
            return Some(reply);
        }
        if counts {
            dedicated.acknowledged = Some(reply);
        }
        let waited = dedicated.sent.map(|sent| self.clock.instant().saturating_duration_since(sent));
        let session = dedicated.session;
        let bytes = with_some_time_left(dedicated.last.as_ref()?, waited.unwrap_or_default());
        let is_alone = dedicated.waiting.is_empty();
        dedicated.held = Some(Unit { to, replies: 1, bytes });
        state.requests.get(to.ticket)?.set_place(to.part, NOT_QUEUED);
        if !is_alone {
            self.enqueue_held(state, to.ticket);
            self.proceed(state, session);
        }
        None
    }

    /// The last command of a whole request goes behind one that is sent again.
    pub(super) fn enqueue_held(&self, state: &mut State<D>, ticket: Ticket) {
        let dedicated = state.requests.get(ticket).and_then(|pending| pending.dedicated.as_mut());
        if let Some(unit) = dedicated.and_then(|dedicated| dedicated.held.take()) {
            self.enqueue_again(state, unit);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::client::fixture::{Fixture, Peer};

    /// Slots 0 to 8191 (`b`: 3300) at a:1, the others at b:1.
    const HALVES: [&str; 15] =
        ["*2", "*3", ":0", ":8191", "*2", "$1", "a", ":1", "*3", ":8192", ":16383", "*2", "$1", "b", ":1"];

    const MOVED: &str = "-MOVED 3300 b:1";
    const ASK: &str = "-ASK 3300 b:1";

    #[test]
    fn of_two_answers_the_lesser_holds() {
        let numbers = |numbers: &[i64]| Reply::array(numbers.iter().map(|number| Reply::integer(*number)).collect());
        assert_eq!(lesser(&Reply::integer(2), &Reply::integer(1)).unwrap().to_i64(), Some(1));
        let least = lesser(&numbers(&[1, 2]).unwrap(), &numbers(&[0, 3]).unwrap()).unwrap();
        assert_eq!(least.items().iter().map(|item| item.to_i64().unwrap()).collect::<Vec<_>>(), [0, 2]);
        assert!(lesser(&Reply::integer(2), &Reply::ok()).is_none());
    }

    fn sent(commands: &[&str]) -> (Fixture, Peer) {
        let mut fixture = Fixture::cluster(&HALVES);
        fixture.submit(commands).unwrap();
        let mut a = fixture.dedicated_at("a:1");
        assert_eq!(a.read(), commands.join(" | "));
        (fixture, a)
    }

    #[test]
    fn it_waits_behind_the_writes_wherever_they_go() {
        const ALL: [&str; 3] = ["SET b 1", "SET {b}2 1", "WAIT 1 100"];
        // What a:1 answers, what b:1 then gets and answers, and what all of that is.
        for (first, again, second, all) in [
            ([MOVED, MOVED, ":0"], "SET b 1 | SET {b}2 1 | WAIT 1 100", &["+OK", "+OK", ":1"][..], "OK, OK, 1"),
            ([MOVED, MOVED, "-ERR no"], "SET b 1 | SET {b}2 1 | WAIT 1 100", &["+OK", "+OK", ":1"], "OK, OK, 1"),
            ([ASK, "+OK", ":1"], "ASKING | SET b 1 | WAIT 1 100", &["+OK", "+OK", ":3"], "OK, OK, 1"),
            ([ASK, "+OK", ":3"], "ASKING | SET b 1 | WAIT 1 100", &["+OK", "+OK", ":1"], "OK, OK, 1"),
            (["+OK", MOVED, ":2"], "SET {b}2 1 | WAIT 1 100", &["-ERR no", "-ERR no"], "OK, ERR no, ERR no"),
        ] {
            let (fixture, mut a) = sent(&ALL);
            a.answer(&first);
            let mut b = fixture.dedicated_at("b:1");
            assert_eq!(b.read(), again, "{first:?}");
            b.answer(second);
            assert_eq!(fixture.completion(), format!("1 Ok Answered: [{all}]"), "{first:?}");
        }
    }

    #[test]
    fn it_waits_behind_a_write_that_was_not_possible_yet() {
        let (fixture, mut a) = sent(&["SET b 1", "SET {b}2 1", "WAIT 1 0"]);
        a.answer(&["-CLUSTERDOWN", "+OK", ":2"]);
        assert_eq!(a.read(), "");
        fixture.pass(Duration::from_millis(100));
        assert_eq!(a.read(), "SET b 1 | WAIT 1 0");
        a.answer(&["+OK", ":3"]);
        assert_eq!(fixture.completion(), "1 Ok Answered: [OK, OK, 2]");
    }

    #[test]
    fn what_it_waits_for_is_not_at_another_node() {
        let (fixture, mut a) = sent(&["SET b 1", "WAIT 1 0"]);
        let demoted = "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)";
        a.answer(&["+OK", &format!("-{demoted}")]);
        assert_eq!(fixture.completion(), format!("1 Ok Answered: [OK, {demoted}]"));
    }
}
