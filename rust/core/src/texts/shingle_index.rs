/*!
Sets of shingles, and whether another set is near one of them.

An index from shingle to the sets that hold it, by open addressing with linear probing: only sets that have something in
common are ever met.
*/

use crate::hash::mix;

/// The end of a chain of postings.
const END: usize = usize::MAX;

/// Some sets of distinct hashes. Memory is kept when it is reset.
#[derive(Debug, Default)]
pub(crate) struct Overlaps {
    /// A power of two of them, at most half of them taken.
    slots: Vec<Slot>,
    /// Slots with an earlier stamp count as empty, so nothing has to be cleared.
    stamp: u64,
    taken: usize,
    postings: Vec<Posting>,
    /// The size of each set.
    sizes: Vec<usize>,
    /// What each set has in common with the one asked about; all zero between two questions.
    common: Vec<usize>,
    met: Vec<usize>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    hash: u64,
    stamp: u64,
    /// The last posting of the hash.
    last: usize,
}

/// One set that holds a hash, and the posting of the set before.
#[derive(Debug, Clone, Copy)]
struct Posting {
    set: usize,
    previous: usize,
}

impl Overlaps {
    /// Forgets all sets.
    pub(crate) fn reset(&mut self) {
        self.stamp += 1;
        self.taken = 0;
        self.postings.clear();
        self.sizes.clear();
        self.common.clear();
    }

    /// Adds a set.
    pub(crate) fn insert(&mut self, hashes: &[u64]) {
        self.make_room(hashes.len());
        let set = self.sizes.len();
        self.sizes.push(hashes.len());
        self.common.push(0);
        for &hash in hashes {
            let at = self.find(hash);
            let slot = &mut self.slots[at];
            if slot.stamp != self.stamp {
                *slot = Slot { hash, stamp: self.stamp, last: END };
                self.taken += 1;
            }
            self.postings.push(Posting { set, previous: slot.last });
            slot.last = self.postings.len() - 1;
        }
    }

    /// Whether the Jaccard similarity of these hashes with one of the sets is `share` or more. `share` is positive.
    pub(crate) fn near(&mut self, hashes: &[u64], share: f64) -> bool {
        if self.taken == 0 {
            return false;
        }
        for &hash in hashes {
            let slot = self.slots[self.find(hash)];
            let mut next = if slot.stamp == self.stamp { slot.last } else { END };
            while next != END {
                let Posting { set, previous } = self.postings[next];
                if self.common[set] == 0 {
                    self.met.push(set);
                }
                self.common[set] += 1;
                next = previous;
            }
        }
        let mut near = false;
        for set in self.met.drain(..) {
            let common = std::mem::take(&mut self.common[set]);
            // Rows from outside may repeat a hash, which must not overflow.
            let union = (self.sizes[set] + hashes.len()).saturating_sub(common);
            near |= common as f64 / union as f64 >= share;
        }
        near
    }

    /// The slot of a hash, or the free one where it belongs. There is always one.
    fn find(&self, hash: u64) -> usize {
        let mask = self.slots.len() - 1;
        // Hashes from outside may be any numbers.
        let mut at = mix(hash) as usize & mask;
        while self.slots[at].stamp == self.stamp && self.slots[at].hash != hash {
            at = (at + 1) & mask;
        }
        at
    }

    fn make_room(&mut self, more: usize) {
        let wanted = (2 * (self.taken + more)).next_power_of_two().max(64);
        if wanted > self.slots.len() {
            let earlier = std::mem::replace(&mut self.slots, vec![Slot::default(); wanted]);
            for slot in earlier.into_iter().filter(|slot| slot.stamp == self.stamp) {
                let at = self.find(slot.hash);
                self.slots[at] = slot;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_reached_exactly() {
        let mut sets = Overlaps::default();
        for _ in 0..3 {
            sets.reset();
            assert!(!sets.near(&[1, 2], 0.1));
            sets.insert(&[]);
            assert!(!sets.near(&[], f64::MIN_POSITIVE));
            sets.insert(&[1, 2, 3]);
            for (hashes, similarity) in [(&[1, 2][..], 2.0 / 3.0), (&[2, 3, 4], 0.5), (&[3, 4, 5, 6, 7], 1.0 / 7.0)] {
                assert!(sets.near(hashes, similarity));
                assert!(!sets.near(hashes, f64::next_up(similarity)));
            }
            assert!(!sets.near(&[4, 5], f64::MIN_POSITIVE));
        }
    }

    #[test]
    fn it_grows() {
        let mut sets = Overlaps::default();
        sets.reset();
        for set in 0..500_u64 {
            let hashes: Vec<u64> = (0..10).map(|place| (set * 10 + place) << 40).collect();
            assert!(!sets.near(&hashes, 0.01));
            sets.insert(&hashes);
        }
        assert!((0..5000_u64).all(|hash| sets.near(&[hash << 40], 0.1)));
    }

    #[test]
    fn repeated_hashes_do_no_harm() {
        let mut sets = Overlaps::default();
        sets.reset();
        sets.insert(&[7, 7]);
        assert!(sets.near(&[7, 7, 7], 1.0));
        assert!(!sets.near(&[8], 0.1));
    }
}
