/*!
Finds the best few survivors of eight unsorted rows with sorting networks, without branches.

Each lane of a vector is a row. Eight columns at a time are sorted (19 comparators) and merged into the best `L` so far with
Batcher's bitonic merge (Knuth, volume 3, section 5.3.4):

```text
columns 0..8     sort ──┐
                        ├─ merge ──┐
nothing held yet ───────┘          ├─ merge ── ...  the best L of all columns
columns 8..16    sort ─────────────┘
```

Inserting into a sorted list instead would mispredict about three branches per row of a hundred scores, which costs more
than all these comparators.

What is compared is a key of the score that includes the column (see [`levels`](crate::lanes::levels)). Within a block of
columns, scores that differ only in the bits that the column replaces may therefore come out in either order. Afterwards the
scores held are looked up and sorted exactly, and [`Found::best_dropped`] bounds the scores that are not held.

Prefer [`select`](crate::rule::select) for more than a few survivors.
*/
#![allow(clippy::inline_always, reason = "inlined code is compiled for the instruction set of its caller")]

use crate::lanes::levels::{Levels, NO_KEY, score_of};
use crate::lanes::prefetch::Prefetch;
use crate::lanes::scan::{Found, MAX_LEVELS, NO_SCORE, Scan};
use crate::lanes::sorting::sort;
use crate::simd::{LANES, Vector};
use std::ops::Range;

/// Largest number of columns of a block. Their numbers take ten bits of a key; those of a smaller block take fewer.
const BLOCK: usize = 1024;

/// Finds the best survivors of each row. `found` has been cleared.
#[inline(always)]
pub(crate) fn find_best<V: Vector>(token: V::Token, scan: &Scan<'_>, prefetch: &mut Prefetch, found: &mut Found) {
    found.prefix_len = scan.columns;
    for start in (0..scan.columns).step_by(BLOCK) {
        let columns = start..(start + BLOCK).min(scan.columns);
        let column_bits = columns.len().next_multiple_of(MAX_LEVELS).next_power_of_two() as i32 - 1;
        let block = Block { scan: *scan, columns, column_bits };
        match (scan.depth < LANES, scan.counted) {
            (true, false) => block.find_best::<V, LANES, false>(token, prefetch, found),
            (true, true) => block.find_best::<V, LANES, true>(token, prefetch, found),
            (false, false) => block.find_best::<V, MAX_LEVELS, false>(token, prefetch, found),
            (false, true) => block.find_best::<V, MAX_LEVELS, true>(token, prefetch, found),
        }
    }
}

/// Consecutive columns of all rows.
struct Block<'a> {
    scan: Scan<'a>,
    columns: Range<usize>,
    /// Mask of the bits of a key that hold the column, counted from the start of the block.
    column_bits: i32,
}

impl Block<'_> {
    #[inline(always)]
    fn find_best<V: Vector, const L: usize, const COUNTED: bool>(
        &self,
        token: V::Token,
        prefetch: &mut Prefetch,
        found: &mut Found,
    ) {
        let mut best = Levels::<V, L, COUNTED>::new(token, &self.scan.bounds, self.column_bits);
        for start in self.columns.clone().step_by(L) {
            let first = self.sorted_keys(&mut best, start, prefetch);
            // For sixteen levels, a batch is two sorted halves. The second half is reversed, which makes the batch bitonic, as
            // the merge requires.
            let second = if L > LANES { self.sorted_keys(&mut best, start + LANES, prefetch) } else { first };
            best.merge(std::array::from_fn(|place| if place < LANES { first[place] } else { second[L - 1 - place] }));
        }
        let mut levels = [[NO_KEY; LANES]; L];
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

    /// Returns the keys of eight columns from `start` on, sorted within each row, the largest first.
    #[inline(always)]
    fn sorted_keys<V: Vector, const L: usize, const COUNTED: bool>(
        &self,
        best: &mut Levels<V, L, COUNTED>,
        start: usize,
        prefetch: &mut Prefetch,
    ) -> [V; LANES] {
        prefetch.step();
        let mut keys = if start + LANES <= self.columns.end {
            V::transpose(best.token, &self.scan.rows[start..], self.scan.columns)
        } else {
            // Missing columns at the end of the block are filled with negative infinity, which is not finite and so never
            // survives.
            let mut tail = [f32::NEG_INFINITY; LANES * LANES];
            for (lane, padded) in tail.chunks_exact_mut(LANES).enumerate() {
                let row = &self.scan.rows[lane * self.scan.columns..][..self.columns.end];
                for (slot, score) in padded.iter_mut().zip(row.get(start..).unwrap_or_default()) {
                    *slot = *score;
                }
            }
            V::transpose(best.token, &tail, LANES)
        };
        best.make_keys(&mut keys, start - self.columns.start);
        sort(&mut keys);
        keys
    }

    /// Looks up the columns and exact scores of the keys in the levels.
    #[inline(always)]
    fn look_up<const L: usize>(&self, levels: &[[i32; LANES]; L], found: &mut Found) {
        let (depth, floor) = (self.scan.depth, self.scan.bounds.floor);
        let is_only_block = self.columns.len() == self.scan.columns;
        let rows: [&[f32]; LANES] =
            std::array::from_fn(|lane| &self.scan.rows[lane * self.scan.columns..][self.columns.clone()]);
        for (number, level) in levels[..depth].iter().enumerate() {
            let places = level.map(|key| key & self.column_bits);
            let mut scores = [NO_SCORE; LANES];
            for lane in 0..LANES {
                // A column beyond the block is one of the missing columns.
                scores[lane] = rows[lane].get(places[lane] as usize).copied().unwrap_or(NO_SCORE);
            }
            for lane in 0..LANES {
                // Keys are only checked against the ceiling, so scores below the floor and NaN must be dropped here.
                scores[lane] = if level[lane] != NO_KEY && scores[lane] >= floor { scores[lane] } else { NO_SCORE };
            }
            let columns = places.map(|place| place as u32 + self.columns.start as u32);
            if is_only_block {
                (found.scores[number], found.columns[number]) = (scores, columns);
            } else {
                for lane in 0..LANES {
                    if scores[lane] > NO_SCORE {
                        found.hold(lane, scores[lane], columns[lane], depth);
                    }
                }
            }
        }
        // The key of a score that was dropped is at most that of the first level beyond the depth. With all column bits
        // set, that key bounds the dropped scores.
        for (best_dropped, &next) in found.best_dropped.iter_mut().zip(&levels[depth]) {
            let bound = score_of(next | self.column_bits);
            let may_survive = next != NO_KEY && bound >= floor;
            *best_dropped = best_dropped.max(if may_survive { bound } else { NO_SCORE });
        }
    }
}
