/*!
The best passages of one query so far, and how a row of a block of scores updates them.

The scores of a block come from a matrix product and may differ from the reported scores by an error with a known bound.
Passages that this error leaves in doubt are scored exactly (see [`doubt`](crate::search::doubt)).
*/

use crate::rounding::{round_down, round_up};
use crate::rule::candidate::Candidate;
use crate::search::doubt::{Outside, Zones, find_in_doubt};

/// The best passages of one query so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct BestList {
    /// At most `depth` candidates. If there are `depth`, the worst is last.
    pub(crate) found: Vec<Candidate>,
    /// Number of passages outside the bounds, including excluded passages.
    pub(crate) outside: Outside,
}

/// What is looked for in one list of one query.
#[derive(Clone, Copy)]
pub(crate) struct QueryTarget<'a> {
    pub(crate) depth: usize,
    /// Exclusive upper bound on scores.
    pub(crate) ceiling: f64,
    /// Inclusive lower bound on scores.
    pub(crate) floor: f64,
    /// Ids of excluded passages, ascending.
    pub(crate) excluded: &'a [i64],
}

/// Working memory of one thread.
#[derive(Default)]
pub(crate) struct Scratch {
    scores: Vec<f32>,
    places: Vec<usize>,
}

impl QueryTarget<'_> {
    /// Returns what a product's scores mean if they are within `error` of the reported scores, and if no passage whose
    /// product is below `worst` can be among the best.
    ///
    /// The boundaries are rounded to `f32` such that every score in doubt stays in doubt.
    pub(crate) fn zones(&self, error: f64, worst: f64) -> Zones {
        let high_above = round_up(self.ceiling + error);
        // A score that may be at or above the ceiling is never counted as too low, even if the floor is above the ceiling.
        let low_below = round_down(self.floor - error).min(self.inside_below(error));
        let low_until = round_up(self.floor + error).min(high_above);
        Zones { low_below, low_until, best_from: round_down(worst).max(low_below), high_above }
    }

    /// Returns the product below which a passage is certainly below the ceiling.
    pub(crate) fn inside_below(&self, error: f64) -> f32 {
        round_down(self.ceiling - error)
    }

    /// Returns how many passages below the ceiling are certain to include `depth` that are not excluded.
    pub(crate) fn enough(&self) -> usize {
        self.depth.saturating_add(self.excluded.len())
    }
}

impl BestList {
    /// Merges one row of a block, whose passages start with the id `first`.
    ///
    /// The scores of the row are within `error` of the reported scores. `score_of` returns the reported score of the
    /// passage at a place of the row, or `None` if it is not a candidate.
    pub(crate) fn take(
        &mut self,
        target: QueryTarget<'_>,
        row: &[f32],
        first: i64,
        error: f64,
        scratch: &mut Scratch,
        score_of: impl Fn(usize) -> Option<f64>,
    ) {
        // Once the list is full, a passage must beat the worst one in it. Before that, the row itself may contain enough
        // passages below the ceiling. A passage whose product is lower than all of theirs by more than twice the error has a
        // lower reported score than any of them.
        let worst = self.worst(target.depth, error).unwrap_or_else(|| {
            let (inside_below, enough) = (target.inside_below(error), target.enough());
            // Writing every score and advancing only for some takes no branch, which would often be mispredicted.
            scratch.scores.resize(row.len(), 0.0);
            let scores = &mut scratch.scores[..row.len()];
            let mut inside = 0;
            for &score in row {
                scores[inside] = score;
                inside += usize::from(score < inside_below);
            }
            if inside > enough {
                let (_, &mut score, _) = scores[..inside].select_nth_unstable_by(enough - 1, |a, b| b.total_cmp(a));
                f64::from(score) - 2.0 * error
            } else {
                f64::NEG_INFINITY
            }
        });
        scratch.places.clear();
        let outside = find_in_doubt(row, &target.zones(error, worst), &mut scratch.places);
        let scored = scratch.places.iter().filter_map(|&place| Some((first + place as i64, score_of(place)?)));
        self.add(target, outside, scored);
    }

    /// Returns the lowest product that a passage among the best can have; `None` unless the list is full.
    pub(crate) fn worst(&self, depth: usize, error: f64) -> Option<f64> {
        (self.found.len() == depth).then(|| self.found[depth - 1].score - error)
    }

    /// Adds passages with their reported scores, and the numbers of other passages outside the bounds.
    pub(crate) fn add(&mut self, target: QueryTarget<'_>, outside: Outside, scored: impl Iterator<Item = (i64, f64)>) {
        let QueryTarget { depth, ceiling, floor, excluded } = target;
        self.outside.too_high += outside.too_high;
        self.outside.too_low += outside.too_low;
        let before = self.found.len();
        for (id, score) in scored {
            if score >= ceiling {
                self.outside.too_high += 1;
            } else if score < floor {
                self.outside.too_low += 1;
            } else if excluded.binary_search(&id).is_err() {
                self.found.push(Candidate { score, id });
            }
        }
        if self.found.len() > before && self.found.len() >= depth {
            // Selection puts the worst last, which is all that the next rows need. Sorting comes at the end of the search.
            self.found.select_nth_unstable_by(depth - 1, Candidate::order);
            self.found.truncate(depth);
        }
    }
}
