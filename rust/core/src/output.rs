/*!
The result of mining, as flat arrays.

There is one row per query, or one per positive under [`Anchor::Each`](crate::Anchor::Each). [`OutputRows`] divides the
arrays into parts that threads can write at the same time.
*/

use crate::audit::{Counts, REASONS};
use crate::error::Error;
use crate::huge_pages::zeroed;
use crate::input::id::Id;
use crate::input::request::{Extent, Request};
use crate::input::score::{Score, Stored};
use crate::policy::Policy;
use crate::rule::candidate::Candidate;
use std::ops::Range;

/// Negatives, and the account of all candidates. One row per query, or one per positive under
/// [`Anchor::Each`](crate::Anchor::Each).
#[derive(Debug, Clone, PartialEq)]
pub struct Output<T> {
    /// Negatives per row.
    pub n: usize,
    /// Ids of the negatives, `n` per row, best first within a row; -1 after the last.
    pub ids: Vec<i64>,
    /// Scores of the negatives, `n` per row; NaN after the last. The type holds the given scores exactly.
    pub scores: Vec<T>,
    /// Ranks of the negatives, `n` per row, 0 after the last; empty unless requested. The best candidate that is neither a
    /// positive nor a duplicate has rank 1.
    pub ranks: Vec<i64>,
    /// Number of negatives of each row.
    pub counts: Vec<i64>,
    /// Exclusive upper bound on the scores of each row's negatives; NaN for a query without a positive.
    pub ceilings: Vec<f64>,
    /// Number of candidates of each row.
    pub candidates: Vec<i64>,
    /// Number of rejected candidates of each row, one column per reason in the order of [`REASONS`]; empty unless
    /// requested.
    pub rejected: Vec<i64>,
}

impl<T: Stored> Output<T> {
    /// Allocates the arrays for the results of `request`. Every row is still to be written.
    ///
    /// # Errors
    /// [`Error::Memory`] if they do not fit into memory.
    pub fn new<S: Score<Stored = T>, I: Id>(
        request: &Request<'_, S, I>,
        policy: &Policy,
        extent: Extent,
    ) -> Result<Self, Error> {
        let rows = request.output_rows(0..request.layout.rows(), policy.anchor).end;
        let n = policy.n;
        let out_of_memory = Error::Memory { rows, n };
        let cells = rows.checked_mul(n).ok_or_else(|| out_of_memory.clone())?;
        Ok(Self {
            n,
            ids: zeroed(cells, &out_of_memory)?,
            scores: zeroed(cells, &out_of_memory)?,
            ranks: zeroed(if extent.ranks { cells } else { 0 }, &out_of_memory)?,
            counts: zeroed(rows, &out_of_memory)?,
            ceilings: zeroed(rows, &out_of_memory)?,
            candidates: zeroed(rows, &out_of_memory)?,
            rejected: zeroed(if extent.reasons { rows * REASONS.len() } else { 0 }, &out_of_memory)?,
        })
    }
}

/// Consecutive rows of an output, written from first to last.
pub(crate) struct OutputRows<'a, T> {
    n: usize,
    /// Number of rows written so far.
    at: usize,
    ids: &'a mut [i64],
    scores: &'a mut [T],
    ranks: &'a mut [i64],
    counts: &'a mut [i64],
    ceilings: &'a mut [f64],
    candidates: &'a mut [i64],
    rejected: &'a mut [i64],
}

impl<'a, T: Stored> OutputRows<'a, T> {
    /// Returns the given rows of an output.
    pub(crate) fn new(output: &'a mut Output<T>, rows: Range<usize>) -> Self {
        let cells = rows.start * output.n..rows.end * output.n;
        Self {
            n: output.n,
            at: 0,
            ids: &mut output.ids[cells.clone()],
            scores: &mut output.scores[cells.clone()],
            ranks: if output.ranks.is_empty() { &mut [] } else { &mut output.ranks[cells] },
            counts: &mut output.counts[rows.clone()],
            ceilings: &mut output.ceilings[rows.clone()],
            candidates: &mut output.candidates[rows.clone()],
            rejected: match output.rejected.as_mut_slice() {
                [] => &mut [],
                all => &mut all[rows.start * REASONS.len()..rows.end * REASONS.len()],
            },
        }
    }

    /// Whether the output has ranks.
    pub(crate) fn has_ranks(&self) -> bool {
        !self.ranks.is_empty()
    }

    /// Whether the output counts reasons.
    pub(crate) fn has_reasons(&self) -> bool {
        !self.rejected.is_empty()
    }

    /// Divides the rows into the first `rows` and the rest.
    pub(crate) fn split(self, rows: usize) -> (Self, Self) {
        let n = self.n;
        let counters = if self.has_reasons() { rows * REASONS.len() } else { 0 };
        let (ids, later_ids) = self.ids.split_at_mut(rows * n);
        let (scores, later_scores) = self.scores.split_at_mut(rows * n);
        let (ranks, later_ranks) = self.ranks.split_at_mut(if self.ranks.is_empty() { 0 } else { rows * n });
        let (counts, later_counts) = self.counts.split_at_mut(rows);
        let (ceilings, later_ceilings) = self.ceilings.split_at_mut(rows);
        let (candidates, later_candidates) = self.candidates.split_at_mut(rows);
        let (rejected, later_rejected) = self.rejected.split_at_mut(counters);
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

    /// Writes the next row. `negatives` are at most `n`, best first.
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

    /// Writes the next `W` rows, each with `n` negatives. Level `i` holds negative `i` of every row.
    ///
    /// The output has neither ranks nor reasons.
    pub(crate) fn write_group<const W: usize>(
        &mut self,
        ceilings: &[f64; W],
        candidates: usize,
        ids: &[[i64; W]],
        scores: &[[f32; W]],
    ) {
        let (at, n) = (self.at, self.n);
        self.at += W;
        let cells = at * n..(at + W) * n;
        let levels = ids.iter().zip(scores).take(n);
        let (ids, scores) = (&mut self.ids[cells.clone()], &mut self.scores[cells]);
        for (place, (level_ids, level_scores)) in levels.enumerate() {
            for lane in 0..W {
                ids[lane * n + place] = level_ids[lane];
                scores[lane * n + place] = T::store(f64::from(level_scores[lane]));
            }
        }
        self.ceilings[at..at + W].copy_from_slice(ceilings);
        self.counts[at..at + W].fill(n as i64);
        self.candidates[at..at + W].fill(candidates as i64);
    }

    /// Writes the ranks of the row written last. Ranks after the last negative stay 0.
    pub(crate) fn write_ranks(&mut self, ranks: impl Iterator<Item = i64>) {
        let start = (self.at - 1) * self.n;
        for (slot, rank) in self.ranks[start..start + self.n].iter_mut().zip(ranks) {
            *slot = rank;
        }
    }
}
