//! Who gets the I/O role back, and whether the background is told.

use std::pin::pin;
use std::task::{Context, Waker};

use super::*;
use crate::connection::fixture::{self, Noted};
use crate::connection::io_role::{QueueId, Submitter, UnderWay, Writer};
use crate::connection::purpose::Purpose;

/// A link whose I/O role somebody took who submitted like this, again and again.
fn taken(by: Submitter) -> Arc<Link> {
    let link = fixture::link(Purpose::Commands(1), &Noted::new());
    let role = &mut link.outgoing.lock().role;
    let nothing = UnderWay { oldest: 1, next: 1 };
    let has_taken = |writer| matches!(writer, Writer::Caller | Writer::Queue { new: true });
    assert!((0..100).any(|_| has_taken(role.submit(by, nothing).0)), "{by:?}");
    Arc::clone(&link)
}

/// Whether the background was told of something since this was asked last.
fn is_told(link: &Link) -> bool {
    pin!(link.notify.notified()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

#[test]
fn a_role_is_reclaimed_from_a_queue_and_not_from_a_caller() {
    for (by, is_reclaimed) in [(Submitter::Queue(QueueId(1)), true), (Submitter::Caller, false)] {
        let link = taken(by);
        let (is_of_others, is_of_a_queue, count) = link.role_monitor();
        assert_eq!((is_of_others, is_of_a_queue, count), (true, is_reclaimed, 1), "{by:?}");
        link.reclaim();
        assert_eq!((link.role_monitor(), is_told(&link)), ((!is_reclaimed, false, 1), is_reclaimed), "{by:?}");
        link.reclaim();
        assert!(!is_told(&link), "nothing has changed");
    }
}

#[test]
fn a_driver_is_told_apart_from_a_later_one_of_the_same_queue() {
    let link = taken(Submitter::Queue(QueueId(1)));
    let number = link.role_monitor().2;
    assert!(link.outgoing.lock().role.is_held_by(number));
    link.reclaim();
    assert!(!link.outgoing.lock().role.is_held_by(number));
}

/// The takers of a queue write for themselves; a caller who has the role leaves what others bring to the background.
#[test]
fn the_background_writes_unless_somebody_is_about_to() {
    assert!(fixture::link(Purpose::Commands(1), &Noted::new()).background_writes());
    for by in [Submitter::Queue(QueueId(1)), Submitter::Caller] {
        let link = taken(by);
        assert!(!link.background_writes(), "{by:?}");
        link.reclaim();
        assert_eq!(link.background_writes(), by != Submitter::Caller, "{by:?}");
    }
}
