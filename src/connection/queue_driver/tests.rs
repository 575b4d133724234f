//! Who gets the I/O role back, and whether the background is told.

use std::pin::pin;
use std::task::{Context, Waker};

use super::*;
use crate::connection::fixture::{self, Noted};
use crate::connection::io_control::{IoControl, Task};
use crate::connection::io_role::{QueueId, Submitter, UnderWay};
use crate::connection::purpose::Purpose;

/// A link whose I/O role somebody took who submitted like this, again and again; gives also what it is to do.
fn taken(by: Submitter) -> (Arc<Link>, Task) {
    let link = fixture::link(Purpose::Commands(1), &Noted::new());
    let control = &mut link.outgoing.lock().control;
    let nothing = UnderWay { oldest: 1, next: 1 };
    let task = |control: &mut IoControl<_>| {
        let (writer, _) = control.submit(by, nothing);
        control.task(writer, true, false)
    };
    let has_taken = |task: &Task| matches!(task, Task::Lead { .. } | Task::Begin { .. });
    let task = (0..100).map(|_| task(control)).find(has_taken).expect("somebody takes the role");
    (Arc::clone(&link), task)
}

/// Whether the background was told of something since this was asked last.
fn is_told(link: &Link) -> bool {
    pin!(link.notify.notified()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

fn background_reads(link: &Link) -> bool {
    link.outgoing.lock().control.background_reads()
}

#[test]
fn a_role_is_reclaimed_from_a_queue_and_not_from_a_caller() {
    for (by, is_reclaimed) in [(Submitter::Queue(QueueId(1)), true), (Submitter::Caller, false)] {
        let (link, _) = taken(by);
        assert!(!background_reads(&link), "{by:?}");
        link.reclaim();
        assert_eq!((background_reads(&link), is_told(&link)), (is_reclaimed, is_reclaimed), "{by:?}");
        link.reclaim();
        assert!(!is_told(&link), "nothing has changed");
    }
}

#[test]
fn a_driver_is_told_apart_from_a_later_one_of_the_same_queue() {
    let (link, task) = taken(Submitter::Queue(QueueId(1)));
    let Task::Begin { number } = task else { panic!("{task:?}") };
    assert!(link.outgoing.lock().control.is_held_by(number));
    link.reclaim();
    assert!(!link.outgoing.lock().control.is_held_by(number));
}

/// The takers of a queue write for themselves; a caller who has the role leaves what others bring to the background.
#[test]
fn the_background_writes_unless_somebody_is_about_to() {
    assert!(fixture::link(Purpose::Commands(1), &Noted::new()).background_writes());
    for by in [Submitter::Queue(QueueId(1)), Submitter::Caller] {
        let (link, _) = taken(by);
        assert!(!link.background_writes(), "{by:?}");
        link.reclaim();
        assert_eq!(link.background_writes(), by != Submitter::Caller, "{by:?}");
    }
}
