/*!
A candidate, and the order of candidates: by descending score, then by ascending id.

The order is total over the distinct passages of a query, so the outcome does not depend on the order of the input.
*/

use std::cmp::Ordering;

/// A passage that may become a negative. Its score is finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Candidate {
    /// The teacher's score, widened to `f64`.
    pub score: f64,
    /// The passage.
    pub id: i64,
}

impl Candidate {
    /// Compares two candidates, the better one first: by descending score, then by ascending id. `-0.0` equals `0.0`.
    #[must_use]
    pub(crate) fn order(&self, other: &Self) -> Ordering {
        let by_score = other.score.partial_cmp(&self.score).unwrap_or(Ordering::Equal);
        by_score.then_with(|| self.id.cmp(&other.id))
    }
}
