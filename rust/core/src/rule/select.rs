/*!
The selection of the best `k` candidates, in order.

Selecting before sorting takes O(c + k log k) for c candidates.
*/

use crate::rule::candidate::Candidate;

/// Keeps the best `k` candidates and sorts them, best first.
pub(crate) fn best(candidates: &mut Vec<Candidate>, k: usize) {
    if k == 0 {
        candidates.clear();
    } else if k < candidates.len() {
        candidates.select_nth_unstable_by(k - 1, Candidate::order);
        candidates.truncate(k);
    }
    candidates.sort_unstable_by(Candidate::order);
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The obvious, slow implementation of [`best`].
    pub(crate) fn best_naive(candidates: &[Candidate], k: usize) -> Vec<Candidate> {
        let mut sorted = candidates.to_vec();
        sorted.sort_by(Candidate::order);
        sorted.into_iter().take(k).collect()
    }

    proptest! {
        #[test]
        fn best_equals_the_naive_implementation(scores in prop::collection::vec(-3_i8..3, 0..70), k in 0_usize..80) {
            let candidates: Vec<Candidate> = scores
                .iter()
                .enumerate()
                .map(|(id, &score)| Candidate { score: f64::from(score) * 0.5, id: id as i64 })
                .collect();
            let mut selected = candidates.clone();
            best(&mut selected, k);
            prop_assert_eq!(selected, best_naive(&candidates, k));
        }
    }

    #[test]
    fn negative_and_positive_zero_are_equal_scores() {
        let mut zeros = vec![Candidate { score: 0.0, id: 2 }, Candidate { score: -0.0, id: 1 }];
        best(&mut zeros, 2);
        assert_eq!(zeros[0].id, 1);
    }
}
