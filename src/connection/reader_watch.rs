//! Whether those who read in the place of the background still do. When they have not for a while, the background reads
//! again: it also hears of messages out of turn, and it does not let the answers of a queue wait whose takers are busy
//! with something else. A state machine without threads or clocks: its owner looks again after the time that it asks
//! for.

use std::time::Duration;

/// When nobody has read for this long, the background does.
const CALLERS_PAUSE: Duration = Duration::from_millis(100);

/// When bytes have waited for this long for whoever takes from a queue, the background sees to them.
const TAKERS_PAUSE: Duration = Duration::from_millis(2);

/// Who reads, as the background sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Readers {
    /// Not the background.
    pub(super) are_others: bool,
    /// The takers of a queue.
    pub(super) are_of_a_queue: bool,
    /// How often somebody took the I/O role.
    pub(super) taken: u64,
    /// How often the takers of a queue came by.
    pub(super) visits: u64,
}

impl Readers {
    /// How often somebody came by.
    fn activity(self) -> u64 {
        self.taken + self.visits
    }
}

/// What the background does when it has looked who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Observed {
    /// Others read, and it is to look whether they still do.
    pub others_read: bool,
    /// The I/O role just came back to it, or somebody who lost it has stopped only now: it must read once, because the
    /// kernel does not tell again of what is in the socket since before.
    pub came_back: bool,
    /// In how long it is to look, if that is to be set anew.
    pub look_in: Option<Duration>,
}

/// How long those who read have not come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absence {
    /// They have.
    None,
    /// Not for so long that it matters.
    Short,
    /// They take from a queue, and should have if bytes wait for them.
    OfTakers,
    /// For so long that the background reads again, whatever waits.
    Long,
}

/// What the background has seen of those who read.
#[derive(Debug, Default)]
pub(super) struct ReaderWatch {
    others_read: bool,
    of_a_queue: bool,
    /// How often somebody had taken the I/O role.
    taken: u64,
    /// How often they had come by.
    activity: u64,
    /// So many looks in a row saw no sign of them.
    quiet: u32,
    /// Somebody who read has stopped only now, after the background was called.
    stopped: bool,
}

impl ReaderWatch {
    /// Somebody who read has stopped. If the background was called before, it may have looked in vain meanwhile.
    pub(super) fn stopped(&mut self) {
        self.stopped = true;
    }

    /// The background looks who reads.
    pub(super) fn observe(&mut self, readers: Readers) -> Observed {
        let Readers { are_others, are_of_a_queue, taken, .. } = readers;
        let was_elsewhere = self.others_read || taken != self.taken;
        let came_back = !are_others && (was_elsewhere || self.stopped);
        (self.taken, self.stopped) = (taken, false);
        let has_changed = (are_others, are_of_a_queue) != (self.others_read, self.of_a_queue);
        if has_changed {
            (self.others_read, self.of_a_queue) = (are_others, are_of_a_queue);
            (self.activity, self.quiet) = (readers.activity(), 0);
        }
        Observed { others_read: are_others, came_back, look_in: has_changed.then(|| self.pause()) }
    }

    /// The background looks whether they still do; gives also in how long it looks again.
    pub(super) fn look(&mut self, readers: Readers) -> (Absence, Duration) {
        let activity = readers.activity();
        let came = std::mem::replace(&mut self.activity, activity) != activity;
        self.quiet = if came { 0 } else { self.quiet.saturating_add(1) };
        let absence = if came {
            Absence::None
        } else if self.pause() * self.quiet >= CALLERS_PAUSE {
            Absence::Long
        } else if self.of_a_queue {
            Absence::OfTakers
        } else {
            Absence::Short
        };
        (absence, self.pause())
    }

    fn pause(&self) -> Duration {
        if self.of_a_queue { TAKERS_PAUSE } else { CALLERS_PAUSE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKGROUND: Readers = Readers { are_others: false, are_of_a_queue: false, taken: 0, visits: 0 };
    const CALLERS: Readers = Readers { are_others: true, taken: 1, ..BACKGROUND };
    const TAKERS: Readers = Readers { are_of_a_queue: true, ..CALLERS };

    fn watching(readers: Readers) -> ReaderWatch {
        let mut watch = ReaderWatch::default();
        let pause = if readers.are_of_a_queue { TAKERS_PAUSE } else { CALLERS_PAUSE };
        assert_eq!(
            watch.observe(readers),
            Observed { others_read: true, came_back: false, look_in: Some(pause) },
            "{readers:?}"
        );
        watch
    }

    #[test]
    fn the_background_reads_once_when_the_role_comes_back() {
        for readers in [CALLERS, TAKERS] {
            let mut watch = watching(readers);
            let back = Readers { taken: 1, ..BACKGROUND };
            assert!(watch.observe(back).came_back);
            assert!(!watch.observe(back).came_back);
            // Taken and given back while the background did not look.
            assert!(watch.observe(Readers { taken: 2, ..BACKGROUND }).came_back);
        }
        assert!(!ReaderWatch::default().observe(BACKGROUND).came_back);
    }

    #[test]
    fn the_background_reads_once_more_when_somebody_has_stopped_only_then() {
        let back = Readers { taken: 1, ..BACKGROUND };
        let mut watch = watching(TAKERS);
        assert!(watch.observe(back).came_back);
        watch.stopped();
        assert!(watch.observe(back).came_back);
        assert!(!watch.observe(back).came_back);
        watch.stopped();
        assert!(!watch.observe(CALLERS).came_back, "others read again");
    }

    #[test]
    fn callers_who_stay_away_are_not_waited_for_longer_than_one_look() {
        let mut watch = watching(CALLERS);
        for taken in 2..10 {
            assert_eq!(watch.look(Readers { taken, ..CALLERS }), (Absence::None, CALLERS_PAUSE));
        }
        assert_eq!(watch.look(Readers { taken: 9, ..CALLERS }), (Absence::Long, CALLERS_PAUSE));
    }

    #[test]
    fn takers_who_stay_away_are_looked_for_often() {
        let mut watch = watching(TAKERS);
        let looks = CALLERS_PAUSE.as_millis() / TAKERS_PAUSE.as_millis();
        for visits in [0, 1] {
            let readers = Readers { visits, ..TAKERS };
            if visits > 0 {
                assert_eq!(watch.look(readers), (Absence::None, TAKERS_PAUSE));
            }
            for _ in 1..looks {
                assert_eq!(watch.look(readers), (Absence::OfTakers, TAKERS_PAUSE));
            }
        }
        assert_eq!(watch.look(Readers { visits: 1, ..TAKERS }), (Absence::Long, TAKERS_PAUSE));
    }

    #[test]
    fn a_change_of_who_reads_begins_the_watch_anew() {
        let mut watch = watching(TAKERS);
        assert_eq!(watch.look(TAKERS).0, Absence::OfTakers);
        assert_eq!(watch.observe(CALLERS).look_in, Some(CALLERS_PAUSE));
        assert_eq!(watch.observe(CALLERS).look_in, None);
        assert_eq!(watch.observe(TAKERS).look_in, Some(TAKERS_PAUSE));
        assert_eq!(watch.quiet, 0);
    }
}
