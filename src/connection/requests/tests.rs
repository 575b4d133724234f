//! The requests of a link against a plain list.

use std::collections::vec_deque::Drain;

use super::*;
use crate::connection::link_number::LinkNumbers;
use crate::connection::unit::{Addressee, Exchange};
use crate::protocol::reply::Reply;

#[derive(Debug)]
struct Nobody;

impl Sink for Nobody {
    fn deliver(self: Arc<Self>, _completions: Drain<'_, Completion>) {}
}

const WAITING: Waiting = Waiting { sequence: 7, user_data: 8, timeout: 9, idempotent: false };

fn put(requests: &mut Requests) -> Ticket {
    let ticket = requests.next_ticket().unwrap();
    requests.put(ticket, WAITING, Some(SinkKey(1, 0)), || Arc::new(Nobody));
    ticket
}

fn answer(ticket: Ticket, exchange: Option<Exchange>) -> Answer {
    Answer { to: Addressee { ticket, part: 0 }, reply: Reply::ok(), exchange: exchange.map(Box::new) }
}

/// What a drain gives: the ids of completions and, after a zero, those of answers.
fn drained(answers: &mut Answers) -> Vec<u64> {
    let ids = std::cell::RefCell::new(Vec::new());
    let complete = |_, completions: Drain<'_, Completion>| ids.borrow_mut().extend(completions.map(|one| one.request));
    answers.drain(complete, |answers| {
        ids.borrow_mut().push(0);
        ids.borrow_mut().extend(answers.map(|answer| answer.to.ticket.0));
    });
    ids.into_inner()
}

#[test]
fn what_is_plainly_answered_is_complete_and_the_rest_is_judged_in_order() {
    let (mut requests, mut answers) = (Requests::new(3), Answers::default());
    let tickets: Vec<Ticket> = (0..4).map(|_| put(&mut requests)).collect();
    let foreign = Ticket::new(Ticket::NO_LINK, 1, 0);
    requests.answered(answer(tickets[0], None), &mut answers);
    requests.answered(answer(tickets[1], None), &mut answers);
    requests.answered(answer(tickets[2], Some(Exchange::default())), &mut answers);
    requests.answered(answer(foreign, None), &mut answers);
    requests.answered(answer(tickets[3], None), &mut answers);
    let [one, two, three, four] = [0, 1, 2, 3].map(|index: usize| tickets[index].0);
    assert_eq!(drained(&mut answers), [one, two, 0, three, foreign.0, four]);
    assert!(answers.is_empty());
    assert_eq!((requests.len(), requests.taken()), (1, 3), "the one that is judged still waits");
    assert_eq!(requests.location(tickets[2]), Location::Here);
}

#[test]
fn a_request_with_which_the_client_goes_on_keeps_its_id() {
    let mut requests = Requests::new(3);
    let (first, name) = (put(&mut requests), Ticket::new(Ticket::NO_LINK, 5, 6));
    assert!(requests.set_deadline(first, 40));
    assert_eq!(requests.move_to(first, name).unwrap().due, Some(40));
    assert_eq!((requests.location(first), requests.len(), requests.arm()), (Location::Moved(name), 0, None));
    assert!(requests.take(first).is_none() && requests.move_to(first, name).is_none());
    let second = put(&mut requests);
    assert_ne!(first.index(), second.index());
    requests.give_back(first);
    requests.give_back(second);
    assert_eq!((requests.location(first), requests.location(second)), (Location::Gone, Location::Here));
    assert_eq!(put(&mut requests).index(), first.index());
    assert_eq!(requests.location(first), Location::Gone, "the id of another one");
}

#[test]
fn a_link_with_the_number_of_one_that_is_gone_gives_other_ids() {
    let numbers = Arc::new(LinkNumbers::default());
    let mut given = Vec::new();
    for _ in 0..3 {
        let number = numbers.take().unwrap();
        assert_eq!(number.number(), 1);
        let mut requests = Requests::new(number.number());
        requests.keep(number);
        for old in &given {
            assert_eq!(requests.location(*old), Location::Gone);
        }
        let new = [(); 2].map(|()| put(&mut requests));
        assert!(new.iter().all(|ticket| ticket.link() == 1 && !given.contains(ticket)), "{new:?} after {given:?}");
        given.extend(new);
        given.iter().for_each(|old| requests.give_back(*old));
        assert_eq!(requests.len(), 2, "what another one's ids say is nothing to these");
    }
}

/// Random requests, answers, ends and deadlines.
#[test]
fn every_request_is_taken_out_exactly_once() {
    for seed in 0..100 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut requests, mut answers) = (Requests::new(9), Answers::default());
        let mut model: Vec<(Ticket, Option<u64>)> = Vec::new();
        let (mut now, mut taken) = (0, 0);
        for _ in 0..1000 {
            match random.u32(0..10) {
                0..5 => {
                    let ticket = put(&mut requests);
                    let due = random.bool().then(|| now + random.u64(1..100));
                    due.inspect(|due| _ = requests.set_deadline(ticket, *due));
                    model.push((ticket, due));
                }
                5..7 if !model.is_empty() => {
                    let (ticket, _) = model.remove(0);
                    requests.answered(answer(ticket, None), &mut answers);
                    assert_eq!(drained(&mut answers), [ticket.0]);
                    taken += 1;
                }
                7 if !model.is_empty() => {
                    let (ticket, due) = model.swap_remove(random.usize(0..model.len()));
                    assert_eq!(requests.take(ticket).map(|taken| (taken.ticket, taken.due)), Some((ticket, due)));
                    assert!(requests.take(ticket).is_none());
                    taken += 1;
                }
                _ => {
                    now += random.u64(0..20);
                    let expired = requests.expire(now, usize::MAX);
                    for ticket in &expired {
                        assert!(requests.take(*ticket).is_some());
                        taken += 1;
                    }
                    let (due, rest) = model.into_iter().partition(|(_, due)| due.is_some_and(|due| due <= now));
                    let due: Vec<(Ticket, Option<u64>)> = due;
                    assert_eq!(expired.len(), due.len());
                    assert!(due.iter().all(|(ticket, _)| expired.contains(ticket)));
                    model = rest;
                    let first = model.iter().filter_map(|(_, due)| *due).min();
                    assert!(requests.arm().is_none_or(|armed| first.is_some_and(|first| armed <= first)));
                }
            }
            assert_eq!((requests.len(), requests.taken()), (model.len(), taken));
        }
    }
}
