//! What can be done to the bytes of TLS on their way: they are seen, cut, changed, held back and come one by one.
//! Nothing of it is taken for an answer, and the client goes on with a new connection.

use std::sync::Arc;

use justredis::error::Outcome::Unknown;
use justredis::error::Status;

use super::support::api::{Call, Client, Queue};
use super::support::certificates;
use super::support::flow::Fault;
use super::support::proxy::Proxy;
use super::support::readers::{CClient, Job, Reader, SOON};
use super::support::scripted::{Scripted, Step};
use super::support::server::Server;
use super::support::transport::{Versions, url_over};
use super::support::wait;
use super::{EACH, speaking, trusting};

fn client(url: &str, reader: Reader) -> CClient {
    let ca = certificates::path("ca.pem");
    CClient::new(url, &[&SOON[..], &[("tls_ca", ca.as_str())]].concat(), reader)
}

/// A client with each way of reading.
fn clients(url: &str) -> Vec<CClient> {
    Reader::ALL.map(|reader| client(url, reader)).into()
}

/// A client with each way of reading, behind a proxy of its own: a fault strikes nobody else's connection.
fn clients_behind_proxies(server: &Server) -> Vec<(Proxy, CClient)> {
    let behind_proxy = |reader| {
        let proxy = Proxy::to(server.port());
        let client = client(&url_over(true, proxy.address()), reader);
        (proxy, client)
    };
    Reader::ALL.map(behind_proxy).into()
}

fn server(versions: Versions) -> Server {
    Server::builder().tls(speaking(versions)).start()
}

/// Everything but the handshake gets these steps.
fn scripted(versions: Versions, steps: Vec<Step>) -> Scripted {
    Scripted::after_handshake_over(Some(speaking(versions).acceptor()), move |_| steps.clone())
}

fn set() -> Job {
    Job::of(&["SET", "key", "value"])
}

#[test]
fn nothing_secret_passes_in_the_clear() {
    for versions in EACH {
        let server = Server::builder().tls(speaking(versions)).password("canary-of-the-password").start();
        let proxy = Proxy::to(server.port());
        proxy.to_server().record();
        proxy.to_client().record();
        for protocol in ["2", "3"] {
            let options = [("password", "canary-of-the-password"), ("protocol", protocol), ("client_name", "canary")];
            let client = trusting(url_over(true, proxy.address()), &options);
            assert_eq!(client.text(&["SET", "canary-key", "canary-value"]), "OK");
            assert_eq!(client.text(&["GET", "canary-key"]), "canary-value");
        }
        for (flow, clear) in [(proxy.to_server(), &b"PING"[..]), (proxy.to_client(), b"PONG")] {
            let bytes = flow.recorded();
            let has = |word: &[u8]| bytes.windows(word.len()).any(|window| window == word);
            assert!(bytes.len() > 1000 && !has(b"canary") && !has(clear));
        }
    }
}

#[test]
fn bytes_that_come_one_by_one_are_the_same_stream() {
    let value = "0123456789".repeat(300);
    for versions in EACH {
        let server = server(versions);
        for (proxy, client) in clients_behind_proxies(&server) {
            proxy.to_server().chunks(1..=1);
            proxy.to_client().chunks(1..=1);
            assert!(client.run(&Job::of(&["SET", "key", &value])).is_ok());
            let ids: Vec<u64> = (0..5).map(|_| client.begin(&Job::of(&["GET", "key"]))).collect();
            for id in ids {
                assert_eq!(client.end(id).text(), value, "{versions:?}, {:?}", client.reader);
            }
        }
    }
}

/// The lengths of the records that follow each other in these bytes.
fn records(mut bytes: &[u8]) -> Vec<usize> {
    let mut lengths = Vec::new();
    while let [_, _, _, high, low, rest @ ..] = bytes {
        lengths.push(usize::from(*high) * 256 + usize::from(*low));
        bytes = &rest[lengths[lengths.len() - 1]..];
    }
    lengths
}

/// A server handles and answers each record for itself. Where the requests lie in memory makes no difference: over all
/// rounds they fill several of the buffers in which they gather.
#[test]
fn what_is_sent_together_is_one_record_if_it_fits() {
    const TOGETHER: usize = 20;
    let call = Call { commands: &[vec![b"ECHO".to_vec(), vec![b'x'; 500]]], flags: 0, timeout_ms: 0, user_data: 0 };
    for versions in EACH {
        let server = server(versions);
        let proxy = Proxy::to(server.port());
        let url = url_over(true, proxy.address());
        let client = Client::new(&url, &[("tls_ca", &certificates::path("ca.pem")), ("dead_after", "1h")]);
        let queue = Queue::new(false);
        client.execute(&call);
        for round in 0..50 {
            proxy.to_server().record();
            client.submit_many(&call, TOGETHER, &queue);
            let mut left = TOGETHER;
            while left > 0 {
                left -= queue.take(-1).len();
            }
            let records = records(&proxy.to_server().recorded());
            assert_eq!(records.len(), 1, "{versions:?}, round {round}: {records:?}");
        }
    }
}

/// Also the messages of the handshake, and the tickets that follow it while commands are on their way already: what is
/// there of one is kept until the rest comes.
#[test]
fn messages_that_span_records_are_put_together() {
    let value = "0123456789".repeat(300);
    let reply = format!("${}\r\n{value}\r\n", value.len());
    for versions in EACH {
        let mut tls = Arc::unwrap_or_clone(speaking(versions).acceptor());
        tls.max_fragment_size = Some(48);
        let steps = vec![Step::send(&reply)];
        let server = Scripted::after_handshake_over(Some(Arc::new(tls)), move |_| steps.clone());
        let proxy = Proxy::to(server.port());
        for chunks in [1..=1, 1..=100, 40..=60] {
            proxy.to_client().chunks(chunks);
            for _ in 0..5 {
                for client in clients(&url_over(true, proxy.address())) {
                    let ids: Vec<u64> = (0..5).map(|_| client.begin(&set())).collect();
                    ids.iter().for_each(|id| assert_eq!(client.end(*id).text(), value, "{:?}", client.reader));
                    assert_eq!(client.run(&set()).text(), value, "{:?}", client.reader);
                }
            }
        }
    }
}

/// The answer `+OK\r\n` is a record of 27 bytes in TLS 1.3, and of 34 in TLS 1.2.
#[test]
fn a_cut_within_a_record_is_a_loss_and_no_answer() {
    for versions in EACH {
        let server = server(versions);
        for (proxy, client) in clients_behind_proxies(&server) {
            for position in 0..27 {
                client.settle();
                let fault = [Fault::Close, Fault::Reset][position % 2];
                proxy.to_client().after(position as u64, fault);
                let answer = client.run(&set());
                let place = format!("{versions:?}, {:?}, {position}: {}", client.reader, answer.text());
                assert_eq!((answer.status, answer.outcome), (Status::Lost, Unknown), "{place}");
            }
        }
    }
}

/// Without the goodbye of TLS, somebody on the way may have ended the connection; with it, the server did. In between
/// two answers, both are the end of the connection; in the midst of one, neither makes an answer of its half.
#[test]
fn an_end_in_the_midst_of_an_answer_is_a_loss() {
    for versions in EACH {
        for end in [Step::Cut, Step::Close, Step::Reset] {
            for half in ["", "+", "+OK", "+OK\r"] {
                let server = scripted(versions, vec![Step::send(half), end.clone()]);
                for client in clients(&server.url()) {
                    let answer = client.run(&set());
                    let place = format!("{versions:?}, {:?}, {end:?}, {half:?}: {}", client.reader, answer.text());
                    assert_eq!((answer.status, answer.outcome), (Status::Lost, Unknown), "{place}");
                }
            }
            if matches!(end, Step::Reset) {
                continue;
            }
            let server = scripted(versions, vec![Step::send("+whole\r\n"), end.clone()]);
            for client in clients(&server.url()) {
                for _ in 0..5 {
                    client.settle();
                    assert_eq!(client.run(&set()).text(), "whole", "{versions:?}, {:?}, {end:?}", client.reader);
                }
            }
        }
    }
}

/// Each byte counts: the head of a record, its content, its seal. (The length is left out: too long a record is waited
/// for.) The server told the truth about TLS before, so that is not doubted now.
#[test]
fn an_answer_that_was_changed_on_the_way_is_none() {
    for versions in EACH {
        let server = server(versions);
        for (proxy, client) in clients_behind_proxies(&server) {
            for position in [0, 1, 3, 5, 10, 26] {
                client.settle();
                proxy.to_client().garble(position);
                let answer = client.run(&set());
                let place = format!("{versions:?}, {:?}, {position}: {}", client.reader, answer.text());
                assert_eq!((answer.status, answer.outcome), (Status::Lost, Unknown), "{place}");
                assert!(answer.text().contains("127.0.0.1") && answer.text().contains("TLS session"), "{place}");
                assert!(!answer.text().contains("does not speak TLS"), "{place}");
            }
        }
    }
}

/// Half a record is nothing yet: who waits for it is not kept longer than for nothing, and the rest is as good as ever.
#[test]
fn deadlines_hold_in_the_midst_of_a_record() {
    for versions in EACH {
        let server = server(versions);
        for (proxy, client) in clients_behind_proxies(&server) {
            for position in [1, 5, 20] {
                client.settle();
                proxy.to_client().after(position, Fault::Stall);
                let answer = client.run(&Job { timeout: 50, ..set() });
                let place = format!("{versions:?}, {:?}, {position}: {}", client.reader, answer.text());
                assert_eq!((answer.status, answer.outcome), (Status::Timeout, Unknown), "{place}");
                // On a busy machine the deadline may have passed before there was an answer.
                wait::until("a part of the answer to come", || proxy.to_client().pending() == 0);
                proxy.to_client().resume();
                assert_eq!(client.run(&Job::of(&["ECHO", "on"])).text(), "on", "{place}");
                assert_eq!(client.stat("connections"), 1, "{place}");
            }
        }
    }
}

/// The server notices that a command was changed, says so by an alert, and hangs up.
#[test]
fn the_alert_of_a_server_is_told() {
    for versions in EACH {
        let server = server(versions);
        for (proxy, client) in clients_behind_proxies(&server) {
            client.settle();
            proxy.to_server().garble(10);
            let answer = client.run(&set());
            let place = format!("{versions:?}, {:?}: {}", client.reader, answer.text());
            assert_eq!((answer.status, answer.outcome), (Status::Lost, Unknown), "{place}");
            assert!(answer.text().contains("alert BadRecordMac"), "{place}");
            client.settle();
        }
        assert_eq!(server.command(&["EXISTS", "key"]).integer(), 0);
    }
}

/// Records that come in pieces of all sizes, with new keys in between, and a value larger than any buffer.
#[test]
fn keys_are_changed_in_the_midst() {
    let value = "x".repeat(300_000);
    let reply = format!("${}\r\n{value}\r\n", value.len());
    let (head, tail) = reply.split_at(100_001);
    let steps = vec![
        Step::UpdateKeys,
        Step::send(head),
        Step::UpdateKeys,
        Step::UpdateKeys,
        Step::send(tail),
        Step::UpdateKeys,
    ];
    let server = scripted(Versions::Only13, steps);
    let proxy = Proxy::to(server.port());
    for chunks in [None, Some(1..=5000)] {
        if let Some(chunks) = chunks {
            proxy.to_client().chunks(chunks.clone());
            proxy.to_server().chunks(chunks);
        }
        for client in clients(&url_over(true, proxy.address())) {
            for _ in 0..10 {
                assert_eq!(client.run(&set()).text(), value, "{:?}", client.reader);
            }
            let ids: Vec<u64> = (0..5).map(|_| client.begin(&set())).collect();
            ids.iter().for_each(|id| assert_eq!(client.end(*id).text(), value));
            assert_eq!(client.stat("connections"), 1);
        }
    }
}

/// A server that asks for new keys all the time and never reads: the answers to that do not pile up for ever, and the
/// deadline holds.
#[test]
fn a_deadline_holds_while_records_come_that_say_nothing() {
    for step in [Step::Flood(Vec::new()), Step::flood("x")] {
        let steps = vec![Step::send("$1000000000\r\n"), step];
        let server = scripted(Versions::Both, steps);
        for client in clients(&server.url()) {
            let answer = client.run(&Job { timeout: 200, ..set() });
            let ended = [Status::Timeout, Status::Protocol, Status::Lost, Status::Tls];
            assert!(ended.contains(&answer.status), "{:?}: {}", client.reader, answer.text());
        }
    }
}
