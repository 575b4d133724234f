//! Channels of slots that move: what is missing was told.

use std::sync::atomic::Ordering::SeqCst;

use super::{Traffic, Worker, key};
use crate::support::messages::Subscription;
use crate::support::numbers::Numbers;

/// So many channels, each of another slot.
const CHANNELS: usize = 3;

pub fn messages(traffic: &Traffic<'_>, worker: &Worker) {
    let names: Vec<String> = traffic.tags.iter().rev().take(CHANNELS).map(|tag| key(tag, "channel")).collect();
    let channels = names.iter().map(|name| Subscription::to(traffic.client, &["SSUBSCRIBE", name]));
    let channels: Vec<Subscription> = channels.collect();
    channels.iter().for_each(|channel| channel.inbox.until(1));
    let mut numbers: Vec<Numbers<'_>> =
        names.iter().zip(&channels).map(|(name, channel)| Numbers::new(traffic.client, channel, name)).collect();
    while !traffic.is_over() {
        for numbers in &mut numbers {
            numbers.publish(1);
            numbers.look();
            worker.count();
        }
    }
    for mut numbers in numbers {
        numbers.until_they_come();
        traffic.gaps.fetch_add(numbers.gaps, SeqCst);
    }
}
