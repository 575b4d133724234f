//! What finds no place on a dedicated connection, nor in the line for one. (`dedicated/tests.rs` has the rest.)

use super::*;
use crate::client::fixture::Fixture;
use crate::config::Config;

const OWN: fn(&mut Request<'_, &str>) = |request| request.dedicated = true;

#[test]
fn the_line_is_not_longer_than_allowed() {
    let config = Config { max_connections: 1, max_requests: 1, ..Config::default() };
    let mut fixture = Fixture::new(config);
    fixture.submit_as(&["SET k 1"], OWN).unwrap();
    fixture.submit_as(&["SET k 2"], OWN).unwrap();
    let error = fixture.submit_as(&["SET k 3"], OWN).unwrap_err();
    assert_eq!(error.status, Status::Full, "{error}");
    assert_eq!(
        (fixture.core.node().dedicated().waiting, fixture.core.state.lock().requests.len()),
        (1, 2),
        "it left the line"
    );
}

#[test]
fn a_lease_has_no_route() {
    let mut fixture = Fixture::connected();
    let lease = Some(fixture.lease());
    for route in [Route::All, Route::Random, Route::Node("127.0.0.1:6379")] {
        let error = fixture.submit_on(lease, &["GET k"], |request| request.route = route).unwrap_err();
        assert_eq!((error.status, fixture.dedicated().len()), (Status::Argument, 0), "{error}");
    }
}
