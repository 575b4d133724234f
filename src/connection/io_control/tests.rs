//! What follows from each event: what the kernel is told, whether the background is notified, and what the one who
//! brought it does.

use super::*;
use crate::connection::io_role::QueueId;

const IDLE: UnderWay = UnderWay { oldest: 1, next: 1 };
const BUSY: UnderWay = UnderWay { oldest: 1, next: 2 };
const QUEUE: Submitter = Submitter::Queue(QueueId(7));
const NOTHING: Effects = Effects { interest: None, notify: Notice::No };
/// The background reads from now on, also what is there already.
const BEGIN: Effects = Effects { interest: Some(EventInterest::Reading), notify: Notice::Yes };
const NOT_WRITTEN: Pending = Pending { in_flight: false, unsent: true };
const WRITTEN: Pending = Pending { in_flight: true, unsent: false };
const BOTH: Pending = Pending { in_flight: true, unsent: true };

/// With a connection, and callers who go by these numbers.
fn connected(receives_pushes: bool) -> IoControl<u32> {
    let mut control = IoControl::default();
    assert_eq!(control.connect(receives_pushes), Effects { interest: Some(EventInterest::Reading), ..NOTHING });
    control
}

/// Somebody submits until it gets the I/O role; what follows then.
fn take(control: &mut IoControl<u32>, by: Submitter) -> (Task, Effects) {
    for _ in 0..100 {
        let (writer, effects) = control.submit(by, IDLE);
        match control.task(writer, true, false) {
            Task::Nothing => assert_eq!(effects, NOTHING),
            task => return (task, effects),
        }
    }
    panic!("nobody gets the I/O role")
}

fn number_of(task: Task) -> u64 {
    let Task::Begin { number } = task else { panic!("{task:?}") };
    number
}

#[test]
fn who_takes_the_role_has_the_background_told_of_nothing_but_the_watch() {
    let is_taken = |interest| Effects { interest: Some(interest), notify: Notice::Yes };
    for (by, receives_pushes, interest) in [
        (Submitter::Caller, false, EventInterest::Nothing),
        (Submitter::Caller, true, EventInterest::Ending),
        (QUEUE, false, EventInterest::Nothing),
        (QUEUE, true, EventInterest::Ending),
    ] {
        let mut control = connected(receives_pushes);
        let (task, effects) = take(&mut control, by);
        assert_eq!(effects, is_taken(interest), "{by:?}, messages: {receives_pushes}");
        assert_eq!(task == Task::Lead { yields: false }, by == Submitter::Caller, "{task:?}");
    }
}

#[test]
fn a_lone_caller_touches_neither_kernel_nor_background() {
    let mut control = connected(false);
    _ = take(&mut control, Submitter::Caller);
    for _ in 0..10 {
        assert_eq!(control.give_back(true, true), Handover::ToOthers(NOTHING));
        assert_eq!(control.submit(Submitter::Caller, IDLE), (Writer::Caller, NOTHING));
        assert_eq!(control.task(Writer::Caller, true, true), Task::Lead { yields: false });
    }
}

#[test]
fn where_messages_may_come_the_background_hears_between_two_calls() {
    let mut control = connected(true);
    _ = take(&mut control, Submitter::Caller);
    let interest = |interest, notify| Effects { interest: Some(interest), notify };
    for _ in 0..3 {
        let between = interest(EventInterest::Reading, Notice::IfBytesWait);
        assert_eq!(control.give_back(true, true), Handover::ToOthers(between));
        let within = interest(EventInterest::Ending, Notice::No);
        assert_eq!(control.submit(Submitter::Caller, IDLE), (Writer::Caller, within));
    }
}

#[test]
fn what_whoever_submitted_does() {
    let mut control = connected(false);
    for (writer, nothing_waited, is_asleep, task) in [
        (Writer::Others, true, false, Task::Nothing),
        (Writer::Others, false, true, Task::Wake),
        (Writer::Queue { new: false }, true, true, Task::Take),
        (Writer::Queue { new: false }, false, true, Task::Nothing),
        (Writer::Follower, true, true, Task::Follow),
    ] {
        assert_eq!(control.task(writer, nothing_waited, is_asleep), task, "{writer:?}");
    }
}

/// A control on which one caller leads, and one who joined it is about to come.
fn joined() -> IoControl<u32> {
    let mut control = connected(false);
    _ = take(&mut control, Submitter::Caller);
    assert_eq!(control.submit(Submitter::Caller, BUSY), (Writer::Follower, NOTHING));
    control
}

#[test]
fn a_caller_who_joins_writes_unless_somebody_is_about_to() {
    // What is pending, whether somebody writes just now, and whether the one who comes does.
    for (pending, is_writing, writes) in
        [(BOTH, false, true), (BOTH, true, false), (WRITTEN, false, false), (NOT_WRITTEN, false, false)]
    {
        let mut control = joined();
        control.write_begins(is_writing);
        assert_eq!(control.come(|| 1, pending), Arrival::Wait { writes }, "{pending:?}, writing: {is_writing}");
    }
}

#[test]
fn who_writes_says_when_it_stops() {
    // How the write ended, whether bytes wait after it, and whether the one who comes then has to write.
    for (in_order, unsent, writes) in [(true, true, false), (true, false, true), (false, true, true)] {
        let mut control = joined();
        control.write_begins(true);
        control.write_ends(in_order, unsent);
        assert_eq!(control.come(|| 1, BOTH), Arrival::Wait { writes }, "in order: {in_order}, unsent: {unsent}");
    }
}

#[test]
fn the_role_goes_to_those_who_wait_in_their_order() {
    let mut control = joined();
    assert_eq!(control.submit(Submitter::Caller, BUSY), (Writer::Follower, NOTHING));
    for follower in [1, 2] {
        assert_eq!(control.come(|| follower, WRITTEN), Arrival::Wait { writes: false });
    }
    for follower in [1, 2] {
        assert_eq!(control.give_back(false, true), Handover::ToFollower(follower));
    }
    assert_eq!(control.give_back(false, true), Handover::ToOthers(BEGIN));
}

#[test]
fn who_waited_when_the_background_took_over_gets_the_role_no_more() {
    // Whether nothing is under way, whether the connection is in order, and what follows.
    for (idle, in_order, effects) in [(true, true, NOTHING), (false, false, BEGIN)] {
        let mut control = joined();
        assert_eq!(control.come(|| 1, WRITTEN), Arrival::Wait { writes: false });
        assert_eq!(control.give_back(idle, in_order), Handover::ToOthers(effects));
        assert!(control.followers.is_empty());
    }
}

#[test]
fn the_role_is_left_for_a_caller_who_is_about_to_come() {
    for comes in [true, false] {
        let mut control = joined();
        assert_eq!(control.give_back(false, true), Handover::ToOthers(NOTHING));
        match comes {
            true => assert_eq!(control.come(|| 1, WRITTEN), Arrival::Lead),
            false => assert!(control.stay_away()),
        }
        assert_eq!(control.give_back(false, false), Handover::ToOthers(BEGIN));
    }
    let mut control = joined();
    assert!(!control.stay_away(), "another one reads");
}

#[test]
fn takers_who_leave_have_the_background_look() {
    let mut control = connected(false);
    let number = number_of(take(&mut control, QUEUE).0);
    assert!(control.visit(number) && !control.visit(number + 1));
    _ = control.observe();
    assert_eq!(control.reclaim(), BEGIN);
    assert!(control.observe().came_back);
    assert_eq!(control.leave(number), BEGIN, "it may have looked in vain, because they still read");
    assert!(control.observe().came_back);
    assert!(!control.observe().came_back);
    let (task, _) = take(&mut control, Submitter::Caller);
    assert_eq!((task, control.leave(number)), (Task::Lead { yields: false }, NOTHING), "somebody else reads by now");
}

#[test]
fn the_background_reads_when_it_reclaims_the_role() {
    let mut control = connected(false);
    for _ in 0..2 {
        let number = number_of(take(&mut control, QUEUE).0);
        assert_eq!(control.reclaim(), BEGIN);
        assert!(!control.is_held_by(number));
        assert_eq!(control.reclaim(), NOTHING);
        _ = take(&mut control, QUEUE);
        assert_eq!(control.reclaim_from_absent(), BEGIN);
    }
    _ = take(&mut control, Submitter::Caller);
    assert_eq!(
        (control.reclaim(), control.reclaim_from_absent()),
        (NOTHING, NOTHING),
        "a caller is in the midst of it"
    );
}

#[test]
fn the_background_writes_what_callers_leave() {
    let mut control = connected(false);
    assert!(control.background_reads() && control.background_writes(NOT_WRITTEN));
    _ = take(&mut control, Submitter::Caller);
    assert!(!control.background_reads());
    assert!(!control.background_writes(NOT_WRITTEN), "the caller is about to");
    assert!(control.background_writes(BOTH), "the caller reads");
    let mut control = connected(false);
    _ = take(&mut control, QUEUE);
    assert!(!control.background_writes(BOTH), "the takers do");
}

#[test]
fn room_is_told_of_while_the_socket_is_full() {
    let mut control = connected(false);
    let interest = |interest| Effects { interest, ..NOTHING };
    let both = Some(EventInterest::ReadingAndWriting);
    assert_eq!(control.set_blocked(false), NOTHING);
    assert_eq!(control.set_blocked(true), interest(both));
    assert_eq!(control.set_blocked(true), NOTHING);
    // Whoever reads meanwhile.
    assert_eq!(take(&mut control, Submitter::Caller).1.interest, both);
    assert_eq!(control.set_blocked(false), interest(Some(EventInterest::Nothing)));
    _ = control.set_blocked(true);
    assert_eq!(control.connect(false), interest(Some(EventInterest::Reading)), "of another socket");
}

#[test]
fn the_watch_takes_the_role_back() {
    let unsent = Pending { unsent: true, ..WRITTEN };
    // Who reads, what is pending, whether somebody waits for bytes, what follows, and whether the socket is looked at.
    for (by, pending, is_awaited, effects, is_nobody_there) in [
        (Submitter::Caller, WRITTEN, false, NOTHING, false),
        (QUEUE, WRITTEN, false, NOTHING, true),
        (QUEUE, WRITTEN, true, NOTHING, false),
        (QUEUE, unsent, true, NOTHING, false),
        (QUEUE, unsent, false, BEGIN, false),
    ] {
        let mut control = connected(false);
        assert!(!control.observe().others_read);
        _ = take(&mut control, by);
        assert!(control.observe().others_read);
        let look = control.look(pending, is_awaited);
        assert_eq!(
            (look.effects, look.is_nobody_there),
            (effects, is_nobody_there),
            "{by:?}, {pending:?}, {is_awaited}"
        );
        assert_eq!(control.observe().came_back, effects == BEGIN);
    }
}

#[test]
fn between_calls_the_watch_lets_the_background_read_again() {
    let mut control = connected(false);
    _ = take(&mut control, Submitter::Caller);
    assert_eq!(control.give_back(true, true), Handover::ToOthers(NOTHING));
    assert!(control.observe().others_read, "nobody does, and the background hears of nothing");
    assert_eq!(control.look(WRITTEN, false).effects, BEGIN);
    assert!(control.observe().came_back);
}
