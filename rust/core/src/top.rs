/*!
What a scan of one row finds: its few best survivors, and how many candidates are what.
*/
#![allow(clippy::inline_always, reason = "what is inlined is compiled for the features of its caller")]

use crate::vector::LANES;

/// The most survivors that are held of a row.
pub(crate) const MOST_LEVELS: usize = 16;

/// What survivors lie between, rounded up to `f32`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Exclusive upper bound of each row.
    pub(crate) ceilings: [f32; LANES],
    /// Inclusive lower bound of all.
    pub(crate) floor: f32,
}

/// What a scan found in one row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Top {
    /// How many of the best survivors are held.
    pub(crate) held: usize,
    /// Their scores, best first.
    pub(crate) scores: [f32; MOST_LEVELS],
    /// Where they stand in the row. Equal scores are in any order.
    pub(crate) columns: [u32; MOST_LEVELS],
    /// No survivor that is not held has a larger score; negative infinity if all are held.
    pub(crate) let_go: f32,
    /// Finite scores with `floor <= score < ceiling`.
    pub(crate) survivors: usize,
    /// Finite scores at or above the ceiling.
    pub(crate) too_high: usize,
    /// NaN and infinities.
    pub(crate) not_finite: usize,
    /// What is at or above the ceiling or held stands in so many first columns.
    pub(crate) span: usize,
}

impl Default for Top {
    fn default() -> Self {
        Self {
            held: 0,
            scores: [0.0; MOST_LEVELS],
            columns: [0; MOST_LEVELS],
            let_go: f32::NEG_INFINITY,
            survivors: 0,
            too_high: 0,
            not_finite: 0,
            span: 0,
        }
    }
}

impl Top {
    /// Forgets the row; what the arrays hold is of no account.
    #[inline(always)]
    pub(crate) fn clear(&mut self) {
        (self.held, self.let_go, self.span) = (0, f32::NEG_INFINITY, 0);
        (self.survivors, self.too_high, self.not_finite) = (0, 0, 0);
    }

    /// Takes in a survivor; of more than `levels` the best are held.
    #[inline(always)]
    pub(crate) fn insert(&mut self, score: f32, column: u32, levels: usize) {
        if self.held == levels {
            if score <= self.scores[levels - 1] {
                self.let_go = self.let_go.max(score);
                return;
            }
            self.let_go = self.let_go.max(self.scores[levels - 1]);
        } else {
            self.held += 1;
        }
        let mut place = self.held - 1;
        while place > 0 && self.scores[place - 1] < score {
            (self.scores[place], self.columns[place]) = (self.scores[place - 1], self.columns[place - 1]);
            place -= 1;
        }
        (self.scores[place], self.columns[place]) = (score, column);
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
            levels in 1_usize..=MOST_LEVELS,
        ) {
            let mut top = Top::default();
            for (column, &score) in scores.iter().enumerate() {
                top.insert(score, column as u32, levels);
            }
            let (best, _) = naive(&scores, f32::INFINITY, f32::NEG_INFINITY);
            let held = best.len().min(levels);
            prop_assert_eq!(&top.scores[..top.held], &best[..held]);
            prop_assert_eq!(top.let_go, best.get(levels).copied().unwrap_or(f32::NEG_INFINITY));
            prop_assert!((0..held).all(|place| scores[top.columns[place] as usize] == top.scores[place]));
        }
    }
}
