/*!
A scan of eight rows of equal length: what it looks for, and what it finds.

Each lane is a row. A *level* holds one survivor of each row, so that one operation on a level works on eight rows.
*/
#![allow(clippy::inline_always, reason = "inlined code is compiled for the instruction set of its caller")]

use crate::simd::LANES;

/// One more than the largest number of survivors that a scan can hold per row.
pub(crate) const MAX_LEVELS: usize = 16;

/// Stands in for a missing score, below the score of every survivor.
pub(crate) const NO_SCORE: f32 = f32::NEG_INFINITY;

/// The bounds of eight rows, rounded up to `f32`: an `f32` score is below the rounded bound exactly if it is below the
/// original one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LaneBounds {
    /// Exclusive upper bound of each row.
    pub(crate) ceilings: [f32; LANES],
    /// Inclusive lower bound of all rows, finite.
    pub(crate) floor: f32,
}

/// The rows to scan, and what to find in them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scan<'a> {
    /// Scores of [`LANES`] rows.
    pub(crate) rows: &'a [f32],
    /// Scores per row.
    pub(crate) columns: usize,
    pub(crate) bounds: LaneBounds,
    /// Number of best survivors to hold per row, less than [`MAX_LEVELS`].
    pub(crate) depth: usize,
    /// Whether to count the scores that do not survive.
    pub(crate) counted: bool,
}

/// What a scan found in [`LANES`] rows.
#[derive(Debug)]
pub(crate) struct Found {
    /// Scores of the best survivors, almost sorted, or [`NO_SCORE`]. Only the first `depth` levels are valid.
    pub(crate) scores: [[f32; LANES]; MAX_LEVELS],
    /// Columns of these survivors.
    pub(crate) columns: [[u32; LANES]; MAX_LEVELS],
    /// Upper bound on the scores of the survivors that are not held; [`NO_SCORE`] if all are held.
    pub(crate) best_dropped: [f32; LANES],
    /// Number of finite scores with `floor <= score < ceiling`, if counted.
    pub(crate) survivors: [usize; LANES],
    /// Number of finite scores at or above the ceiling, if counted.
    pub(crate) too_high: [usize; LANES],
    /// Number of scores that are NaN or infinite, if counted.
    pub(crate) not_finite: [usize; LANES],
    /// Number of leading columns that contain every score that is held or at or above its ceiling.
    pub(crate) prefix_len: usize,
}

impl Default for Found {
    fn default() -> Self {
        Self {
            scores: [[NO_SCORE; LANES]; MAX_LEVELS],
            columns: [[0; LANES]; MAX_LEVELS],
            best_dropped: [NO_SCORE; LANES],
            survivors: [0; LANES],
            too_high: [0; LANES],
            not_finite: [0; LANES],
            prefix_len: 0,
        }
    }
}

impl Found {
    /// Forgets the previous rows, and prepares `depth` levels for the next ones.
    #[inline(always)]
    pub(crate) fn clear(&mut self, depth: usize) {
        for level in &mut self.scores[..depth] {
            *level = [NO_SCORE; LANES];
        }
        self.best_dropped = [NO_SCORE; LANES];
        (self.survivors, self.too_high, self.not_finite) = ([0; LANES], [0; LANES], [0; LANES]);
        self.prefix_len = 0;
    }

    /// Replaces the worst survivor held in the first `depth` levels of a row with another one, if that is better.
    pub(crate) fn hold(&mut self, lane: usize, score: f32, column: u32, depth: usize) {
        let scores = &self.scores[..depth];
        let Some(worst) = (0..depth).min_by(|&a, &b| scores[a][lane].total_cmp(&scores[b][lane])) else {
            return;
        };
        self.best_dropped[lane] = self.best_dropped[lane].max(score.min(scores[worst][lane]));
        if score > scores[worst][lane] {
            (self.scores[worst][lane], self.columns[worst][lane]) = (score, column);
        }
    }

    /// Returns the columns and scores of the survivors held in the first `depth` levels of a row, in any order.
    pub(crate) fn held(&self, lane: usize, depth: usize) -> impl Iterator<Item = (u32, f32)> {
        let levels = self.columns[..depth].iter().zip(&self.scores);
        levels.map(move |(columns, scores)| (columns[lane], scores[lane])).filter(|&(_, score)| score > NO_SCORE)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Returns the scores of the survivors of one row, best first, and the counts of survivors, high and non-finite scores.
    pub(crate) fn naive(row: &[f32], ceiling: f32, floor: f32) -> (Vec<f32>, [usize; 3]) {
        let mut found = Vec::new();
        let (mut too_high, mut not_finite) = (0, 0);
        for &score in row {
            if !score.is_finite() {
                not_finite += 1;
            } else if score >= ceiling {
                too_high += 1;
            } else if score >= floor {
                found.push(score + 0.0);
            }
        }
        let survivors = found.len();
        found.sort_by(|a, b| b.total_cmp(a));
        (found, [survivors, too_high, not_finite])
    }

    proptest! {
        #[test]
        fn the_best_are_held_and_the_others_bounded(
            scores in prop::collection::vec(prop::sample::select(vec![-1.0_f32, 0.0, 0.25, 0.5, 0.75]), 0..40),
            depth in 1_usize..MAX_LEVELS,
        ) {
            let mut found = Found::default();
            for (column, &score) in scores.iter().enumerate() {
                found.hold(3, score, column as u32, depth);
            }
            let (best, _) = naive(&scores, f32::INFINITY, f32::MIN);
            let held: Vec<(u32, f32)> = found.held(3, depth).collect();
            let mut sorted: Vec<f32> = held.iter().map(|&(_, score)| score).collect();
            sorted.sort_by(|a, b| b.total_cmp(a));
            prop_assert_eq!(&sorted, &best[..best.len().min(depth)]);
            prop_assert_eq!(found.best_dropped[3], best.get(depth).copied().unwrap_or(NO_SCORE));
            prop_assert!(held.iter().all(|&(column, score)| scores[column as usize] == score));
            prop_assert_eq!(found.held(2, depth).count(), 0);
        }
    }
}
