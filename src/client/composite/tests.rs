//! Children that answer, fail and stay away, before and after their composite is known.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;

use super::*;
use crate::connection::answers::Answers;
use crate::connection::link::Link;
use crate::connection::recipient::{LinkEvent, Recipient};
use crate::connection::unit::{Addressee, Lost};

/// Notes what it is told to finish.
#[derive(Default)]
struct Client(Lock<Vec<(Ticket, String)>>);

impl Recipient<Link> for Client {
    fn answered(&self, _: &Arc<Link>, _: &mut Answers) {}
    fn on_pushes(&self, _: &Arc<Link>, _: &mut Vec<Reply>) {}
    fn tracking_ended(&self, _: &Arc<Link>) {}
    fn lost(&self, _: &Arc<Link>, _: Vec<Lost>, _: &Error) {}
    fn unreachable(&self, _: &Arc<Link>, _: Vec<Addressee>, _: &Error) {}
    fn ready_to_wait(&self, _: &Arc<Link>, _: &[Ticket]) -> bool {
        true
    }
    fn on_event(&self, _: &Arc<Link>, _: LinkEvent) {}
}

impl Owner for Client {
    fn pinged_subscription(&self, _: Ticket) -> Option<Ticket> {
        None
    }
    fn no_deadline(&self, _: Ticket) {}
    fn finish(&self, ticket: Ticket, _: u32, verdict: Verdict) {
        self.0.lock().push((ticket, shown(&verdict)));
    }
    fn end_one(&self, _: Ticket, _: &Error) {}
    fn spawn(&self, _: Pin<Box<dyn Future<Output = ()> + Send>>) {}
}

/// Status and outcome, then `address=text` of each child.
fn shown(verdict: &Verdict) -> String {
    let text = |reply: &crate::protocol::reply::Node| String::from_utf8_lossy(reply.as_bytes()).into_owned();
    let pairs: Vec<String> =
        verdict.reply.items().chunks(2).map(|pair| format!("{}={}", text(&pair[0]), text(&pair[1]))).collect();
    format!("{:?} {:?}: {}", verdict.status, verdict.outcome, pairs.join(" "))
}

fn two(client: &Arc<Client>) -> Arc<Composite> {
    let owner: Weak<Client> = Arc::downgrade(client);
    Composite::new(owner, Policy::ByAddress(vec!["a:1".to_string(), "b:2".to_string()]))
}

fn answer(composite: &Arc<Composite>, child: u64, outcome: Outcome, text: &str) {
    let reply = match outcome {
        Outcome::Answered => Reply::string(text.as_bytes()),
        _ => Reply::error(Status::Lost, outcome, text),
    };
    let completion = Completion { user_data: child, request: 0, status: Status::Ok, flags: outcome.bit(), reply };
    Arc::clone(composite).deliver(VecDeque::from([completion]).drain(..));
}

const PARENT: Ticket = Ticket(7);
const CHILDREN: [Ticket; 2] = [Ticket(8), Ticket(9)];

#[test]
fn it_is_over_when_all_children_are_whenever_it_is_started() {
    for started_after in 0..=2 {
        let client = Arc::new(Client::default());
        let composite = two(&client);
        for child in 0..=2 {
            if child == started_after {
                composite.start(PARENT, CHILDREN.to_vec());
            }
            if child < 2 {
                assert!(client.0.lock().is_empty());
                answer(&composite, 1 - child, Outcome::Answered, &child.to_string());
            }
        }
        assert_eq!(*client.0.lock(), [(PARENT, "Ok Answered: a:1=1 b:2=0".to_string())]);
    }
}

#[test]
fn a_child_that_failed_is_an_error_in_the_map() {
    for (first, second, outcome) in [
        (Outcome::Answered, Outcome::Unknown, "Unknown"),
        (Outcome::Answered, Outcome::NotRun, "Unknown"),
        (Outcome::NotRun, Outcome::Unknown, "Unknown"),
        (Outcome::NotRun, Outcome::NotRun, "NotRun"),
    ] {
        let client = Arc::new(Client::default());
        let composite = two(&client);
        composite.start(PARENT, CHILDREN.to_vec());
        answer(&composite, 0, first, "x");
        answer(&composite, 1, second, "y");
        assert_eq!(*client.0.lock(), [(PARENT, format!("Ok {outcome}: a:1=x b:2=y"))]);
    }
    assert_eq!(shown(&Composite::of_none()), "Ok Answered: ");
}

#[test]
fn its_end_ends_the_children_that_have_no_answer() {
    let error = Error::new(Status::Timeout, "late");
    for gives_up in [true, false] {
        let client = Arc::new(Client::default());
        let composite = two(&client);
        composite.start(PARENT, CHILDREN.to_vec());
        answer(&composite, 0, Outcome::Answered, "x");
        let mut ended = Vec::new();
        let verdict = composite.end(&error, |child| {
            ended.push(child);
            if gives_up {
                answer(&composite, 1, Outcome::NotRun, "not sent");
            }
        });
        let last = if gives_up { "not sent" } else { "late" };
        assert_eq!((shown(&verdict), ended), (format!("Timeout Unknown: a:1=x b:2={last}"), vec![CHILDREN[1]]));
        assert!(client.0.lock().is_empty(), "it is not finished once more");
    }
}
