/*!
The rule for one query after the other, with the working memory of one thread.

Rows of one length that need nothing special go eight at a time through [`dense`](crate::lanes); all others, and every row
that it hands back, go the general way: gather, bound, order. Both end in the same window and pick.
*/

use crate::audit::{Counts, Reason};
use crate::error::Error;
use crate::input::layout::{Id, Score, Stored};
use crate::lanes::{self, Dense, Group};
use crate::mine::Request;
use crate::output::Rows;
use crate::policy::{Anchor, OnMissing, OnShort, Policy, Sampling};
use crate::rule::filter::{Filter, Identity, bound};
use crate::rule::near_duplicates::{Guard, Texts};
use crate::rule::sample::Race;
use crate::rule::select::{Candidate, best};
use crate::simd::LANES;
use std::cmp::Ordering;
use std::ops::Range;

/// One thread's working memory.
#[derive(Default)]
pub(crate) struct Miner {
    dense: Dense,
    filter: Filter,
    guard: Guard,
    race: Race,
    positives: Vec<f64>,
    valid: Vec<Candidate>,
    survivors: Vec<Candidate>,
    /// Of rows that are mined together.
    counts: [Counts; LANES],
}

impl Miner {
    /// Mines the queries of a range into their rows, eight at a time where a scan can hold the `wanted` best.
    pub(crate) fn mine_range<S: Score, I: Id>(
        &mut self,
        request: &Request<'_, S, I>,
        policy: &Policy,
        wanted: Option<usize>,
        queries: Range<usize>,
        rows: &mut Rows<'_, S::Stored>,
    ) -> Result<(), Error> {
        let mut query = queries.start;
        if let Some(wanted) = wanted.filter(|_| !rows.has_ranks()) {
            let mut scanned = None;
            while query + LANES <= queries.end {
                // Eight rows are scanned before those before them are emitted: meanwhile the ids of those arrive.
                let newer = lanes::fits(request, query)
                    .then(|| self.dense.scan(request, policy, query, scanned, wanted, rows.has_reasons()));
                if let Some(group) = scanned {
                    self.emit_together(request, policy, wanted, group, rows)?;
                }
                if newer.is_none() {
                    (query..query + LANES).try_for_each(|query| self.mine(request, policy, query, rows))?;
                }
                scanned = newer;
                query += LANES;
            }
            if let Some(group) = scanned {
                self.emit_together(request, policy, wanted, group, rows)?;
            }
        }
        (query..queries.end).try_for_each(|query| self.mine(request, policy, query, rows))
    }

    /// Emits [`LANES`] rows that have been scanned.
    fn emit_together<S: Score, I: Id>(
        &mut self,
        request: &Request<'_, S, I>,
        policy: &Policy,
        wanted: usize,
        group: usize,
        rows: &mut Rows<'_, S::Stored>,
    ) -> Result<(), Error> {
        let counted = rows.has_reasons();
        if counted {
            self.counts = [Counts::default(); LANES];
        }
        let settled = self.dense.settle(request, policy, group, wanted, counted.then_some(&mut self.counts));
        let &Group { first, anchors, ceilings, .. } = &self.dense.groups[group];
        // Who takes the best and compares no texts needs no more than the window.
        let is_plain = policy.sampling == Sampling::Top && policy.near_duplicate.is_none();
        let reach = policy.reach();
        if is_plain && !counted && settled == [Some(reach); LANES] && !anchors.contains(&None) {
            let candidates = request.layout.cells(first).len();
            rows.write_windows(&ceilings, candidates, &self.dense.windows, policy.shift);
            return Ok(());
        }
        for lane in 0..LANES {
            let query = first + lane;
            let (Some(anchor), Some(found)) = (anchors[lane], settled[lane]) else {
                self.mine(request, policy, query, rows)?;
                continue;
            };
            let case = Case::of(request, query, anchor, ceilings[lane]);
            if is_plain {
                let counts = &mut self.counts[lane];
                let Cut { shifted, picked, .. } = Cut::of(policy, &case, found, counts)?;
                let picks = self.dense.windows.candidates(lane, shifted..shifted + picked);
                rows.write(case.ceiling, case.candidates, counts, picks);
                continue;
            }
            self.survivors.clear();
            self.survivors.extend(self.dense.windows.candidates(lane, 0..self.dense.windows.held[lane]));
            let mut counts = self.counts[lane];
            if self.are_apart(request, policy, query, &mut counts)? {
                self.emit(policy, &case, found, &mut counts, rows)?;
            } else {
                self.mine(request, policy, query, rows)?;
            }
        }
        Ok(())
    }

    /// Whether the guard leaves all survivors of the window; if not, others take the place of some.
    fn are_apart<S, I>(
        &mut self,
        request: &Request<'_, S, I>,
        policy: &Policy,
        query: usize,
        counts: &mut Counts,
    ) -> Result<bool, Error> {
        let Some(near) = policy.near_duplicate else {
            return Ok(true);
        };
        let window = self.survivors.len();
        self.guard.prune(request.texts.as_ref(), near, query, window, &mut self.survivors, counts)?;
        Ok(self.survivors.len() == window)
    }

    fn exclude<S: Score, I: Id>(&mut self, request: &Request<'_, S, I>, query: usize) -> Result<(), Error> {
        let identity = Identity { classes: request.classes };
        let never = request.exclusions.iter().map(|list| &list.ids[list.layout.cells(query)]);
        self.filter.exclude(never, identity, query)
    }

    fn mine<S: Score, I: Id>(
        &mut self,
        request: &Request<'_, S, I>,
        policy: &Policy,
        query: usize,
        rows: &mut Rows<'_, S::Stored>,
    ) -> Result<(), Error> {
        let identity = Identity { classes: request.classes };
        self.exclude(request, query)?;

        self.positives.clear();
        let positive_scores = &request.positive_scores[request.positive_layout.cells(query)];
        for (position, &score) in positive_scores.iter().enumerate() {
            if !score.is_finite() {
                return Err(Error::PositiveNotFinite { row: query, position, score });
            }
            self.positives.push(score);
        }

        let mut counts = Counts::default();
        let cells = request.layout.cells(query);
        let candidates = cells.len();
        self.filter.gather(request.scores, request.ids, cells, identity, query, &mut counts, &mut self.valid)?;

        if self.positives.is_empty() {
            if policy.on_missing == OnMissing::Raise {
                return Err(Error::NoPositive { row: query });
            }
            if policy.anchor != Anchor::Each {
                counts.add(Reason::NoAnchor, self.valid.len());
                rows.write(f64::NAN, candidates, &counts, [].into_iter());
            }
            return Ok(());
        }
        if policy.anchor == Anchor::Each {
            for positive in 0..self.positives.len() {
                let anchor = self.positives[positive];
                let case = Case::of(request, query, anchor, policy.ceiling(anchor));
                self.select(request.texts.as_ref(), policy, &case, counts, rows)?;
            }
            return Ok(());
        }
        match policy.anchor.of(&self.positives) {
            Some(anchor) => {
                let case = Case::of(request, query, anchor, policy.ceiling(anchor));
                self.select(request.texts.as_ref(), policy, &case, counts, rows)
            }
            None => Ok(()),
        }
    }

    /// Ceiling, order and guard for one anchor, in the general way.
    fn select<T: Stored>(
        &mut self,
        texts: Option<&Texts<'_>>,
        policy: &Policy,
        case: &Case,
        mut counts: Counts,
        rows: &mut Rows<'_, T>,
    ) -> Result<(), Error> {
        bound(&self.valid, case.ceiling, policy.floor(), &mut counts, &mut self.survivors);
        // The best need no order among the others.
        let wanted = policy.reach();
        let found = if let Some(near) = policy.near_duplicate {
            self.guard.prune(texts, near, case.query, wanted, &mut self.survivors, &mut counts)?
        } else {
            let found = self.survivors.len();
            best(&mut self.survivors, wanted.min(found));
            found
        };
        self.emit(policy, case, found, &mut counts, rows)
    }

    /// Window and pick for one anchor. The survivors are `found`, the best of them in order.
    fn emit<T: Stored>(
        &mut self,
        policy: &Policy,
        case: &Case,
        found: usize,
        counts: &mut Counts,
        rows: &mut Rows<'_, T>,
    ) -> Result<(), Error> {
        let Cut { shifted, pooled, picked } = Cut::of(policy, case, found, counts)?;
        let pool = &self.survivors[shifted..];
        if picked == 0 || !rows.has_ranks() && (policy.sampling == Sampling::Top || picked == pooled) {
            rows.write(case.ceiling, case.candidates, counts, pool[..picked].iter().copied());
            return Ok(());
        }
        let picks = self.race.pick(policy, case.anchor, case.key, &pool[..pooled.min(pool.len())]);
        rows.write(case.ceiling, case.candidates, counts, picks.iter().map(|&pick| pool[pick]));
        if rows.has_ranks() {
            rows.write_ranks(picks.iter().map(|&pick| {
                let ahead = self.valid.iter().filter(|other| other.order(&pool[pick]) == Ordering::Less);
                ahead.count() as i64 + 1
            }));
        }
        Ok(())
    }
}

/// What becomes of a query's survivors.
struct Cut {
    shifted: usize,
    pooled: usize,
    /// Not all that could be, if short queries are dropped.
    picked: usize,
}

impl Cut {
    /// Cuts `found` survivors, and counts those not picked.
    #[inline]
    fn of(policy: &Policy, case: &Case, found: usize, counts: &mut Counts) -> Result<Self, Error> {
        let shifted = policy.shift.min(found);
        let pooled = (found - shifted).min(policy.window());
        let mut picked = pooled.min(policy.n);
        counts.add(Reason::Shifted, shifted);
        counts.add(Reason::BeyondPool, found - shifted - pooled);
        counts.add(Reason::NotSampled, pooled - picked);
        if picked < policy.n {
            match policy.on_short {
                OnShort::Keep => {}
                OnShort::Drop => {
                    counts.add(Reason::Dropped, picked);
                    picked = 0;
                }
                OnShort::Raise => {
                    let (wanted, candidates) = (policy.n, case.candidates);
                    return Err(Error::Short { row: case.query, found: picked, wanted, candidates });
                }
            }
        }
        Ok(Self { shifted, pooled, picked })
    }
}

/// One query against one anchor.
pub(crate) struct Case {
    pub(crate) query: usize,
    key: u64,
    anchor: f64,
    pub(crate) ceiling: f64,
    candidates: usize,
}

impl Case {
    fn of<S, I>(request: &Request<'_, S, I>, query: usize, anchor: f64, ceiling: f64) -> Self {
        Self {
            query,
            key: request.keys.map_or(query as u64, |keys| keys[query]),
            anchor,
            ceiling,
            candidates: request.layout.cells(query).len(),
        }
    }
}
