/*!
What a scan of eight rows finds: the few best survivors of each, and how many candidates are what.

A level holds one survivor of each row, so that what is asked of every row is asked of eight at once.
*/
#![allow(clippy::inline_always, reason = "what is inlined is compiled for the features of its caller")]

use crate::simd::LANES;

/// One more than the most survivors that are held of a row.
pub(crate) const MOST_LEVELS: usize = 16;

/// In the place of a score that is not there: below that of every survivor.
pub(crate) const NO_SCORE: f32 = f32::NEG_INFINITY;

/// What survivors lie between, rounded up to `f32`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Exclusive upper bound of each row.
    pub(crate) ceilings: [f32; LANES],
    /// Inclusive lower bound of all, finite.
    pub(crate) floor: f32,
}

/// What a scan found in [`LANES`] rows.
#[derive(Debug)]
pub(crate) struct Found {
    /// Scores of the best survivors, nearly in order, or [`NO_SCORE`]; levels beyond those wanted are of no account.
    pub(crate) scores: [[f32; LANES]; MOST_LEVELS],
    /// Where they stand in their row.
    pub(crate) columns: [[u32; LANES]; MOST_LEVELS],
    /// No survivor that is not held has a larger score; [`NO_SCORE`] if all are held.
    pub(crate) let_go: [f32; LANES],
    /// Finite scores with `floor <= score < ceiling`, if counted.
    pub(crate) survivors: [usize; LANES],
    /// Finite scores at or above the ceiling, if counted.
    pub(crate) too_high: [usize; LANES],
    /// NaN and infinities, if counted.
    pub(crate) not_finite: [usize; LANES],
    /// All that is held or lies above its ceiling stands in so many first columns.
    pub(crate) span: usize,
}

impl Default for Found {
    fn default() -> Self {
        Self {
            scores: [[NO_SCORE; LANES]; MOST_LEVELS],
            columns: [[0; LANES]; MOST_LEVELS],
            let_go: [NO_SCORE; LANES],
            survivors: [0; LANES],
            too_high: [0; LANES],
            not_finite: [0; LANES],
            span: 0,
        }
    }
}

impl Found {
    /// Forgets all about the rows before, with room for so many levels.
    #[inline(always)]
    pub(crate) fn clear(&mut self, wanted: usize) {
        for level in &mut self.scores[..wanted] {
            *level = [NO_SCORE; LANES];
        }
        self.let_go = [NO_SCORE; LANES];
        (self.survivors, self.too_high, self.not_finite) = ([0; LANES], [0; LANES], [0; LANES]);
        self.span = 0;
    }

    /// Takes in a survivor in the place of the worst of so many levels, if it is better.
    pub(crate) fn hold(&mut self, lane: usize, score: f32, column: u32, wanted: usize) {
        let scores = &self.scores[..wanted];
        let Some(worst) = (0..wanted).min_by(|&a, &b| scores[a][lane].total_cmp(&scores[b][lane])) else {
            return;
        };
        self.let_go[lane] = self.let_go[lane].max(score.min(scores[worst][lane]));
        if score > scores[worst][lane] {
            (self.scores[worst][lane], self.columns[worst][lane]) = (score, column);
        }
    }

    /// Where what is held of one row stands, with scores, in no order.
    pub(crate) fn held(&self, lane: usize, wanted: usize) -> impl Iterator<Item = (u32, f32)> {
        let levels = self.columns[..wanted].iter().zip(&self.scores);
        levels.map(move |(columns, scores)| (columns[lane], scores[lane])).filter(|&(_, score)| score > NO_SCORE)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What one row should give: the scores of its survivors, best first, and the three counts.
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
        fn the_best_are_held_and_the_rest_bounded(
            scores in prop::collection::vec(prop::sample::select(vec![-1.0_f32, 0.0, 0.25, 0.5, 0.75]), 0..40),
            wanted in 1_usize..MOST_LEVELS,
        ) {
            let mut found = Found::default();
            for (column, &score) in scores.iter().enumerate() {
                found.hold(3, score, column as u32, wanted);
            }
            let (best, _) = naive(&scores, f32::INFINITY, f32::MIN);
            let held: Vec<(u32, f32)> = found.held(3, wanted).collect();
            let mut sorted: Vec<f32> = held.iter().map(|&(_, score)| score).collect();
            sorted.sort_by(|a, b| b.total_cmp(a));
            prop_assert_eq!(&sorted, &best[..best.len().min(wanted)]);
            prop_assert_eq!(found.let_go[3], best.get(wanted).copied().unwrap_or(NO_SCORE));
            prop_assert!(held.iter().all(|&(column, score)| scores[column as usize] == score));
            prop_assert_eq!(found.held(2, wanted).count(), 0);
        }
    }
}
