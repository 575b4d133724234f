//! Messages of a sharded channel that are numbered, so that it is seen whether what is missing was told.

use super::client::Tester;
use super::messages::{Subscription, show};
use super::wait;

/// Publishes numbers to a sharded channel, and looks that whatever is missing among those that come is announced by a
/// gap.
pub struct Numbers<'a> {
    client: &'a Tester,
    shard: &'a Subscription,
    name: &'a str,
    published: usize,
    /// The one that comes next, if there is no gap.
    next: usize,
    may_miss: bool,
    pub gaps: usize,
}

impl<'a> Numbers<'a> {
    pub fn new(client: &'a Tester, shard: &'a Subscription, name: &'a str) -> Numbers<'a> {
        Numbers { client, shard, name, published: 0, next: 1, may_miss: false, gaps: 0 }
    }

    pub fn publish(&mut self, count: usize) {
        for _ in 0..count {
            self.published += 1;
            assert!(self.client.run(&["SPUBLISH", self.name, &self.published.to_string()]).is_ok());
        }
    }

    pub fn look(&mut self) {
        for done in self.shard.drain() {
            let line = show(&done.reply);
            let (mut words, is_confirmation) = (line.split(' '), line.starts_with("ssubscribe"));
            let (is_mine, last) = (words.nth(1) == Some(self.name), words.next().unwrap());
            if is_mine && done.gap {
                assert!(is_confirmation, "{line}");
                (self.gaps, self.may_miss) = (self.gaps + 1, true);
            }
            if is_mine && !is_confirmation {
                let number: usize = last.parse().unwrap();
                // What was published at another node comes late over the bus of the cluster, to whoever is new here.
                if self.gaps > 0 && number < self.next {
                    continue;
                }
                let fits = number == self.next || (self.may_miss && number > self.next);
                assert!(fits, "{number} in the place of {}, {} gaps", self.next, self.gaps);
                (self.next, self.may_miss) = (number + 1, false);
            }
        }
    }

    /// Goes on until messages come again, all of them.
    pub fn until_they_come(&mut self) {
        self.publish(1);
        wait::until("messages that come again", || {
            self.look();
            let all_came = self.next > self.published;
            if !all_came {
                self.publish(1);
            }
            all_came
        });
    }
}
