/*!
Applies the rule to many queries at once.

Queries are independent. Tasks of a few hundred rows are shared among the threads of the current rayon pool, and each task
writes its own part of the output, so the result does not depend on the number of threads. Outside of a pool, the calling
thread does all the work.
*/

mod pipeline;
mod query;

use crate::error::Error;
use crate::input::id::Id;
use crate::input::request::{Extent, Request};
use crate::input::score::Score;
use crate::mine::query::QueryMiner;
use crate::output::{Output, OutputRows};
use crate::policy::Policy;
use rayon::prelude::*;
use std::ops::Range;

/// Mines all queries of `request`.
///
/// # Errors
/// As [`mine_rows`]; also [`Error::Policy`], [`Error::Shape`] or [`Error::Memory`] before anything is mined.
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

/// Mines a range of queries into their rows of `output`. `policy` and `request` must have passed their checks.
///
/// # Errors
/// The error of the first query that cannot be mined: it has no positive or one that is not finite, an id is outside the
/// table of classes or the shingles, the policy compares shingles but there are none, or the query gets too few negatives
/// under [`OnShort::Raise`](crate::OnShort::Raise).
pub fn mine_rows<S: Score, I: Id>(
    request: &Request<'_, S, I>,
    policy: &Policy,
    queries: Range<usize>,
    output: &mut Output<S::Stored>,
) -> Result<(), Error> {
    const TASK_ROWS: usize = 256;
    let mut rest = OutputRows::new(output, request.output_rows(queries.clone(), policy.anchor));
    let mut tasks = Vec::new();
    for start in queries.clone().step_by(TASK_ROWS) {
        let range = start..(start + TASK_ROWS).min(queries.end);
        let (rows, later) = rest.split(request.output_rows(range.clone(), policy.anchor).len());
        tasks.push((range, rows));
        rest = later;
    }
    let work = |miner: &mut QueryMiner, (range, mut rows): (Range<usize>, OutputRows<'_, _>)| {
        miner.mine_range(request, policy, range, &mut rows)
    };
    if rayon::current_thread_index().is_none() {
        let mut miner = QueryMiner::default();
        return tasks.into_iter().try_for_each(|task| work(&mut miner, task));
    }
    let outcomes: Vec<Result<(), Error>> = tasks.into_par_iter().map_init(QueryMiner::default, work).collect();
    outcomes.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::id::Ids;
    use crate::input::layout::Layout;
    use crate::input::request::Exclusions;
    use crate::policy::{Anchor, Method};

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
    fn the_error_names_the_first_query_that_cannot_be_mined() {
        let scores = vec![0.5; 2000];
        let mut positives = vec![1.0; 1000];
        (positives[700], positives[300]) = (f64::NAN, f64::INFINITY);
        let offsets: Vec<i64> = (0..=1000).collect();
        let outcome = mine(&request(&scores, &positives, &offsets), &POLICY, WITH_RANKS);
        let first = Error::PositiveNotFinite { row: 300, position: 0, score: f64::INFINITY };
        assert_eq!(outcome, Err(first));
    }

    #[test]
    fn arrays_of_different_queries_are_refused() {
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
