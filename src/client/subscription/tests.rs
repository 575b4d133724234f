//! The subscriptions, event by event.

mod at_random;

use super::*;

const A: Ticket = Ticket(1);
const B: Ticket = Ticket(2);
const CHANGE: Ticket = Ticket(3);

fn channel(name: &str) -> Topic {
    Topic::Channel(Channel::Plain, Bytes::copy_from_slice(name.as_bytes()))
}

fn send(name: &str, joins: bool) -> Effect {
    Effect::Send(Server::Any, channel(name), joins)
}

/// As a request names it.
fn any(name: &str) -> (Topic, Server) {
    (channel(name), Server::Any)
}

fn confirm(to: Ticket, name: &str, joins: bool, count: usize, gap: bool) -> Effect {
    let name = Some(Bytes::copy_from_slice(name.as_bytes()));
    Effect::Confirm { to, channel: Some(Channel::Plain), name, joins, count, gap, asked: !gap }
}

fn now() -> Instant {
    Instant::now()
}

fn audience(all: &Subscriptions, name: &str) -> Vec<Ticket> {
    all.audience(&Server::Any, Some(Channel::Plain), name.as_bytes()).collect()
}

/// Connected, and A has "x".
fn with_x() -> Subscriptions {
    let mut all = Subscriptions::default();
    all.connected(&Server::Any, now());
    all.begin(A, [any("x")]);
    all.confirmed(&Server::Any, &channel("x"), true, now());
    all.effects();
    all
}

#[test]
fn the_first_asks_and_the_second_is_told_at_once() {
    let mut all = Subscriptions::default();
    all.begin(A, [any("x")]);
    assert_eq!(all.effects(), [Effect::Open(Server::Any)], "there is no connection");
    all.connected(&Server::Any, now());
    assert_eq!(all.effects(), [send("x", true)]);
    assert_eq!(audience(&all, "x"), []);
    all.confirmed(&Server::Any, &channel("x"), true, now());
    assert_eq!(all.effects(), [confirm(A, "x", true, 1, false), Effect::Started(A), Effect::Made(A, 1)]);
    all.begin(B, [any("x"), any("x")]);
    let twice = confirm(B, "x", true, 1, false);
    assert_eq!(all.effects(), [twice.clone(), Effect::Started(B), twice, Effect::Made(B, 1)]);
    assert_eq!(audience(&all, "x"), [A, B]);
}

#[test]
fn one_without_channels_is_made_at_once_and_asks_for_nothing() {
    let mut all = Subscriptions::default();
    all.begin(A, []);
    assert_eq!(all.effects(), [Effect::Made(A, 0), Effect::Started(A)]);
    assert!(all.has_started(A) && !all.is_empty());
    assert!(!all.may_be_known(A), "no server has heard of it");
    all.add(A, CHANGE, [any("x")]);
    assert_eq!(all.effects(), [Effect::Open(Server::Any)]);
    assert_eq!(all.waiting(&Server::Any), [CHANGE], "the change may fail, and the subscription lives on");
    all.connected(&Server::Any, now());
    assert_eq!(all.effects(), [send("x", true)]);
    all.confirmed(&Server::Any, &channel("x"), true, now());
    assert_eq!(all.effects(), [confirm(A, "x", true, 1, false), Effect::Changed(CHANGE, 1)]);
    assert!(all.may_be_known(A));
    all.end(A);
    assert_eq!(all.effects(), [send("x", false)]);
}

#[test]
fn that_all_is_confirmed_is_told_once() {
    let mut all = Subscriptions::default();
    all.connected(&Server::Any, now());
    all.begin(A, [any("x"), any("y")]);
    all.confirmed(&Server::Any, &channel("x"), true, now());
    assert_eq!(all.effects()[2..], [confirm(A, "x", true, 1, false), Effect::Started(A)]);
    assert_eq!(all.waiting(&Server::Any), [], "it has begun, and waits for the rest however long");
    all.lost(&Server::Any, now());
    all.connected(&Server::Any, now());
    assert_eq!(all.effects(), [send("x", true), send("y", true)]);
    all.confirmed(&Server::Any, &channel("x"), true, now());
    assert_eq!(all.effects(), [confirm(A, "x", true, 1, true)]);
    all.confirmed(&Server::Any, &channel("y"), true, now());
    assert_eq!(all.effects(), [confirm(A, "y", true, 2, false), Effect::Made(A, 2)]);
    all.lost(&Server::Any, now());
    all.connected(&Server::Any, now());
    ["x", "y"].iter().for_each(|name| all.confirmed(&Server::Any, &channel(name), true, now()));
    let again = [send("x", true), send("y", true), confirm(A, "x", true, 1, true), confirm(A, "y", true, 2, true)];
    assert_eq!(all.effects(), again);
    // What is not wanted any more is not waited for.
    all.begin(B, [any("x"), any("z")]);
    assert_eq!(all.effects(), [confirm(B, "x", true, 1, false), Effect::Started(B), send("z", true)]);
    all.remove(B, CHANGE, Channel::Plain, Some(vec![Bytes::from_static(b"z")]));
    assert_eq!(all.effects(), [Effect::Made(B, 1), confirm(B, "z", false, 1, false), Effect::Changed(CHANGE, 1)]);
}

#[test]
fn a_feed_is_told_its_confirmation_alone() {
    let mut all = Subscriptions::default();
    all.connected(&Server::Any, now());
    let feed = Topic::Feed(Bytes::from_static(b"MONITOR"));
    all.begin(A, [(feed.clone(), Server::Any)]);
    all.effects();
    all.confirmed(&Server::Any, &feed, true, now());
    assert!(matches!(all.effects()[..], [Effect::Confirm { channel: None, .. }, Effect::Started(A)]));
}

#[test]
fn the_server_is_left_with_the_last() {
    let mut all = with_x();
    all.begin(B, [any("x")]);
    all.effects();
    all.remove(A, CHANGE, Channel::Plain, None);
    assert_eq!(all.effects(), [confirm(A, "x", false, 0, false), Effect::Changed(CHANGE, 0)]);
    assert_eq!(audience(&all, "x"), [B]);
    all.end(B);
    assert_eq!(all.effects(), [send("x", false)]);
    // Wanted again before the server has answered: one command at a time.
    all.add(A, CHANGE, [any("x")]);
    assert_eq!(all.effects(), []);
    all.confirmed(&Server::Any, &channel("x"), false, now());
    assert_eq!(all.effects(), [send("x", true)]);
    all.confirmed(&Server::Any, &channel("x"), true, now());
    assert_eq!(all.effects(), [confirm(A, "x", true, 1, false), Effect::Changed(CHANGE, 1)]);
}

#[test]
fn what_one_leaves_that_it_does_not_have_is_confirmed_as_the_server_does() {
    let mut all = with_x();
    all.remove(A, CHANGE, Channel::Plain, Some(vec![Bytes::from_static(b"y")]));
    assert_eq!(all.effects(), [confirm(A, "y", false, 1, false), Effect::Changed(CHANGE, 1)]);
    all.remove(A, CHANGE, Channel::Pattern, None);
    let channel = Some(Channel::Pattern);
    let nothing = Effect::Confirm { to: A, channel, name: None, joins: false, count: 1, gap: false, asked: true };
    assert_eq!(all.effects(), [nothing, Effect::Changed(CHANGE, 1)]);
    all.remove(B, CHANGE, Channel::Plain, None);
    assert_eq!(all.effects(), [Effect::Orphaned(CHANGE)]);
}

#[test]
fn a_new_connection_tells_of_the_gap() {
    let mut all = with_x();
    all.lost(&Server::Any, now());
    assert_eq!(audience(&all, "x"), []);
    all.begin(B, [any("x")]);
    assert_eq!(all.effects(), []);
    all.connected(&Server::Any, now());
    assert_eq!(all.effects(), [send("x", true)]);
    all.confirmed(&Server::Any, &channel("x"), true, now());
    let (gap, new) = (confirm(A, "x", true, 1, true), confirm(B, "x", true, 1, false));
    assert_eq!(all.effects(), [gap, new, Effect::Started(B), Effect::Made(B, 1)]);
}

/// x is confirmed there, y was joined after that, z is not wanted any more, and w waits for an answer.
#[test]
fn another_connection_takes_over_what_it_has_with_a_gap_and_asks_for_the_rest() {
    let mut all = with_x();
    all.begin(B, [any("z")]);
    all.confirmed(&Server::Any, &channel("z"), true, now());
    assert_eq!(all.topics_to_move(&Server::Any), [channel("x"), channel("z")]);
    all.end(B);
    all.add(A, CHANGE, [any("w")]);
    all.effects();
    assert_eq!(all.topics_to_move(&Server::Any), [channel("x"), channel("w")]);
    all.begin(B, [any("y")]);
    all.effects();
    all.moved(&Server::Any, &[channel("x"), channel("z"), channel("w")], now());
    assert_eq!(
        all.effects(),
        [
            confirm(A, "x", true, 1, true),
            send("z", false),
            confirm(A, "w", true, 2, false),
            Effect::Changed(CHANGE, 2),
            send("y", true),
        ]
    );
    assert_eq!((audience(&all, "x"), audience(&all, "w"), audience(&all, "y")), (vec![A], vec![A], vec![]));
    all.confirmed(&Server::Any, &channel("y"), true, now());
    assert_eq!(all.effects(), [confirm(B, "y", true, 1, false), Effect::Started(B), Effect::Made(B, 1)]);
}

#[test]
fn a_slot_that_moved_is_asked_for_again() {
    let mut all = with_x();
    all.ended(&Server::Any, &channel("x"), now());
    assert_eq!(all.effects(), [send("x", true)]);
    let start = now();
    all.refused(&Server::Any, &channel("x"), true, true, start);
    let pause = asked_pause(&mut all);
    all.ask_again(start + pause);
    assert_eq!(all.effects(), [send("x", true)]);
    all.confirmed(&Server::Any, &channel("x"), true, now());
    assert_eq!(all.effects(), [confirm(A, "x", true, 1, true)]);
    // Nobody asked, and nothing is known of it.
    all.ended(&Server::Any, &channel("y"), now());
    assert_eq!(all.effects(), []);
}

/// The pause that is the only thing asked for.
fn asked_pause(all: &mut Subscriptions) -> Duration {
    match &all.effects()[..] {
        [Effect::AskAfter(pause)] => *pause,
        other => panic!("{other:?}"),
    }
}

/// A server that takes away what it gives, again and again, is asked after pauses, and told from one that moves a slot.
#[test]
fn what_the_server_takes_away_again_and_again_is_asked_for_after_pauses() {
    let mut all = with_x();
    let mut now = now();
    all.ended(&Server::Any, &channel("x"), now);
    assert_eq!(all.effects(), [send("x", true)], "the first time at once");
    for _ in 0..20 {
        all.confirmed(&Server::Any, &channel("x"), true, now);
        assert_eq!(all.effects(), [confirm(A, "x", true, 1, true)]);
        all.ended(&Server::Any, &channel("x"), now);
        let pause = asked_pause(&mut all);
        assert!(pause >= Duration::from_millis(1));
        all.ask_again(now + pause / 2);
        now += asked_pause(&mut all) + pause / 2;
        all.ask_again(now);
        assert_eq!(all.effects(), [send("x", true)]);
    }
    all.confirmed(&Server::Any, &channel("x"), true, now);
    all.effects();
    now += Duration::from_secs(60);
    all.ended(&Server::Any, &channel("x"), now);
    assert_eq!(all.effects(), [send("x", true)], "it lasted");
}

#[test]
fn one_timer_serves_all_that_waits() {
    let mut all = Subscriptions::default();
    let start = now();
    all.connected(&Server::Any, start);
    let names: Vec<String> = (0..100).map(|number| format!("channel {number}")).collect();
    all.begin(A, names.iter().map(|name| any(name)));
    all.effects();
    names.iter().for_each(|name| all.refused(&Server::Any, &channel(name), true, true, start));
    let pauses: Vec<Duration> = all
        .effects()
        .iter()
        .map(|effect| match effect {
            Effect::AskAfter(pause) => *pause,
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(pauses.is_sorted_by(|one, next| one > next), "only for what is earlier");
    let (mut time, mut sent) = (start + pauses[pauses.len() - 1], 0);
    loop {
        all.ask_again(time);
        let effects = all.effects();
        sent += effects.iter().filter(|effect| matches!(effect, Effect::Send(..))).count();
        let next: Vec<Duration> = effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::AskAfter(pause) => Some(*pause),
                _ => None,
            })
            .collect();
        match next[..] {
            [] => break,
            [pause] => time += pause,
            _ => panic!("{effects:?}"),
        }
    }
    assert_eq!(sent, 100, "each is asked for once");
    // What nobody wants any more is not asked for.
    all.refused(&Server::Any, &channel("channel 7"), true, true, time);
    let pause = asked_pause(&mut all);
    all.remove(A, CHANGE, Channel::Plain, Some(vec![Bytes::from_static(b"channel 7")]));
    all.effects();
    all.ask_again(time + pause);
    assert_eq!(all.effects(), []);
}

#[test]
fn a_refusal_ends_whoever_depends_on_it() {
    let mut all = with_x();
    all.add(A, CHANGE, [any("y"), any("z")]);
    all.begin(B, [any("z")]);
    all.confirmed(&Server::Any, &channel("y"), true, now());
    all.effects();
    all.refused(&Server::Any, &channel("z"), true, false, now());
    assert_eq!(all.effects(), [Effect::Refused(CHANGE), Effect::Refused(B)]);
    assert_eq!((all.wanted_by(A), all.wanted_by(B), audience(&all, "y")), (2, 0, vec![A]));
    // What was had once and is refused later ends the subscription, and what would have changed it.
    all.add(A, CHANGE, [any("w")]);
    all.lost(&Server::Any, now());
    all.connected(&Server::Any, now());
    all.effects();
    all.refused(&Server::Any, &channel("x"), true, false, now());
    assert_eq!(all.effects(), [Effect::Refused(A), Effect::Orphaned(CHANGE)]);
    assert!(all.is_empty());
}

#[test]
fn what_is_under_way_for_a_subscription_ends_with_it() {
    let mut all = with_x();
    all.ping_started(A, CHANGE);
    all.ping_started(A, Ticket(4));
    all.ping_finished(A, Ticket(4));
    all.end(A);
    assert_eq!(all.effects(), [send("x", false), Effect::Orphaned(CHANGE)]);
    all.ping_started(A, CHANGE);
    assert_eq!(all.effects(), [Effect::Orphaned(CHANGE)]);
}

#[test]
fn a_change_that_is_given_up_leaves_nothing_behind() {
    let mut all = with_x();
    all.lost(&Server::Any, now());
    all.add(A, CHANGE, [any("y")]);
    assert_eq!((all.withdraw(CHANGE), all.wanted_by(A)), (Outcome::NotRun, 1));
    all.connected(&Server::Any, now());
    all.add(A, CHANGE, [any("y")]);
    all.effects();
    assert_eq!((all.withdraw(CHANGE), all.wanted_by(A)), (Outcome::Unknown, 1));
    all.confirmed(&Server::Any, &channel("y"), true, now());
    assert_eq!(all.effects(), [send("y", false)]);
    assert_eq!(all.withdraw(CHANGE), Outcome::Unknown, "it is over");
}
