//! Requests and the parts they consist of.

use super::*;

/// a:1 has the slots 0 to 8191 (`b`: 3300, `c`: 7365), with the replica r:1; b:1 the others (`a`: 15495).
fn map() -> SlotMap {
    SlotMap::of(&[("a:1", 0, 8191), ("b:1", 8192, 16383)]).with_replica("r:1")
}

fn shown(fan_out: FanOut<'_>) -> (Vec<String>, Merge) {
    let line = |part: &Part<'_>| {
        let words: Vec<_> = part.args.iter().map(|word| String::from_utf8_lossy(word)).collect();
        let to = match &part.to {
            To::Any => "any".to_owned(),
            To::Keys(slot) => format!("keys {slot}"),
            To::Slot(slot) => format!("slot {slot}"),
            To::Node(address) => address.to_string(),
        };
        format!("{} > {to}", words.join(" "))
    };
    (fan_out.parts.iter().map(line).collect(), fan_out.merge)
}

fn of(lines: &[&str], route: Route<'_>, map: Option<&SlotMap>) -> Result<Option<(Vec<String>, Merge)>, String> {
    let words: Vec<Vec<&str>> = lines.iter().map(|line| line.split(' ').collect()).collect();
    let words: Vec<&[&str]> = words.iter().map(Vec::as_slice).collect();
    FanOut::of(&words, route, map).map(|found| found.map(shown)).map_err(|error| error.message)
}

#[test]
fn parts_and_where_they_go() {
    let map = map();
    let addresses = |names: &[&str]| Merge::ByAddress(names.iter().map(ToString::to_string).collect());
    for (lines, route, parts, merge) in [
        (&["DBSIZE"][..], Route::ByKey, &["DBSIZE > slot 0", "DBSIZE > slot 8192"][..], Merge::Sum),
        (&["PING"], Route::All, &["PING > a:1", "PING > b:1", "PING > r:1"], addresses(&["a:1", "b:1", "r:1"])),
        (&["GET a"], Route::Primaries, &["GET a > a:1", "GET a > b:1"], addresses(&["a:1", "b:1"])),
        (&["INFO x"], Route::Replicas, &["INFO x > r:1"], addresses(&["r:1"])),
        (&["SCRIPT LOAD x"], Route::ByKey, &["SCRIPT LOAD x > a:1", "SCRIPT LOAD x > b:1", "SCRIPT LOAD x > r:1"], {
            Merge::Same
        }),
        (&["CLUSTER COUNTKEYSINSLOT 9000"], Route::ByKey, &["CLUSTER COUNTKEYSINSLOT 9000 > slot 9000"], Merge::Same),
        (&["CLUSTER COUNTKEYSINSLOT x"], Route::ByKey, &["CLUSTER COUNTKEYSINSLOT x > any"], Merge::Same),
        (&["DEL a b"], Route::ByKey, &["DEL a > keys 15495", "DEL b > keys 3300"], Merge::Sum),
        (
            &["PING", "MGET b a", "KEYS *", "GET a"],
            Route::ByKey,
            &[
                "PING > any",
                "MGET b > keys 3300",
                "MGET a > keys 15495",
                "KEYS * > slot 0",
                "KEYS * > slot 8192",
                "GET a > keys 15495",
            ],
            Merge::Pipeline(vec![
                (1, Merge::Same),
                (2, Merge::InOrder(vec![vec![0], vec![1]])),
                (2, Merge::Concatenate),
                (1, Merge::Same),
            ]),
        ),
    ] {
        let parts = parts.iter().map(ToString::to_string).collect();
        assert_eq!(of(lines, route, Some(&map)), Ok(Some((parts, merge))), "{lines:?}");
    }
}

#[test]
fn scan_goes_to_the_node_of_its_cursor() {
    let map = map();
    let Ok(Some((parts, Merge::Scan(step)))) = of(&["SCAN 0 COUNT 5"], Route::ByKey, Some(&map)) else {
        panic!("it goes to one node")
    };
    assert_eq!(parts, ["SCAN 0 COUNT 5 > a:1"]);
    let next = format!("SCAN {} COUNT 5", step.then(17).unwrap());
    assert_eq!(of(&[&next], Route::ByKey, Some(&map)).unwrap().unwrap().0, ["SCAN 17 COUNT 5 > a:1"]);
    let next = format!("SCAN {}", step.then(0).unwrap());
    assert_eq!(of(&[&next], Route::ByKey, Some(&map)).unwrap().unwrap().0, ["SCAN 0 > b:1"]);
    assert!(of(&["SCAN 17"], Route::ByKey, Some(&map)).unwrap_err().contains("begins with the cursor 0"));
    assert_eq!(
        of(&["SCAN"], Route::ByKey, Some(&map)).unwrap().unwrap().0,
        ["SCAN > any"],
        "a server says what is wrong"
    );
}

#[test]
fn what_takes_the_map_waits_for_it_and_what_is_wrong_does_not() {
    for (line, route) in [
        ("DBSIZE", Route::ByKey),
        ("SCAN 0", Route::ByKey),
        ("SCRIPT LOAD x", Route::ByKey),
        ("PING", Route::All),
        ("PING", Route::Replicas),
    ] {
        assert_eq!(of(&[line], route, None), Ok(None), "{line}");
    }
    assert_eq!(of(&["GET a", "DBSIZE"], Route::ByKey, None), Ok(None));
    for (lines, why) in [
        (&["DBSIZE", "NO.SUCH a"][..], "NO.SUCH names no key"),
        (&["MSETNX a 1 b 2"], "MSETNX has keys in the slots"),
        (&["MSETEX 2 a 1 b 2 NX"], "MSETEX has keys in the slots"),
        (&["SCAN 5"], "SCAN over a cluster"),
        (&["SET a 1", "WAIT 1 0"], "WAIT names no key"),
    ] {
        assert!(of(lines, Route::ByKey, None).unwrap_err().starts_with(why), "{lines:?}");
    }
    assert_eq!(of(&["DEL a b"], Route::ByKey, None).unwrap().unwrap().0.len(), 2, "the seeds will tell");
    let nobody = SlotMap::default();
    assert!(of(&["DBSIZE"], Route::ByKey, Some(&nobody)).unwrap_err().contains("has no primary"));
    assert_eq!(of(&["PING"], Route::Replicas, Some(&nobody)).unwrap().unwrap().0.len(), 0);
}
