/*!
Mines one query after the other, with the working memory of one thread.

Eight rows of equal length go through [`lanes`](crate::lanes) together. All other rows, and every row that the lanes leave
undecided, go through the steps of [`rule`](crate::rule) one by one. Both give the same result.
*/

use crate::audit::{Counts, Reason};
use crate::error::Error;
use crate::input::id::Id;
use crate::input::request::{Request, Texts};
use crate::input::score::{Score, Stored};
use crate::lanes::group::{Group, Scanner, is_group, scan_depth};
use crate::lanes::window::{Survivors, Window};
use crate::mine::pipeline::Pipeline;
use crate::output::OutputRows;
use crate::policy::{Anchor, OnMissing, Policy, Sampling};
use crate::rule::candidate::Candidate;
use crate::rule::filter::{Filter, Identity, keep_within};
use crate::rule::near_duplicates::NearDuplicates;
use crate::rule::outcome::{Case, Cut};
use crate::rule::sample::Sampler;
use crate::rule::select::best;
use crate::simd::LANES;
use std::cmp::Ordering;
use std::ops::Range;

/// The working memory of one thread.
#[derive(Default)]
pub(crate) struct QueryMiner {
    pipeline: Pipeline<Group>,
    scanner: Scanner,
    filter: Filter,
    near_duplicates: NearDuplicates,
    sampler: Sampler,
    positives: Vec<f64>,
    /// Candidates that passed the filters before the ceiling.
    valid: Vec<Candidate>,
    survivors: Vec<Candidate>,
    /// Rejected candidates of each row of a group.
    counts: [Counts; LANES],
}

impl QueryMiner {
    /// Mines a range of queries into `rows`, eight at a time where that is possible.
    pub(crate) fn mine_range<S: Score, I: Id>(
        &mut self,
        request: &Request<'_, S, I>,
        policy: &Policy,
        queries: Range<usize>,
        rows: &mut OutputRows<'_, S::Stored>,
    ) -> Result<(), Error> {
        let mut query = queries.start;
        // Ranks need every candidate, not only the best.
        if let Some(depth) = scan_depth(request, policy).filter(|_| !rows.has_ranks()) {
            let counted = rows.has_reasons();
            // An earlier range that failed may have left a group that is of no interest any more.
            self.pipeline.flush();
            while query + LANES <= queries.end {
                let is_group = is_group(request, query);
                // The next group is scanned before this one is emitted, so that the ids of this one arrive meanwhile.
                let due = if is_group {
                    let scanner = &mut self.scanner;
                    self.pipeline.push(|group, pending| {
                        scanner.scan(group, pending, request, policy, query, depth, counted);
                    })
                } else {
                    self.pipeline.flush()
                };
                if let Some(group) = due {
                    self.emit_group(request, policy, depth, &group, rows)?;
                    self.pipeline.recycle(group);
                }
                if !is_group {
                    (query..query + LANES).try_for_each(|query| self.mine_query(request, policy, query, rows))?;
                }
                query += LANES;
            }
            if let Some(group) = self.pipeline.flush() {
                self.emit_group(request, policy, depth, &group, rows)?;
                self.pipeline.recycle(group);
            }
        }
        (query..queries.end).try_for_each(|query| self.mine_query(request, policy, query, rows))
    }

    /// Emits the rows of a scanned group.
    fn emit_group<S: Score, I: Id>(
        &mut self,
        request: &Request<'_, S, I>,
        policy: &Policy,
        depth: usize,
        group: &Group,
        rows: &mut OutputRows<'_, S::Stored>,
    ) -> Result<(), Error> {
        let counted = rows.has_reasons();
        if counted {
            self.counts = [Counts::default(); LANES];
        }
        let decided = self.scanner.decide(request, policy, group, depth, counted.then_some(&mut self.counts));
        let &Group { first, ref anchors, ref ceilings, .. } = group;
        // The window of a row then holds its negatives: nothing is drawn, and no survivor is rejected for its text.
        let takes_best = policy.sampling == Sampling::Top && policy.near_duplicate.is_none();
        let is_full = |window: Window| window == Window::Decided(Survivors::AtLeast(policy.decisive()));
        if takes_best && !counted && decided.into_iter().all(is_full) && !anchors.contains(&None) {
            let candidates = request.layout.cells(first).len();
            let windows = &self.scanner.windows;
            let (ids, scores) = (&windows.ids[policy.shift..], &windows.scores[policy.shift..]);
            rows.write_group(ceilings, candidates, ids, scores);
            return Ok(());
        }
        for lane in 0..LANES {
            let query = first + lane;
            let (Some(anchor), Window::Decided(survivors)) = (anchors[lane], decided[lane]) else {
                self.mine_query(request, policy, query, rows)?;
                continue;
            };
            let case = Case::new(request, query, anchor, ceilings[lane]);
            if takes_best {
                let counts = &mut self.counts[lane];
                let Cut { shifted, picked, .. } = Cut::new(policy, &case, survivors.known(), counts)?;
                let negatives = self.scanner.windows.candidates(lane, shifted..shifted + picked);
                rows.write(case.ceiling, case.candidates, counts, negatives);
                continue;
            }
            let windows = &self.scanner.windows;
            self.survivors.clear();
            self.survivors.extend(windows.candidates(lane, 0..windows.held[lane]));
            let mut counts = self.counts[lane];
            if self.has_near_duplicates(request, policy, query, &mut counts)? {
                // Survivors beyond the window take the place of the rejected ones.
                self.mine_query(request, policy, query, rows)?;
            } else {
                self.emit(policy, &case, survivors.known(), &mut counts, rows)?;
            }
        }
        Ok(())
    }

    /// Whether the policy rejects some of the survivors as near-duplicates.
    fn has_near_duplicates<S, I>(
        &mut self,
        request: &Request<'_, S, I>,
        policy: &Policy,
        query: usize,
        counts: &mut Counts,
    ) -> Result<bool, Error> {
        let Some(near) = policy.near_duplicate else {
            return Ok(false);
        };
        let all = self.survivors.len();
        self.near_duplicates.reject(request.texts.as_ref(), near, query, all, &mut self.survivors, counts)?;
        Ok(self.survivors.len() < all)
    }

    /// Mines one query on its own.
    fn mine_query<S: Score, I: Id>(
        &mut self,
        request: &Request<'_, S, I>,
        policy: &Policy,
        query: usize,
        rows: &mut OutputRows<'_, S::Stored>,
    ) -> Result<(), Error> {
        let identity = Identity { classes: request.classes };
        let excluded = request.exclusions.iter().map(|list| &list.ids[list.layout.cells(query)]);
        self.filter.exclude(excluded, identity, query)?;

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
                let case = Case::new(request, query, anchor, policy.ceiling(anchor));
                self.select(request.texts.as_ref(), policy, &case, counts, rows)?;
            }
            return Ok(());
        }
        match policy.anchor.of(&self.positives) {
            Some(anchor) => {
                let case = Case::new(request, query, anchor, policy.ceiling(anchor));
                self.select(request.texts.as_ref(), policy, &case, counts, rows)
            }
            None => Ok(()),
        }
    }

    /// Finds the survivors for one anchor, sorts the decisive ones, and emits the row.
    fn select<T: Stored>(
        &mut self,
        texts: Option<&Texts<'_>>,
        policy: &Policy,
        case: &Case,
        mut counts: Counts,
        rows: &mut OutputRows<'_, T>,
    ) -> Result<(), Error> {
        keep_within(&self.valid, case.ceiling, policy.floor(), &mut counts, &mut self.survivors);
        let decisive = policy.decisive();
        let survivors = if let Some(near) = policy.near_duplicate {
            self.near_duplicates.reject(texts, near, case.query, decisive, &mut self.survivors, &mut counts)?
        } else {
            let survivors = self.survivors.len();
            best(&mut self.survivors, decisive.min(survivors));
            survivors
        };
        self.emit(policy, case, survivors, &mut counts, rows)
    }

    /// Picks the negatives for one anchor and writes the row. Of the `survivors`, the decisive ones are sorted.
    fn emit<T: Stored>(
        &mut self,
        policy: &Policy,
        case: &Case,
        survivors: usize,
        counts: &mut Counts,
        rows: &mut OutputRows<'_, T>,
    ) -> Result<(), Error> {
        let Cut { shifted, pooled, picked } = Cut::new(policy, case, survivors, counts)?;
        let pool = &self.survivors[shifted..];
        if picked == 0 || !rows.has_ranks() && (policy.sampling == Sampling::Top || picked == pooled) {
            rows.write(case.ceiling, case.candidates, counts, pool[..picked].iter().copied());
            return Ok(());
        }
        let picks = self.sampler.pick(policy, case.anchor, case.key, &pool[..pooled.min(pool.len())]);
        rows.write(case.ceiling, case.candidates, counts, picks.iter().map(|&pick| pool[pick]));
        if rows.has_ranks() {
            rows.write_ranks(picks.iter().map(|&pick| {
                let better = self.valid.iter().filter(|other| other.order(&pool[pick]) == Ordering::Less);
                better.count() as i64 + 1
            }));
        }
        Ok(())
    }
}
