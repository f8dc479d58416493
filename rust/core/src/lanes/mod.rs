/*!
The rule on eight rows at a time, one row per lane of a vector. Most score matrices allow it, and it is several times as fast
as row by row.

Eight rows of equal length form a [`group`]. A [`scan`] finds the few best survivors of each row, either with a sorting
[`network`] or, if all rows are sorted already, by looking at the edges of their [`descending`] scores. A [`window`] then puts
the survivors in order and decides whether they suffice. Rows for which they do not (ties at the edge of the window, padding,
repeated ids, many excluded passages) are mined one by one instead, with the same outcome.
*/
#![allow(clippy::inline_always, reason = "inlined code is compiled for the instruction set of its caller")]

mod descending;
mod distinct_ids;
mod excluded;
pub(crate) mod group;
mod levels;
mod network;
mod prefetch;
mod scan;
mod sorting;
pub(crate) mod window;

use crate::lanes::prefetch::Prefetch;
use crate::lanes::scan::{Found, Scan};
use crate::simd::{Kernel, Vector, dispatch};

/// Finds the best survivors of eight rows, and prefetches other memory meanwhile.
fn find_best(scan: &Scan<'_>, prefetch: &mut Prefetch, found: &mut Found) {
    dispatch(FindBest { scan, prefetch, found });
}

struct FindBest<'a> {
    scan: &'a Scan<'a>,
    prefetch: &'a mut Prefetch,
    found: &'a mut Found,
}

impl Kernel for FindBest<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self, token: V::Token) {
        self.found.clear(self.scan.depth);
        if !descending::find_best(self.scan, self.prefetch, self.found) {
            network::find_best::<V>(token, self.scan, self.prefetch, self.found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::scan::tests::naive;
    use crate::lanes::scan::{LaneBounds, MAX_LEVELS};
    use crate::simd::LANES;
    use proptest::prelude::*;

    fn check(
        rows: &[f32],
        columns: usize,
        bounds: LaneBounds,
        depth: usize,
        counted: bool,
    ) -> Result<(), TestCaseError> {
        let scan = Scan { rows, columns, bounds, depth, counted };
        let (mut fast, mut portable) = (Found::default(), Found::default());
        let prefetch = || Prefetch::new(rows, &[0_i64; 3], 2);
        find_best(&scan, &mut prefetch(), &mut fast);
        FindBest { scan: &scan, prefetch: &mut prefetch(), found: &mut portable }.run::<[i32; LANES]>(());
        for lane in 0..LANES {
            let row = &rows[lane * columns..(lane + 1) * columns];
            let (expected, counts) = naive(row, bounds.ceilings[lane], bounds.floor);
            for found in [&fast, &portable] {
                if counted {
                    let found = [found.survivors[lane], found.too_high[lane], found.not_finite[lane]];
                    prop_assert_eq!(found, counts);
                }
                let mut held: Vec<(u32, f32)> = found.held(lane, depth).collect();
                held.sort_by(|a, b| b.1.total_cmp(&a.1));
                for &(column, score) in &held {
                    prop_assert_eq!(score.to_bits(), row[column as usize].to_bits());
                }
                // The survivors above `best_dropped` are held, and no two levels hold the same one.
                let best_dropped = found.best_dropped[lane];
                let certain = held.iter().filter(|&&(_, score)| score > best_dropped).count();
                for (&(_, score), &expected) in held.iter().zip(&expected).take(certain) {
                    prop_assert_eq!(score, expected);
                }
                prop_assert!(
                    held.len() == expected.len() || expected[certain..].iter().all(|&score| score <= best_dropped)
                );
                let mut places: Vec<u32> = held.iter().map(|&(column, _)| column).collect();
                places.sort_unstable();
                places.dedup();
                prop_assert_eq!(places.len(), held.len());
            }
        }
        Ok(())
    }

    const SCORES: [f32; 13] =
        [-1.5, -0.25, -0.0, 0.0, 0.5, 0.75, 1.0, 2.5, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, 1e-40];

    proptest! {
        #[test]
        fn the_best_survivors_are_those_of_the_naive_implementation(
            columns in 0_usize..40,
            cells in prop::collection::vec(prop::sample::select(SCORES.to_vec()), LANES * 40),
            ceilings in prop::array::uniform8(prop::sample::select(vec![-1.0_f32, 0.0, 0.75, 2.0, f32::INFINITY])),
            floor in prop::sample::select(vec![f32::MIN, -0.25, 0.0, 0.5]),
            depth in 1_usize..MAX_LEVELS,
            counted: bool,
        ) {
            check(&cells[..LANES * columns], columns, LaneBounds { ceilings, floor }, depth, counted)?;
        }

        #[test]
        fn any_bits_are_ordered_in_rows_of_lengths_around_every_boundary(
            columns in prop::sample::select(vec![7_usize, 8, 9, 15, 16, 17, 127, 128, 129, 1023, 1024, 1025, 1032, 2050]),
            seed: u64,
            narrow: bool,
            depth in 1_usize..MAX_LEVELS,
            counted: bool,
        ) {
            let mut state = seed;
            let rows: Vec<f32> = (0..LANES * columns).map(|_| {
                state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let bits = crate::hash::mix(state) as u32;
                // Either arbitrary bits, or scores that differ only in the bits that a key uses for the column.
                f32::from_bits(if narrow { 0x3f00_0000 | (bits & 0x3ff) } else { bits })
            }).collect();
            let bounds = LaneBounds { ceilings: [rows[0], 0.5, 0.500_02, 1e30, f32::INFINITY, 0.0, -1.0, 0.7], floor: -1e9 };
            prop_assume!(!bounds.ceilings[0].is_nan());
            check(&rows, columns, bounds, depth, counted)?;
        }
    }
}
