/*!
Eight dense rows at a time: what most score matrices allow, and much faster than row by row.

The scores go through a sorting [`network`](crate::network), the ids through a [`survey`](crate::survey). A row that is not
plain (padding, a repeated id, more positives than a few) or whose window ends among equal scores is left to the general
way, which gives the same for every row that this one takes.
*/

use crate::audit::{Counts, Reason};
use crate::mine::Request;
use crate::network::{Bounds, LANES, Tops, levels_for, scan};
use crate::policy::{Anchor, Policy, Sampling};
use crate::rows::{Id, Ids, Layout, Score};
use crate::select::Candidate;
use crate::survey::Survey;

/// Excluded ids that a row is searched for one by one.
const MOST_EXCLUDED: usize = 4;

/// One thread's working memory.
#[derive(Debug, Default)]
pub(crate) struct Dense {
    narrow: Vec<f32>,
    tops: Tops,
    survey: Survey,
}

/// How many levels the network needs for this request; `None` if its rows cannot be scanned this way.
pub(crate) fn levels<S: Score, I: Id>(request: &Request<'_, S, I>, policy: &Policy) -> Option<usize> {
    let dense = matches!(request.layout, Layout::Dense { .. });
    let window = if policy.sampling == Sampling::Top { Some(policy.n) } else { policy.pool };
    if !dense
        || !S::FITS_F32
        || request.classes.is_some()
        || policy.anchor == Anchor::Each
        || policy.near_duplicate.is_some()
    {
        return None;
    }
    // One more than the window shows whether it ends among equal scores; another stands in for a positive.
    let spare = if request.exclusions.is_empty() { 1 } else { 2 };
    levels_for(window?.checked_add(policy.shift)?.checked_add(spare)?)
}

impl Dense {
    /// Scans the rows of [`LANES`] queries from `first` on, with the ceiling of each.
    pub(crate) fn scan<S: Score, I: Id>(
        &mut self,
        request: &Request<'_, S, I>,
        policy: &Policy,
        first: usize,
        ceilings: &[f64; LANES],
        levels: usize,
    ) {
        let cells = request.layout.cells(first).start..request.layout.cells(first + LANES - 1).end;
        let columns = cells.len() / LANES;
        let scores = S::as_f32(&request.scores[cells], &mut self.narrow);
        let bounds = Bounds { ceilings: ceilings.map(round_up), floor: round_up(policy.floor()) };
        scan(scores, columns, &bounds, levels, &mut self.tops);
    }

    /// The survivors of one scanned row, the best `shift + window` in order, and how many there are in all; `None` if the
    /// row must be mined in the general way. `never` holds the query's excluded passages.
    #[expect(clippy::too_many_arguments, reason = "the state of one row, used in one place")]
    pub(crate) fn survivors<S: Score, I: Id>(
        &mut self,
        request: &Request<'_, S, I>,
        policy: &Policy,
        query: usize,
        lane: usize,
        bounds: (f64, f64),
        never: &[i64],
        counts: &mut Counts,
        survivors: &mut Vec<Candidate>,
    ) -> Option<usize> {
        if never.len() > MOST_EXCLUDED {
            return None;
        }
        let cells = request.layout.cells(query);
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
        let tops = &self.tops;
        let (mut found, mut too_high) = (tops.survivors[lane] as usize, tops.too_high[lane] as usize);
        let all = found;
        let not_finite = tops.not_finite[lane] as usize;
        let mut too_low = columns - not_finite - too_high - found;
        let mut positives = 0;
        for &column in &self.survey.excluded {
            let score = request.scores[cells.start + column as usize].widen();
            if score.is_finite() {
                positives += 1;
                let bucket = if score >= bounds.0 {
                    &mut too_high
                } else if score < bounds.1 {
                    &mut too_low
                } else {
                    &mut found
                };
                *bucket -= 1;
            }
        }
        survivors.clear();
        for level in 0..tops.levels.min(all) {
            let column = tops.columns[level][lane];
            if !self.survey.excluded.contains(&column) {
                let id = match request.ids {
                    Ids::Columns => i64::from(column),
                    Ids::Given(ids) => ids[cells.start + column as usize].widen(),
                };
                survivors.push(Candidate { score: f64::from(tops.scores[level][lane]) + 0.0, id });
            }
        }
        survivors.sort_unstable_by(Candidate::order);
        let pooled = found.saturating_sub(policy.shift).min(policy.window());
        let window = if policy.sampling == Sampling::Top { pooled.min(policy.n) } else { pooled };
        let wanted = policy.shift.min(found) + window;
        if all > tops.levels {
            // There are survivors that the network let go; none of them may tie with the last one wanted.
            let last = f64::from(tops.scores[tops.levels - 1][lane]);
            if wanted > survivors.len() || (wanted > 0 && survivors[wanted - 1].score <= last) {
                return None;
            }
        }
        survivors.truncate(wanted);
        counts.add(Reason::NotFinite, not_finite);
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
