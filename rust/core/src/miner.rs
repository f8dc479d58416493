/*!
The rule for one query after the other, with the working memory of one thread.

Dense rows that need nothing special go eight at a time through [`dense`](crate::dense); all others, and every row that it
hands back, go the general way: gather, bound, order. Both end in the same window and pick.
*/

use crate::audit::{Counts, Reason};
use crate::dense::Dense;
use crate::error::Error;
use crate::filter::{Filter, Identity, bound};
use crate::mine::Request;
use crate::near::{Guard, Texts};
use crate::network::LANES;
use crate::output::Rows;
use crate::policy::{Anchor, OnMissing, OnShort, Policy, Sampling};
use crate::rows::{Id, Score, Stored};
use crate::sample::Race;
use crate::select::{Candidate, best};
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
}

impl Miner {
    /// Mines the queries of a range into their rows, eight at a time where the network has `levels` for them.
    pub(crate) fn mine_range<S: Score, I: Id>(
        &mut self,
        request: &Request<'_, S, I>,
        policy: &Policy,
        levels: Option<usize>,
        queries: Range<usize>,
        rows: &mut Rows<'_, S::Stored>,
    ) -> Result<(), Error> {
        let mut query = queries.start;
        if let Some(levels) = levels.filter(|_| rows.ranks.is_empty()) {
            while query + LANES <= queries.end {
                self.mine_together(request, policy, levels, query, rows)?;
                query += LANES;
            }
        }
        (query..queries.end).try_for_each(|query| self.mine(request, policy, query, rows))
    }

    /// Mines [`LANES`] dense rows from `first` on.
    fn mine_together<S: Score, I: Id>(
        &mut self,
        request: &Request<'_, S, I>,
        policy: &Policy,
        levels: usize,
        first: usize,
        rows: &mut Rows<'_, S::Stored>,
    ) -> Result<(), Error> {
        let mut anchors = [None; LANES];
        let mut ceilings = [f64::NEG_INFINITY; LANES];
        for lane in 0..LANES {
            let scores = &request.positive_scores[request.positive_layout.cells(first + lane)];
            // What is missing or not finite is an error, or skipped, in the general way.
            if scores.iter().all(|score| score.is_finite())
                && let Some(anchor) = policy.anchor.of(scores)
            {
                (anchors[lane], ceilings[lane]) = (Some(anchor), policy.ceiling(anchor));
            }
        }
        self.dense.scan(request, policy, first, &ceilings, levels);
        for lane in 0..LANES {
            let query = first + lane;
            if let Some(anchor) = anchors[lane] {
                self.exclude(request, query)?;
                let mut counts = Counts::default();
                let bounds = (ceilings[lane], policy.floor());
                let never = self.filter.excluded();
                let (dense, survivors) = (&mut self.dense, &mut self.survivors);
                let found = dense.survivors(request, policy, query, lane, bounds, never, &mut counts, survivors);
                if let Some(found) = found {
                    let key = request.keys.map_or(query as u64, |keys| keys[query]);
                    let candidates = request.layout.cells(query).len();
                    self.emit(policy, query, key, anchor, candidates, found, counts, &mut rows.next())?;
                    continue;
                }
            }
            self.mine(request, policy, query, rows)?;
        }
        Ok(())
    }

    fn exclude<S: Score, I: Id>(&mut self, request: &Request<'_, S, I>, query: usize) -> Result<(), Error> {
        let identity = Identity { classes: request.classes };
        let never = request.exclusions.iter().flat_map(|list| &list.ids[list.layout.cells(query)]);
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

        let key = request.keys.map_or(query as u64, |keys| keys[query]);
        if self.positives.is_empty() {
            if policy.on_missing == OnMissing::Raise {
                return Err(Error::NoPositive { row: query });
            }
            if policy.anchor != Anchor::Each {
                counts.add(Reason::NoAnchor, self.valid.len());
                rows.next().write(f64::NAN, candidates, &counts, std::iter::empty());
            }
            return Ok(());
        }
        if policy.anchor == Anchor::Each {
            for positive in 0..self.positives.len() {
                let anchor = self.positives[positive];
                self.select(request.texts.as_ref(), policy, query, key, anchor, candidates, counts, &mut rows.next())?;
            }
            return Ok(());
        }
        match policy.anchor.of(&self.positives) {
            Some(anchor) => {
                self.select(request.texts.as_ref(), policy, query, key, anchor, candidates, counts, &mut rows.next())
            }
            None => Ok(()),
        }
    }

    /// Ceiling, order and guard for one anchor, in the general way.
    #[expect(clippy::too_many_arguments, reason = "the state of one query, used here alone")]
    fn select<T: Stored>(
        &mut self,
        texts: Option<&Texts<'_>>,
        policy: &Policy,
        query: usize,
        key: u64,
        anchor: f64,
        candidates: usize,
        mut counts: Counts,
        row: &mut Rows<'_, T>,
    ) -> Result<(), Error> {
        bound(&self.valid, policy.ceiling(anchor), policy.floor(), &mut counts, &mut self.survivors);
        // The best need no order among the others.
        let window = if policy.sampling == Sampling::Top { policy.n } else { policy.window() };
        let wanted = policy.shift.saturating_add(window);
        let found = if let Some(near) = policy.near_duplicate {
            self.guard.prune(texts, near, query, wanted, &mut self.survivors, &mut counts)?
        } else {
            let found = self.survivors.len();
            best(&mut self.survivors, wanted.min(found));
            found
        };
        self.emit(policy, query, key, anchor, candidates, found, counts, row)
    }

    /// Window and pick for one anchor. The survivors are `found`, the best of them in order.
    #[expect(clippy::too_many_arguments, reason = "the state of one query, used here alone")]
    fn emit<T: Stored>(
        &mut self,
        policy: &Policy,
        query: usize,
        key: u64,
        anchor: f64,
        candidates: usize,
        found: usize,
        mut counts: Counts,
        row: &mut Rows<'_, T>,
    ) -> Result<(), Error> {
        let ceiling = policy.ceiling(anchor);
        let shifted = policy.shift.min(found);
        let pooled = (found - shifted).min(policy.window());
        counts.add(Reason::Shifted, shifted);
        counts.add(Reason::BeyondPool, found - shifted - pooled);
        let pool = &self.survivors[shifted..];
        let picks = self.race.pick(policy, anchor, key, pool);
        counts.add(Reason::NotSampled, pooled - picks.len());
        if picks.len() < policy.n {
            match policy.on_short {
                OnShort::Keep => {}
                OnShort::Drop => {
                    counts.add(Reason::Dropped, picks.len());
                    row.write(ceiling, candidates, &counts, std::iter::empty());
                    return Ok(());
                }
                OnShort::Raise => {
                    return Err(Error::Short { row: query, found: picks.len(), wanted: policy.n, candidates });
                }
            }
        }
        row.write(ceiling, candidates, &counts, picks.iter().map(|&pick| pool[pick]));
        if !row.ranks.is_empty() {
            for (slot, &pick) in row.ranks.iter_mut().zip(picks) {
                let ahead = self.valid.iter().filter(|other| other.order(&pool[pick]) == Ordering::Less);
                *slot = ahead.count() as i64 + 1;
            }
        }
        Ok(())
    }
}
