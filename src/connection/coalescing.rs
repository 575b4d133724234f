//! Whether writes are coalesced: a caller who is about to write may first let other callers submit, so that one write
//! carries the requests of all. A state machine without threads or clocks.
//!
//! Callers whose replies came together were woken together, and submit together again. Where they share a core, the one
//! who came first gives way once or twice before it writes: the others run, and each saves a system call. Where they do
//! not, or have gone, giving way brings nobody and stops soon; where somebody else wants the core, it costs a time
//! slice, and stops at once. Either way it is tried again after a pause.
//!
//! How many come may change from one time to the next, as in a cluster, where each has its next key on another node: as
//! long as half of those come who are expected, it is worth it.
//!
//! Whoever takes from a queue does the same before it reads several connections: there the others are the connections
//! whose replies are about to come.

use std::time::Duration;

/// So often a caller gives way in vain before it writes.
const VAIN: u32 = 2;

/// So many callers in a row do so before they expect fewer others; if not even half came to any of them, they pause.
const MISSES: u32 = 8;

/// So many callers do not give way after that, and so many after a time slice was lost; twice as many after each other
/// time.
const PAUSE: u32 = 64;
const SLOW_PAUSE: u32 = 256;
const MAX_PAUSE: u32 = 1 << 16;

/// Whoever gave way for so long, and for so much longer for each of the others who came, has lost a time slice to
/// somebody else.
const SLOW: Duration = Duration::from_micros(300);
const SLOW_EACH: Duration = Duration::from_micros(20);

/// After so many callers in a row who gave way and met all others, the next pause is half as long.
const FORGIVEN: u32 = 32;

/// What is known of the callers of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Coalescing {
    /// So many others are expected.
    others: u64,
    /// How often in a row fewer came, and the most who did.
    misses: u32,
    most: u64,
    /// How often in a row all came, or most of them.
    meetings: u32,
    /// So many callers still write at once.
    pause: u32,
    /// How long the last pause was.
    last_pause: u32,
    /// How many others the present caller saw when it gave way last, and how often that brought nobody.
    came: Option<u64>,
    vain: u32,
}

impl Coalescing {
    /// Whether the caller who takes the role now is to ask whether it gives way.
    pub fn begin(&mut self) -> bool {
        (self.came, self.vain) = (None, 0);
        let pauses = self.is_pausing();
        self.count_pause();
        !pauses && self.others > 0
    }

    /// Whether the callers do not give way at present.
    pub(super) fn is_pausing(&self) -> bool {
        self.pause > 0
    }

    /// Another caller has written without giving way.
    pub(super) fn count_pause(&mut self) {
        self.pause = self.pause.saturating_sub(1);
    }

    fn begin_pause(&mut self, least: u32) {
        self.last_pause = (2 * self.last_pause).clamp(least, MAX_PAUSE);
        self.pause = self.last_pause;
        (self.misses, self.most, self.meetings) = (0, 0, 0);
    }

    /// Others have come.
    fn met(&mut self) {
        self.meetings += 1;
        if self.meetings >= FORGIVEN {
            (self.meetings, self.last_pause) = (0, self.last_pause / 2);
        }
    }

    /// A caller leaves whom so many others joined, and all have their replies.
    pub fn ended(&mut self, others: u64) {
        if self.pause == 0 {
            self.others = self.others.max(others);
        }
    }

    /// Whether the caller gives way (again): so many others have submitted by now, and it gave way for so long.
    pub fn yields(&mut self, others: u64, took: Duration) -> bool {
        let newcomers = others.saturating_sub(self.came.unwrap_or_default()).min(1 << 16) as u32;
        if took >= SLOW + SLOW_EACH * newcomers {
            self.begin_pause(SLOW_PAUSE);
            return false;
        }
        if others >= self.others {
            (self.misses, self.most) = (0, 0);
            self.met();
            return false;
        }
        self.vain += u32::from(self.came.replace(others) == Some(others));
        if self.vain < VAIN {
            return true;
        }
        let expected = self.others;
        let are_half = |came: u64| came > 0 && 2 * came >= expected;
        match are_half(others) {
            true => self.met(),
            false => self.meetings = 0,
        }
        (self.misses, self.most) = (self.misses + 1, self.most.max(others));
        if self.misses >= MISSES {
            self.others = self.most;
            match are_half(self.most) {
                true => (self.misses, self.most) = (0, 0),
                false => self.begin_pause(PAUSE),
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAST: Duration = Duration::from_micros(20);

    /// Callers whose first has met so many others.
    fn met(others: u64) -> Coalescing {
        let mut coalescing = Coalescing::default();
        assert!(!coalescing.begin(), "nobody is expected yet");
        coalescing.ended(others);
        coalescing
    }

    /// How often a caller gives way while so many others come, one each time.
    fn yields(coalescing: &mut Coalescing, coming: u64, took: Duration) -> u64 {
        if !coalescing.begin() {
            return 0;
        }
        let mut count = 0;
        let mut took_last = Duration::ZERO;
        while coalescing.yields(coming.min(count), took_last) {
            (count, took_last) = (count + 1, took);
        }
        count
    }

    #[test]
    fn a_lone_caller_never_gives_way() {
        let mut coalescing = met(0);
        for _ in 0..1000 {
            assert_eq!(yields(&mut coalescing, 0, FAST), 0);
            coalescing.ended(0);
        }
    }

    #[test]
    fn a_caller_gives_way_until_the_others_have_come() {
        for others in 1..10 {
            let mut coalescing = met(others);
            for _ in 0..1000 {
                assert_eq!(yields(&mut coalescing, others, FAST), others);
                coalescing.ended(others);
            }
        }
    }

    #[test]
    fn who_gives_way_in_vain_soon_stops() {
        let mut coalescing = met(1);
        for _ in 0..MISSES {
            assert_eq!(yields(&mut coalescing, 0, FAST), u64::from(VAIN));
        }
        for _ in 0..1000 {
            assert_eq!(yields(&mut coalescing, 0, FAST), 0);
            coalescing.ended(0);
        }
    }

    #[test]
    fn where_the_others_come_too_late_it_is_rarely_tried() {
        let mut coalescing = met(3);
        let tenures = 10_000;
        let count: u64 = (0..tenures)
            .map(|_| {
                let count = yields(&mut coalescing, 0, FAST);
                coalescing.ended(3);
                count
            })
            .sum();
        assert!(count * 4 < tenures, "{count} times in {tenures}");
    }

    #[test]
    fn when_one_of_many_has_gone_the_rest_is_waited_for() {
        let mut coalescing = met(3);
        for _ in 0..MISSES {
            assert!(yields(&mut coalescing, 2, FAST) > 2, "the third is waited for, too");
        }
        assert_eq!(yields(&mut coalescing, 2, FAST), 2);
    }

    #[test]
    fn those_who_come_in_changing_numbers_are_waited_for_without_a_pause() {
        let mut coalescing = met(11);
        for number in 0..1000 {
            assert!(yields(&mut coalescing, [3, 7, 4, 11, 5, 6, 2, 8][number % 8], FAST) > 0, "{number}");
            assert!(!coalescing.is_pausing());
        }
    }

    #[test]
    fn when_most_have_gone_there_is_a_pause() {
        let mut coalescing = met(7);
        for _ in 0..MISSES {
            assert!(yields(&mut coalescing, 1, FAST) > 1);
        }
        for _ in 0..PAUSE {
            assert_eq!(yields(&mut coalescing, 1, FAST), 0);
        }
        assert_eq!(yields(&mut coalescing, 1, FAST), 1);
    }

    #[test]
    fn many_who_come_at_once_take_their_time() {
        let mut coalescing = met(63);
        assert!(coalescing.begin());
        assert!(coalescing.yields(0, Duration::ZERO));
        assert!(!coalescing.yields(63, 2 * SLOW));
        assert!(!coalescing.is_pausing());
    }

    #[test]
    fn a_lost_time_slice_ends_it_for_longer_each_time() {
        let mut coalescing = met(1);
        let slow = 2 * SLOW;
        let mut pause = SLOW_PAUSE;
        for _ in 0..20 {
            assert_eq!(yields(&mut coalescing, 1, slow), 1);
            for _ in 0..pause {
                assert!(coalescing.is_pausing());
                assert_eq!(yields(&mut coalescing, 1, slow), 0);
                coalescing.ended(1);
            }
            pause = (2 * pause).min(MAX_PAUSE);
        }
        for _ in 0..FORGIVEN * 20 {
            assert_eq!(yields(&mut coalescing, 1, FAST), 1);
        }
        assert_eq!(yields(&mut coalescing, 1, slow), 1);
        let paused = (0..).take_while(|_| yields(&mut coalescing, 1, FAST) == 0).count();
        assert_eq!(paused, SLOW_PAUSE as usize);
    }
}
