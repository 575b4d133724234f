//! The numbers of shared links, which are part of the ids of requests.
//!
//! Invariant: no two links that exist have the same number. A link that gets the number of one that is gone goes on
//! with the serial numbers of that one, so that no id is given again sooner than a single link would give it again.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::error::{Error, Status};
use crate::lock::Lock;

/// Those of one client.
#[derive(Debug, Default)]
pub struct LinkNumbers(Lock<Numbers>);

#[derive(Debug, Default)]
struct Numbers {
    /// The greatest that was given.
    last: u16,
    /// Those of links that are gone, each with the last serial number that went with it.
    free: VecDeque<(u16, u32)>,
}

/// A number that is in use until this is dropped.
#[derive(Debug)]
pub struct LinkNumber {
    numbers: Arc<LinkNumbers>,
    number: u16,
    /// The last serial number that went with it.
    pub(super) serial: u32,
}

impl LinkNumbers {
    /// A number that no link has: that which is free for longest, else a new one.
    pub fn take(self: &Arc<Self>) -> Result<LinkNumber, Error> {
        let mut numbers = self.0.lock();
        let (number, serial) = match numbers.free.pop_front() {
            Some(free) => free,
            None => {
                numbers.last = numbers.last.checked_add(1).ok_or_else(|| {
                    let sentence = format!("{} connections that are shared are open already", u16::MAX);
                    Error::new(Status::Full, sentence)
                })?;
                (numbers.last, 0)
            }
        };
        Ok(LinkNumber { numbers: Arc::clone(self), number, serial })
    }
}

impl LinkNumber {
    /// The number.
    pub fn number(&self) -> u16 {
        self.number
    }
}

impl Drop for LinkNumber {
    fn drop(&mut self) {
        self.numbers.0.lock().free.push_back((self.number, self.serial));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_given_again_when_its_link_is_gone_and_not_before() {
        let numbers = Arc::new(LinkNumbers::default());
        let mut taken: Vec<LinkNumber> = (1..=u16::MAX).map(|_| numbers.take().unwrap()).collect();
        assert!(taken.iter().map(LinkNumber::number).eq(1..=u16::MAX));
        for _ in 0..3 {
            assert_eq!(numbers.take().unwrap_err().status, Status::Full);
        }
        for (place, serial) in [(7, 50), (3, 60)] {
            taken[place].serial = serial;
            drop(taken.remove(place));
        }
        let again = [(); 2].map(|()| numbers.take().unwrap());
        assert_eq!(again.each_ref().map(|number| (number.number(), number.serial)), [(8, 50), (4, 60)]);
        assert!(numbers.take().is_err());
    }
}
