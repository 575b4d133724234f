//! No secret is ever shown: not in an error, an event, the statistics, or a Debug print, however it was given and
//! whatever goes wrong.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

mod support;

use std::net::Ipv4Addr;

use justredis::config::Config;
use justredis::error::Status;
use support::client::{Tester, config, request, until_event};
use support::port;
use support::scripted::{Scripted, Step};
use support::server::Server;
use support::transport::url;

const PASSWORD: &str = "canary-of-the-password";
const USER: &str = "canary-of-the-user";

fn clean(text: &str) {
    assert!(!text.contains("canary"), "a secret is shown: {text}");
}

/// Each way of giving user and password: a URL and options.
fn ways(address: &str) -> Vec<(String, Vec<(&'static str, &'static str)>)> {
    vec![
        (url(format!("{USER}:{PASSWORD}@{address}")), vec![]),
        (url(address), vec![("username", USER), ("password", PASSWORD)]),
        (url(format!("{address}?username={USER}&password={PASSWORD}")), vec![]),
        (url(format!(":{PASSWORD}@{address}/7")), vec![("protocol", "2")]),
    ]
}

/// Everything a client can say about itself and about a request that fails.
fn all_it_says(client: &Tester) -> String {
    let events = client.events();
    let done = client.run_within(2000, &["GET", "key"]);
    assert!(done.status != Status::Ok, "{done:?}");
    client.run_within(50, &["GET", "key"]);
    let mut said = format!("{done:?} {}", done.text());
    said += &format!("{:?} {:?}", client.client.config(), client.client.stats().unwrap());
    said += &client
        .client
        .stats()
        .unwrap()
        .find(b"links")
        .unwrap()
        .items()
        .iter()
        .map(|link| {
            link.find(b"error").map(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()).unwrap_or_default()
        })
        .collect::<String>();
    until_event(&events, "unreachable");
    for event in events.take(1) {
        said += &format!("{event:?}");
        let reason = event.reply.find(b"reason").map(|reason| String::from_utf8_lossy(reason.as_bytes()).into_owned());
        said += &reason.unwrap_or_default();
    }
    said
}

#[test]
fn a_refused_password_is_not_shown() {
    let server = Server::builder().password("another").start();
    for (url, options) in ways(&server.address().to_string()) {
        let client = Tester::with(url, &[&options[..], &[("reconnect_delay_max", "50")]].concat());
        let said = all_it_says(&client);
        assert!(said.contains("WRONGPASS"), "{said}");
        clean(&said);
    }
}

#[test]
fn other_failures_do_not_show_it_either() {
    let nobody = port::free(Ipv4Addr::LOCALHOST.into());
    let garbage = Scripted::playing(vec![Step::Bytes, Step::send("HTTP/1.1 400 Bad Request\r\n\r\n"), Step::Close]);
    let closing = Scripted::playing(vec![Step::Command, Step::Close]);
    for port in [nobody, garbage.port(), closing.port()] {
        for (url, options) in ways(&format!("127.0.0.1:{port}")) {
            clean(&all_it_says(&Tester::with(url, &[&options[..], &[("reconnect_delay_max", "50")]].concat())));
        }
    }
}

/// Old servers repeat the arguments of a command that they do not know, and those of HELLO and AUTH are secrets.
#[test]
fn a_server_that_repeats_what_it_was_told_does_not_make_us_repeat_it() {
    let server = Scripted::answering(|command| {
        let told = command.args().join("` `");
        vec![Step::send(format!("-ERR wrong number of arguments or AUTH for `{told}`\r\n"))]
    });
    for (url, options) in ways(&format!("127.0.0.1:{}", server.port())) {
        clean(&all_it_says(&Tester::with(url, &[&options[..], &[("reconnect_delay_max", "50")]].concat())));
    }
}

#[test]
fn a_configuration_does_not_print_it() {
    for (url, options) in ways("127.0.0.1:1") {
        let config = config(url, &options);
        let printed = format!("{config:?} {config:#?}");
        clean(&printed);
        assert!(printed.contains("***"), "{printed}");
    }
}

#[test]
fn malformed_urls_and_options_do_not_print_it() {
    for url in [
        format!("redis://{USER}:{PASSWORD}@host:port"),
        format!("redis://{USER}:{PASSWORD}@host:99999"),
        format!("redis://{USER}:{PASSWORD}/slash@host"),
        format!("redis://{USER}:{PASSWORD}#@host"),
        format!("redis://{USER}:%zz{PASSWORD}@host"),
        format!("http://{USER}:{PASSWORD}@host"),
        format!("{USER}:{PASSWORD}@host"),
        format!("redis://{USER}:{PASSWORD}@host/{PASSWORD}"),
        format!("redis://host?pasword={PASSWORD}"),
        format!("redis://host:{PASSWORD}"),
        format!("redis://host?database=1&password={PASSWORD}%"),
    ] {
        let mut config = Config::default();
        let Err(error) = config.set("url", &url) else { panic!("taken, so that nothing was tested: {url}") };
        assert!(error.status == Status::Config && !error.message.is_empty(), "{error:?}");
        clean(&error.message);
        assert_eq!(config, Config::default(), "a failed set changes nothing");
    }
    for url in [
        format!("redis://{USER}:{PASSWORD}%40%2f@host"),
        format!("redis://{USER}:@{PASSWORD}@host"),
        format!("redis://host?password={PASSWORD}%26&username={USER}"),
    ] {
        let mut config = Config::default();
        let Ok(()) = config.set("url", &url) else { panic!("refused, so that nothing was tested: {url}") };
        assert_ne!(config, Config::default());
        clean(&format!("{config:?} {config:#?}"));
    }
    let mut config = Config::default();
    clean(&config.set("endpoints", &format!("{USER}:{PASSWORD}@host:1")).unwrap_err().message);
    clean(&config.set("password", &format!("{PASSWORD}\0")).unwrap_err().message);
}

/// What is refused before it is sent may hold a password too.
#[test]
fn a_refused_command_does_not_repeat_its_arguments() {
    let server = Server::start();
    let client = Tester::connect(server.url());
    for words in [&["AUTH", USER, PASSWORD][..], &["HELLO", "3", "AUTH", USER, PASSWORD]] {
        let error = client.send(&request(&[words])).unwrap_err();
        assert_eq!(error.status, Status::Refused);
        clean(&format!("{error:?} {error}"));
        clean(&client.send(&request(&[words, words])).unwrap_err().message);
    }
}
