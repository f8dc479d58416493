/*!
Groups of eight rows of equal length: their scan, and what it decides about each row.
*/

use crate::audit::{Counts, Reason};
use crate::input::id::{Id, Ids};
use crate::input::request::Request;
use crate::input::score::Score;
use crate::lanes::distinct_ids::DistinctIds;
use crate::lanes::excluded::Excluded;
use crate::lanes::find_best;
use crate::lanes::prefetch::{Prefetch, prefetch};
use crate::lanes::scan::{Found, LaneBounds, MAX_LEVELS, Scan};
use crate::lanes::window::{Scanned, Survivors, Window, Windows};
use crate::policy::{Anchor, Policy};
use crate::rounding::round_up;
use crate::simd::LANES;
use std::ops::Range;

/// Eight consecutive rows of equal length, and what a scan found in them.
#[derive(Debug, Default)]
pub(crate) struct Group {
    /// Number of the first row.
    pub(crate) first: usize,
    /// Anchor of each row; `None` if it has no positive, or one that is not finite.
    pub(crate) anchors: [Option<f64>; LANES],
    pub(crate) ceilings: [f64; LANES],
    found: Found,
}

/// Scans groups and decides their windows. Its memory is reused from group to group.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    /// Scores converted to `f32`.
    buffer: Vec<f32>,
    distinct_ids: DistinctIds,
    /// The windows of the group that was decided last.
    pub(crate) windows: Windows,
}

/// Whether the eight rows from `first` on form a group.
pub(crate) fn is_group<S: Score, I: Id>(request: &Request<'_, S, I>, first: usize) -> bool {
    request.layout.is_even(first, LANES) && u32::try_from(request.layout.cells(first).len()).is_ok()
}

/// Returns how many of the best survivors a scan must hold per row; `None` if the request cannot be mined in groups.
pub(crate) fn scan_depth<S: Score, I: Id>(request: &Request<'_, S, I>, policy: &Policy) -> Option<usize> {
    if !S::FITS_F32 || request.classes.is_some() || policy.anchor == Anchor::Each {
        return None;
    }
    // The scan does not know which survivors are positives. One level in reserve makes up for one positive.
    let reserve = usize::from(!request.exclusions.is_empty());
    policy.decisive().checked_add(reserve).filter(|&depth| depth < MAX_LEVELS)
}

/// Returns the cells of up to [`LANES`] rows from `first` on.
fn cells_of<S: Score, I: Id>(request: &Request<'_, S, I>, first: usize) -> Range<usize> {
    let end = (first + LANES).min(request.layout.rows());
    if first < end { request.layout.cells(first).start..request.layout.cells(end - 1).end } else { 0..0 }
}

impl Group {
    /// Sets the rows, their anchors and their ceilings. A row without an anchor gets a ceiling that nothing survives.
    fn reset<S: Score, I: Id>(&mut self, request: &Request<'_, S, I>, policy: &Policy, first: usize) {
        self.first = first;
        for lane in 0..LANES {
            let scores = &request.positive_scores[request.positive_layout.cells(first + lane)];
            let all_finite = scores.iter().all(|score| score.is_finite());
            let anchor = if all_finite { policy.anchor.of(scores) } else { None };
            self.anchors[lane] = anchor;
            self.ceilings[lane] = anchor.map_or(f64::NEG_INFINITY, |anchor| policy.ceiling(anchor));
        }
    }

    /// Counts the candidates of one row that do not survive, and returns how many do.
    ///
    /// The scan counted the candidates in the columns `excluded` like all others; here they become positives.
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

impl Scanner {
    /// Scans the eight rows from `first` on into `group`, holding the best `depth` survivors of each.
    ///
    /// Prefetches the scores of the next rows, and the ids of the `pending` group, which is decided next.
    #[expect(clippy::too_many_arguments, reason = "two groups, and what is mined; a struct would be used once")]
    pub(crate) fn scan<S: Score, I: Id>(
        &mut self,
        group: &mut Group,
        pending: Option<&Group>,
        request: &Request<'_, S, I>,
        policy: &Policy,
        first: usize,
        depth: usize,
        counted: bool,
    ) {
        let cells = cells_of(request, first);
        let columns = cells.len() / LANES;
        let next = &request.scores[cells_of(request, first + LANES)];
        let steps = columns.div_ceil(LANES);
        let mut ahead = match (request.ids, pending) {
            (Ids::Given(ids), Some(pending)) if counted || pending.found.prefix_len >= columns => {
                Prefetch::new(next, &ids[cells_of(request, pending.first)], steps)
            }
            _ => Prefetch::new::<S, I>(next, &[], steps),
        };
        group.reset(request, policy, first);
        let rows = S::as_f32(&request.scores[cells.clone()], &mut self.buffer);
        let bounds =
            LaneBounds { ceilings: group.ceilings.map(round_up), floor: round_up(policy.floor()).max(f32::MIN) };
        find_best(&Scan { rows, columns, bounds, depth, counted }, &mut ahead, &mut group.found);
        if let Ids::Given(ids) = request.ids
            && !counted
            && group.found.prefix_len < columns
        {
            // Of sorted rows, only the ids of the prefix are needed.
            ids[cells].chunks(columns).for_each(|row| prefetch(&row[..group.found.prefix_len]));
        }
    }

    /// Decides the windows of a scanned group.
    ///
    /// With `counts`, also counts the candidates that do not survive, and every decided window has the exact number of
    /// survivors.
    pub(crate) fn decide<S: Score, I: Id>(
        &mut self,
        request: &Request<'_, S, I>,
        policy: &Policy,
        group: &Group,
        depth: usize,
        counts: Option<&mut [Counts; LANES]>,
    ) -> [Window; LANES] {
        let cells = cells_of(request, group.first);
        let ids = match request.ids {
            Ids::Columns => None,
            Ids::Given(ids) => Some(&ids[cells.clone()]),
        };
        let excluded = Excluded::new(request, group.first);
        let scanned = Scanned { found: &group.found, ids, depth, decisive: policy.decisive() };
        match counts {
            None => self.decide_uncounted(&scanned, &excluded),
            Some(counts) => {
                self.decide_counted(&scanned, &excluded, group, &request.scores[cells], policy.floor(), counts)
            }
        }
    }

    /// Decides windows without looking at all ids.
    fn decide_uncounted<I: Id>(&mut self, scanned: &Scanned<'_, I>, excluded: &Excluded) -> [Window; LANES] {
        let is_window = self.windows.fill(scanned, excluded);
        let mut decided = [Window::Undecided; LANES];
        for lane in 0..LANES {
            let Some((passages, count)) = excluded.of_query(lane) else {
                continue;
            };
            decided[lane] = if is_window[lane] {
                Window::Decided(Survivors::AtLeast(scanned.decisive))
            } else {
                self.windows.sort_row(scanned, lane, &passages[..count], None)
            };
        }
        let Some(ids) = scanned.ids else {
            return decided;
        };
        // If the id of a survivor repeats in its row, the best copy counts. It may be above the ceiling, so that none of the
        // copies survives. A window of such a row is not decided after all.
        let once = self.windows.appear_once(ids, scanned.found.prefix_len);
        for (window, once) in decided.iter_mut().zip(once) {
            if !once {
                *window = Window::Undecided;
            }
        }
        decided
    }

    /// Decides windows, and counts the candidates of each row that do not survive.
    fn decide_counted<S: Score, I: Id>(
        &mut self,
        scanned: &Scanned<'_, I>,
        excluded: &Excluded,
        group: &Group,
        scores: &[S],
        floor: f64,
        counts: &mut [Counts; LANES],
    ) -> [Window; LANES] {
        let columns = scores.len() / LANES;
        let is_window = self.windows.fill(scanned, excluded);
        let mut decided = [Window::Undecided; LANES];
        for lane in 0..LANES {
            let Some((passages, count)) = excluded.of_query(lane) else {
                continue;
            };
            let row = lane * columns..(lane + 1) * columns;
            let is_distinct = match scanned.ids {
                None => {
                    self.distinct_ids.find_columns(columns, &passages[..count]);
                    true
                }
                Some(ids) => self.distinct_ids.check(&ids[row.clone()], &passages[..count]),
            };
            if !is_distinct {
                continue;
            }
            let survivors = group.count(floor, &scores[row], lane, &self.distinct_ids.excluded, &mut counts[lane]);
            decided[lane] = if is_window[lane] {
                Window::Decided(Survivors::Exact(survivors))
            } else {
                self.windows.sort_row(scanned, lane, &passages[..count], Some(survivors))
            };
        }
        decided
    }
}
