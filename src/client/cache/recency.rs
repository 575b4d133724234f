//! Places in the order of their last use: a doubly linked list whose links stand in a table.
//!
//! Invariant: each place in the list stands in it once; `newer` and `older` of neighbours name each other.

/// No place.
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Links {
    newer: u32,
    older: u32,
}

const UNLINKED: Links = Links { newer: NONE, older: NONE };

/// The order.
#[derive(Debug)]
pub struct Recency {
    links: Vec<Links>,
    newest: u32,
    oldest: u32,
}

impl Default for Recency {
    /// Of no places.
    fn default() -> Recency {
        Recency { links: Vec::new(), newest: NONE, oldest: NONE }
    }
}

impl Recency {
    /// A place that is not in the list is used.
    pub fn add(&mut self, place: u32) {
        let index = place as usize;
        if self.links.len() <= index {
            self.links.resize(index + 1, UNLINKED);
        }
        self.links[index] = Links { newer: NONE, older: self.newest };
        match self.links.get_mut(self.newest as usize) {
            Some(before) => before.newer = place,
            None => self.oldest = place,
        }
        self.newest = place;
    }

    /// A place in the list goes out.
    pub fn remove(&mut self, place: u32) {
        let Some(links) = self.links.get_mut(place as usize) else { return };
        let Links { newer, older } = std::mem::replace(links, UNLINKED);
        match self.links.get_mut(newer as usize) {
            Some(newer) => newer.older = older,
            None => self.newest = older,
        }
        match self.links.get_mut(older as usize) {
            Some(older) => older.newer = newer,
            None => self.oldest = newer,
        }
    }

    /// A place in the list is used again.
    pub fn touch(&mut self, place: u32) {
        if self.newest != place {
            self.remove(place);
            self.add(place);
        }
    }

    /// The place that was not used for the longest.
    pub fn oldest(&self) -> Option<u32> {
        (self.oldest != NONE).then_some(self.oldest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_uses_against_a_list() {
        let mut random = fastrand::Rng::with_seed(11);
        let (mut recency, mut model) = (Recency::default(), Vec::new());
        for _ in 0..20_000 {
            let place = random.u32(..12);
            match model.iter().position(|other| *other == place) {
                None => {
                    recency.add(place);
                    model.push(place);
                }
                Some(at) => {
                    model.remove(at);
                    if random.bool() {
                        recency.touch(place);
                        model.push(place);
                    } else {
                        recency.remove(place);
                    }
                }
            }
            assert_eq!(recency.oldest(), model.first().copied());
        }
        while let Some(oldest) = recency.oldest() {
            assert_eq!(oldest, model.remove(0));
            recency.remove(oldest);
        }
        assert!(model.is_empty());
    }
}
