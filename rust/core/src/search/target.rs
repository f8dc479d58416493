/*!
What a search looks for: the best passages of each query within its bounds.
*/

use crate::error::Error;
use crate::input::layout::Layout;
use crate::search::best_list::{BestList, QueryTarget};

/// What a search looks for, for all queries.
#[derive(Debug, Clone)]
pub struct Target {
    /// Number of passages to find per query.
    pub depth: usize,
    /// Exclusive upper bound on the scores of each query.
    pub ceilings: Vec<f64>,
    /// Inclusive lower bound on all scores.
    pub floor: f64,
    /// Ascending ids of the passages that each query must not get; empty if no query has any.
    pub excluded: Vec<Vec<i64>>,
    /// Number of best passages per query to find in addition, regardless of bounds and exclusions.
    pub kept: usize,
}

/// The best passages of one query so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct QueryBest {
    pub(crate) within: BestList,
    pub(crate) overall: BestList,
}

/// Which of a query's two lists of best passages is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The best passages within the query's bounds.
    Within,
    /// The best passages regardless of bounds.
    Overall,
}

impl QueryBest {
    pub(crate) fn list(&self, scope: Scope) -> &BestList {
        match scope {
            Scope::Within => &self.within,
            Scope::Overall => &self.overall,
        }
    }

    pub(crate) fn list_mut(&mut self, scope: Scope) -> &mut BestList {
        match scope {
            Scope::Within => &mut self.within,
            Scope::Overall => &mut self.overall,
        }
    }
}

impl Target {
    /// Passes each list of one query that is looked for to `take`, with its target.
    pub(crate) fn offer(
        &self,
        query: usize,
        lists: &mut QueryBest,
        mut take: impl FnMut(&mut BestList, QueryTarget<'_>),
    ) {
        for scope in [Scope::Within, Scope::Overall] {
            let target = self.of_query(query, scope);
            if target.depth > 0 {
                take(lists.list_mut(scope), target);
            }
        }
    }

    /// Returns what is looked for, for one list of one query.
    pub(crate) fn of_query(&self, query: usize, scope: Scope) -> QueryTarget<'_> {
        match scope {
            Scope::Within => QueryTarget {
                depth: self.depth,
                ceiling: self.ceilings[query],
                floor: self.floor,
                excluded: self.excluded.get(query).map_or(&[][..], Vec::as_slice),
            },
            Scope::Overall => {
                QueryTarget { depth: self.kept, ceiling: f64::INFINITY, floor: f64::NEG_INFINITY, excluded: &[] }
            }
        }
    }
}

/// Sorts rows of ids into the form of [`Target::excluded`].
///
/// # Errors
/// [`Error::Shape`] if the number of rows is not `queries`.
pub fn excluded(layout: Layout<'_>, ids: &[i64], queries: usize) -> Result<Vec<Vec<i64>>, Error> {
    layout.check("excluded", ids.len())?;
    if layout.rows() != queries {
        return Err(Error::Shape(format!("excluded: {} rows for {queries} queries", layout.rows())));
    }
    let row = |query| {
        let mut row = ids[layout.cells(query)].to_vec();
        row.sort_unstable();
        row.dedup();
        row
    };
    Ok((0..queries).map(row).collect())
}
