//! Links are strings that say their database and number, sessions are letters.
use super::*;

type Strings = Pool<String, char>;

fn open(database: u32) -> impl Fn(u64) -> String {
    move |number| format!("{database}/{number}")
}

fn check_out(pool: &mut Strings, database: u32, session: char) -> Given<String> {
    pool.check_out(database, session, open(database))
}

fn link(text: &str) -> Given<String> {
    Given { checkout: Checkout::Link(text.to_string()), evicted: None }
}

fn serve(pool: &mut Strings) -> Option<(char, String, Option<String>)> {
    pool.serve(|database, number| open(database)(number))
}

#[test]
fn it_grows_to_its_limit_and_then_they_stand_in_line() {
    let mut pool = Strings::new(2);
    assert_eq!(check_out(&mut pool, 0, 'a'), link("0/1"));
    assert_eq!(check_out(&mut pool, 0, 'b'), link("0/2"));
    assert!(matches!(check_out(&mut pool, 0, 'c').checkout, Checkout::Waiting(_)));
    let Checkout::Waiting(place) = check_out(&mut pool, 0, 'd').checkout else { panic!("it is full") };
    assert!(matches!(check_out(&mut pool, 1, 'e').checkout, Checkout::Waiting(_)));
    assert_eq!(pool.count(), Count { in_use: 2, idle: 0, waiting: 3, opened: 2 });
    assert_eq!(serve(&mut pool), None);
    assert_eq!(pool.line(0).collect::<String>(), "cd");
    pool.leave(place);
    pool.check_in(1, 0);
    assert_eq!(serve(&mut pool), Some(('c', "0/1".to_string(), None)), "the first comes first");
    assert_eq!(serve(&mut pool), None);
    assert_eq!(pool.remove(1), Some('c'));
    assert_eq!(serve(&mut pool), Some(('e', "1/3".to_string(), None)), "one that ended makes room for a new one");
    assert_eq!(pool.count(), Count { in_use: 2, idle: 0, waiting: 0, opened: 3 });
}

#[test]
fn the_one_used_last_is_used_again() {
    let mut pool = Strings::new(3);
    for session in ['a', 'b', 'c'] {
        check_out(&mut pool, 0, session);
    }
    (1..=3).for_each(|number| pool.check_in(number, 10 * number));
    assert_eq!(check_out(&mut pool, 0, 'd'), link("0/3"));
    pool.check_in(3, 40);
    assert_eq!(pool.idle_since(), Some(10));
    assert_eq!(pool.expire(9), Vec::<String>::new());
    assert_eq!(pool.expire(20), ["0/1", "0/2"]);
    assert_eq!(pool.count(), Count { in_use: 0, idle: 1, waiting: 0, opened: 3 });
    assert_eq!(check_out(&mut pool, 0, 'e'), link("0/3"));
}

#[test]
fn an_idle_one_to_another_database_makes_room() {
    let mut pool = Strings::new(1);
    check_out(&mut pool, 0, 'a');
    pool.check_in(1, 0);
    let given = check_out(&mut pool, 7, 'b');
    assert_eq!(given, Given { checkout: Checkout::Link("7/2".to_string()), evicted: Some("0/1".to_string()) });
    assert!(matches!(check_out(&mut pool, 0, 'c').checkout, Checkout::Waiting(_)));
    pool.check_in(2, 0);
    assert_eq!(serve(&mut pool), Some(('c', "0/3".to_string(), Some("7/2".to_string()))));
}

#[test]
fn what_ended_is_nobodys() {
    let mut pool = Strings::new(2);
    check_out(&mut pool, 0, 'a');
    check_out(&mut pool, 0, 'b');
    pool.check_in(1, 0);
    pool.check_in(1, 5);
    assert_eq!(pool.count().idle, 1, "once");
    assert_eq!(pool.remove(1), None, "it was idle");
    assert_eq!(pool.remove(2), Some('b'));
    assert_eq!(pool.remove(2), None);
    pool.check_in(2, 0);
    assert_eq!(pool.count(), Count { in_use: 0, idle: 0, waiting: 0, opened: 2 });
    check_out(&mut pool, 0, 'c');
    assert_eq!(pool.links().collect::<Vec<_>>(), ["0/3"]);
    pool.clear();
    assert_eq!((pool.links().count(), pool.count().in_use), (0, 0));
}

/// Random asking, leaving and ending: the invariant holds, and everybody in line is served in order.
#[test]
fn the_invariant_holds_whatever_happens() {
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let most = random.usize(1..5);
        let mut pool: Pool<u64, u32> = Pool::new(most);
        let (mut taken, mut line): (Vec<u64>, VecDeque<(u64, u32)>) = (Vec::new(), VecDeque::new());
        for step in 0..500u32 {
            match random.u32(0..5) {
                0 | 1 => match pool.check_out(random.u32(0..3), step, |number| number).checkout {
                    Checkout::Link(number) => {
                        assert!(line.is_empty(), "nobody is overtaken");
                        taken.push(number);
                    }
                    Checkout::Waiting(place) => line.push_back((place, step)),
                },
                2 if !line.is_empty() => {
                    let (place, _) = line.remove(random.usize(0..line.len())).unwrap();
                    pool.leave(place);
                }
                3 => drop(pool.expire(u64::from(step.saturating_sub(50)))),
                _ if !taken.is_empty() => {
                    let number = taken.swap_remove(random.usize(0..taken.len()));
                    match random.bool() {
                        true => pool.check_in(number, step.into()),
                        false => assert!(pool.remove(number).is_some()),
                    }
                }
                _ => {}
            }
            while let Some((session, number, _)) = pool.serve(|_, number| number) {
                assert_eq!(line.pop_front().map(|(_, session)| session), Some(session));
                taken.push(number);
            }
            let count = pool.count();
            assert_eq!((count.in_use, count.waiting), (taken.len(), line.len()));
            assert!(count.in_use + count.idle <= most);
            assert!(line.is_empty() || taken.len() == most);
        }
    }
}
