/*!
Eight rows of one length at a time: what most score matrices and lists allow, and much faster than row by row.

The scores go through a sorting [`network`](crate::lanes::network), the ids through a [`survey`](crate::lanes::distinct_ids). A row that is not
plain (padding, a repeated id, more positives than a few) or whose window ends among equal scores is left to the general
way, which gives the same for every row that this one takes.
*/

pub(crate) mod descending;
pub(crate) mod distinct_ids;
pub(crate) mod excluded;
pub(crate) mod levels;
pub(crate) mod network;
pub(crate) mod prefetch;
pub(crate) mod scan;
pub(crate) mod sorting;
pub(crate) mod window;

use crate::audit::{Counts, Reason};
use crate::input::layout::{Id, Ids, Score};
use crate::lanes::distinct_ids::{Survey, appear_once};
use crate::lanes::excluded::Excluded;
use crate::lanes::network::Scan;
use crate::lanes::prefetch::{Ahead, fetch};
use crate::lanes::scan::{Bounds, Found, MOST_LEVELS};
use crate::lanes::window::{Scanned, Windows};
use crate::mine::Request;
use crate::policy::{Anchor, Policy};
use crate::simd::LANES;
use std::ops::Range;

/// One thread's working memory.
#[derive(Debug, Default)]
pub(crate) struct Dense {
    narrow: Vec<f32>,
    /// One that is scanned and one that is emitted.
    pub(crate) groups: [Group; 2],
    survey: Survey,
    /// What decides about each row's picks.
    pub(crate) windows: Windows,
}

/// Eight rows of one length from their scan on.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) first: usize,
    pub(crate) anchors: [Option<f64>; LANES],
    pub(crate) ceilings: [f64; LANES],
    found: Found,
}

impl Group {
    /// The rows of these queries; what is missing or not finite is an error, or skipped, in the general way.
    fn open<S: Score, I: Id>(&mut self, request: &Request<'_, S, I>, policy: &Policy, first: usize) {
        self.first = first;
        for lane in 0..LANES {
            let scores = &request.positive_scores[request.positive_layout.cells(first + lane)];
            let all_finite = scores.iter().all(|score| score.is_finite());
            let anchor = if all_finite { policy.anchor.of(scores) } else { None };
            self.anchors[lane] = anchor;
            self.ceilings[lane] = anchor.map_or(f64::NEG_INFINITY, |anchor| policy.ceiling(anchor));
        }
    }

    /// Counts what of one row is no survivor, and gives the number of survivors; `excluded` says where they stand.
    fn count<S: Score>(&self, floor: f64, row: &[S], lane: usize, excluded: &[u32], counts: &mut Counts) -> usize {
        let found = &self.found;
        let (mut survivors, mut too_high) = (found.survivors[lane], found.too_high[lane]);
        let mut too_low = row.len() - found.not_finite[lane] - too_high - survivors;
        let mut positives = 0;
        for &column in excluded {
            let score = row[column as usize].widen();
            if score.is_finite() {
                positives += 1;
                let bucket = if score >= self.ceilings[lane] {
                    &mut too_high
                } else if score < floor {
                    &mut too_low
                } else {
                    &mut survivors
                };
                *bucket -= 1;
            }
        }
        counts.add(Reason::NotFinite, found.not_finite[lane]);
        counts.add(Reason::Positive, positives);
        counts.add(Reason::Ceiling, too_high);
        counts.add(Reason::Floor, too_low);
        survivors
    }
}

/// Whether these rows can be scanned together.
pub(crate) fn fits<S: Score, I: Id>(request: &Request<'_, S, I>, first: usize) -> bool {
    request.layout.is_even(first, LANES) && u32::try_from(request.layout.cells(first).len()).is_ok()
}

/// How many survivors a scan for this request must hold; `None` if its rows cannot be scanned this way.
pub(crate) fn wanted<S: Score, I: Id>(request: &Request<'_, S, I>, policy: &Policy) -> Option<usize> {
    if !S::FITS_F32 || request.classes.is_some() || policy.anchor == Anchor::Each {
        return None;
    }
    // One stands in for a positive.
    let spare = usize::from(!request.exclusions.is_empty());
    policy.reach().checked_add(spare).filter(|&wanted| wanted < MOST_LEVELS)
}

/// The cells of [`LANES`] rows from `first` on, as far as there are so many.
fn cells_of<S: Score, I: Id>(request: &Request<'_, S, I>, first: usize) -> Range<usize> {
    let end = (first + LANES).min(request.layout.rows());
    if first < end { request.layout.cells(first).start..request.layout.cells(end - 1).end } else { 0..0 }
}

impl Dense {
    /// Scans the rows of [`LANES`] queries from `first` on, which hold equally many candidates, and gives their group.
    ///
    /// The group `before` is still to be emitted.
    pub(crate) fn scan<S: Score, I: Id>(
        &mut self,
        request: &Request<'_, S, I>,
        policy: &Policy,
        first: usize,
        before: Option<usize>,
        wanted: usize,
        counted: bool,
    ) -> usize {
        let cells = cells_of(request, first);
        let columns = cells.len() / LANES;
        let next = &request.scores[cells_of(request, first + LANES)];
        let steps = columns.div_ceil(LANES);
        let mut ahead = match (request.ids, before.map(|before| &self.groups[before])) {
            (Ids::Given(ids), Some(group)) if counted || group.found.span >= columns => {
                Ahead::of(next, &ids[cells_of(request, group.first)], steps)
            }
            _ => Ahead::of::<S, I>(next, &[], steps),
        };
        let slot = before.map_or(0, |before| 1 - before);
        let group = &mut self.groups[slot];
        group.open(request, policy, first);
        let rows = S::as_f32(&request.scores[cells.clone()], &mut self.narrow);
        let bounds = Bounds { ceilings: group.ceilings.map(round_up), floor: round_up(policy.floor()).max(f32::MIN) };
        Scan { rows, columns, bounds, wanted, counted }.run(&mut ahead, &mut group.found);
        if let Ids::Given(ids) = request.ids
            && !counted
            && group.found.span < columns
        {
            // Rows in order are only looked at where they begin.
            ids[cells].chunks(columns).for_each(|row| fetch(&row[..group.found.span]));
        }
        slot
    }

    /// Opens the windows of the scanned rows, and gives how many survivors each has in all (or, where nothing is counted,
    /// of those that matter); `None` for a row that must be mined in the general way.
    ///
    /// What does not survive is counted in `counts`.
    pub(crate) fn settle<S: Score, I: Id>(
        &mut self,
        request: &Request<'_, S, I>,
        policy: &Policy,
        group: usize,
        wanted: usize,
        mut counts: Option<&mut [Counts; LANES]>,
    ) -> [Option<usize>; LANES] {
        let group = &self.groups[group];
        let (found, reach) = (&group.found, policy.reach());
        let (excluded, cells) = (Excluded::of(request, group.first), cells_of(request, group.first));
        let columns = cells.len() / LANES;
        let ids = match request.ids {
            Ids::Columns => None,
            Ids::Given(ids) => Some(&ids[cells.clone()]),
        };
        let scores = &request.scores[cells];
        let scanned = Scanned { found, ids, wanted, reach };
        let is_window = self.windows.take(&scanned, &excluded);
        let mut settled = [None; LANES];
        for lane in 0..LANES {
            let Some((few, held)) = excluded.of_query(lane) else {
                continue;
            };
            let mut known = None;
            if let Some(counts) = &mut counts {
                let row = lane * columns..(lane + 1) * columns;
                let is_plain = match ids {
                    None => {
                        self.survey.find_columns(columns, &few[..held]);
                        true
                    }
                    Some(ids) => self.survey.is_plain(&ids[row.clone()], &few[..held]),
                };
                if !is_plain {
                    continue;
                }
                let excluded = &self.survey.excluded;
                known = Some(group.count(policy.floor(), &scores[row], lane, excluded, &mut counts[lane]));
            }
            settled[lane] = if is_window[lane] {
                known.or(Some(reach))
            } else {
                self.windows.settle(&scanned, lane, &few[..held], known)
            };
        }
        if let (Some(ids), None) = (ids, counts) {
            // Of equal ids the best one stays, which may lie above the ceiling: then none of them survives.
            let once = appear_once(&self.windows, ids, found.span);
            for (settled, once) in settled.iter_mut().zip(once) {
                *settled = settled.filter(|_| once);
            }
        }
        settled
    }
}

/// The smallest `f32` that is not below a bound: an `f32` score is below the one if and only if it is below the other.
fn round_up(bound: f64) -> f32 {
    let nearest = bound as f32;
    if f64::from(nearest) < bound { nearest.next_up() } else { nearest }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_rounded_bound_decides_the_same(score: f32, bound: f64, near in -2_i32..3) {
            prop_assume!(!score.is_nan() && !bound.is_nan());
            let close = f64::from(score) + f64::from(near) * f64::from(score).abs() * 1e-9;
            for bound in [bound, close, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN] {
                prop_assert_eq!(f64::from(score) < bound, score < round_up(bound), "{} {}", score, bound);
            }
        }
    }
}
