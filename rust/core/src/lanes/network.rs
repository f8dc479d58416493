/*!
The best few survivors of eight rows at a time, by sorting networks without branches.

Each lane of a vector is a row. Eight columns are sorted (19 comparisons), then merged with the best `L` so far (Batcher's
bitonic merge, Knuth, volume 3, section 5.3.4). What a processor mispredicts in a scan that inserts now and then, about
three times a row of a hundred, costs more than all these comparisons.

A score's lowest bits give way to its place (see [`levels`](crate::lanes::levels)). The order among scores that differ in those bits
alone is lost in a block; what the levels hold is looked up and put in exact order afterwards, and [`Found::let_go`] bounds
whatever they do not hold. Written once over a small [`vector`](crate::simd) type, compiled for AVX2 and, as its portable
twin, for everything else.

Prefer [`select`](crate::rule::select) for long windows.
*/
#![allow(unsafe_code, reason = "code for a processor feature is called once that feature has been found")]
#![allow(clippy::inline_always, reason = "what is inlined is compiled for the features of its caller")]

use crate::lanes::descending;
use crate::lanes::levels::{Levels, NONE, score_of};
use crate::lanes::prefetch::Ahead;
use crate::lanes::scan::{Bounds, Found, MOST_LEVELS, NO_SCORE};
use crate::lanes::sorting::sort;
use crate::simd::{Baseline, LANES, Vector};
use std::ops::Range;

/// Most columns of a block, whose numbers take ten of a score's bits; fewer columns take fewer.
const BLOCK: usize = 1024;

/// A scan of [`LANES`] rows of `columns` scores each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scan<'a> {
    pub(crate) rows: &'a [f32],
    pub(crate) columns: usize,
    /// Exact for `f32` scores once they are rounded up: a score is below a bound in `f64` if and only if it is below the
    /// next `f32`.
    pub(crate) bounds: Bounds,
    /// How many of the best are held, fewer than [`MOST_LEVELS`].
    pub(crate) wanted: usize,
    /// Whether what does not survive is counted.
    pub(crate) counted: bool,
}

impl Scan<'_> {
    /// Finds the best survivors of each row, and asks for memory ahead meanwhile.
    pub(crate) fn run(&self, ahead: &mut Ahead, found: &mut Found) {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the feature that the function is compiled for was found above.
            unsafe { self.run_avx2(ahead, found) };
            return;
        }
        self.run_on::<Baseline>(ahead, found);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn run_avx2(&self, ahead: &mut Ahead, found: &mut Found) {
        self.run_on::<crate::simd::avx2::Avx2>(ahead, found);
    }

    #[inline(always)]
    fn run_on<V: Vector>(&self, ahead: &mut Ahead, found: &mut Found) {
        found.clear(self.wanted);
        if descending::scan(self, ahead, found) {
            return;
        }
        found.span = self.columns;
        for start in (0..self.columns).step_by(BLOCK) {
            let columns = start..(start + BLOCK).min(self.columns);
            let places = columns.len().next_multiple_of(MOST_LEVELS).next_power_of_two() as i32 - 1;
            let block = Block { scan: *self, columns, places };
            match (self.wanted < LANES, self.counted) {
                (true, false) => block.scan::<V, LANES, false>(ahead, found),
                (true, true) => block.scan::<V, LANES, true>(ahead, found),
                (false, false) => block.scan::<V, MOST_LEVELS, false>(ahead, found),
                (false, true) => block.scan::<V, MOST_LEVELS, true>(ahead, found),
            }
        }
    }
}

/// Some columns of all rows.
struct Block<'a> {
    scan: Scan<'a>,
    columns: Range<usize>,
    /// The bits of a key that its place among these columns takes.
    places: i32,
}

impl Block<'_> {
    #[inline(always)]
    fn scan<V: Vector, const L: usize, const COUNTED: bool>(&self, ahead: &mut Ahead, found: &mut Found) {
        let mut best = Levels::<V, L, COUNTED>::new(&self.scan.bounds, self.places);
        for start in self.columns.clone().step_by(L) {
            let first = self.eight(&mut best, start, ahead);
            // Up and down again, for what is put in order there.
            let second = if L > LANES { self.eight(&mut best, start + LANES, ahead) } else { first };
            best.merge(std::array::from_fn(|place| if place < LANES { first[place] } else { second[L - 1 - place] }));
        }
        let mut levels = [[NONE; LANES]; L];
        for (stored, level) in levels.iter_mut().zip(best.held) {
            *stored = level.store();
        }
        self.look_up(&levels, found);
        if COUNTED {
            let (finite, below, low) = (best.finite.store(), best.below.store(), best.low.store());
            for lane in 0..LANES {
                found.not_finite[lane] += self.columns.len() - finite[lane] as usize;
                found.too_high[lane] += (finite[lane] - below[lane]) as usize;
                found.survivors[lane] += (below[lane] - low[lane]) as usize;
            }
        }
    }

    /// Eight columns of keys from `start` on, each row's largest first.
    #[inline(always)]
    fn eight<V: Vector, const L: usize, const COUNTED: bool>(
        &self,
        best: &mut Levels<V, L, COUNTED>,
        start: usize,
        ahead: &mut Ahead,
    ) -> [V; LANES] {
        ahead.more();
        let mut keys = if start + LANES <= self.columns.end {
            V::columns(&self.scan.rows[start..], self.scan.columns)
        } else {
            let mut tail = [f32::NEG_INFINITY; LANES * LANES];
            for (lane, padded) in tail.chunks_exact_mut(LANES).enumerate() {
                let row = &self.scan.rows[lane * self.scan.columns..][..self.columns.end];
                for (slot, score) in padded.iter_mut().zip(row.get(start..).unwrap_or_default()) {
                    *slot = *score;
                }
            }
            V::columns(&tail, LANES)
        };
        best.keys(&mut keys, start - self.columns.start);
        sort(&mut keys);
        keys
    }

    /// Looks up what the levels hold.
    #[inline(always)]
    fn look_up<const L: usize>(&self, levels: &[[i32; LANES]; L], found: &mut Found) {
        let (wanted, floor) = (self.scan.wanted, self.scan.bounds.floor);
        let is_only = self.columns.len() == self.scan.columns;
        let rows: [&[f32]; LANES] =
            std::array::from_fn(|lane| &self.scan.rows[lane * self.scan.columns..][self.columns.clone()]);
        for (number, level) in levels[..wanted].iter().enumerate() {
            let places = level.map(|key| key & self.places);
            let mut scores = [NO_SCORE; LANES];
            for lane in 0..LANES {
                // What fills up the last eight passed with the others.
                scores[lane] = rows[lane].get(places[lane] as usize).copied().unwrap_or(NO_SCORE);
            }
            for lane in 0..LANES {
                // So did what lies below the floor, or is no number.
                scores[lane] = if level[lane] != NONE && scores[lane] >= floor { scores[lane] } else { NO_SCORE };
            }
            let columns = places.map(|place| place as u32 + self.columns.start as u32);
            if is_only {
                (found.scores[number], found.columns[number]) = (scores, columns);
            } else {
                for lane in 0..LANES {
                    if scores[lane] > NO_SCORE {
                        found.hold(lane, scores[lane], columns[lane], wanted);
                    }
                }
            }
        }
        // Whatever no level holds has at most the key of the first level not looked at, but for its place.
        for (let_go, &next) in found.let_go.iter_mut().zip(&levels[wanted]) {
            let bound = score_of(next | self.places);
            let may_survive = next != NONE && bound >= floor;
            *let_go = let_go.max(if may_survive { bound } else { NO_SCORE });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::scan::tests::naive;
    use proptest::prelude::*;

    fn check(rows: &[f32], columns: usize, bounds: Bounds, wanted: usize, counted: bool) -> Result<(), TestCaseError> {
        let scan = Scan { rows, columns, bounds, wanted, counted };
        let (mut fast, mut portable) = (Found::default(), Found::default());
        let ahead = || Ahead::of(rows, &[0_i64; 3], 2);
        scan.run(&mut ahead(), &mut fast);
        scan.run_on::<[i32; LANES]>(&mut ahead(), &mut portable);
        for lane in 0..LANES {
            let row = &rows[lane * columns..(lane + 1) * columns];
            let (expected, counts) = naive(row, bounds.ceilings[lane], bounds.floor);
            for found in [&fast, &portable] {
                if counted {
                    let found = [found.survivors[lane], found.too_high[lane], found.not_finite[lane]];
                    prop_assert_eq!(found, counts);
                }
                let mut held: Vec<(u32, f32)> = found.held(lane, wanted).collect();
                held.sort_by(|a, b| b.1.total_cmp(&a.1));
                for &(column, score) in &held {
                    prop_assert_eq!(score.to_bits(), row[column as usize].to_bits());
                }
                // Above what was let go, the best are held, and no two levels hold one candidate.
                let let_go = found.let_go[lane];
                let certain = held.iter().filter(|&&(_, score)| score > let_go).count();
                for (&(_, score), &expected) in held.iter().zip(&expected).take(certain) {
                    prop_assert_eq!(score, expected);
                }
                prop_assert!(held.len() == expected.len() || expected[certain..].iter().all(|&score| score <= let_go));
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
        fn equals_its_twin(
            columns in 0_usize..40,
            cells in prop::collection::vec(prop::sample::select(SCORES.to_vec()), LANES * 40),
            ceilings in prop::array::uniform8(prop::sample::select(vec![-1.0_f32, 0.0, 0.75, 2.0, f32::INFINITY])),
            floor in prop::sample::select(vec![f32::MIN, -0.25, 0.0, 0.5]),
            wanted in 1_usize..MOST_LEVELS,
            counted: bool,
        ) {
            check(&cells[..LANES * columns], columns, Bounds { ceilings, floor }, wanted, counted)?;
        }

        #[test]
        fn any_bits_in_rows_about_every_boundary(
            columns in prop::sample::select(vec![7_usize, 8, 9, 15, 16, 17, 127, 128, 129, 1023, 1024, 1025, 1032, 2050]),
            seed: u64,
            narrow: bool,
            wanted in 1_usize..MOST_LEVELS,
            counted: bool,
        ) {
            let mut state = seed;
            let rows: Vec<f32> = (0..LANES * columns).map(|_| {
                state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let bits = crate::hash::mix(state) as u32;
                // Any number at all, or numbers that differ in bits that places take.
                f32::from_bits(if narrow { 0x3f00_0000 | (bits & 0x3ff) } else { bits })
            }).collect();
            let bounds = Bounds { ceilings: [rows[0], 0.5, 0.500_02, 1e30, f32::INFINITY, 0.0, -1.0, 0.7], floor: -1e9 };
            prop_assume!(!bounds.ceilings[0].is_nan());
            check(&rows, columns, bounds, wanted, counted)?;
        }
    }
}
