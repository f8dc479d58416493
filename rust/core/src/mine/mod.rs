/*!
The rule applied to many queries at once.

Queries are independent: tasks of a few hundred rows are shared between the threads of the current rayon pool, each
writing its own part of the output, so the result is the same for any number of threads. Outside a pool the calling
thread does them all.
*/

pub(crate) mod query;

use crate::error::Error;
use crate::input::layout::{Id, Ids, Layout, Score};
use crate::lanes;
use crate::mine::query::Miner;
use crate::output::{Extent, Output, Rows};
use crate::policy::{Anchor, Policy};
use crate::rule::near_duplicates::Texts;
use rayon::prelude::*;
use std::ops::Range;

/// Passages that a query must never be given.
#[derive(Debug, Clone, Copy)]
pub struct Exclusions<'a> {
    /// Where each query's ids lie.
    pub layout: Layout<'a>,
    /// The ids; negative ones are padding.
    pub ids: &'a [i64],
}

/// What is mined: candidates and positives of the same queries.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a, S, I> {
    /// Scores of all candidates.
    pub scores: &'a [S],
    /// Where each query's candidates lie.
    pub layout: Layout<'a>,
    /// Which passages they are.
    pub ids: Ids<'a, I>,
    /// Scores of all positives.
    pub positive_scores: &'a [f64],
    /// Where each query's positives lie.
    pub positive_layout: Layout<'a>,
    /// Lists of passages never emitted: the positives, the query itself.
    pub exclusions: &'a [Exclusions<'a>],
    /// The class of each passage; equal classes are one passage for exclusion.
    pub classes: Option<&'a [i64]>,
    /// The queries' keys for the draws; their row numbers where absent.
    pub keys: Option<&'a [u64]>,
    /// What a policy with `near_duplicate` compares.
    pub texts: Option<Texts<'a>>,
}

impl<S: Score, I: Id> Request<'_, S, I> {
    /// Checks that all arrays describe the same queries.
    ///
    /// # Errors
    /// [`Error::Shape`] naming what does not fit.
    pub fn check(&self) -> Result<(), Error> {
        self.layout.check("scores", self.scores.len())?;
        if let Ids::Given(ids) = self.ids
            && ids.len() != self.scores.len()
        {
            return Err(Error::Shape(format!("ids: {} ids for {} scores", ids.len(), self.scores.len())));
        }
        self.positive_layout.check("pos_scores", self.positive_scores.len())?;
        let rows = self.layout.rows();
        let same = |what: &str, found: usize| {
            if found == rows { Ok(()) } else { Err(Error::Shape(format!("{what}: {found} rows for {rows} queries"))) }
        };
        same("pos_scores", self.positive_layout.rows())?;
        for exclusions in self.exclusions {
            exclusions.layout.check("pos_ids", exclusions.ids.len())?;
            same("pos_ids", exclusions.layout.rows())?;
        }
        if let Some(texts) = self.texts {
            texts.check(rows)?;
        }
        match self.keys {
            Some(keys) => same("query_ids", keys.len()),
            None => Ok(()),
        }
    }

    /// The rows of the output that belong to these queries: one a query, or one a positive for [`Anchor::Each`].
    pub(crate) fn results(&self, queries: Range<usize>, anchor: Anchor) -> Range<usize> {
        if anchor != Anchor::Each {
            return queries;
        }
        let first = if self.layout.rows() == 0 { 0 } else { self.positive_layout.cells(0).start };
        let start_of = |query: usize| match query.checked_sub(1) {
            None => 0,
            Some(previous) => self.positive_layout.cells(previous).end - first,
        };
        start_of(queries.start)..start_of(queries.end)
    }
}

/// Mines all queries of `request`.
///
/// # Errors
/// As [`mine_rows`], and [`Error::Policy`], [`Error::Shape`] or [`Error::Memory`] before anything is mined.
pub fn mine<S: Score, I: Id>(
    request: &Request<'_, S, I>,
    policy: &Policy,
    extent: Extent,
) -> Result<Output<S::Stored>, Error> {
    policy.validate()?;
    request.check()?;
    let mut output = Output::new(request, policy, extent)?;
    mine_rows(request, policy, 0..request.layout.rows(), &mut output)?;
    Ok(output)
}

/// Mines the queries of one range into their rows of `output`; `policy` and `request` have passed their checks.
///
/// # Errors
/// The error of the first query that cannot be mined: no positive or one that is not finite, an id outside the table of
/// classes or the shingles, no shingles although the policy compares them, too few negatives under [`OnShort::Raise`].
pub fn mine_rows<S: Score, I: Id>(
    request: &Request<'_, S, I>,
    policy: &Policy,
    queries: Range<usize>,
    output: &mut Output<S::Stored>,
) -> Result<(), Error> {
    const TASK_ROWS: usize = 256;
    let wanted = lanes::wanted(request, policy);
    let results = request.results(queries.clone(), policy.anchor);
    let mut rest = Rows::of(output, results);
    let mut tasks = Vec::new();
    for start in queries.clone().step_by(TASK_ROWS) {
        let range = start..(start + TASK_ROWS).min(queries.end);
        let results = request.results(range.clone(), policy.anchor).len();
        let (mine, others) = rest.split(results);
        tasks.push((range, mine));
        rest = others;
    }
    let work = |miner: &mut Miner, (range, mut rows): (Range<usize>, Rows<'_, _>)| {
        miner.mine_range(request, policy, wanted, range, &mut rows)
    };
    if rayon::current_thread_index().is_none() {
        let mut miner = Miner::default();
        return tasks.into_iter().try_for_each(|task| work(&mut miner, task));
    }
    let outcomes: Vec<Result<(), Error>> = tasks.into_par_iter().map_init(Miner::default, work).collect();
    outcomes.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Method;

    const POLICY: Policy = Policy { method: Method::Margin(0.1), n: 2, ..crate::policy::tests::POLICY };

    const WITH_RANKS: Extent = Extent { ranks: true, reasons: true };

    fn request<'a>(scores: &'a [f32], positives: &'a [f64], offsets: &'a [i64]) -> Request<'a, f32, i64> {
        let rows = offsets.len() - 1;
        Request {
            scores,
            layout: Layout::Dense { rows, columns: scores.len() / rows },
            ids: Ids::Columns,
            positive_scores: positives,
            positive_layout: Layout::Ragged { offsets },
            exclusions: &[],
            classes: None,
            keys: None,
            texts: None,
        }
    }

    #[test]
    fn each_positive_has_its_own_row() -> Result<(), Error> {
        let request = request(&[0.9, 0.5, 0.3, 0.2, 0.1, 0.0], &[0.7, 0.45, 0.15], &[0, 2, 3]);
        let output = mine(&request, &Policy { anchor: Anchor::Each, ..POLICY }, WITH_RANKS)?;
        assert_eq!(output.ids, [1, 2, 2, -1, 2, -1]);
        assert_eq!(output.ranks, [2, 3, 3, 0, 3, 0]);
        assert_eq!(output.counts, [2, 1, 1]);
        assert_eq!(output.ceilings, [0.7 - 0.1, 0.45 - 0.1, 0.15 - 0.1]);
        Ok(())
    }

    #[test]
    fn the_first_query_that_cannot_be_mined_is_named() {
        let scores = vec![0.5; 2000];
        let mut positives = vec![1.0; 1000];
        (positives[700], positives[300]) = (f64::NAN, f64::INFINITY);
        let offsets: Vec<i64> = (0..=1000).collect();
        let outcome = mine(&request(&scores, &positives, &offsets), &POLICY, WITH_RANKS);
        let first = Error::PositiveNotFinite { row: 300, position: 0, score: f64::INFINITY };
        assert_eq!(outcome, Err(first));
    }

    #[test]
    fn arrays_that_do_not_fit_are_refused() {
        let fits = request(&[0.5, 0.4], &[1.0], &[0, 1]);
        assert!(mine(&fits, &POLICY, WITH_RANKS).is_ok());
        let shape =
            |request: Request<'_, f32, i64>| matches!(mine(&request, &POLICY, WITH_RANKS), Err(Error::Shape(_)));
        assert!(shape(Request { ids: Ids::Given(&[1]), ..fits }));
        assert!(shape(Request { keys: Some(&[1, 2]), ..fits }));
        assert!(shape(Request { positive_layout: Layout::Ragged { offsets: &[0, 1, 1] }, ..fits }));
        let list = Exclusions { layout: Layout::Ragged { offsets: &[0, 2] }, ids: &[1] };
        assert!(shape(Request { exclusions: &[list], ..fits }));
    }
}
