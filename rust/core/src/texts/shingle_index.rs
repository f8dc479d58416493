/*!
An index of sets of shingles, which finds out whether another set is similar to one of them.

A hash table with open addressing and linear probing maps each shingle to the sets that contain it, so a set is only compared
with sets that share a shingle with it.
*/

use crate::hash::mix;

/// Ends a chain of postings.
const END: usize = usize::MAX;

/// An index of sets of distinct hashes. A reset keeps its memory.
#[derive(Debug, Default)]
pub(crate) struct ShingleIndex {
    /// The hash table. Its size is a power of two, and at most half of the slots are in use.
    slots: Vec<Slot>,
    /// Number of resets. A slot with an earlier stamp counts as empty, so no slot has to be cleared.
    stamp: u64,
    /// Number of slots in use.
    used: usize,
    /// One posting per set and hash.
    postings: Vec<Posting>,
    /// Size of each set.
    sizes: Vec<usize>,
    /// Number of hashes that each set shares with the set in question; all zero between two questions.
    common: Vec<usize>,
    /// Sets that share a hash with the set in question.
    met: Vec<usize>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    hash: u64,
    stamp: u64,
    /// The latest posting of the hash.
    last: usize,
}

/// A set that contains a hash, and the previous posting of the hash.
#[derive(Debug, Clone, Copy)]
struct Posting {
    set: usize,
    previous: usize,
}

impl ShingleIndex {
    /// Removes all sets.
    pub(crate) fn reset(&mut self) {
        self.stamp += 1;
        self.used = 0;
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
                self.used += 1;
            }
            self.postings.push(Posting { set, previous: slot.last });
            slot.last = self.postings.len() - 1;
        }
    }

    /// Whether the Jaccard similarity of these hashes with one of the sets is at least `share`, which is positive.
    pub(crate) fn has_near(&mut self, hashes: &[u64], share: f64) -> bool {
        if self.used == 0 {
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
            // Sets from callers may repeat a hash, so `common` may exceed the sum of the sizes.
            let union = (self.sizes[set] + hashes.len()).saturating_sub(common);
            near |= common as f64 / union as f64 >= share;
        }
        near
    }

    /// Returns the slot of a hash, or the free slot where it belongs. A free slot always exists.
    fn find(&self, hash: u64) -> usize {
        let mask = self.slots.len() - 1;
        // Hashes from callers may be any numbers, so they are mixed.
        let mut at = mix(hash) as usize & mask;
        while self.slots[at].stamp == self.stamp && self.slots[at].hash != hash {
            at = (at + 1) & mask;
        }
        at
    }

    /// Grows the table to hold `more` other hashes.
    fn make_room(&mut self, more: usize) {
        let wanted = (2 * (self.used + more)).next_power_of_two().max(64);
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
    fn sets_are_near_from_the_exact_share_on() {
        let mut sets = ShingleIndex::default();
        for _ in 0..3 {
            sets.reset();
            assert!(!sets.has_near(&[1, 2], 0.1));
            sets.insert(&[]);
            assert!(!sets.has_near(&[], f64::MIN_POSITIVE));
            sets.insert(&[1, 2, 3]);
            for (hashes, similarity) in [(&[1, 2][..], 2.0 / 3.0), (&[2, 3, 4], 0.5), (&[3, 4, 5, 6, 7], 1.0 / 7.0)] {
                assert!(sets.has_near(hashes, similarity));
                assert!(!sets.has_near(hashes, f64::next_up(similarity)));
            }
            assert!(!sets.has_near(&[4, 5], f64::MIN_POSITIVE));
        }
    }

    #[test]
    fn the_index_grows() {
        let mut sets = ShingleIndex::default();
        sets.reset();
        for set in 0..500_u64 {
            let hashes: Vec<u64> = (0..10).map(|place| (set * 10 + place) << 40).collect();
            assert!(!sets.has_near(&hashes, 0.01));
            sets.insert(&hashes);
        }
        assert!((0..5000_u64).all(|hash| sets.has_near(&[hash << 40], 0.1)));
    }

    #[test]
    fn repeated_hashes_do_not_overflow() {
        let mut sets = ShingleIndex::default();
        sets.reset();
        sets.insert(&[7, 7]);
        assert!(sets.has_near(&[7, 7, 7], 1.0));
        assert!(!sets.has_near(&[8], 0.1));
    }
}
