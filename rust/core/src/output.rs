/*!
What mining gives: arrays with a row a query, or a row a positive when each has its own anchor.

[`Rows`] cuts them into parts that threads can write side by side.
*/

use crate::audit::{Counts, REASONS};
use crate::error::Error;
use crate::huge_pages::zeroed;
use crate::input::layout::{Id, Score, Stored};
use crate::lanes::window::Windows;
use crate::mine::Request;
use crate::policy::Policy;
use crate::rule::select::Candidate;
use crate::simd::LANES;
use std::ops::Range;

/// What is wanted beside the negatives themselves.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// Their ranks, which need every candidate in view.
    pub ranks: bool,
    /// Why the other candidates were rejected, which needs every id in view.
    pub reasons: bool,
}

/// Negatives and the account of every candidate, a row a query (a positive for [`Anchor::Each`]).
#[derive(Debug, Clone, PartialEq)]
pub struct Output<T> {
    /// Negatives per row.
    pub n: usize,
    /// `n` ids a row, -1 where short.
    pub ids: Vec<i64>,
    /// `n` scores a row, NaN where short; of the width that holds the given ones exactly.
    pub scores: Vec<T>,
    /// `n` ranks a row, 0 where short, if wanted; the best candidate that is neither positive nor duplicate has rank 1.
    pub ranks: Vec<i64>,
    /// Negatives of each row.
    pub counts: Vec<i64>,
    /// Exclusive upper bound on the scores of each row; NaN for a query without a positive.
    pub ceilings: Vec<f64>,
    /// Candidates of each row.
    pub candidates: Vec<i64>,
    /// Rejected candidates of each row, in the order of [`REASONS`], if wanted.
    pub rejected: Vec<i64>,
}

impl<T: Stored> Output<T> {
    /// Room for the results of `request`; every row is still to be written.
    ///
    /// # Errors
    /// [`Error::Memory`] if there is no room.
    pub fn new<S: Score<Stored = T>, I: Id>(
        request: &Request<'_, S, I>,
        policy: &Policy,
        extent: Extent,
    ) -> Result<Self, Error> {
        let rows = request.results(0..request.layout.rows(), policy.anchor).end;
        let n = policy.n;
        let room = Error::Memory { rows, n };
        let wide = rows.checked_mul(n).ok_or_else(|| room.clone())?;
        Ok(Self {
            n,
            ids: zeroed(wide, &room)?,
            scores: zeroed(wide, &room)?,
            ranks: zeroed(if extent.ranks { wide } else { 0 }, &room)?,
            counts: zeroed(rows, &room)?,
            ceilings: zeroed(rows, &room)?,
            candidates: zeroed(rows, &room)?,
            rejected: zeroed(if extent.reasons { rows * REASONS.len() } else { 0 }, &room)?,
        })
    }
}

/// Consecutive rows of an output, handed out one at a time.
pub(crate) struct Rows<'a, T> {
    n: usize,
    /// How many rows have been handed out.
    at: usize,
    ids: &'a mut [i64],
    scores: &'a mut [T],
    ranks: &'a mut [i64],
    counts: &'a mut [i64],
    ceilings: &'a mut [f64],
    candidates: &'a mut [i64],
    rejected: &'a mut [i64],
}

impl<'a, T: Stored> Rows<'a, T> {
    pub(crate) fn of(output: &'a mut Output<T>, rows: Range<usize>) -> Self {
        let wide = rows.start * output.n..rows.end * output.n;
        Self {
            n: output.n,
            at: 0,
            ids: &mut output.ids[wide.clone()],
            scores: &mut output.scores[wide.clone()],
            ranks: if output.ranks.is_empty() { &mut [] } else { &mut output.ranks[wide] },
            counts: &mut output.counts[rows.clone()],
            ceilings: &mut output.ceilings[rows.clone()],
            candidates: &mut output.candidates[rows.clone()],
            rejected: match output.rejected.as_mut_slice() {
                [] => &mut [],
                all => &mut all[rows.start * REASONS.len()..rows.end * REASONS.len()],
            },
        }
    }

    pub(crate) fn has_ranks(&self) -> bool {
        !self.ranks.is_empty()
    }

    pub(crate) fn has_reasons(&self) -> bool {
        !self.rejected.is_empty()
    }

    pub(crate) fn split(self, rows: usize) -> (Self, Self) {
        let n = self.n;
        let counted = if self.has_reasons() { rows * REASONS.len() } else { 0 };
        let (ids, later_ids) = self.ids.split_at_mut(rows * n);
        let (scores, later_scores) = self.scores.split_at_mut(rows * n);
        let (ranks, later_ranks) = self.ranks.split_at_mut(if self.ranks.is_empty() { 0 } else { rows * n });
        let (counts, later_counts) = self.counts.split_at_mut(rows);
        let (ceilings, later_ceilings) = self.ceilings.split_at_mut(rows);
        let (candidates, later_candidates) = self.candidates.split_at_mut(rows);
        let (rejected, later_rejected) = self.rejected.split_at_mut(counted);
        (
            Self { n, at: 0, ids, scores, ranks, counts, ceilings, candidates, rejected },
            Self {
                n,
                at: 0,
                ids: later_ids,
                scores: later_scores,
                ranks: later_ranks,
                counts: later_counts,
                ceilings: later_ceilings,
                candidates: later_candidates,
                rejected: later_rejected,
            },
        )
    }

    /// Writes the next row.
    pub(crate) fn write(
        &mut self,
        ceiling: f64,
        candidates: usize,
        counts: &Counts,
        negatives: impl ExactSizeIterator<Item = Candidate>,
    ) {
        let (at, n) = (self.at, self.n);
        self.at += 1;
        let emitted = negatives.len();
        let (ids, scores) = (&mut self.ids[at * n..][..n], &mut self.scores[at * n..][..n]);
        for (place, negative) in negatives.enumerate() {
            (ids[place], scores[place]) = (negative.id, T::store(negative.score));
        }
        if emitted < n {
            ids[emitted..].fill(-1);
            scores[emitted..].fill(T::MISSING);
        }
        self.ceilings[at] = ceiling;
        self.counts[at] = emitted as i64;
        self.candidates[at] = candidates as i64;
        if self.has_reasons() {
            debug_assert_eq!(candidates as u64, emitted as u64 + counts.total());
            let rejected = &mut self.rejected[at * REASONS.len()..(at + 1) * REASONS.len()];
            for (slot, &count) in rejected.iter_mut().zip(counts.as_array()) {
                *slot = count as i64;
            }
        }
    }

    /// Writes the next [`LANES`] rows, each with `n` of its window from `shift` on, if nothing more is wanted of them.
    pub(crate) fn write_windows(
        &mut self,
        ceilings: &[f64; LANES],
        candidates: usize,
        windows: &Windows,
        shift: usize,
    ) {
        let (at, n) = (self.at, self.n);
        self.at += LANES;
        let wide = at * n..(at + LANES) * n;
        let levels = windows.ids[shift..].iter().zip(&windows.scores[shift..]).take(n);
        let (ids, scores) = (&mut self.ids[wide.clone()], &mut self.scores[wide]);
        for (place, (of_ids, of_scores)) in levels.enumerate() {
            for lane in 0..LANES {
                ids[lane * n + place] = of_ids[lane];
                scores[lane * n + place] = T::store(f64::from(of_scores[lane]));
            }
        }
        self.ceilings[at..at + LANES].copy_from_slice(ceilings);
        self.counts[at..at + LANES].fill(n as i64);
        self.candidates[at..at + LANES].fill(candidates as i64);
    }

    /// The ranks of the row written last; the rest stay 0.
    pub(crate) fn write_ranks(&mut self, ranks: impl Iterator<Item = i64>) {
        let start = (self.at - 1) * self.n;
        for (slot, rank) in self.ranks[start..start + self.n].iter_mut().zip(ranks) {
            *slot = rank;
        }
    }
}
