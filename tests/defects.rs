//! A defect of the library (a panic on its I/O thread) ends a connection, not a link: what was under way is told as
//! lost, and it is dialled again.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

mod support;

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};

use bytes::Bytes;
use justredis::connection::answers::Answers;
use justredis::connection::background_driver::{self, Opening};
use justredis::connection::credentials::source::CredentialsSource;
use justredis::connection::endpoints::Endpoints;
use justredis::connection::link::Link;
use justredis::connection::purpose::Purpose;
use justredis::connection::recipient::{LinkEvent, Recipient};
use justredis::connection::unit::{Addressee, Lost, Ticket, Unit};
use justredis::error::{Error, Status};
use justredis::protocol::command;
use justredis::protocol::reply::Reply;
use justredis::runtime::Runtime;
use support::client::config;
use support::server::Server;
use support::wait;

/// Where the owner of a link panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Connected,
    Unreachable,
    Answered,
    Lost,
}

/// An owner that panics so often in one place, and notes what it is told otherwise.
struct Faulty {
    place: Place,
    left: AtomicUsize,
    answers: Mutex<Vec<u64>>,
    lost: Mutex<Vec<(u64, Status, String)>>,
}

impl Faulty {
    fn come_to(&self, place: Place) {
        let panics = place == self.place && self.left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok();
        assert!(!panics, "on purpose");
    }
}

impl Recipient<Link> for Faulty {
    fn answered(&self, _: &Arc<Link>, answers: &mut Answers) {
        self.come_to(Place::Answered);
        let mut known = self.answers.lock().unwrap();
        answers.drain(|_, _| {}, |answers| known.extend(answers.map(|answer| answer.to.ticket.0)));
    }

    fn on_pushes(&self, _: &Arc<Link>, _: &mut Vec<Reply>) {}

    fn tracking_ended(&self, _: &Arc<Link>) {}

    fn lost(&self, _: &Arc<Link>, lost: Vec<Lost>, why: &Error) {
        let told = lost.iter().map(|lost| (lost.unit.to.ticket.0, why.status, why.message.clone()));
        self.lost.lock().unwrap().extend(told);
        self.come_to(Place::Lost);
    }

    fn unreachable(&self, _: &Arc<Link>, _: Vec<Addressee>, _: &Error) {}

    fn ready_to_wait(&self, _: &Arc<Link>, _: &[Ticket]) -> bool {
        true
    }

    fn on_event(&self, _: &Arc<Link>, news: LinkEvent) {
        match news {
            LinkEvent::Connected => self.come_to(Place::Connected),
            LinkEvent::Unreachable(_) => self.come_to(Place::Unreachable),
            _ => {}
        }
    }
}

struct Bench {
    link: Arc<Link>,
    owner: Arc<Faulty>,
    tasks: mpsc::Receiver<()>,
    runtime: Arc<Runtime>,
    /// The number of the last PING.
    sent: Cell<u64>,
}

impl Bench {
    fn open(server: &Server, purpose: Purpose, place: Place, panics: usize) -> Bench {
        let owner = Arc::new(Faulty {
            place,
            left: AtomicUsize::new(panics),
            answers: Mutex::default(),
            lost: Mutex::default(),
        });
        let (alive, tasks) = mpsc::channel();
        let recipient: Arc<dyn Recipient<Link>> = Arc::clone(&owner) as Arc<dyn Recipient<Link>>;
        let options = [("reconnect_delay", "1"), ("reconnect_delay_max", "10")];
        let config = config(server.url(), &options);
        let opening = Opening {
            endpoints: Arc::new(Endpoints::new(config.endpoints.clone())),
            credentials: Arc::new(CredentialsSource::new(&config, None)),
            config: Arc::new(config),
            identity: Arc::default(),
            learnt: Arc::default(),
            dialer: None,
            recipient: Arc::downgrade(&recipient),
            alive,
        };
        let runtime = Runtime::share().unwrap();
        let link = background_driver::open(&opening, 0, purpose, &runtime);
        Bench { link, owner, tasks, runtime, sent: Cell::new(1_000) }
    }

    fn send(&self, number: u64, words: &[&str]) {
        let bytes = Bytes::from(command::encode_to_vec(words).unwrap());
        let to = Addressee { ticket: Ticket(number), part: 0 };
        self.link.send(Unit { to, replies: 1, bytes });
    }

    fn has_answer(&self, number: u64) -> bool {
        self.owner.answers.lock().unwrap().contains(&number)
    }

    /// Sends until an answer comes.
    fn works(&self) {
        let first = self.sent.get() + 1;
        wait::until("an answer", || {
            let number = self.sent.get() + 1;
            self.sent.set(number);
            self.send(number, &["PING"]);
            (first..=number).any(|number| self.has_answer(number))
        });
    }

    fn end(self) {
        self.link.close();
        // Disconnected when the task of the link has ended.
        assert_eq!(self.tasks.recv_timeout(wait::LIMIT), Err(mpsc::RecvTimeoutError::Disconnected));
        Runtime::release(self.runtime);
    }
}

#[test]
fn a_panic_ends_the_connection_and_the_link_is_dialled_again() {
    let server = Server::start();
    for (place, panics) in [(Place::Connected, 3), (Place::Answered, 2), (Place::Lost, 2), (Place::Unreachable, 2)] {
        let bench = Bench::open(&server, Purpose::Commands(1), place, panics);
        if place != Place::Answered {
            bench.works();
        }
        if place == Place::Lost {
            for _ in 0..panics {
                server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
                bench.works();
            }
        }
        if place == Place::Unreachable {
            server.kill();
            wait::until("dials in vain", || bench.owner.left.load(SeqCst) == 0);
            server.restart();
        }
        bench.works();
        wait::until("all the panics", || bench.owner.left.load(SeqCst) == 0);
        bench.works();
        bench.end();
    }
}

#[test]
fn what_was_under_way_at_a_panic_is_told_as_lost() {
    let server = Server::start();
    for purpose in [Purpose::Commands(1), Purpose::Dedicated(1)] {
        let bench = Bench::open(&server, purpose, Place::Answered, 1);
        bench.send(1, &["PING"]);
        bench.send(2, &["BLPOP", "none", "0"]);
        wait::until("the loss", || !bench.owner.lost.lock().unwrap().is_empty());
        let lost = bench.owner.lost.lock().unwrap().clone();
        assert!(matches!(&lost[..], [(2, Status::Lost, text)] if text.contains("on purpose")), "{lost:?}");
        match purpose {
            // With its first connection such a link ends.
            Purpose::Dedicated(_) => {
                assert_eq!(bench.tasks.recv_timeout(wait::LIMIT), Err(mpsc::RecvTimeoutError::Disconnected));
            }
            _ => bench.works(),
        }
        bench.end();
    }
}
