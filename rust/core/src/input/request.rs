/*!
A mining request: views of the candidates, positives and exclusions of some queries, checked against each other.
*/

use crate::error::Error;
use crate::input::id::{Id, Ids};
use crate::input::layout::Layout;
use crate::input::score::Score;
use crate::policy::Anchor;
use crate::texts::shingles::Shingles;
use std::ops::Range;

/// Passages that are never emitted, a list per query.
#[derive(Debug, Clone, Copy)]
pub struct Exclusions<'a> {
    /// How `ids` is divided into rows.
    pub layout: Layout<'a>,
    /// Passage ids; negative ids are padding.
    pub ids: &'a [i64],
}

/// The shingles that the near-duplicate filter compares.
#[derive(Debug, Clone, Copy)]
pub struct Texts<'a> {
    /// Shingles of every passage, by id.
    pub passages: Shingles<'a>,
    /// Shingles of every query's own text, by row.
    pub queries: Option<Shingles<'a>>,
    /// Positives of every query. Negative ids are padding; a positive without an id is not compared.
    pub positives: Option<Exclusions<'a>>,
}

/// The optional parts of an output.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// Whether to compute the ranks of the negatives, which takes a pass over all candidates.
    pub ranks: bool,
    /// Whether to count why candidates were rejected, which takes a pass over all ids.
    pub reasons: bool,
}

/// Candidates and positives of the queries to mine.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a, S, I> {
    /// Scores of all candidates.
    pub scores: &'a [S],
    /// How `scores` and `ids` are divided into rows.
    pub layout: Layout<'a>,
    /// Which passages the candidates are.
    pub ids: Ids<'a, I>,
    /// Scores of all positives.
    pub positive_scores: &'a [f64],
    /// How `positive_scores` is divided into rows.
    pub positive_layout: Layout<'a>,
    /// Lists of passages that are never emitted, such as the positives and the query itself.
    pub exclusions: &'a [Exclusions<'a>],
    /// Class of each passage; passages of one class count as one passage for exclusions and duplicates.
    pub classes: Option<&'a [i64]>,
    /// Keys of the queries for the random draws; `None` uses the row numbers.
    pub keys: Option<&'a [u64]>,
    /// Shingles for a policy with `near_duplicate`.
    pub texts: Option<Texts<'a>>,
}

impl<'a> Texts<'a> {
    /// Checks that the queries and the positives have `rows` rows.
    pub(crate) fn check(&self, rows: usize) -> Result<(), Error> {
        let mut given = self.queries.map(|queries| ("query_texts", queries.rows())).into_iter().collect::<Vec<_>>();
        if let Some(positives) = self.positives {
            positives.layout.check("pos_ids", positives.ids.len())?;
            given.push(("pos_ids", positives.layout.rows()));
        }
        match given.into_iter().find(|&(_, found)| found != rows) {
            Some((what, found)) => Err(Error::Shape(format!("{what}: {found} rows for {rows} queries"))),
            None => Ok(()),
        }
    }

    /// Returns the shingles of a passage that the query in `row` refers to.
    ///
    /// # Errors
    /// [`Error::IdOutOfRange`] if there is no such passage.
    pub(crate) fn of_passage(&self, id: i64, row: usize) -> Result<&'a [u64], Error> {
        self.passages.row(id).ok_or(Error::IdOutOfRange { row, id, passages: self.passages.rows() })
    }
}

impl<S: Score, I: Id> Request<'_, S, I> {
    /// Checks that all arrays describe the same queries.
    ///
    /// # Errors
    /// [`Error::Shape`] with the name of the array that does not fit.
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

    /// Returns the output rows of these queries: one per query, or one per positive under [`Anchor::Each`].
    pub(crate) fn output_rows(&self, queries: Range<usize>, anchor: Anchor) -> Range<usize> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_of_different_queries_are_refused() {
        let fits = Request::<f32, i64> {
            scores: &[0.5, 0.4],
            layout: Layout::Dense { rows: 1, columns: 2 },
            ids: Ids::Columns,
            positive_scores: &[1.0],
            positive_layout: Layout::Ragged { offsets: &[0, 1] },
            exclusions: &[],
            classes: None,
            keys: None,
            texts: None,
        };
        assert_eq!(fits.check(), Ok(()));
        let refused = |request: Request<'_, f32, i64>| matches!(request.check(), Err(Error::Shape(_)));
        assert!(refused(Request { ids: Ids::Given(&[1]), ..fits }));
        assert!(refused(Request { keys: Some(&[1, 2]), ..fits }));
        assert!(refused(Request { positive_layout: Layout::Ragged { offsets: &[0, 1, 1] }, ..fits }));
        let list = Exclusions { layout: Layout::Ragged { offsets: &[0, 2] }, ids: &[1] };
        assert!(refused(Request { exclusions: &[list], ..fits }));
        let passages = Shingles { offsets: &[0, 1, 2], values: &[5, 6] };
        let texts = |offsets| Texts {
            passages,
            queries: None,
            positives: Some(Exclusions { layout: Layout::Ragged { offsets }, ids: &[1] }),
        };
        assert!(!refused(Request { texts: Some(texts(&[0, 1])), ..fits }));
        assert!(refused(Request { texts: Some(texts(&[0, 1, 1])), ..fits }));
    }
}
