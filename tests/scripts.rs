//! EVAL goes out as EVALSHA where the server holds the script, and nobody notices when it does not.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use justredis::client::request::Request;
use justredis::error::Outcome::Answered;
use justredis::error::Status;
use justredis::protocol::reply::Kind;
use justredis::topology::Route;
use support::client::{Tester, request};
use support::proxy::Proxy;
use support::scripted::{Scripted, Step};
use support::server::Server;
use support::transport;

const SCRIPT: &str = "return {KEYS[1], ARGV[1]}";

/// How often a command was called, as the server counted since the last [`reset`].
fn calls(server: &Server, command: &str) -> usize {
    let info = server.command(&["INFO", "commandstats"]).text();
    let prefix = format!("cmdstat_{command}:calls=");
    let line = info.lines().find_map(|line| line.strip_prefix(&prefix).map(str::to_owned));
    line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
}

fn reset(server: &Server) {
    assert!(server.command(&["CONFIG", "RESETSTAT"]).is_ok());
}

fn eval(client: &Tester, argument: &str) {
    let done = client.run(&["EVAL", SCRIPT, "1", "key", argument]);
    assert!(done.is_ok(), "{done:?}");
    assert_eq!(
        (done.reply.items()[0].as_bytes(), done.reply.items()[1].as_bytes()),
        (&b"key"[..], argument.as_bytes())
    );
}

#[test]
fn after_the_first_success_only_the_digest_travels() {
    let server = Server::start();
    let client = Tester::connect(server.url());
    (0..5).for_each(|number| eval(&client, &number.to_string()));
    assert_eq!((calls(&server, "eval"), calls(&server, "evalsha")), (1, 4));
    let done = client.run(&["EVAL_RO", SCRIPT, "1", "key", "x"]);
    assert!(done.is_ok());
    client.run(&["EVAL_RO", SCRIPT, "1", "key", "x"]);
    assert_eq!((calls(&server, "eval_ro"), calls(&server, "evalsha_ro")), (1, 1));
}

/// A failure does not prove that the server holds it: here it does not even compile.
#[test]
fn a_script_that_fails_is_not_taken_for_known() {
    let server = Server::start();
    let client = Tester::connect(server.url());
    for _ in 0..3 {
        let done = client.run(&["EVAL", "this is no Lua", "0"]);
        assert_eq!(done.ending(), (Status::Server, Answered));
        assert!(done.text().contains("Error compiling script"), "{}", done.text());
    }
    assert_eq!(calls(&server, "evalsha"), 0);
    let wrong = client.run(&["EVAL", "return redis.error_reply('MINE it failed')", "0"]);
    wrong.says(Status::Server, Answered, &["MINE it failed"]);
}

/// Redis 8.2 sends what a script raises as it is, line breaks included; 7.0 and Valkey write spaces.
#[test]
fn an_error_of_several_lines_is_one_answer() {
    let versions = ["redis-8.2", "valkey-9.1"].into_iter().filter_map(Server::version);
    for server in versions.chain([Server::builder()]).map(|builder| builder.start()) {
        let client = Tester::connect(server.url());
        let connection = client.run(&["CLIENT", "ID"]).integer();
        for script in
            ["error('first\\nsecond')", "error('first\\rsecond\\r')", "return redis.error_reply('first\\nsecond')"]
        {
            client.run(&["EVAL", script, "0"]).says(Status::Server, Answered, &["first", "second"]);
            assert_eq!(client.text(&["ECHO", "behind it"]), "behind it");
        }
        assert_eq!(client.run(&["CLIENT", "ID"]).integer(), connection, "the connection was closed");
    }
}

#[test]
fn a_server_that_forgot_is_repaired_unseen() {
    let server = Server::start();
    let client = Tester::connect(server.url());
    eval(&client, "1");
    eval(&client, "2");
    server.command(&["SCRIPT", "FLUSH"]);
    reset(&server);
    eval(&client, "3");
    assert_eq!((calls(&server, "evalsha"), calls(&server, "eval")), (1, 1), "the digest was tried, then the text");
    eval(&client, "4");
    assert_eq!(calls(&server, "eval"), 1, "and now it is known again");
    let absent = "f".repeat(40);
    let done = client.run(&["EVALSHA", &absent, "0"]);
    assert!(done.text().starts_with("NOSCRIPT"), "who sends a digest himself gets the truth: {}", done.text());
}

#[test]
fn a_new_connection_knows_nothing() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    let client = Tester::connect(proxy.url());
    eval(&client, "1");
    eval(&client, "2");
    reset(&server);
    proxy.close_all();
    client.until_stat("connections", |connections| connections == 2);
    eval(&client, "3");
    assert_eq!((calls(&server, "eval"), calls(&server, "evalsha")), (1, 0));
    server.restart();
    client.until_stat("connections", |connections| connections == 3);
    eval(&client, "4");
    eval(&client, "5");
    assert_eq!((calls(&server, "eval"), calls(&server, "evalsha")), (1, 1));
}

/// Several in flight while the server forgets, some of them of the same script.
#[test]
fn many_at_once_are_all_repaired() {
    let server = Server::start();
    let client = Tester::connect(server.url());
    for round in 0..20 {
        server.command(&["SCRIPT", "FLUSH"]);
        let scripts: Vec<String> = (0..50).map(|number| format!("return 'script {}'", number % 7)).collect();
        let ids: Vec<u64> = scripts.iter().map(|script| client.submit(&["EVAL", script, "0"])).collect();
        let done = client.inbox.each_once(&ids);
        for (number, id) in ids.iter().enumerate() {
            assert_eq!(done[id].text(), format!("script {}", number % 7), "round {round}");
        }
    }
}

/// The words of a script prove nothing: it has run, and runs once.
#[test]
fn a_script_that_says_noscript_runs_once() {
    let server = Server::start();
    let client = Tester::connect(server.url());
    let script = "redis.call('INCR', 'n') return redis.error_reply('NOSCRIPT No matching script. Please use EVAL.')";
    client.run(&["EVAL", script, "0"]).says(Status::Server, Answered, &["NOSCRIPT"]);
    assert_eq!(server.command(&["GET", "n"]).integer(), 1);
}

/// The same error in answer to a digest could be the server's, so that the script runs again, with its text; that it
/// says so with its text as well proves whose error it is.
#[test]
fn a_script_that_sometimes_says_noscript_runs_twice_at_most_once() {
    let server = Server::start();
    let client = Tester::connect(server.url());
    let script = "redis.call('INCR', 'n') if ARGV[1] == 'fine' then return 'fine' end \
        return redis.error_reply('NOSCRIPT No matching script. Please use EVAL.')";
    assert_eq!(client.text(&["EVAL", script, "0", "fine"]), "fine");
    for _ in 0..5 {
        client.run(&["EVAL", script, "0", "noscript"]).says(Status::Server, Answered, &["NOSCRIPT"]);
    }
    assert_eq!(client.text(&["EVAL", script, "0", "fine"]), "fine");
    client.run(&["EVAL", script, "0", "noscript"]).says(Status::Server, Answered, &["NOSCRIPT"]);
    assert_eq!(server.command(&["GET", "n"]).integer(), 8 + 1);
}

/// A server that forbids EVALSHA gets EVAL after one attempt of each connection.
fn eval_goes_on(server: &Server, url: &str) {
    let proxy = Proxy::to(server.port());
    let client = Tester::connect(url.replace(&server.address().to_string(), &proxy.address().to_string()));
    for connection in 1..3 {
        client.until_stat("connections", |connections| connections == connection);
        reset(server);
        (0..5).for_each(|number| eval(&client, &number.to_string()));
        for _ in 0..5 {
            assert_eq!(client.text(&["EVAL_RO", "return 'x'", "0"]), "x");
        }
        assert_eq!((calls(server, "eval"), calls(server, "eval_ro")), (5, 5));
        let errors = server.command(&["INFO", "errorstats"]).text();
        let refused = ["NOPERM", "ERR"].map(|code| errors.contains(&format!("errorstat_{code}:count=2\r\n")));
        assert!(refused.contains(&true), "one EVALSHA and one EVALSHA_RO: {errors}");
        proxy.close_all();
    }
}

#[test]
fn eval_works_where_an_acl_forbids_evalsha() {
    let server = Server::start();
    let rules = ["on", ">p", "~*", "&*", "+@all", "-evalsha", "-evalsha_ro"];
    assert!(server.command(&[&["ACL", "SETUSER", "u"], &rules[..]].concat()).is_ok());
    eval_goes_on(&server, &transport::url(format!("u:p@{}", server.address())));
}

#[test]
fn eval_works_where_evalsha_is_renamed_away() {
    let arguments = ["--rename-command", "EVALSHA", "", "--rename-command", "EVALSHA_RO", ""];
    let server = Server::builder().arguments(&arguments).start();
    eval_goes_on(&server, &server.url());
}

/// Many are under way when the first refusal comes.
#[test]
fn many_at_once_work_where_evalsha_is_forbidden() {
    let server = Server::builder().arguments(&["--rename-command", "EVALSHA", ""]).start();
    let client = Tester::connect(server.url());
    let counts = "return redis.call('INCR', 'n')";
    assert_eq!(client.run(&["EVAL", counts, "0"]).integer(), 1);
    let ids: Vec<u64> = (0..500).map(|_| client.submit(&["EVAL", counts, "0"])).collect();
    let done = client.inbox.each_once(&ids);
    let mut numbers: Vec<i64> = ids.iter().map(|id| done[id].integer()).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(2..502), "each ran once");
}

#[test]
fn eval_works_behind_a_proxy_that_knows_no_evalsha() {
    let server = Scripted::after_handshake(|command| match command.name().as_str() {
        "EVAL" => vec![Step::send("+fine\r\n")],
        _ => vec![Step::send("-unsupported command\r\n")],
    });
    let client = Tester::connect(server.url());
    (0..4).for_each(|_| assert_eq!(client.text(&["EVAL", "return 1", "0"]), "fine"));
    let names: Vec<String> =
        server.received().iter().map(|command| command.name()).filter(|name| name.starts_with("EVAL")).collect();
    assert_eq!(names, ["EVAL", "EVALSHA", "EVAL", "EVAL", "EVAL"]);
}

/// A server that never finds it does not get us into a loop.
#[test]
fn noscript_is_repaired_once() {
    let count = AtomicUsize::new(0);
    let server = Scripted::after_handshake(move |command| match command.name().as_str() {
        "EVAL" if count.fetch_add(1, SeqCst) == 0 => vec![Step::send("+fine\r\n")],
        _ => vec![Step::send("-NOSCRIPT No matching script. Please use EVAL.\r\n")],
    });
    let client = Tester::connect(server.url());
    assert_eq!(client.text(&["EVAL", "return 1", "0"]), "fine");
    assert_eq!(client.run(&["EVAL", "return 1", "0"]).status, Status::Server);
    let names: Vec<String> =
        server.received().iter().map(|command| command.name()).filter(|name| name.starts_with("EVAL")).collect();
    assert_eq!(names, ["EVAL", "EVALSHA", "EVAL"]);
}

#[test]
fn in_pipelines_and_transactions_eval_goes_as_it_is() {
    let server = Server::start();
    let client = Tester::connect(server.url());
    eval(&client, "1");
    server.command(&["SCRIPT", "FLUSH"]);
    reset(&server);
    let words: &[&str] = &["EVAL", SCRIPT, "1", "key", "x"];
    assert!(client.wait_for(&request(&[words, &["PING"]])).unwrap().is_ok());
    assert!(client.atomic(&[words, &["PING"]]).is_ok());
    assert_eq!((calls(&server, "eval"), calls(&server, "evalsha")), (2, 0));
}

#[test]
fn a_script_for_all_nodes_answers_a_map() {
    let server = Server::start();
    let client = Tester::connect(server.url());
    client.until_connected();
    let script = ["EVAL", SCRIPT, "1", "key", "x"];
    for _ in 0..2 {
        let done = client.wait_for(&Request { route: Route::All, ..request(&[&script]) }).unwrap();
        assert_eq!(done.ending(), (Status::Ok, Answered));
        assert_eq!(done.reply.kind(), Kind::Map);
        assert_eq!(done.reply.items()[1].items()[1].as_bytes(), b"x");
    }
}
