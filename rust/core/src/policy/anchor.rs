/*!
Which positive score a query's ceiling is relative to, if the query has several positives.
*/

/// The positive score that a query's ceiling is relative to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// The smallest positive score, so that the ceiling suits every positive.
    Min,
    /// The largest positive score.
    Max,
    /// The mean of the positive scores, summed in ascending order.
    Mean,
    /// Each positive's own score: one result per (query, positive) pair.
    Each,
}

impl Anchor {
    /// Returns the anchor of a query with these positive scores, or `None` if there are none.
    ///
    /// Under [`Anchor::Each`] callers pass one score at a time.
    #[must_use]
    #[inline]
    pub fn of(self, scores: &[f64]) -> Option<f64> {
        // Nearly every query has exactly one positive.
        if let [only] = scores { Some(*only) } else { self.of_several(scores) }
    }

    fn of_several(self, scores: &[f64]) -> Option<f64> {
        match self {
            Self::Min | Self::Each => scores.iter().copied().reduce(f64::min),
            Self::Max => scores.iter().copied().reduce(f64::max),
            Self::Mean => {
                // The sum of floats depends on their order. A sorted copy makes the mean independent of the input's order.
                let mut ascending = scores.to_vec();
                ascending.sort_unstable_by(f64::total_cmp);
                let count = ascending.len() as f64;
                let mean = ascending.iter().sum::<f64>() / count;
                // The sum can overflow although the mean does not.
                let mean = if mean.is_finite() { mean } else { ascending.iter().map(|score| score / count).sum() };
                (!ascending.is_empty()).then_some(mean)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_does_not_depend_on_the_order_of_positives() {
        let scores = [0.1, 0.7, 1e-17, 0.3, 0.2];
        let mut reversed = scores;
        reversed.reverse();
        assert_eq!(Anchor::Mean.of(&scores), Anchor::Mean.of(&reversed));
        assert_eq!(Anchor::Mean.of(&[]), None);
        assert_eq!(Anchor::Mean.of(&[0.1]), Some(0.1));
        assert_eq!(Anchor::Mean.of(&[f64::MAX, f64::MAX]), Some(f64::MAX));
    }
}
