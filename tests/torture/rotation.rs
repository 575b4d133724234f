//! User and password change again and again under load, and the old user is deleted as soon as the server shows that
//! no connection has it: no error reaches a caller, no element and no message is lost unannounced.

use std::time::{Duration, Instant};

use crate::support::client::Tester;
use crate::support::rotation::{Busy, add_user, pair, password_of};
use crate::support::server::Server;
use crate::support::transport;
use crate::{every, is_full, report};

#[test]
fn rotations_under_load() {
    let rotations: u64 = if is_full() { 10_000 } else { 100 };
    let server = Server::start();
    let mut admin = server.connect().unwrap();
    add_user(&server, "u0");
    let url = transport::url(format!("u0:{}@{}", password_of("u0"), server.address()));
    let mut all: Vec<Busy> = ["2", "3"]
        .into_iter()
        .map(|protocol| {
            let name = format!("resp{protocol}");
            Busy::start(&name, Tester::with(&url, &[("protocol", protocol), ("client_name", &name)]))
        })
        .collect();
    let (begun, mut is_time) = (Instant::now(), every(Duration::from_secs(10)));
    for number in 1..=rotations {
        let user = format!("u{number}");
        add_user(&server, &user);
        for busy in &mut all {
            busy.client.client.set_credentials(pair(&user)).unwrap();
            // Else whoever waits for an element is called back for certain.
            if number % 2 == 0 {
                busy.push(&mut admin);
            }
        }
        admin.command(&["PUBLISH", "rotation:news", &number.to_string()]).unwrap();
        for busy in &mut all {
            busy.until_all_are(&mut admin, &user);
            busy.push(&mut admin);
            busy.check_messages();
        }
        admin.command(&["ACL", "DELUSER", &format!("u{}", number - 1)]).unwrap();
        if is_time() {
            report(&format!("{number} rotations in {:.0} s", begun.elapsed().as_secs_f64()));
        }
    }
    admin.command(&["PUBLISH", "rotation:news", &(rotations + 1).to_string()]).unwrap();
    for mut busy in all {
        busy.until_message(rotations + 1);
        let reads = busy.reads.load(std::sync::atomic::Ordering::SeqCst);
        report(&format!("{}: {reads} reads, {} messages, {} gaps", busy.name, busy.messages, busy.gaps));
        assert!(busy.name != "resp3" || busy.gaps == 0, "under RESP3 the connection stays: {}", busy.gaps);
        busy.end(&mut admin);
    }
}
