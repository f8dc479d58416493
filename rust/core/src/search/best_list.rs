/*!
One query's best candidates so far, and how a row of a block goes into them.

A row's scores are near the reported ones. How far the two can lie apart decides which passages are scored for certain: all
that could be among the best, and all about which the ceiling or the floor leaves a doubt.
*/

use crate::rule::select::Candidate;
use crate::search::doubt::{Outside, Zones, shortlist};

/// One query's candidates, the worst of them last if there are enough, and how many passages lie outside its bounds,
/// excluded ones among them.
#[derive(Debug, Clone, Default)]
pub(crate) struct List {
    pub(crate) found: Vec<Candidate>,
    pub(crate) outside: Outside,
}

/// What decides about one query's passages.
#[derive(Clone, Copy)]
pub(crate) struct Bounds<'a> {
    pub(crate) depth: usize,
    /// Exclusive.
    pub(crate) ceiling: f64,
    /// Inclusive.
    pub(crate) floor: f64,
    /// Ascending.
    pub(crate) excluded: &'a [i64],
}

/// One thread's working memory.
#[derive(Default)]
pub(crate) struct Scratch {
    scores: Vec<f32>,
    places: Vec<usize>,
}

impl Bounds<'_> {
    /// What a product says whose scores can lie `reach` from the reported ones, given that nothing below `worst`, as the
    /// product has it, can be among the best.
    ///
    /// Rounded outwards to `f32`, so that a scan compares what it reads and still passes every score in doubt.
    pub(crate) fn zones(&self, reach: f64, worst: f64) -> Zones {
        // Where a row's scores may lie for their reported ones to be below the ceiling.
        let possible = round_up(self.ceiling + reach);
        // The floor is only asked of what is below the ceiling for certain.
        let too_low = round_down(self.floor - reach).min(self.certain(reach));
        let low = (too_low, round_up(self.floor + reach).min(possible));
        Zones { ceiling: possible, floor: round_down(worst).max(too_low), low }
    }

    /// What is below is surely below the ceiling.
    pub(crate) fn certain(&self, reach: f64) -> f32 {
        round_down(self.ceiling - reach)
    }

    /// So many that are surely below the ceiling hold `depth` that may be among the best.
    pub(crate) fn enough(&self) -> usize {
        self.depth.saturating_add(self.excluded.len())
    }
}

impl List {
    /// Merges one row of a block. `reach` is how far its scores can lie from the reported ones.
    pub(crate) fn take(
        &mut self,
        bounds: Bounds<'_>,
        row: &[f32],
        first: i64,
        reach: f64,
        scratch: &mut Scratch,
        report: impl Fn(usize) -> Option<f64>,
    ) {
        // A full list holds `depth` that are better than its worst; failing that, the row itself does if so many of its
        // scores are better by twice the reach.
        let worst = self.worst(bounds.depth, reach).unwrap_or_else(|| {
            let (certain, enough) = (bounds.certain(reach), bounds.enough());
            scratch.scores.clear();
            scratch.scores.extend(row.iter().filter(|&&score| score < certain));
            if scratch.scores.len() > enough {
                let (_, &mut score, _) = scratch.scores.select_nth_unstable_by(enough - 1, |a, b| b.total_cmp(a));
                f64::from(score) - 2.0 * reach
            } else {
                f64::NEG_INFINITY
            }
        });
        scratch.places.clear();
        let outside = shortlist(row, bounds.zones(reach, worst), &mut scratch.places);
        self.add(
            bounds,
            outside,
            scratch.places.iter().filter_map(|&place| Some((first + place as i64, report(place)?))),
        );
    }

    /// The least that a product can say of a passage among the best, known from a full list.
    pub(crate) fn worst(&self, depth: usize, reach: f64) -> Option<f64> {
        (self.found.len() == depth).then(|| self.found[depth - 1].score - reach)
    }

    /// Takes in the reported scores of passages, and so many others that lie outside the bounds.
    pub(crate) fn add(&mut self, bounds: Bounds<'_>, outside: Outside, scored: impl Iterator<Item = (i64, f64)>) {
        let Bounds { depth, ceiling, floor, excluded } = bounds;
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
            // The worst of the best is enough to know; they are put in order at the end.
            self.found.select_nth_unstable_by(depth - 1, Candidate::order);
            self.found.truncate(depth);
        }
    }
}

fn round_down(value: f64) -> f32 {
    let nearest = value as f32;
    if f64::from(nearest) > value { nearest.next_down() } else { nearest }
}

fn round_up(value: f64) -> f32 {
    -round_down(-value)
}
