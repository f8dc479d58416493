/*!
What a row's ids say before anything is picked: is one of them padding, is one excluded, does one repeat.

Nearly every row has distinct ids, no padding and a positive or none; it is enough to prove that and to say where the
positives are. Ids are apart if their hashes are: a table that stays in the nearest caches holds, for every hash, the stamp
of the row that showed it last, so that nothing has to be cleared from row to row. Where two ids share a hash they are
hashed another way, and in the end looked up for certain.
*/
#![allow(unsafe_code, reason = "code for a processor feature is called once that feature has been found")]
#![allow(clippy::inline_always, reason = "what is inlined is compiled for the features of its caller")]

use crate::filter::Seen;
use crate::rows::Id;
use crate::select::Candidate;

/// Bits of a hash. With a hundred ids, one row in four has two with one hash; a larger table leaves the nearest cache.
const BITS: u32 = 14;
const HASHES: usize = 1 << BITS;

/// Ways of hashing: odd numbers whose products spread consecutive ids (Knuth, volume 3, section 6.4).
const FACTORS: [u32; 3] = [0x9e37_79b1, 0x85eb_ca6b, 0xc2b2_ae35];

/// The longest row for which hashes are likely to be apart.
const MOST_IDS: usize = 256;

/// Ids that are hashed together.
const BLOCK: usize = 16;

/// Looks at the ids of one row at a time; the memory is one thread's.
#[derive(Debug)]
pub(crate) struct Survey {
    stamps: Box<[u8; HASHES]>,
    stamp: u8,
    hashes: [u16; MOST_IDS],
    seen: Seen,
    /// Where excluded ids stand in the row looked at last.
    pub(crate) excluded: Vec<u32>,
}

impl Default for Survey {
    fn default() -> Self {
        Self {
            stamps: Box::new([0; HASHES]),
            stamp: 0,
            hashes: [0; MOST_IDS],
            seen: Seen::default(),
            excluded: Vec::new(),
        }
    }
}

impl Survey {
    /// Whether no id is padding and none repeats; then [`Survey::excluded`] says where the ids in `never` stand.
    pub(crate) fn is_plain<I: Id>(&mut self, ids: &[I], never: &[i64]) -> bool {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the function differs from its portable twin by the feature it is compiled for, found just above.
            return unsafe { self.is_plain_avx2(ids, never) };
        }
        self.look(ids, never)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn is_plain_avx2<I: Id>(&mut self, ids: &[I], never: &[i64]) -> bool {
        self.look(ids, never)
    }

    #[inline(always)]
    fn look<I: Id>(&mut self, ids: &[I], never: &[i64]) -> bool {
        self.excluded.clear();
        if ids.iter().fold(false, |padding, id| padding | id.is_padding()) {
            return false;
        }
        for &passage in never {
            for (number, block) in ids.chunks(BLOCK).enumerate() {
                if block.iter().fold(false, |found, id| found | (id.widen() == passage)) {
                    let here = block.iter().enumerate().filter(|(_, id)| id.widen() == passage);
                    self.excluded.extend(here.map(|(place, _)| (number * BLOCK + place) as u32));
                }
            }
        }
        if ids.len() <= MOST_IDS {
            // Not by a closure, which would not be compiled for the features of its caller.
            for factor in FACTORS {
                if self.are_apart(ids, factor) {
                    return true;
                }
            }
        }
        self.seen.reset(ids.len());
        ids.iter().enumerate().all(|(column, id)| self.seen.place(id.widen(), column).is_none())
    }

    /// Whether no two ids share a hash.
    #[inline(always)]
    fn are_apart<I: Id>(&mut self, ids: &[I], factor: u32) -> bool {
        if self.stamp == u8::MAX {
            self.stamps.fill(0);
            self.stamp = 0;
        }
        self.stamp += 1;
        // All hashes first: that part is done many at a time.
        let hashes = &mut self.hashes[..ids.len()];
        for (slot, id) in hashes.iter_mut().zip(ids) {
            *slot = hash(id.widen(), factor);
        }
        let mut fresh = 0;
        for &mut hash in hashes {
            let seen = &mut self.stamps[usize::from(hash)];
            fresh += usize::from(*seen < self.stamp);
            *seen = self.stamp;
        }
        fresh == ids.len()
    }
}

/// Whether the ids of `chosen` are distinct, and no other place among `ids`, where each has one (or which is empty), holds
/// one of them.
pub(crate) fn stand_alone<I: Id>(chosen: &[Candidate], ids: &[I]) -> bool {
    if ids.is_empty() {
        let repeats = |place: usize| chosen[..place].iter().any(|earlier| earlier.id == chosen[place].id);
        return !(1..chosen.len()).any(repeats);
    }
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the function differs from its portable twin by the feature it is compiled for, found just above.
        return unsafe { appearances_avx2(chosen, ids) } == chosen.len();
    }
    appearances(chosen, ids) == chosen.len()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn appearances_avx2<I: Id>(chosen: &[Candidate], ids: &[I]) -> usize {
    appearances(chosen, ids)
}

/// How often an id is one of `chosen`, each of which counts, four at a time.
#[inline(always)]
fn appearances<I: Id>(chosen: &[Candidate], ids: &[I]) -> usize {
    let mut found = 0;
    for four in chosen.chunks(4) {
        // No passage has the number in the place of one that is not there.
        let mut wanted = [i64::MIN; 4];
        for (slot, candidate) in wanted.iter_mut().zip(four) {
            *slot = candidate.id;
        }
        let [a, b, c, d] = wanted;
        for id in ids {
            let id = id.widen();
            found += usize::from(id == a) + usize::from(id == b) + usize::from(id == c) + usize::from(id == d);
        }
    }
    found
}

/// The upper bits of a product in which all bits of an id have a say.
#[inline(always)]
fn hash(id: i64, factor: u32) -> u16 {
    let bits = id as u64;
    (((bits ^ (bits >> 32)) as u32).wrapping_mul(factor) >> (32 - BITS)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    proptest! {
        #[test]
        fn equals_its_twin(
            ids in prop::collection::vec(-1_i64..600, 0..300),
            spread in prop::sample::select(vec![1_i64, 37, 1 << 40]),
            never in prop::collection::vec(0_i64..50, 0..4),
        ) {
            let ids: Vec<i64> = ids.iter().map(|id| id * spread).collect();
            let never: Vec<i64> = never.iter().map(|id| id * spread).collect::<HashSet<_>>().into_iter().collect();
            let mut survey = Survey::default();
            // More rows than there are stamps.
            for _ in 0..300 {
                let plain = survey.is_plain(&ids, &never);
                let distinct: HashSet<_> = ids.iter().collect();
                prop_assert_eq!(plain, distinct.len() == ids.len() && ids.iter().all(|&id| id >= 0));
                if plain {
                    let found: HashSet<_> = survey.excluded.iter().map(|&column| ids[column as usize]).collect();
                    let expected: HashSet<_> = ids.iter().copied().filter(|id| never.contains(id)).collect();
                    prop_assert_eq!(found.len(), survey.excluded.len());
                    prop_assert_eq!(found, expected);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn chosen_ids_stand_alone_if_they_are_counted_once(
            ids in prop::collection::vec(0_i64..40, 1..60),
            places in prop::collection::btree_set(0_usize..60, 0..17),
        ) {
            let places = places.into_iter().filter(|&place| place < ids.len());
            let chosen: Vec<Candidate> = places.map(|place| Candidate { score: 0.0, id: ids[place] }).collect();
            let distinct = chosen.iter().map(|one| one.id).collect::<HashSet<_>>().len() == chosen.len();
            let once = chosen.iter().all(|one| ids.iter().filter(|&&id| id == one.id).count() == 1);
            prop_assert_eq!(stand_alone(&chosen, &ids), distinct && once);
            prop_assert_eq!(stand_alone::<i64>(&chosen, &[]), distinct);
        }
    }

    #[test]
    fn unsigned_padding_is_seen() {
        let mut survey = Survey::default();
        assert!(!survey.is_plain(&[1_u32, u32::MAX], &[]));
        assert!(!survey.is_plain(&[1_u64, 1 << 63], &[]));
        assert!(survey.is_plain(&[1_u32, u32::MAX - 1], &[]));
    }
}
