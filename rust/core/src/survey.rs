/*!
What a row's ids say before anything is picked: is one of them padding, is one excluded, does one repeat.

Nearly every row has distinct ids, no padding and a positive or none; it is enough to prove that and to say where the
positives are. Repetition is looked for in a set of bits that fits the first-level cache, emptied by writing its words back
to zero; two ids may meet in one bit, and only then they are looked up for certain.
*/
#![allow(unsafe_code, reason = "code for a processor feature is called once that feature has been found")]
#![allow(clippy::inline_always, reason = "what is inlined is compiled for the features of its caller")]

use crate::filter::Seen;
use crate::rows::Id;

/// Bits of the set. With a hundred ids, one row in thirteen has two in one bit.
const BITS: u32 = 16;
const WORDS: usize = 1 << (BITS - 6);

/// The longest row for which the set is worth it.
const MOST_IDS: usize = 256;

/// Looks at the ids of one row at a time; the memory is one thread's.
#[derive(Debug)]
pub(crate) struct Survey {
    bits: Box<[u64; WORDS]>,
    seen: Seen,
    /// Where excluded ids stand in the row looked at last.
    pub(crate) excluded: Vec<u32>,
}

impl Default for Survey {
    fn default() -> Self {
        Self { bits: Box::new([0; WORDS]), seen: Seen::default(), excluded: Vec::new() }
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
            if ids.iter().fold(false, |found, id| found | (id.widen() == passage)) {
                let here = ids.iter().enumerate().filter(|(_, id)| id.widen() == passage);
                self.excluded.extend(here.map(|(column, _)| column as u32));
            }
        }
        if ids.len() <= MOST_IDS && self.are_apart(ids) {
            return true;
        }
        self.seen.reset(ids.len());
        ids.iter().enumerate().all(|(column, id)| self.seen.place(id.widen(), column).is_none())
    }

    /// Whether no two ids share a bit of the set.
    #[inline(always)]
    fn are_apart<I: Id>(&mut self, ids: &[I]) -> bool {
        let mut shared = 0;
        for id in ids {
            let (word, bit) = place(id.widen());
            shared |= self.bits[word] & bit;
            self.bits[word] |= bit;
        }
        for id in ids {
            self.bits[place(id.widen()).0] = 0;
        }
        shared == 0
    }
}

/// The word and the bit of an id: the top bits of a product with the golden ratio (Knuth, volume 3, section 6.4).
#[inline(always)]
fn place(id: i64) -> (usize, u64) {
    let hash = (id as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((hash >> (64 - BITS + 6)) as usize, 1 << ((hash >> (64 - BITS)) & 63))
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
            for _ in 0..2 {
                let plain = survey.is_plain(&ids, &never);
                let distinct: HashSet<_> = ids.iter().collect();
                prop_assert_eq!(plain, distinct.len() == ids.len() && ids.iter().all(|&id| id >= 0));
                if plain {
                    let found: HashSet<_> = survey.excluded.iter().map(|&column| ids[column as usize]).collect();
                    let expected: HashSet<_> = ids.iter().copied().filter(|id| never.contains(id)).collect();
                    prop_assert_eq!(found.len(), survey.excluded.len());
                    prop_assert_eq!(found, expected);
                }
                prop_assert!(survey.bits.iter().all(|&word| word == 0));
            }
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
