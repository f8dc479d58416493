/*!
Which passages a search is for.
*/

use crate::error::Error;
use crate::input::layout::Layout;
use crate::search::best_list::{Bounds, List};

/// Which passages are looked for.
#[derive(Debug, Clone)]
pub struct Sought {
    /// How many for each query.
    pub depth: usize,
    /// Exclusive upper bound on each query's scores.
    pub ceilings: Vec<f64>,
    /// Inclusive lower bound on all scores.
    pub floor: f64,
    /// Passages that each query must not be given, ascending; none for any if empty.
    pub excluded: Vec<Vec<i64>>,
    /// How many of the best of all are kept besides, whatever the bounds.
    pub kept: usize,
}

/// One query's best within its bounds, and of all.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lists {
    pub(crate) within: List,
    pub(crate) all: List,
}

/// One of a query's lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Of the best within its bounds.
    Within,
    /// Of the best of all.
    All,
}

impl Lists {
    pub(crate) fn of(&mut self, which: Which) -> &mut List {
        match which {
            Which::Within => &mut self.within,
            Which::All => &mut self.all,
        }
    }
}

impl Sought {
    /// Offers some passages to one query.
    pub(crate) fn offer(&self, query: usize, lists: &mut Lists, mut take: impl FnMut(&mut List, Bounds<'_>)) {
        for which in [Which::Within, Which::All] {
            let bounds = self.bounds(query, which);
            if bounds.depth > 0 {
                take(lists.of(which), bounds);
            }
        }
    }

    /// What decides about one query's passages.
    pub(crate) fn bounds(&self, query: usize, which: Which) -> Bounds<'_> {
        match which {
            Which::Within => Bounds {
                depth: self.depth,
                ceiling: self.ceilings[query],
                floor: self.floor,
                excluded: self.excluded.get(query).map_or(&[][..], Vec::as_slice),
            },
            Which::All => Bounds { depth: self.kept, ceiling: f64::INFINITY, floor: f64::NEG_INFINITY, excluded: &[] },
        }
    }
}

/// Passages that queries must not be given, ascending, from rows of ids.
///
/// # Errors
/// [`Error::Shape`] if the rows are not those of so many queries.
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
