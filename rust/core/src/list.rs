/*!
One query's best candidates so far, and how a row of a block goes into them.

A row's scores are near the reported ones. How far the two can lie apart decides which passages are scored for certain: all
that could be among the best, and all about which the ceiling or the floor leaves a doubt.
*/

use crate::select::Candidate;
use crate::shortlist::{Outside, Zones, shortlist};

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
        let Bounds { depth, ceiling, floor, excluded } = bounds;
        // Where a row's scores may lie for their reported ones to be below the ceiling, and where they surely are.
        let (possible, certain) = (round_up(ceiling + reach), round_down(ceiling - reach));
        // The same for the floor, which asks about what is below the ceiling for certain.
        let too_low = round_down(floor - reach).min(certain);
        let low = (too_low, round_up(floor + reach).min(possible));
        // Passages below the worst of the best so far cannot be among them: a full list holds `depth` better ones;
        // failing that, the row itself does if so many of its scores are better by twice the reach.
        let worst = if self.found.len() == depth {
            self.found[depth - 1].score - reach
        } else {
            let enough = depth.saturating_add(excluded.len());
            scratch.scores.clear();
            scratch.scores.extend(row.iter().filter(|&&score| score < certain));
            if scratch.scores.len() > enough {
                let (_, &mut score, _) = scratch.scores.select_nth_unstable_by(enough - 1, |a, b| b.total_cmp(a));
                f64::from(score) - 2.0 * reach
            } else {
                f64::NEG_INFINITY
            }
        };
        // Rounded down to f32, so that the scan compares what it reads and still passes every score at the floor.
        let zones = Zones { ceiling: possible, floor: round_down(worst).max(too_low), low };
        scratch.places.clear();
        let outside = shortlist(row, zones, &mut scratch.places);
        self.outside.too_high += outside.too_high;
        self.outside.too_low += outside.too_low;
        let before = self.found.len();
        for &passage in &scratch.places {
            let Some(score) = report(passage) else {
                continue;
            };
            let id = first + passage as i64;
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
