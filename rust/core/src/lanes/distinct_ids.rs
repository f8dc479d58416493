/*!
Checks that the ids of a row are distinct and not padding, and finds the excluded ones among them.

Nearly every row passes, so the check is built to prove it quickly. If the hashes of two ids differ, the ids differ. A table
small enough for the L1 cache holds, for every hash, the stamp of the last row that contained it; old stamps count as empty,
so the table is not cleared between rows. If two ids of a row share a hash, the row is tried with another hash function, and
finally with a table of the ids themselves.
*/
#![allow(clippy::inline_always, reason = "inlined code is compiled for the instruction set of its caller")]

use crate::input::id::Id;
use crate::rule::filter::Seen;
use crate::simd::{Kernel, Vector, dispatch};

/// Bits of a hash. Of rows of a hundred distinct ids, one in four has two with the same hash. A larger table would not fit
/// into the L1 cache.
const BITS: u32 = 14;
const HASHES: usize = 1 << BITS;

/// One factor per hash function: odd numbers whose products spread consecutive ids (Knuth, volume 3, section 6.4).
const FACTORS: [u32; 3] = [0x9e37_79b1, 0x85eb_ca6b, 0xc2b2_ae35];

/// Length of the longest row whose hashes are likely to be distinct.
const MAX_IDS: usize = 256;

/// Ids that are compared with an excluded passage without a branch.
const BLOCK: usize = 16;

/// Checks one row of ids after the other.
#[derive(Debug)]
pub(crate) struct DistinctIds {
    stamps: Box<[u8; HASHES]>,
    stamp: u8,
    hashes: [u16; MAX_IDS],
    seen: Seen,
    /// Columns of the excluded ids in the last row that passed.
    pub(crate) excluded: Vec<u32>,
}

impl Default for DistinctIds {
    fn default() -> Self {
        Self {
            stamps: Box::new([0; HASHES]),
            stamp: 0,
            hashes: [0; MAX_IDS],
            seen: Seen::default(),
            excluded: Vec::new(),
        }
    }
}

impl DistinctIds {
    /// Whether all ids are distinct and none is padding. If so, the field `excluded` holds the columns of these ids.
    pub(crate) fn check<I: Id>(&mut self, ids: &[I], excluded: &[i64]) -> bool {
        dispatch(Check { table: self, ids, excluded })
    }

    /// Finds the columns of the excluded ids in a row whose ids are its column numbers. Such a row always passes the check.
    pub(crate) fn find_columns(&mut self, columns: usize, excluded: &[i64]) {
        let inside = excluded.iter().filter(|&&passage| passage < columns as i64);
        self.excluded.clear();
        self.excluded.extend(inside.map(|&passage| passage as u32));
    }

    /// Whether no two ids share a hash.
    #[inline(always)]
    fn hashes_differ<I: Id>(&mut self, ids: &[I], factor: u32) -> bool {
        if self.stamp == u8::MAX {
            self.stamps.fill(0);
            self.stamp = 0;
        }
        self.stamp += 1;
        // Local copies of the fields, because the compiler cannot rule out that the stores below change them.
        let (stamp, stamps) = (self.stamp, &mut *self.stamps);
        // Hashing all ids before any lookup lets the compiler vectorise the hashing.
        let hashes = &mut self.hashes[..ids.len()];
        for (slot, id) in hashes.iter_mut().zip(ids) {
            *slot = hash(id.widen(), factor);
        }
        let mut distinct = 0;
        for &mut hash in hashes {
            let last = &mut stamps[usize::from(hash)];
            distinct += usize::from(*last < stamp);
            *last = stamp;
        }
        distinct == ids.len()
    }
}

struct Check<'a, I> {
    table: &'a mut DistinctIds,
    ids: &'a [I],
    excluded: &'a [i64],
}

impl<I: Id> Kernel for Check<'_, I> {
    type Output = bool;

    #[inline(always)]
    fn run<V: Vector>(self, _: V::Token) -> bool {
        let Self { table, ids, excluded } = self;
        table.excluded.clear();
        if ids.iter().fold(false, |padding, id| padding | id.is_padding()) {
            return false;
        }
        for &passage in excluded {
            for (number, block) in ids.chunks(BLOCK).enumerate() {
                if block.iter().fold(false, |found, id| found | (id.widen() == passage)) {
                    let here = block.iter().enumerate().filter(|(_, id)| id.widen() == passage);
                    table.excluded.extend(here.map(|(place, _)| (number * BLOCK + place) as u32));
                }
            }
        }
        if ids.len() <= MAX_IDS {
            // A closure might not be inlined, and would then not use the kernel's instruction set.
            for factor in FACTORS {
                if table.hashes_differ(ids, factor) {
                    return true;
                }
            }
        }
        table.seen.reset(ids.len());
        ids.iter().enumerate().all(|(column, id)| table.seen.place(id.widen(), column).is_none())
    }
}

/// Returns the upper bits of a product that depends on all bits of the id.
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
        fn rows_pass_if_a_set_says_so(
            ids in prop::collection::vec(-1_i64..600, 0..300),
            spread in prop::sample::select(vec![1_i64, 37, 1 << 40]),
            excluded in prop::collection::vec(0_i64..50, 0..4),
        ) {
            let ids: Vec<i64> = ids.iter().map(|id| id * spread).collect();
            let excluded: Vec<i64> = excluded.iter().map(|id| id * spread).collect::<HashSet<_>>().into_iter().collect();
            let mut table = DistinctIds::default();
            // There are more rows than stamps.
            for _ in 0..300 {
                let passed = table.check(&ids, &excluded);
                let distinct: HashSet<_> = ids.iter().collect();
                prop_assert_eq!(passed, distinct.len() == ids.len() && ids.iter().all(|&id| id >= 0));
                if passed {
                    let found: HashSet<_> = table.excluded.iter().map(|&column| ids[column as usize]).collect();
                    let expected: HashSet<_> = ids.iter().copied().filter(|id| excluded.contains(id)).collect();
                    prop_assert_eq!(found.len(), table.excluded.len());
                    prop_assert_eq!(found, expected);
                }
            }
        }
    }

    #[test]
    fn unsigned_padding_is_noticed() {
        let mut table = DistinctIds::default();
        assert!(!table.check(&[1_u32, u32::MAX], &[]));
        assert!(!table.check(&[1_u64, 1 << 63], &[]));
        assert!(table.check(&[1_u32, u32::MAX - 1], &[]));
    }
}
