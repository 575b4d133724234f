//! Deadlines of requests: a hashed wheel of intrusive lists, so that setting and removing one costs a
//! few stores and no allocation. Pure: it counts ticks and never looks at a clock.
//!
//! A slot of the wheel holds all deadlines whose tick is the same modulo its size; those of a later round stay
//! there when their slot passes.

use crate::shrink::KEPT;

/// Milliseconds of a tick: no deadline is noticed later than this after it passed.
pub const TICK: u64 = 2;

const SLOTS: usize = 4096;
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Node {
    due: u64,
    previous: u32,
    next: u32,
    set: bool,
}

const UNSET: Node = Node { due: 0, previous: NONE, next: NONE, set: false };

/// The deadlines; each belongs to a small number, the index of a request.
#[derive(Debug, Default)]
pub struct Deadlines {
    /// Of each slot; made with the first deadline, because links may be many.
    heads: Vec<u32>,
    /// One bit per slot that has deadlines.
    occupied: Vec<u64>,
    nodes: Vec<Node>,
    /// Everything up to this tick has been expired.
    now: u64,
}

impl Deadlines {
    /// Sets the deadline of `index`, which has none, at a tick that is at least the next.
    #[inline]
    pub fn set(&mut self, index: u32, due: u64) {
        let place = index as usize;
        if place >= self.nodes.len() {
            if self.heads.is_empty() {
                (self.heads, self.occupied) = (vec![NONE; SLOTS], vec![0; SLOTS / 64]);
            }
            self.nodes.resize(place + 1, UNSET);
        }
        let due = due.max(self.now + 1);
        let slot = due as usize % SLOTS;
        let next = self.heads[slot];
        self.nodes[place] = Node { due, previous: NONE, next, set: true };
        if next != NONE {
            self.nodes[next as usize].previous = index;
        }
        self.heads[slot] = index;
        self.occupied[slot / 64] |= 1 << (slot % 64);
    }

    /// Removes the deadline of `index`, if it has one; gives its tick.
    #[inline]
    pub fn remove(&mut self, index: u32) -> Option<u64> {
        let node = self.nodes.get_mut(index as usize)?;
        let Node { due, previous, next, set } = std::mem::replace(node, UNSET);
        if !set {
            return None;
        }
        if next != NONE {
            self.nodes[next as usize].previous = previous;
        }
        if previous != NONE {
            self.nodes[previous as usize].next = next;
            return Some(due);
        }
        let slot = due as usize % SLOTS;
        self.heads[slot] = next;
        if next == NONE {
            self.occupied[slot / 64] &= !(1 << (slot % 64));
        }
        Some(due)
    }

    /// Moves on to tick `now` and removes what is due by then, `most` at a time: call again while it gives that many.
    pub fn expire(&mut self, now: u64, most: usize) -> Vec<u32> {
        let mut due = Vec::new();
        if self.heads.is_empty() {
            self.now = self.now.max(now);
            return due;
        }
        // One round passes every slot, however long nobody looked.
        let first = (self.now + 1).max((now + 1).saturating_sub(SLOTS as u64));
        for tick in first..=now {
            let mut index = self.heads[tick as usize % SLOTS];
            while index != NONE {
                let node = self.nodes[index as usize];
                if node.due <= now {
                    if due.len() == most {
                        self.now = tick - 1;
                        return due;
                    }
                    self.remove(index);
                    due.push(index);
                }
                index = node.next;
            }
        }
        self.now = self.now.max(now);
        due
    }

    /// No deadline is due before this tick. (One may be much later: then it is a good time to ask again.)
    pub fn next(&self) -> Option<u64> {
        if self.heads.is_empty() {
            return None;
        }
        let from = self.now + 1;
        let mut tick = from;
        while tick < from + SLOTS as u64 {
            let slot = tick as usize % SLOTS;
            let word = self.occupied[slot / 64] >> (slot % 64);
            if word != 0 {
                return Some(tick + u64::from(word.trailing_zeros()));
            }
            tick += 64 - slot as u64 % 64;
        }
        // The word that holds the first slot was entered in its middle.
        (self.occupied[from as usize % SLOTS / 64] != 0).then_some(from + SLOTS as u64 - 64)
    }

    /// Gives all memory back, if there are no deadlines.
    pub fn release(&mut self) {
        if self.occupied.iter().all(|word| *word == 0) {
            *self = Deadlines { now: self.now, ..Deadlines::default() };
        }
    }

    /// Gives memory back, if it is much; there are no deadlines.
    pub fn shrink(&mut self) {
        if self.nodes.len() > KEPT {
            self.nodes = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Random deadlines against a sorted list, across several rounds of the wheel.
    #[test]
    fn deadlines_fire_at_their_tick_and_never_before() {
        for seed in 0..50 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut deadlines = Deadlines::default();
            let mut model: Vec<(u64, u32)> = Vec::new();
            let mut now = 0;
            for index in 0..3000 {
                let due = now + random.u64(1..=3 * SLOTS as u64);
                deadlines.set(index, due);
                model.push((due, index));
                if random.bool() {
                    let (_, index) = model.swap_remove(random.usize(0..model.len()));
                    deadlines.remove(index);
                    deadlines.remove(index);
                }
                if random.bool() {
                    deadlines.release();
                }
                if random.u32(0..8) == 0 {
                    let step = if random.u32(0..20) == 0 { 3 * SLOTS as u64 } else { random.u64(0..50) };
                    now += step;
                    let mut fired = Vec::new();
                    loop {
                        let batch = deadlines.expire(now, 7);
                        fired.extend_from_slice(&batch);
                        if batch.len() < 7 {
                            break;
                        }
                    }
                    fired.sort_unstable();
                    let mut expected: Vec<u32> = model.iter().filter(|(due, _)| *due <= now).map(|(_, i)| *i).collect();
                    expected.sort_unstable();
                    assert_eq!(fired, expected);
                    model.retain(|(due, _)| *due > now);
                }
                match (deadlines.next(), model.iter().map(|(due, _)| *due).min()) {
                    (Some(next), Some(first)) => assert!(next > now && next <= first),
                    (next, first) => assert_eq!(next.is_some(), first.is_some()),
                }
            }
        }
    }
}
