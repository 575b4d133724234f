//! Where records begin and end means nothing: whatever was decrypted is delivered at once, however its records came,
//! and nobody waits for bytes of the socket while there is plaintext. After what is sent here the server is silent.

use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::support::api::{Call, Client, Queue, Target};
use super::support::certificates;
use super::support::messages::Subscription;
use super::support::readers::{CClient, Job, Reader, SOON};
use super::support::scripted::{Received, Scripted, Step};
use super::support::transport::Versions;
use super::support::wait::LIMIT;
use super::{EACH, speaking, trusting};

/// After the handshake this server plays steps by the second word of a command; what has none is answered with nothing.
fn server(versions: Versions, steps: impl Fn(&str) -> Vec<Step> + Send + Sync + 'static) -> Scripted {
    Scripted::after_handshake_over(Some(speaking(versions).acceptor()), move |command: &Received| {
        command.args().get(1).map_or(Vec::new(), |word| steps(word))
    })
}

fn client(server: &Scripted, reader: Reader) -> CClient {
    let ca = certificates::path("ca.pem");
    let patient = [("tls_ca", ca.as_str()), ("dead_after", "1h"), ("command_timeout", "60s")];
    CClient::new(server.url(), &[&SOON[..], &patient].concat(), reader)
}

/// Replies to commands `GET 0`, `GET 1`, ... up to `count`, in these records, once the last command has come.
fn all_at_once(versions: Versions, count: usize, records: Vec<Vec<u8>>) -> Scripted {
    server(versions, move |word| {
        let is_last = word.parse() == Ok(count - 1);
        if is_last { vec![Step::Records(records.clone())] } else { Vec::new() }
    })
}

/// Each of `count` requests gets its own reply, by each way of reading.
fn each_gets_its_reply(count: usize, records: &[Vec<u8>], text: impl Fn(usize) -> String) {
    for versions in EACH {
        let server = all_at_once(versions, count, records.to_vec());
        for reader in Reader::ALL {
            let client = client(&server, reader);
            for _ in 0..3 {
                client.settle();
                let ids: Vec<u64> = (0..count).map(|i| client.begin(&Job::of(&["GET", &i.to_string()]))).collect();
                for (i, id) in ids.into_iter().enumerate() {
                    assert_eq!(client.end(id).text(), text(i), "{versions:?}, {reader:?}");
                }
            }
        }
    }
}

/// Cut into records of so many bytes.
fn cut(bytes: &str, size: usize) -> Vec<Vec<u8>> {
    bytes.as_bytes().chunks(size).map(<[u8]>::to_vec).collect()
}

#[test]
fn several_replies_in_one_record() {
    let replies: String = (0..100).map(|i| format!("+reply {i}\r\n")).collect();
    each_gets_its_reply(100, &[replies.into_bytes()], |i| format!("reply {i}"));
}

#[test]
fn many_records_in_one_segment() {
    let records: Vec<Vec<u8>> = (0..100).map(|i| format!("+reply {i}\r\n").into_bytes()).collect();
    each_gets_its_reply(100, &records, |i| format!("reply {i}"));
}

#[test]
fn replies_that_span_records() {
    let replies: String = (0..20).map(|i| format!("$10\r\nreply   {i:02}\r\n")).collect();
    for size in [1, 2, 3, 7, 16, 17, 18, 40] {
        each_gets_its_reply(20, &cut(&replies, size), |i| format!("reply   {i:02}"));
    }
}

/// More than any buffer of the client holds, in records as long as they may be.
#[test]
fn a_reply_that_is_longer_than_every_buffer() {
    for size in [60_000, 400_000, 3_000_000] {
        let value = "0123456789".repeat(size / 10);
        let replies = format!("${size}\r\n{value}\r\n+second\r\n");
        each_gets_its_reply(2, &cut(&replies, 16_384), |i| if i == 0 { value.clone() } else { "second".to_owned() });
    }
}

/// The call of a lone thread reads the socket itself. What comes for others in the same record is not left lying.
#[test]
fn a_lone_call_hands_on_what_came_with_its_own_reply() {
    for versions in EACH {
        let server = server(versions, |word| match word {
            "first" => Vec::new(),
            _ => vec![Step::send("+to the queue\r\n+to the caller\r\n")],
        });
        for reader in [Reader::Queue, Reader::Callback] {
            let others = client(&server, reader);
            for _ in 0..20 {
                others.settle();
                let id = others.begin(&Job::of(&["GET", "first"]));
                let second = others.call(&Job::of(&["GET", "second"]));
                assert_eq!(second.text(), "to the caller", "{versions:?}, {reader:?}");
                assert_eq!(others.end(id).text(), "to the queue", "{versions:?}, {reader:?}");
            }
        }
    }
}

/// Several threads that call and wait: one of them reads for all.
#[test]
fn threads_that_call_get_their_replies_out_of_one_record() {
    const THREADS: usize = 4;
    for versions in EACH {
        let server =
            all_at_once(versions, THREADS, vec![(0..THREADS).map(|i| format!("+{i}\r\n")).collect::<String>().into()]);
        let client = trusting(server.url(), &[("dead_after", "1h")]);
        for _ in 0..20 {
            assert_eq!(client.text(&["PING"]), "PONG");
            thread::scope(|scope| {
                let calls: Vec<_> = (0..THREADS)
                    .map(|i| {
                        // In this order they are on their way.
                        server.until_received("GET", server.received().iter().filter(|c| c.name() == "GET").count());
                        let before = server.received().len();
                        let call = scope.spawn({
                            let client = client.clone();
                            move || client.text(&["GET", &i.to_string()])
                        });
                        super::support::wait::until("the command to arrive", || server.received().len() > before);
                        call
                    })
                    .collect();
                for (i, call) in calls.into_iter().enumerate() {
                    assert_eq!(call.join().unwrap(), i.to_string(), "{versions:?}");
                }
            });
        }
    }
}

/// An event loop polls the descriptor of a queue, and takes one completion each time it is readable.
#[test]
fn a_queue_is_readable_as_long_as_there_are_replies() {
    let text = |i| format!("reply {i}");
    for versions in EACH {
        let records: Vec<Vec<u8>> = vec![
            (0..3).map(|i| format!("+{}\r\n", text(i))).collect::<String>().into(),
            b"+reply 3\r\n+rep".to_vec(),
            b"ly 4\r\n".to_vec(),
        ];
        let server = all_at_once(versions, 5, records);
        let ca = certificates::path("ca.pem");
        let client = Client::new(&server.url(), &[("tls_ca", &ca), ("dead_after", "1h")]);
        let queue = Queue::new(true);
        for _ in 0..50 {
            for i in 0..5 {
                let words = vec![b"GET".to_vec(), i.to_string().into_bytes()];
                let call = Call { commands: &[words], flags: 0, timeout_ms: 0, user_data: i };
                client.submit(&call, Target::Queue(&queue)).unwrap();
            }
            for i in 0..5 {
                let completion = loop {
                    let mut polled = [PollFd::from_borrowed_fd(queue.descriptor(), PollFlags::IN)];
                    let limit = Timespec { tv_sec: LIMIT.as_secs() as i64, tv_nsec: 0 };
                    assert_eq!(poll(&mut polled, Some(&limit)).unwrap(), 1, "{versions:?}: nothing to take for {i}");
                    if let Some(completion) = queue.take_one() {
                        break completion;
                    }
                };
                assert_eq!(completion.user_data, i);
                assert_eq!(completion.reply.as_bytes(), text(i).as_bytes());
            }
        }
    }
}

#[test]
fn a_subscriber_gets_every_message_of_a_record() {
    let confirmed = ">3\r\n$9\r\nsubscribe\r\n$2\r\nch\r\n:1\r\n";
    let message = |i: usize| format!(">3\r\n$7\r\nmessage\r\n$2\r\nch\r\n$2\r\n{i:02}\r\n");
    let all: String = (0..50).map(message).collect();
    for versions in EACH {
        for records in [vec![format!("{confirmed}{all}").into_bytes()], cut(&format!("{confirmed}{all}"), 33)] {
            let server = server(versions, move |word| match word {
                "ch" => vec![Step::Records(records.clone())],
                _ => vec![Step::send("+OK\r\n")],
            });
            let client = trusting(server.url(), &[("dead_after", "1h")]);
            let subscription = Subscription::to(&client, &["SUBSCRIBE", "ch"]);
            let wanted: Vec<String> = (0..50).map(|i| format!("message ch {i:02}")).collect();
            let got = subscription.take(51);
            assert!(got[0].starts_with("subscribe"), "{got:?}");
            assert_eq!(got[1..], wanted[..]);
        }
    }
}

/// A message comes in the record of a reply, to the connection that has both.
#[test]
fn an_invalidation_in_the_record_of_a_reply_takes_effect() {
    for versions in EACH {
        let server = server(versions, |word| match word {
            "key" => vec![Step::send("$1\r\n1\r\n")],
            "change" => vec![Step::send(">2\r\n$10\r\ninvalidate\r\n*1\r\n$3\r\nkey\r\n+OK\r\n")],
            _ => vec![Step::send("+OK\r\n")],
        });
        let client = trusting(server.url(), &[("cache_bytes", "1MiB"), ("dead_after", "1h")]);
        let reads = || server.received().iter().filter(|command| command.name() == "GET").count();
        for round in 1..10 {
            for _ in 0..3 {
                assert_eq!(client.cached(&["GET", "key"]).text(), "1");
            }
            assert_eq!(reads(), round);
            assert_eq!(client.text(&["ECHO", "change"]), "OK");
        }
    }
}
