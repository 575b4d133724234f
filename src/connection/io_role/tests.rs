//! The I/O role, event by event.

use super::*;

const IDLE: UnderWay = UnderWay { oldest: 1, next: 1 };
const BUSY: UnderWay = UnderWay { oldest: 1, next: 2 };
const QUEUE: Submitter = Submitter::Queue(QueueId(7));
const ANSWERED: Leaving = Leaving { idle: true, in_order: true, followers: 0 };
const OWING: Leaving = Leaving { idle: false, ..ANSWERED };
const FOLLOWED: Leaving = Leaving { followers: 1, ..OWING };
const FOLLOWER: (Writer, RoleChange) = (Writer::Follower, RoleChange::Nothing);
const BACKGROUND: Successor = Successor::Others(RoleChange::Begin);
const NOBODY: Successor = Successor::Others(RoleChange::Nothing);
const OTHERS: (Writer, RoleChange) = (Writer::Others, RoleChange::Nothing);

fn taken_by_a_caller() -> IoRole {
    let mut role = IoRole::new(false);
    for _ in 0..TAKEOVER_AFTER {
        assert_eq!(role.submit(Submitter::Caller, IDLE), OTHERS);
    }
    assert_eq!(role.submit(Submitter::Caller, IDLE), (Writer::Caller, RoleChange::End));
    role
}

fn taken_by_a_queue() -> IoRole {
    let mut role = IoRole::new(false);
    for _ in 0..=TAKEOVER_AFTER {
        assert_eq!(role.submit(QUEUE, IDLE), OTHERS);
    }
    assert_eq!(role.submit(QUEUE, BUSY), (Writer::Queue { new: true }, RoleChange::End));
    role
}

#[test]
fn a_lone_caller_reads_for_itself_after_a_while() {
    let mut role = taken_by_a_caller();
    assert_eq!(role.give_back(ANSWERED), NOBODY);
    let again = role.submit(Submitter::Caller, IDLE);
    assert_eq!(again, (Writer::Caller, RoleChange::Nothing), "the background hears of nothing meanwhile");
}

#[test]
fn where_messages_may_come_the_background_reads_between_calls() {
    let mut role = IoRole::new(true);
    for _ in 0..TAKEOVER_AFTER {
        assert_eq!(role.submit(Submitter::Caller, IDLE), OTHERS);
    }
    assert_eq!(role.submit(Submitter::Caller, IDLE), (Writer::Caller, RoleChange::End));
    for _ in 0..3 {
        assert!(!role.is_background());
        assert_eq!(role.give_back(ANSWERED), Successor::Others(RoleChange::Unnoticed));
        assert!(role.is_background());
        assert_eq!(role.submit(Submitter::Caller, IDLE), (Writer::Caller, RoleChange::Unnoticed));
    }
    assert_eq!(role.give_back(OWING), BACKGROUND);
}

#[test]
fn others_among_the_callers_keep_the_background_reading() {
    for other in [Submitter::Other, QUEUE] {
        let mut role = IoRole::new(false);
        for _ in 0..100 {
            for _ in 0..CALLERS_AFTER {
                assert_eq!(role.submit(Submitter::Caller, BUSY), OTHERS);
            }
            assert_eq!(role.submit(other, BUSY), OTHERS);
        }
    }
}

#[test]
fn callers_among_themselves_take_the_role_after_a_while() {
    let mut role = IoRole::new(false);
    for _ in 0..CALLERS_AFTER {
        assert_eq!(role.submit(Submitter::Caller, BUSY), OTHERS);
    }
    assert_eq!(role.submit(Submitter::Caller, BUSY), (Writer::Caller, RoleChange::End));
}

#[test]
fn a_caller_who_joins_another_waits_for_it() {
    let mut role = taken_by_a_caller();
    for _ in 0..100 {
        assert_eq!(role.submit(Submitter::Caller, BUSY), FOLLOWER);
        assert_eq!(role.follow(), Follow::Wait);
        assert!(!role.is_background());
    }
    assert_eq!(role.give_back(ANSWERED), NOBODY);
}

#[test]
fn the_role_goes_to_a_caller_who_waits() {
    let mut role = taken_by_a_caller();
    assert_eq!(role.submit(Submitter::Caller, BUSY), FOLLOWER);
    assert_eq!(role.follow(), Follow::Wait);
    for _ in 0..3 {
        assert_eq!(role.give_back(FOLLOWED), Successor::Follower);
        assert_eq!(role.submit(Submitter::Caller, BUSY), FOLLOWER);
        assert_eq!(role.follow(), Follow::Wait);
    }
    // All who came to wait had their replies.
    assert_eq!(role.give_back(OWING), BACKGROUND);
}

#[test]
fn the_role_goes_to_a_caller_who_is_about_to_wait() {
    let mut role = taken_by_a_caller();
    assert_eq!(role.submit(Submitter::Caller, BUSY), FOLLOWER);
    assert_eq!(role.submit(Submitter::Caller, BUSY), FOLLOWER);
    assert_eq!(role.give_back(OWING), NOBODY);
    assert!(!role.is_background());
    assert_eq!(role.reclaim(), RoleChange::Nothing);
    assert_eq!(role.follow(), Follow::Lead);
    assert_eq!(role.follow(), Follow::Wait);
    assert_eq!(role.give_back(FOLLOWED), Successor::Follower);
    assert_eq!(role.give_back(OWING), BACKGROUND);
}

#[test]
fn a_caller_who_comes_too_late_to_wait_leaves_the_role_where_it_is() {
    let mut role = taken_by_a_caller();
    assert_eq!(role.submit(Submitter::Caller, BUSY), FOLLOWER);
    assert_eq!(role.give_back(ANSWERED), NOBODY);
    assert_eq!(role.follow(), Follow::Background, "another one wrote its request and read its reply");
    let mut role = taken_by_a_caller();
    assert_eq!(role.submit(Submitter::Caller, BUSY), FOLLOWER);
    assert_eq!(role.give_back(Leaving { in_order: false, ..OWING }), BACKGROUND);
    assert_eq!(role.follow(), Follow::Background);
}

#[test]
fn the_background_sees_to_what_a_caller_cannot() {
    let mut role = taken_by_a_caller();
    assert_eq!(role.submit(Submitter::Caller, BUSY), FOLLOWER);
    assert_eq!(role.give_back(Leaving { in_order: false, ..FOLLOWED }), BACKGROUND);
    assert!(role.is_background());
}

#[test]
fn others_who_join_callers_get_the_background() {
    for other in [Submitter::Other, QUEUE] {
        let mut role = taken_by_a_caller();
        assert_eq!(role.submit(Submitter::Caller, BUSY), FOLLOWER);
        assert_eq!(role.submit(other, BUSY), OTHERS);
        assert_eq!(role.submit(Submitter::Caller, BUSY), OTHERS);
        assert!(!role.is_background(), "who reads goes on");
        assert_eq!(role.give_back(FOLLOWED), BACKGROUND);
        assert!(role.is_background());
    }
}

#[test]
fn many_callers_who_do_not_write_together_get_the_background() {
    let slow = Duration::from_secs(1);
    let many = UnderWay { oldest: 1, next: 1 + MANY };
    let mut role = taken_by_a_caller();
    assert!(!role.expects_others());
    assert_eq!(role.submit(Submitter::Caller, many), FOLLOWER);
    assert_eq!(role.give_back(Leaving { followers: 1, ..ANSWERED }), NOBODY);
    assert_eq!(role.submit(Submitter::Caller, IDLE), (Writer::Caller, RoleChange::Nothing));
    assert!(role.expects_others());
    assert!(role.yields(BUSY, Duration::ZERO));
    assert!(!role.yields(BUSY, slow));
    assert_eq!(role.submit(Submitter::Caller, BUSY), FOLLOWER, "two carry each other all the same");
    assert_eq!(role.submit(Submitter::Caller, many), OTHERS);
    assert_eq!(role.give_back(FOLLOWED), BACKGROUND);
    let calls = (1..).find(|_| role.submit(Submitter::Caller, many).0 == Writer::Caller);
    assert!(calls > Some(CALLERS_AFTER + 1), "as long as the pause lasts: {calls:?}");
}

#[test]
fn whoever_comes_while_nobody_reads_calls_the_background() {
    let mut role = taken_by_a_caller();
    assert_eq!(role.give_back(ANSWERED), NOBODY);
    assert_eq!(role.submit(Submitter::Other, IDLE), (Writer::Others, RoleChange::Begin));
    assert!(role.is_background());
    assert_eq!(role.submit(Submitter::Other, BUSY), OTHERS);
}

#[test]
fn a_queue_reads_until_somebody_else_submits() {
    for other in [Submitter::Other, Submitter::Caller, Submitter::Queue(QueueId(8))] {
        let mut role = taken_by_a_queue();
        assert_eq!(role.submit(QUEUE, BUSY), (Writer::Queue { new: false }, RoleChange::Nothing));
        assert_eq!(role.submit(other, BUSY), (Writer::Others, RoleChange::Begin));
        assert!(role.is_background());
    }
}

#[test]
fn a_queue_waits_until_what_is_older_is_answered() {
    let mut role = IoRole::new(false);
    assert_eq!(role.submit(Submitter::Other, IDLE), OTHERS);
    for next in 2..50 {
        assert_eq!(role.submit(QUEUE, UnderWay { oldest: 1, next }), OTHERS, "the oldest is somebody else's");
    }
    let mine = UnderWay { oldest: 2, next: 50 };
    assert_eq!(role.submit(QUEUE, mine), (Writer::Queue { new: true }, RoleChange::End));
}

#[test]
fn a_queue_whose_takers_stay_away_gets_fewer_chances() {
    let mut role = taken_by_a_queue();
    assert_eq!(role.reclaim_from_absent(), RoleChange::Begin);
    let requests = |role: &mut IoRole| (1..).find(|_| role.submit(QUEUE, BUSY) != OTHERS);
    assert_eq!(requests(&mut role), Some(2 * TAKEOVER_AFTER + 1));
    assert_eq!(role.reclaim_from_absent(), RoleChange::Begin);
    assert_eq!(requests(&mut role), Some(4 * TAKEOVER_AFTER + 1));
    role.reset_backoff();
    assert_eq!(role.reclaim(), RoleChange::Begin);
    assert_eq!(requests(&mut role), Some(TAKEOVER_AFTER + 1));
}
