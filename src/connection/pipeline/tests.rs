//! The pipeline against a model: every byte handed over once, every reply to its own slot.

use super::*;
use crate::error::{Outcome, Status};

const WIDE: Limits = Limits { requests: 1 << 20, bytes: 1 << 30 };

fn push(pipeline: &mut Pipeline, ticket: u64, bytes: &[u8]) -> u64 {
    let to = Addressee { ticket: Ticket(ticket), part: 0 };
    pipeline.append_encoded(to, 1, Bytes::copy_from_slice(bytes))
}

/// Who a reply goes to, if it completes an answer; the error: nothing that was sent explains it.
fn answer(pipeline: &mut Pipeline, is_error: bool) -> Result<Option<u64>, ()> {
    let reply = if is_error { Reply::error(Status::Server, Outcome::Answered, "ERR") } else { Reply::ok() };
    pipeline.answer(reply, false).map(|answer| answer.map(|answer| answer.to.ticket.0)).map_err(|_| ())
}

fn write_all(pipeline: &mut Pipeline) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let mut parts = Vec::new();
        pipeline.begin_write(&mut parts);
        let taken: usize = parts.iter().map(Bytes::len).sum();
        assert!(pipeline.end_write(taken));
        if taken == 0 {
            return out;
        }
        parts.iter().for_each(|part| out.extend_from_slice(part));
    }
}

#[test]
fn replies_go_to_slots_in_order() {
    let mut pipeline = Pipeline::new(WIDE);
    push(&mut pipeline, 1, b"one");
    push(&mut pipeline, 2, b"two");
    assert_eq!(answer(&mut pipeline, false), Err(()), "nothing was sent yet");
    assert_eq!(write_all(&mut pipeline), b"onetwo");
    assert_eq!(pipeline.front_bytes().as_ref(), b"one");
    assert_eq!(answer(&mut pipeline, false), Ok(Some(1)));
    assert_eq!(pipeline.front_bytes().as_ref(), b"two");
    assert_eq!(answer(&mut pipeline, false), Ok(Some(2)));
    assert_eq!(answer(&mut pipeline, false), Err(()));
    assert_eq!((pipeline.waiting(), pipeline.waiting_bytes()), (0, 0));
}

#[test]
fn room_that_is_given_back_loses_no_byte() {
    let mut pipeline = Pipeline::new(WIDE);
    pipeline.release_buffers();
    push(&mut pipeline, 1, b"one");
    pipeline.release_buffers();
    assert_eq!(write_all(&mut pipeline), b"one");
    pipeline.release_buffers();
    assert_eq!(pipeline.front_bytes().as_ref(), b"one", "it may have to be sent again");
    assert_eq!(answer(&mut pipeline, false), Ok(Some(1)));
    pipeline.release_buffers();
    push(&mut pipeline, 2, b"two");
    assert_eq!(write_all(&mut pipeline), b"two");
    assert_eq!(answer(&mut pipeline, false), Ok(Some(2)));
}

#[test]
fn what_is_written_at_once_ends_with_a_slot_unless_one_is_longer() {
    // The lengths of the slots, and of the writes that take them, at most 10 bytes each.
    for (lengths, writes) in [
        (&[3, 4, 3, 4, 3][..], &[10, 7][..]),
        (&[3, 4, 4, 4], &[7, 8]),
        (&[10, 10], &[10, 10]),
        (&[11], &[10, 1]),
        // The rest of a long one goes with what fits behind it.
        (&[3, 25, 4, 9], &[3, 10, 10, 9, 9]),
        (&[9, 2], &[9, 2]),
    ] {
        let mut pipeline = Pipeline::new(WIDE);
        lengths.iter().for_each(|length| _ = push(&mut pipeline, 1, &vec![b'x'; *length]));
        for written in writes {
            let mut parts = Vec::new();
            pipeline.begin_write_within(10, &mut parts);
            let given: usize = parts.iter().map(Bytes::len).sum();
            assert_eq!(given, *written, "{lengths:?}");
            assert!(pipeline.end_write(given));
        }
        assert!(!pipeline.is_unsent(), "{lengths:?}");
    }
}

#[test]
fn the_rest_of_a_slot_can_be_written_without_beginning_another() {
    let mut pipeline = Pipeline::new(WIDE);
    let mut parts = Vec::new();
    push(&mut pipeline, 1, b"one");
    let second = push(&mut pipeline, 2, b"second");
    push(&mut pipeline, 3, b"three");
    pipeline.begin_rest(&mut parts);
    assert!(parts.is_empty() && !pipeline.is_in_flight(), "none was begun");
    pipeline.begin_write(&mut parts);
    assert!(pipeline.end_write(b"onese".len()));
    // Given up, it still has to be written.
    assert!(!pipeline.withdraw(second));
    for (rest, taken) in [("cond", 1), ("ond", 3), ("", 0)] {
        parts.clear();
        pipeline.begin_rest(&mut parts);
        assert_eq!(parts.concat(), rest.as_bytes());
        assert!(pipeline.end_write(taken));
    }
    assert_eq!(answer(&mut pipeline, false), Ok(Some(1)));
    assert_eq!(answer(&mut pipeline, false), Ok(None));
    assert!(!pipeline.is_in_flight() && pipeline.is_unsent());
    assert_eq!(write_all(&mut pipeline), b"three");
}

#[test]
fn the_replies_of_a_slot_come_together() {
    let mut pipeline = Pipeline::new(WIDE);
    pipeline.append(Addressee { ticket: Ticket(7), part: 0 }, 3, 3, |mut room| {
        room.put(b"abc");
        room
    });
    push(&mut pipeline, 8, b"d");
    write_all(&mut pipeline);
    assert_eq!(answer(&mut pipeline, true), Ok(None));
    assert_eq!(answer(&mut pipeline, false), Ok(None));
    let last = pipeline.answer(Reply::integer(3), false).unwrap().unwrap();
    let Exchange { request, earlier } = *last.exchange.unwrap();
    assert_eq!((last.to, last.reply.to_i64()), (Addressee { ticket: Ticket(7), part: 0 }, Some(3)));
    assert_eq!(&request[..], b"abc");
    assert_eq!(earlier.iter().map(|reply| reply.kind()).collect::<Vec<_>>(), [Kind::Error, Kind::Status]);
    assert_eq!(answer(&mut pipeline, false), Ok(Some(8)));
}

#[test]
fn what_is_withdrawn_is_never_written() {
    let mut pipeline = Pipeline::new(WIDE);
    let sequences: Vec<u64> = (0..10).map(|n| push(&mut pipeline, n + 1, format!("<{n}>").as_bytes())).collect();
    for n in [0, 3, 4, 9] {
        assert!(pipeline.withdraw(sequences[n]));
        assert!(!pipeline.withdraw(sequences[n]), "only once");
    }
    assert_eq!(pipeline.waiting(), 6);
    assert_eq!(write_all(&mut pipeline), b"<1><2><5><6><7><8>");
    assert!(!pipeline.withdraw(sequences[5]), "it was handed over");
    for ticket in [Some(2), Some(3), None, Some(7), Some(8), Some(9)] {
        assert_eq!(answer(&mut pipeline, false), Ok(ticket), "what was given up keeps its place");
    }
}

#[test]
fn a_loss_returns_what_was_sent_and_keeps_the_rest() {
    let mut pipeline = Pipeline::new(WIDE);
    push(&mut pipeline, 1, b"aaa");
    push(&mut pipeline, 2, b"bbb");
    push(&mut pipeline, 3, b"ccc");
    let mut parts = Vec::new();
    pipeline.begin_write(&mut parts);
    assert!(pipeline.end_write(5));
    let lost = pipeline.disconnect();
    let lost = lost.iter().map(|lost| (lost.unit.to.ticket.0, &lost.unit.bytes[..], lost.is_next, lost.is_whole));
    let lost: Vec<_> = lost.collect();
    assert_eq!(lost, [(1, &b"aaa"[..], true, true), (2, &b"bbb"[..], false, false)]);
    assert_eq!(write_all(&mut pipeline), b"ccc");
}

/// Appends a slot of three replies and nine bytes, of which `sent` are written.
fn half_sent_block(sent: usize) -> Pipeline {
    let mut pipeline = Pipeline::new(WIDE);
    let to = Addressee { ticket: Ticket(7), part: 0 };
    pipeline.append_encoded(to, 3, Bytes::from_static(b"aaabbbccc"));
    push(&mut pipeline, 8, b"ddd");
    let mut parts = Vec::new();
    pipeline.begin_write(&mut parts);
    assert!(pipeline.end_write(sent));
    pipeline
}

#[test]
fn replies_before_the_last_may_come_while_the_slot_is_written() {
    let mut pipeline = half_sent_block(4);
    assert_eq!((answer(&mut pipeline, false), answer(&mut pipeline, false)), (Ok(None), Ok(None)));
    assert_eq!(answer(&mut pipeline, false), Err(()), "what the last belongs to was not sent");
    assert_eq!(write_all(&mut pipeline), b"bbcccddd");
    assert_eq!(answer(&mut pipeline, false), Ok(Some(7)));
    assert_eq!(answer(&mut pipeline, false), Ok(Some(8)));
    assert_eq!(answer(&mut half_sent_block(0), false), Err(()));
}

#[test]
fn a_loss_gives_the_replies_of_a_block_that_came() {
    let mut pipeline = half_sent_block(10);
    assert_eq!((answer(&mut pipeline, false), answer(&mut pipeline, true)), (Ok(None), Ok(None)));
    let lost = pipeline.disconnect();
    let lost: Vec<_> = lost.iter().map(|lost| (lost.unit.to.ticket.0, lost.received.len(), lost.is_whole)).collect();
    assert_eq!(lost, [(7, 2, true), (8, 0, false)]);
    assert_eq!(answer(&mut pipeline, true), Err(()));
}

#[test]
fn a_refusal_may_come_while_the_slot_is_written_and_the_rest_is_written_all_the_same() {
    let mut pipeline = Pipeline::new(WIDE);
    push(&mut pipeline, 1, b"aaaaaa");
    push(&mut pipeline, 2, b"bbb");
    let mut parts = Vec::new();
    assert_eq!(answer(&mut pipeline, true), Err(()), "no byte was sent");
    pipeline.begin_write(&mut parts);
    assert!(pipeline.end_write(2));
    assert_eq!(pipeline.front_bytes().as_ref(), b"aaaaaa");
    assert_eq!(answer(&mut pipeline, false), Err(()), "an answer to what the server has not read");
    assert_eq!(answer(&mut pipeline, true), Ok(Some(1)));
    assert_eq!(answer(&mut pipeline, true), Err(()), "of the next no byte was sent");
    assert!(pipeline.front_bytes().is_empty());
    assert_eq!(write_all(&mut pipeline), b"aaaabbb");
    assert_eq!(answer(&mut pipeline, false), Ok(Some(2)));
    assert!(pipeline.is_idle());
}

#[test]
fn what_was_refused_while_it_was_written_is_not_lost_with_the_connection() {
    let mut pipeline = half_sent_block(4);
    assert_eq!((answer(&mut pipeline, false), answer(&mut pipeline, false)), (Ok(None), Ok(None)));
    assert_eq!(answer(&mut pipeline, true), Ok(Some(7)));
    assert!(pipeline.disconnect().is_empty());
    assert_eq!(write_all(&mut pipeline), b"ddd");
}

#[test]
fn an_answer_to_what_the_socket_did_not_take_is_out_of_step() {
    let mut pipeline = Pipeline::new(WIDE);
    push(&mut pipeline, 2, b"aaa");
    push(&mut pipeline, 3, b"bbb");
    let mut parts = Vec::new();
    pipeline.begin_write(&mut parts);
    assert!(answer(&mut pipeline, false).is_ok(), "the socket may have taken it: nobody knows yet");
    assert!(answer(&mut pipeline, false).is_ok());
    assert!(!pipeline.end_write(3));
}

#[test]
fn what_was_half_sent_and_given_up_is_not_started_again() {
    let mut pipeline = Pipeline::new(WIDE);
    let first = push(&mut pipeline, 1, b"aaa");
    let second = push(&mut pipeline, 2, b"bbb");
    push(&mut pipeline, 3, b"ccc");
    let mut parts = Vec::new();
    pipeline.begin_write(&mut parts);
    assert!(pipeline.end_write(5));
    assert!(!pipeline.withdraw(first) && !pipeline.withdraw(second));
    assert!(pipeline.disconnect().is_empty());
    assert_eq!(write_all(&mut pipeline), b"ccc");
    assert_eq!((pipeline.waiting(), pipeline.waiting_bytes()), (1, 3));
}

#[test]
fn what_is_given_up_during_a_write_that_did_not_take_it_is_never_written() {
    let mut pipeline = Pipeline::new(WIDE);
    push(&mut pipeline, 1, b"aaa");
    let second = push(&mut pipeline, 2, b"bbb");
    push(&mut pipeline, 3, b"ccc");
    let mut parts = Vec::new();
    pipeline.begin_write(&mut parts);
    assert!(!pipeline.withdraw(second), "nobody can know yet");
    assert!(pipeline.end_write(3));
    assert_eq!(write_all(&mut pipeline), b"ccc");
}

#[test]
fn the_limits_hold_and_tell_when_there_is_room_again() {
    let mut pipeline = Pipeline::new(Limits { requests: 2, bytes: 100 });
    assert!(pipeline.has_room(Load { requests: 1, bytes: 10 }));
    let first = push(&mut pipeline, 1, &[b'x'; 10]);
    assert!(pipeline.has_room(Load { requests: 1, bytes: 90 }));
    assert!(!pipeline.has_room(Load { requests: 1, bytes: 91 }));
    push(&mut pipeline, 2, &[b'x'; 10]);
    assert!(!pipeline.has_room(Load { requests: 1, bytes: 1 }));
    assert!(!pipeline.has_room_again());
    assert!(pipeline.withdraw(first));
    assert!(pipeline.has_room_again());
    assert!(!pipeline.has_room_again(), "told once");
}

#[test]
fn memory_of_withdrawn_slots_is_given_back_while_nothing_can_be_sent() {
    let mut pipeline = Pipeline::new(WIDE);
    push(&mut pipeline, 1, b"stays");
    for n in 0..100_000u64 {
        let sequence = push(&mut pipeline, n + 2, &[b'x'; 100]);
        assert!(pipeline.withdraw(sequence));
        assert!(pipeline.slots.len() < 16 && pipeline.segments.count() < 16);
    }
    assert_eq!(write_all(&mut pipeline), b"stays");
}

/// Random appends, writes, replies, withdrawals and losses against a plain list.
#[test]
fn it_behaves_like_a_plain_list() {
    #[derive(Clone)]
    struct Model {
        ticket: u64,
        sequence: u64,
        bytes: Vec<u8>,
        handed: usize,
        given_up: bool,
        answered: bool,
    }
    let name_of = |slot: &Model| (!slot.given_up).then_some(slot.ticket);
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut pipeline = Pipeline::new(WIDE);
        let mut model: Vec<Model> = Vec::new();
        let mut next = 1;
        for _ in 0..400 {
            match random.u32(0..100) {
                0..45 => {
                    let length =
                        if random.u32(0..20) == 0 { random.usize(LARGE..3 * LARGE) } else { random.usize(1..80) };
                    let bytes: Vec<u8> = (0..length).map(|n| (next as usize + n) as u8).collect();
                    let sequence = push(&mut pipeline, next, &bytes);
                    model.push(Model { ticket: next, sequence, bytes, handed: 0, given_up: false, answered: false });
                    next += 1;
                }
                45..65 => {
                    let mut parts = Vec::new();
                    pipeline.begin_write(&mut parts);
                    let all: Vec<u8> = parts.concat();
                    if !model.is_empty() && random.u32(0..4) == 0 {
                        let index = random.usize(0..model.len());
                        if pipeline.withdraw(model[index].sequence) {
                            assert_eq!(model.remove(index).handed, 0);
                        } else {
                            model[index].given_up = true;
                        }
                    }
                    let mut taken = if random.bool() { all.len() } else { random.usize(0..=all.len()) };
                    assert!(pipeline.end_write(taken));
                    let mut written = &all[..taken];
                    for slot in &mut model {
                        let part = taken.min(slot.bytes.len() - slot.handed);
                        assert_eq!(&slot.bytes[slot.handed..slot.handed + part], &written[..part]);
                        written = &written[part..];
                        slot.handed += part;
                        taken -= part;
                    }
                    assert_eq!(taken, 0);
                    model.retain(|slot| !slot.given_up || slot.handed > 0);
                    model.retain(|slot| !slot.answered || slot.handed < slot.bytes.len());
                }
                65..80 => {
                    let is_error = random.u32(0..4) == 0;
                    let first = model.iter().position(|slot| !slot.answered);
                    let may_be = |slot: &Model| slot.handed == slot.bytes.len() || (is_error && slot.handed > 0);
                    let expected = first.filter(|first| may_be(&model[*first]));
                    let name = expected.map(|first| name_of(&model[first])).ok_or(());
                    assert_eq!(answer(&mut pipeline, is_error), name);
                    if let Some(first) = expected {
                        (model[first].answered, model[first].given_up) = (true, true);
                    }
                    model.retain(|slot| !slot.answered || slot.handed < slot.bytes.len());
                }
                80..97 => {
                    if !model.is_empty() {
                        let index = random.usize(0..model.len());
                        assert_eq!(pipeline.withdraw(model[index].sequence), model[index].handed == 0);
                        if model[index].handed == 0 {
                            model.remove(index);
                        } else {
                            model[index].given_up = true;
                        }
                    }
                }
                _ => {
                    let lost = pipeline.disconnect();
                    let sent = model.iter().take_while(|slot| slot.handed > 0).count();
                    let gone: Vec<Model> = model.drain(..sent).filter(|slot| !slot.given_up).collect();
                    assert_eq!(lost.len(), gone.len());
                    for (lost, gone) in lost.iter().zip(&gone) {
                        let Unit { to, bytes, .. } = &lost.unit;
                        assert_eq!((to.ticket.0, bytes.as_ref()), (gone.ticket, gone.bytes.as_slice()));
                        assert_eq!(lost.is_whole, gone.handed == gone.bytes.len());
                    }
                }
            }
            assert_eq!(pipeline.waiting(), model.len());
            assert_eq!(pipeline.waiting_bytes(), model.iter().map(|slot| slot.bytes.len()).sum::<usize>());
        }
    }
}
