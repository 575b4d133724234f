//! What is decided between two connections, and why one ended.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::*;
use crate::config::ConnectRetries;
use crate::connection::fixture::{self, Noted};
use crate::connection::server_info::ServerInfo;
use crate::connection::unit::{Addressee, Ticket, Unit};

/// The driver of a link that was never started, to this database.
fn driver(config: Config, purpose: Purpose, database: u32, recipient: &Arc<Noted>) -> BackgroundDriver {
    let Opening { dialer, identity, learnt, alive, .. } = fixture::opening(Config::default(), recipient);
    let link = prepare(&fixture::opening(config, recipient), database, purpose);
    BackgroundDriver {
        schedule: Schedule::new(Duration::from_millis(50), Duration::from_secs(1)),
        recipient: Weak::clone(&link.recipient),
        known: link.endpoints.subscribe(),
        link,
        dialer,
        learnt,
        identity,
        failed_rounds: 0,
        _alive: alive,
    }
}

fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

#[test]
fn the_better_of_two_reasons() {
    let lost = |sentence: &str| Error::new(Status::Lost, sentence);
    let broken = || Error::new(Status::Protocol, "nobody asked for it");
    for (reason, error, found, is_found) in [
        (Reason::Known, lost("silent"), lost(CLOSED), false),
        (Reason::Known, lost("silent"), lost("the server said why"), false),
        (Reason::Known, lost("silent"), broken(), true),
        // That it was closed says no more than the server's own words.
        (Reason::Known, lost(CLOSED), lost("the server said why"), true),
        (Reason::Guessed, lost("broken pipe"), lost("the server said why"), true),
        (Reason::Guessed, lost("broken pipe"), lost(CLOSED), true),
        (Reason::Guessed, lost("broken pipe"), broken(), true),
    ] {
        let expected = if is_found { found.clone() } else { error.clone() };
        assert_eq!(reason.better_of(error.clone(), found.clone()), expected, "{error}, {found}");
    }
}

/// After which of so many failed rounds those who wait are told that they wait in vain.
#[test]
fn who_waits_is_told_when_the_rounds_are_used_up() {
    use ConnectRetries::{Auto, Rounds, Unlimited};
    let connect = Status::Connect;
    // The option, the database, the databases that were reached, the failure, and whether who waits is told, by round.
    for (connect_retries, database, reached, status, told) in [
        (Auto, 0, &[][..], connect, [true, true, true]),
        (Auto, 0, &[0], connect, [false, false, false]),
        (Auto, 1, &[0], connect, [true, true, true]),
        (Auto, 1, &[0, 1], connect, [false, false, false]),
        (Unlimited, 0, &[], connect, [false, false, false]),
        (Rounds(1), 0, &[0], connect, [true, true, true]),
        (Rounds(3), 0, &[], connect, [false, false, true]),
        // To wait for another password would not help.
        (Auto, 0, &[0], Status::Auth, [true, true, true]),
        (Unlimited, 0, &[0], Status::Auth, [true, true, true]),
        (Rounds(3), 0, &[0], Status::Auth, [true, true, true]),
    ] {
        let noted = Noted::new();
        let config = Config { connect_retries, ..Config::default() };
        let mut driver = driver(config, Purpose::Commands(1), database, &noted);
        reached.iter().for_each(|database| driver.learnt.on_connected(*database, &ServerInfo::default()));
        for (round, is_told) in told.into_iter().enumerate() {
            let to = Addressee { ticket: Ticket(1), part: 0 };
            driver.link.send(Unit { to, replies: 1, bytes: "x".into() });
            let pause = driver.report_failure(Error::new(status, "no"));
            assert!(pause <= Duration::from_millis(50 << round), "{pause:?}");
            let said = noted.take();
            assert!(said[0].starts_with("Unreachable("), "{said:?}");
            let told: Vec<&str> = said.iter().skip(1).map(|told| &told[..16]).collect();
            let expected = if is_told { vec!["1 shall not wait"] } else { vec![] };
            assert_eq!(told, expected, "{connect_retries:?}, {reached:?}, {status:?}, round {round}");
            assert_eq!(driver.link.clear_unsent().len(), usize::from(!is_told));
        }
    }
}

#[test]
fn a_driver_ends_with_its_link_and_with_the_owner_of_the_requests() {
    for is_closed in [true, false] {
        let noted = Noted::new();
        let mut driver = driver(Config::default(), Purpose::Commands(1), 0, &noted);
        assert!(!driver.is_over());
        if is_closed {
            driver.link.close();
        } else {
            drop(noted);
        }
        assert!(driver.is_over());
        assert_eq!(ready(driver.closed()), Some(()));
        assert_eq!(ready(driver.run()), Some(()), "it dials no more");
    }
}

#[test]
fn a_panic_while_nothing_is_connected_is_told_as_unreachable() {
    let noted = Noted::new();
    let mut driver = driver(Config::default(), Purpose::Commands(1), 0, &noted);
    let error = Error::new(Status::Lost, "a defect");
    assert_eq!(ready(driver.report_panic(error.clone(), None)), Some(()));
    assert_eq!(noted.take(), [format!("{:?}", LinkEvent::Unreachable(error.clone()))]);
    assert_eq!(driver.link.status().error, Some(error));
}
