//! Every merge of every kind of answer.

use super::*;

/// Numbers, `+text`, or an error: its status and outcome.
fn reply(text: &str) -> Reply {
    match text {
        "server" => Reply::error(Status::Server, Outcome::Answered, text),
        "lost" => Reply::error(Status::Lost, Outcome::Unknown, text),
        "unsent" => Reply::error(Status::Lost, Outcome::NotRun, text),
        "OK" => Reply::ok(),
        "nil" => Reply::nil(),
        "empty" => Reply::array(Vec::new()).unwrap(),
        list if list.contains(',') => Reply::array(list.split(',').map(reply).collect()).unwrap(),
        text if text.starts_with('+') => Reply::string(&text.as_bytes()[1..]),
        number => Reply::integer(number.parse().unwrap()),
    }
}

fn shown(reply: &crate::protocol::reply::Node) -> String {
    match reply.to_i64() {
        Some(number) => number.to_string(),
        None if reply.items().is_empty() => String::from_utf8_lossy(reply.as_bytes()).into_owned(),
        None => reply.items().iter().map(shown).collect::<Vec<_>>().join(","),
    }
}

#[test]
fn every_merge_of_every_kind_of_answer() {
    use Outcome::{Answered, NotRun, Unknown};
    let places = || Merge::InOrder(vec![vec![0, 2], vec![1, 3]]);
    let by_address = || Merge::ByAddress(vec!["a:1".to_string(), "b:1".to_string()]);
    let pipeline = || Merge::Pipeline(vec![(1, Merge::Same), (2, Merge::Sum), (1, Merge::Same)]);
    let broken = "an answer has not as many items as there were keys";
    let max = i64::MAX.to_string();
    for (merge, replies, status, outcome, text) in [
        (Merge::List, "1 server", Status::Ok, Answered, "1,server".to_string()),
        (Merge::List, "1 lost unsent", Status::Lost, Unknown, "1,lost,unsent".to_string()),
        (Merge::List, "unsent unsent", Status::Lost, NotRun, "unsent,unsent".to_string()),
        (places(), "1,3 2,4", Status::Ok, Answered, "1,2,3,4".to_string()),
        (places(), "1,3 server", Status::Ok, Answered, "1,server,3,server".to_string()),
        (places(), "lost 2,4", Status::Lost, Unknown, "lost,2,lost,4".to_string()),
        (places(), "unsent unsent", Status::Lost, NotRun, "unsent,unsent,unsent,unsent".to_string()),
        (places(), "1,2,3 2,4", Status::Protocol, Unknown, format!("{broken},2,{broken},4")),
        (places(), "7 2,4", Status::Protocol, Unknown, format!("{broken},2,{broken},4")),
        (Merge::Sum, "1 2 3", Status::Ok, Answered, "6".to_string()),
        (Merge::Sum, &format!("{max} 2"), Status::Ok, Answered, max.clone()),
        (Merge::Sum, "1 OK", Status::Protocol, Unknown, "an answer is no number".to_string()),
        (Merge::Sum, "1 server", Status::Server, Answered, "server".to_string()),
        (Merge::Sum, "server 1 lost", Status::Lost, Unknown, "lost".to_string()),
        (Merge::Same, "OK OK", Status::Ok, Answered, "OK".to_string()),
        (Merge::Same, "OK unsent", Status::Lost, Unknown, "unsent".to_string()),
        (Merge::SumOfItems, "+a,1,+b,2 +a,3,+b,0", Status::Ok, Answered, "a,4,b,2".to_string()),
        (Merge::SumOfItems, "1,2 1", Status::Protocol, Unknown, {
            "the answers are no lists of the same length".to_string()
        }),
        (Merge::And, "1,1,0 1,0,0", Status::Ok, Answered, "1,0,0".to_string()),
        (Merge::And, "1,1 server", Status::Server, Answered, "server".to_string()),
        (Merge::Concatenate, "+a,+b empty +b,+c", Status::Ok, Answered, "a,b,b,c".to_string()),
        (Merge::Concatenate, "+a,+b 1", Status::Protocol, Unknown, "an answer is no list".to_string()),
        (Merge::Concatenate, "+a,+b lost", Status::Lost, Unknown, "lost".to_string()),
        (Merge::Union, "+a,+b +b,+c", Status::Ok, Answered, "a,b,c".to_string()),
        (Merge::OneSucceeded, "server OK lost", Status::Ok, Answered, "OK".to_string()),
        (Merge::OneSucceeded, "server server", Status::Server, Answered, "server".to_string()),
        (Merge::OneSucceeded, "server lost", Status::Lost, Unknown, "lost".to_string()),
        (Merge::FirstFound, "nil +x +y", Status::Ok, Answered, "x".to_string()),
        (Merge::FirstFound, "lost +x", Status::Ok, Answered, "x".to_string()),
        (Merge::FirstFound, "nil nil", Status::Ok, Answered, String::new()),
        (Merge::FirstFound, "nil lost", Status::Lost, Unknown, "lost".to_string()),
        (by_address(), "1 server", Status::Ok, Answered, "a:1,1,b:1,server".to_string()),
        (by_address(), "lost 2", Status::Ok, Unknown, "a:1,lost,b:1,2".to_string()),
        (by_address(), "unsent unsent", Status::Ok, NotRun, "a:1,unsent,b:1,unsent".to_string()),
        (pipeline(), "7 1 2 server", Status::Ok, Answered, "7,3,server".to_string()),
        (pipeline(), "7 1 lost 5", Status::Lost, Unknown, "7,lost,5".to_string()),
        (pipeline(), "unsent 1 unsent 5", Status::Lost, Unknown, "unsent,unsent,5".to_string()),
        (pipeline(), "unsent unsent unsent unsent", Status::Lost, NotRun, "unsent,unsent,unsent".to_string()),
        (Merge::Same, "unsent unsent", Status::Lost, NotRun, "unsent".to_string()),
    ] {
        let what = format!("{merge:?} of {replies}");
        let verdict = merge.verdict(replies.split(' ').map(reply).collect(), &|part| format!("node:{part}"));
        assert_eq!((verdict.status, verdict.outcome, shown(&verdict.reply)), (status, outcome, text), "{what}");
    }
}

#[test]
fn an_unanswered_part_is_told_with_what_all_others_have_met() {
    for (replies, status, outcome, parts) in [
        ("1 lost server", Status::Lost, Outcome::Unknown, "node:0,1,node:1,lost,node:2,server"),
        ("1 unsent 2", Status::Lost, Outcome::Unknown, "node:0,1,node:1,unsent,node:2,2"),
        ("unsent unsent", Status::Lost, Outcome::NotRun, "node:0,unsent,node:1,unsent"),
    ] {
        let verdict = Merge::Sum.verdict(replies.split(' ').map(reply).collect(), &|part| format!("node:{part}"));
        assert_eq!((verdict.status, verdict.outcome), (status, outcome), "{replies}");
        assert_eq!((verdict.reply.status_code(), verdict.reply.outcome()), (Some(status), Some(outcome)));
        let told = verdict.reply.attributes().and_then(|attributes| attributes.find(b"parts")).unwrap();
        assert_eq!(shown(told), parts);
    }
    for replies in ["lost", "1 server", "1 2"] {
        let verdict = Merge::Sum.verdict(replies.split(' ').map(reply).collect(), &|_| String::new());
        assert!(verdict.reply.attributes().is_none(), "{replies}");
    }
}

#[test]
fn the_cursor_of_a_node_becomes_one_of_the_cluster() {
    use crate::client::scan::Cursor;
    use crate::topology::cluster::slot_map::SlotMap;
    let map = SlotMap::of(&[("a:1", 0, 99)]);
    let (step, _) = Step::of(None, &map).unwrap();
    let merged = |text: &str| {
        let replies = vec![Reply::array(vec![Reply::string(text.as_bytes()), reply("+a,+b")]).unwrap()];
        Merge::Scan(Box::new(step.clone())).verdict(replies, &|_| String::new()).reply
    };
    let cursor = merged("7");
    assert!(matches!(Cursor::parse(cursor.items()[0].as_bytes()), Some(Some(_))), "{}", shown(&cursor));
    assert_eq!(shown(&cursor.items()[1]), "a,b");
    assert_eq!(shown(&merged("0")), "0,a,b");
    assert!(merged("x").is_error());
}
