/*!
A query's candidates, as any array layout holds them.

A score matrix is dense (every query has the same number of candidates) or ragged (offsets into one long array, as Arrow
lists are). Scores of every width are widened to `f64`, which is exact, so that one comparison decides for all of them.
*/

use crate::error::Error;
use half::{bf16, f16};
use std::ops::Range;

/// A score as an array holds it.
pub trait Score: Copy + Send + Sync {
    /// What holds every such score exactly in results: a rounded one could lie on the other side of its ceiling.
    type Stored: Stored;

    /// The same number in `f64`.
    fn widen(self) -> f64;
}

/// A score as results hold it.
pub trait Stored: Copy + Send + Sync {
    /// In the place of a score that is not there: NaN.
    const MISSING: Self;

    /// The number, which came from a score that this type holds exactly.
    fn store(score: f64) -> Self;
}

impl Stored for f32 {
    const MISSING: Self = Self::NAN;

    fn store(score: f64) -> Self {
        score as Self
    }
}

impl Stored for f64 {
    const MISSING: Self = Self::NAN;

    fn store(score: f64) -> Self {
        score
    }
}

impl Score for f64 {
    type Stored = f64;

    fn widen(self) -> f64 {
        self
    }
}

impl Score for f32 {
    type Stored = f32;

    fn widen(self) -> f64 {
        f64::from(self)
    }
}

impl Score for f16 {
    type Stored = f32;

    fn widen(self) -> f64 {
        self.to_f64()
    }
}

impl Score for bf16 {
    type Stored = f32;

    fn widen(self) -> f64 {
        self.to_f64()
    }
}

/// An id as an array holds it.
pub trait Id: Copy + Send + Sync {
    /// The same number in `i64`; `None` for padding: a negative id, or the maximum of an unsigned type.
    ///
    /// An unsigned id above `i64::MAX` that is no padding cannot be emitted and is padding too; no corpus is that large.
    fn passage(self) -> Option<i64>;
}

impl Id for i64 {
    fn passage(self) -> Option<i64> {
        (self >= 0).then_some(self)
    }
}

impl Id for i32 {
    fn passage(self) -> Option<i64> {
        (self >= 0).then_some(i64::from(self))
    }
}

impl Id for u32 {
    fn passage(self) -> Option<i64> {
        (self != Self::MAX).then_some(i64::from(self))
    }
}

impl Id for u64 {
    fn passage(self) -> Option<i64> {
        i64::try_from(self).ok()
    }
}

/// Which passages the candidates are.
#[derive(Debug, Clone, Copy)]
pub enum Ids<'a, I> {
    /// Candidate `j` of every query is passage `j`.
    Columns,
    /// An id beside every score.
    Given(&'a [I]),
}

/// Where each query's cells lie in the flat arrays.
#[derive(Debug, Clone, Copy)]
pub enum Layout<'a> {
    /// `rows` queries with `columns` candidates each.
    Dense {
        /// Number of queries.
        rows: usize,
        /// Candidates of each.
        columns: usize,
    },
    /// Query `q` has the cells `offsets[q]..offsets[q + 1]`.
    Ragged {
        /// One more offset than queries, not decreasing.
        offsets: &'a [i64],
    },
}

impl Layout<'_> {
    /// Number of queries.
    #[must_use]
    pub fn rows(&self) -> usize {
        match self {
            Self::Dense { rows, .. } => *rows,
            Self::Ragged { offsets } => offsets.len().saturating_sub(1),
        }
    }

    /// The cells of one query. [`Layout::check`] has made sure that they lie in the arrays.
    #[must_use]
    pub fn cells(&self, row: usize) -> Range<usize> {
        match self {
            Self::Dense { columns, .. } => row * columns..(row + 1) * columns,
            Self::Ragged { offsets } => offsets[row] as usize..offsets[row + 1] as usize,
        }
    }

    /// Checks that the layout describes an array of `cells` cells.
    ///
    /// # Errors
    /// [`Error::Shape`] naming `what` and the first row that does not fit.
    pub fn check(&self, what: &str, cells: usize) -> Result<(), Error> {
        match *self {
            Self::Dense { rows, columns } => {
                if rows.checked_mul(columns) == Some(cells) {
                    Ok(())
                } else {
                    Err(Error::Shape(format!("{what}: {cells} cells cannot be {rows} rows of {columns}")))
                }
            }
            Self::Ragged { offsets } => {
                if offsets.is_empty() {
                    return Err(Error::Shape(format!("{what}: offsets are empty; expected one more than rows")));
                }
                if let Some(row) = offsets.windows(2).position(|pair| pair[0] > pair[1]) {
                    return Err(Error::Shape(format!(
                        "{what}: offsets decrease at row {row}, from {} to {}",
                        offsets[row],
                        offsets[row + 1]
                    )));
                }
                let (first, last) = (offsets[0], offsets[offsets.len() - 1]);
                if first < 0 || usize::try_from(last).map_or(true, |last| last > cells) {
                    return Err(Error::Shape(format!(
                        "{what}: offsets from {first} to {last} lie outside the {cells} values"
                    )));
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_negative_or_the_unsigned_maximum() {
        assert_eq!((-1_i64).passage(), None);
        assert_eq!(i32::MIN.passage(), None);
        assert_eq!(u32::MAX.passage(), None);
        assert_eq!(u64::MAX.passage(), None);
        assert_eq!(i32::MAX.passage(), Some(2_147_483_647));
        assert_eq!((u32::MAX - 1).passage(), Some(4_294_967_294));
    }

    #[test]
    fn offsets_that_leave_the_array_are_refused() {
        let check = |offsets: &[i64]| Layout::Ragged { offsets }.check("scores", 5).is_ok();
        assert!(check(&[0, 2, 2, 5]));
        assert!(check(&[1, 4]));
        assert!(!check(&[]));
        assert!(!check(&[0, 3, 2]));
        assert!(!check(&[-1, 3]));
        assert!(!check(&[0, 6]));
        assert!(Layout::Dense { rows: 2, columns: 3 }.check("scores", 6).is_ok());
        assert!(Layout::Dense { rows: 2, columns: 3 }.check("scores", 5).is_err());
        assert!(Layout::Dense { rows: usize::MAX, columns: 3 }.check("scores", 5).is_err());
    }
}
