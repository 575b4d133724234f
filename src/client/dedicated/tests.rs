//! Requests on dedicated links that are never started: where they wait, and what becomes of them.

use super::*;
use crate::client::fixture::Fixture;
use crate::config::Config;
use crate::connection::simulated_driver::SimulatedDriver;

fn with_one_connection() -> Fixture {
    Fixture::new(Config { max_connections: 1, ..Config::default() })
}

/// The dedicated link that is in use.
fn dedicated_link(fixture: &Fixture) -> Arc<Link> {
    let links = fixture.core.node().links();
    links.into_iter().find(|link| matches!(link.purpose(), Purpose::Dedicated(_))).unwrap()
}

#[test]
fn who_finds_no_link_waits_in_line_and_leaves_it_when_given_up() {
    let fixture = with_one_connection();
    let first = fixture.submit(&["BLPOP k 0"], |_| {}).unwrap();
    assert_eq!(dedicated_link(&fixture).waiting().0, 1, "it has a link, which dials");
    let second = fixture.submit(&["BLPOP k 0"], |_| {}).unwrap();
    let count = fixture.core.node().dedicated();
    assert_eq!((count.in_use, count.waiting, fixture.core.node().backlog().load().requests), (1, 1, 1));
    assert!(fixture.core.cancel(Ticket(second)));
    let count = fixture.core.node().dedicated();
    assert_eq!((count.in_use, count.waiting, fixture.core.node().backlog().load().requests), (1, 0, 0));
    assert!(fixture.core.cancel(Ticket(first)));
    let told = "Canceled NotRun: 127.0.0.1:6379: cancelled before it was sent".to_string();
    assert_eq!(fixture.done(), [(second, told.clone()), (first, told)]);
}

#[test]
fn the_first_in_line_gets_a_link_when_the_one_before_has_its_answer() {
    let fixture = with_one_connection();
    let first = fixture.submit(&["BLPOP k 0"], |_| {}).unwrap();
    let second = fixture.submit(&["BLPOP k 0"], |_| {}).unwrap();
    let before = dedicated_link(&fixture);
    let mut driver = SimulatedDriver::new(&before);
    driver.connect(&*fixture.core);
    let length = driver.begin_write().iter().map(|part| part.len()).sum();
    assert!(driver.end_write(length));
    driver.receive(b"*2\r\n$1\r\nk\r\n$1\r\nv\r\n", &*fixture.core).unwrap();
    assert_eq!(fixture.done(), [(first, "Ok Answered: ".to_string())]);
    let after = dedicated_link(&fixture);
    assert_eq!(
        (after.waiting().0, Arc::ptr_eq(&before, &after)),
        (1, false),
        "a link without a socket is not used again"
    );
    assert!(fixture.core.cancel(Ticket(second)));
}

#[test]
fn a_lost_link_ends_what_may_have_run_and_moves_the_rest() {
    for (line, told) in
        [("INCR n", &["Lost Unknown: 127.0.0.1:6379: gone; the command was sent, it may have run"][..]), ("GET k", &[])]
    {
        let fixture = with_one_connection();
        fixture.submit(&[line], |request| request.dedicated = true).unwrap();
        let before = dedicated_link(&fixture);
        let mut driver = SimulatedDriver::new(&before);
        driver.connect(&*fixture.core);
        let length = driver.begin_write().iter().map(|part| part.len()).sum();
        assert!(driver.end_write(length));
        driver.lose(&Error::new(Status::Lost, "gone"), &*fixture.core);
        assert_eq!(fixture.texts(), told, "{line}");
        let in_use = fixture.core.node().dedicated().in_use;
        assert_eq!(in_use, usize::from(told.is_empty()), "{line}");
        if in_use == 1 {
            assert_eq!(dedicated_link(&fixture).waiting().0, 1, "it waits at another link");
        }
    }
}
