/*!
Eight rows of one length at a time: what most score matrices and lists allow, and much faster than row by row.

The scores go through a sorting [`network`](crate::network), the ids through a [`survey`](crate::survey). A row that is not
plain (padding, a repeated id, more positives than a few) or whose window ends among equal scores is left to the general
way, which gives the same for every row that this one takes.
*/

use crate::audit::{Counts, Reason};
use crate::fetch::fetch;
use crate::mine::Request;
use crate::miner::Case;
use crate::network::{levels_for, scan};
use crate::policy::{Anchor, Policy};
use crate::rows::{Id, Ids, Score};
use crate::select::Candidate;
use crate::survey::{Survey, stand_alone};
use crate::top::{Bounds, Top};
use crate::vector::LANES;

/// Excluded ids that a row is searched for one by one.
const MOST_EXCLUDED: usize = 4;

/// One thread's working memory.
#[derive(Debug, Default)]
pub(crate) struct Dense {
    narrow: Vec<f32>,
    tops: [Top; LANES],
    survey: Survey,
}

/// Whether these rows can be scanned together.
pub(crate) fn fits<S: Score, I: Id>(request: &Request<'_, S, I>, first: usize) -> bool {
    request.layout.is_even(first, LANES) && u32::try_from(request.layout.cells(first).len()).is_ok()
}

/// How many levels the network needs for this request; `None` if its rows cannot be scanned this way.
pub(crate) fn levels<S: Score, I: Id>(request: &Request<'_, S, I>, policy: &Policy) -> Option<usize> {
    if !S::FITS_F32 || request.classes.is_some() || policy.anchor == Anchor::Each {
        return None;
    }
    // One more than the window shows whether it ends among equal scores; another stands in for a positive.
    let spare = if request.exclusions.is_empty() { 1 } else { 2 };
    levels_for(policy.reach().checked_add(spare)?)
}

impl Dense {
    /// Scans the rows of [`LANES`] queries from `first` on, which hold equally many candidates, with the ceiling of each.
    pub(crate) fn scan<S: Score, I: Id>(
        &mut self,
        request: &Request<'_, S, I>,
        policy: &Policy,
        first: usize,
        ceilings: &[f64; LANES],
        levels: usize,
        reasons: bool,
    ) {
        self.fetch_next(request, first + LANES, reasons);
        let cells = request.layout.cells(first).start..request.layout.cells(first + LANES - 1).end;
        let columns = cells.len() / LANES;
        let scores = S::as_f32(&request.scores[cells], &mut self.narrow);
        let bounds = Bounds { ceilings: ceilings.map(round_up), floor: round_up(policy.floor()) };
        scan(scores, columns, &bounds, levels, &mut self.tops);
    }

    /// Asks for what the rows from `next` on will need, if there are any.
    fn fetch_next<S: Score, I: Id>(&self, request: &Request<'_, S, I>, next: usize, reasons: bool) {
        let rows = next..(next + LANES).min(request.layout.rows());
        for row in rows {
            let cells = request.layout.cells(row);
            fetch(&request.scores[cells.clone()]);
            if let Ids::Given(ids) = request.ids {
                // As much as these rows, if reasons are not wanted: rows in order are only looked at where they begin.
                let span = if reasons { cells.len() } else { self.tops[0].span.min(cells.len()) };
                fetch(&ids[cells.start..cells.start + span]);
            }
        }
    }

    /// The survivors of one scanned row, the best `shift + window` in order, and how many there are in all (or, where
    /// nothing is counted, of those that matter); `None` if the row must be mined in the general way.
    ///
    /// `never` holds the query's excluded passages.
    #[expect(clippy::too_many_arguments, reason = "the state of one row, used in one place")]
    pub(crate) fn survivors<S: Score, I: Id>(
        &mut self,
        request: &Request<'_, S, I>,
        policy: &Policy,
        case: &Case,
        lane: usize,
        never: &[i64],
        counts: Option<&mut Counts>,
        survivors: &mut Vec<Candidate>,
    ) -> Option<usize> {
        if never.len() > MOST_EXCLUDED {
            return None;
        }
        let counted = counts.is_some();
        let found = match counts {
            Some(counts) => Some(self.count(request, policy, case, lane, never, counts)?),
            None => None,
        };
        let (top, cells) = (&self.tops[lane], request.layout.cells(case.query));
        let enough = policy.reach();
        survivors.clear();
        let (mut last, mut in_order) = (f64::INFINITY, true);
        for (&column, &score) in top.columns.iter().zip(&top.scores).take(top.held) {
            // -0.0 is 0.0.
            let score = f64::from(score) + 0.0;
            if survivors.len() >= enough && score < last {
                break;
            }
            let id = match request.ids {
                Ids::Columns => i64::from(column),
                Ids::Given(ids) => ids[cells.start + column as usize].passage()?,
            };
            if !never.contains(&id) {
                in_order &= score < last;
                last = score;
                survivors.push(Candidate { score, id });
            }
        }
        if !in_order {
            survivors.sort_unstable_by(Candidate::order);
        }
        let all_held = top.survivors == top.held;
        let found = found.unwrap_or(survivors.len());
        let wanted = enough.min(found);
        // None of the survivors that the network let go may tie with the last one wanted.
        if wanted > survivors.len() || (wanted > 0 && survivors[wanted - 1].score <= f64::from(top.let_go)) {
            return None;
        }
        survivors.truncate(wanted);
        if !counted {
            // The number of survivors is only known to suffice, or to be that of the row.
            if !all_held && wanted < enough {
                return None;
            }
            if let Ids::Given(ids) = request.ids {
                // Of equal ids the best one stays, which may lie above the ceiling: then none of them survives.
                let better = if top.too_high > 0 { &ids[cells][..top.span] } else { &[] };
                return stand_alone(survivors, better).then_some(wanted);
            }
        }
        Some(found)
    }

    /// Counts what is no survivor, and gives the number of survivors; `None` if ids are padding or repeat.
    fn count<S: Score, I: Id>(
        &mut self,
        request: &Request<'_, S, I>,
        policy: &Policy,
        case: &Case,
        lane: usize,
        never: &[i64],
        counts: &mut Counts,
    ) -> Option<usize> {
        let cells = request.layout.cells(case.query);
        let columns = cells.len();
        match request.ids {
            Ids::Columns => {
                let here = never.iter().filter(|&&passage| passage < columns as i64);
                self.survey.excluded.clear();
                self.survey.excluded.extend(here.map(|&passage| passage as u32));
                self.survey.excluded.dedup();
            }
            Ids::Given(ids) if !self.survey.is_plain(&ids[cells.clone()], never) => return None,
            Ids::Given(_) => {}
        }
        let top = &self.tops[lane];
        let (mut found, mut too_high) = (top.survivors, top.too_high);
        let mut too_low = columns - top.not_finite - too_high - found;
        let mut positives = 0;
        for &column in &self.survey.excluded {
            let score = request.scores[cells.start + column as usize].widen();
            if score.is_finite() {
                positives += 1;
                let bucket = if score >= case.ceiling {
                    &mut too_high
                } else if score < policy.floor() {
                    &mut too_low
                } else {
                    &mut found
                };
                *bucket -= 1;
            }
        }
        counts.add(Reason::NotFinite, top.not_finite);
        counts.add(Reason::Positive, positives);
        counts.add(Reason::Ceiling, too_high);
        counts.add(Reason::Floor, too_low);
        Some(found)
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
