/*!
What a row's ids say before anything is picked: is one of them padding, is one excluded, does one repeat.

Nearly every row has distinct ids, no padding and a positive or none; it is enough to prove that and to say where the
positives are. Ids are apart if their hashes are: a table that stays in the nearest caches holds, for every hash, the stamp
of the row that showed it last, so that nothing has to be cleared from row to row. Where two ids share a hash they are
hashed another way, and in the end looked up for certain.
*/
#![allow(unsafe_code, reason = "code for a processor feature is called once that feature has been found")]
#![allow(clippy::inline_always, reason = "what is inlined is compiled for the features of its caller")]

use crate::input::layout::Id;
use crate::lanes::window::Windows;
use crate::rule::filter::Seen;
use crate::simd::{Baseline, LANES, Vector};

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

    /// Where the ids in `never` stand, for [`Survey::excluded`], if ids are column numbers: these are always plain.
    pub(crate) fn find_columns(&mut self, columns: usize, never: &[i64]) {
        let here = never.iter().filter(|&&passage| passage < columns as i64);
        self.excluded.clear();
        self.excluded.extend(here.map(|&passage| passage as u32));
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

/// Which of [`LANES`] rows hold each id of their window once among their first `span`, where each has a place.
///
/// Goes by an id's lower half: where two of those are one the answer is no.
pub(crate) fn appear_once<I: Id>(windows: &Windows, ids: &[I], span: usize) -> [bool; LANES] {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the function differs from its portable twin by the feature it is compiled for, found just above.
        return unsafe { appear_once_avx2(windows, ids, span) };
    }
    appear_once_on::<Baseline, I>(windows, ids, span)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn appear_once_avx2<I: Id>(windows: &Windows, ids: &[I], span: usize) -> [bool; LANES] {
    appear_once_on::<crate::simd::avx2::Avx2, I>(windows, ids, span)
}

#[inline(always)]
fn appear_once_on<V: Vector, I: Id>(windows: &Windows, ids: &[I], span: usize) -> [bool; LANES] {
    let columns = ids.len() / LANES;
    let mut once = [true; LANES];
    for lane in 0..LANES {
        let row = &ids[lane * columns..][..span.min(columns)];
        let window = &windows.ids[..windows.held[lane]];
        for few in window.chunks(FOUR) {
            // One more than once fills up the four: each is counted as often as it is wanted.
            let mut wanted = [few[0][lane] as i32; FOUR];
            for (slot, ids) in wanted.iter_mut().zip(few) {
                *slot = ids[lane] as i32;
            }
            once[lane] &= count_four::<V, I>(row, wanted) == FOUR as i32;
        }
    }
    once
}

/// Ids that are counted at once.
const FOUR: usize = 4;

/// How often the lower half of an id is one of four numbers; it counts for each of them.
#[inline(always)]
fn count_four<V: Vector, I: Id>(ids: &[I], wanted: [i32; FOUR]) -> i32 {
    let few = wanted.map(V::splat);
    let mut counts = [V::splat(0); 2];
    let mut count = |lows: [i32; LANES]| {
        let lows = V::load(lows);
        for place in 0..FOUR {
            counts[place % 2] = counts[place % 2].count(lows.equals(few[place]));
        }
    };
    let (eights, rest) = ids.as_chunks::<LANES>();
    for eight in eights {
        count(eight.map(|id| id.widen() as i32));
    }
    if !rest.is_empty() {
        // One of five numbers is none of four.
        let other = (0..=FOUR as i32).find(|number| !wanted.contains(number)).unwrap_or_default();
        let mut last = [other; LANES];
        for (slot, id) in last.iter_mut().zip(rest) {
            *slot = id.widen() as i32;
        }
        count(last);
    }
    let [a, b] = counts.map(V::store);
    (0..LANES).map(|lane| a[lane] + b[lane]).sum()
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
        fn ids_appear_once_where_they_are_counted_once(
            columns in 1_usize..40,
            ids in prop::collection::vec(0_i64..300, LANES * 40),
            sizes in prop::array::uniform8(0_usize..10),
            places in Just((0..40).collect::<Vec<usize>>()).prop_shuffle(),
            span in 1_usize..50,
        ) {
            let (ids, span) = (&ids[..LANES * columns], span.min(columns));
            let mut windows = Windows::default();
            windows.held = sizes.map(|size| size.min(span));
            for (of_place, place) in windows.ids.iter_mut().zip(places.into_iter().filter(|&place| place < span)) {
                *of_place = std::array::from_fn(|lane| ids[lane * columns + place]);
            }
            let expected: [bool; LANES] = std::array::from_fn(|lane| {
                let row = &ids[lane * columns..][..span];
                let chosen = windows.ids[..windows.held[lane]].iter().map(|ids| ids[lane]);
                chosen.into_iter().all(|chosen| row.iter().filter(|&&id| id == chosen).count() == 1)
            });
            prop_assert_eq!(appear_once(&windows, ids, span), expected);
            prop_assert_eq!(appear_once_on::<[i32; LANES], i64>(&windows, ids, span), expected);
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
