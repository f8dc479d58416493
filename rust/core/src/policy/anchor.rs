/*!
The positive score that a ceiling is relative to, of the several that a query may have.
*/

/// The positive score that a query's ceiling is relative to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// The smallest positive score: safe for all positives.
    Min,
    /// The largest positive score.
    Max,
    /// The mean of the positive scores, summed in ascending order.
    Mean,
    /// One result per (query, positive) pair, each against its own score.
    Each,
}

impl Anchor {
    /// The anchor of a query with these positive scores, or `None` if there are none.
    ///
    /// For [`Anchor::Each`] the caller takes the scores one by one.
    #[must_use]
    #[inline]
    pub fn of(self, scores: &[f64]) -> Option<f64> {
        // Nearly every query has one.
        if let [only] = scores { Some(*only) } else { self.of_several(scores) }
    }

    fn of_several(self, scores: &[f64]) -> Option<f64> {
        match self {
            Self::Min | Self::Each => scores.iter().copied().reduce(f64::min),
            Self::Max => scores.iter().copied().reduce(f64::max),
            Self::Mean => {
                // Addition of floats depends on its order, and positives may be listed in any.
                let mut ascending = scores.to_vec();
                ascending.sort_unstable_by(f64::total_cmp);
                let count = ascending.len() as f64;
                let mean = ascending.iter().sum::<f64>() / count;
                // A sum can overflow where the mean does not.
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
