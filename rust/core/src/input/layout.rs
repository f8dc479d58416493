/*!
A query's candidates, as any array layout holds them.

A score matrix is dense (every query has the same number of candidates) or ragged (offsets into one long array, as Arrow
lists are). Scores of every width are widened to `f64`, which is exact, so that one comparison decides for all of them.
*/

use crate::error::Error;
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use std::ops::Range;

/// A score as an array holds it.
pub trait Score: Copy + Send + Sync {
    /// What holds every such score exactly in results: a rounded one could lie on the other side of its ceiling.
    type Stored: Stored;

    /// Whether `f32` holds every such score.
    const FITS_F32: bool;

    /// The same number in `f64`.
    fn widen(self) -> f64;

    /// The same numbers in `f32`, in `narrow` if they have to be converted. Nothing for a type that does not fit.
    fn as_f32<'a>(scores: &'a [Self], narrow: &'a mut Vec<f32>) -> &'a [f32];
}

/// A score as results hold it.
pub trait Stored: Copy + Default + Send + Sync {
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

    const FITS_F32: bool = false;

    fn widen(self) -> f64 {
        self
    }

    fn as_f32<'a>(_: &'a [Self], _: &'a mut Vec<f32>) -> &'a [f32] {
        &[]
    }
}

impl Score for f32 {
    type Stored = f32;

    const FITS_F32: bool = true;

    fn widen(self) -> f64 {
        f64::from(self)
    }

    fn as_f32<'a>(scores: &'a [Self], _: &'a mut Vec<f32>) -> &'a [f32] {
        scores
    }
}

impl Score for f16 {
    type Stored = f32;

    const FITS_F32: bool = true;

    fn widen(self) -> f64 {
        self.to_f64()
    }

    fn as_f32<'a>(scores: &'a [Self], narrow: &'a mut Vec<f32>) -> &'a [f32] {
        narrow.resize(scores.len(), 0.0);
        scores.convert_to_f32_slice(narrow);
        narrow
    }
}

impl Score for bf16 {
    type Stored = f32;

    const FITS_F32: bool = true;

    fn widen(self) -> f64 {
        self.to_f64()
    }

    fn as_f32<'a>(scores: &'a [Self], narrow: &'a mut Vec<f32>) -> &'a [f32] {
        narrow.resize(scores.len(), 0.0);
        scores.convert_to_f32_slice(narrow);
        narrow
    }
}

/// An id as an array holds it.
pub trait Id: Copy + Send + Sync {
    /// Whether it is no passage: a negative id, or the maximum of an unsigned type.
    ///
    /// An unsigned id above `i64::MAX` cannot be emitted and is padding too; no corpus is that large.
    fn is_padding(self) -> bool;

    /// The same number in `i64`; of any value for padding.
    fn widen(self) -> i64;

    /// The passage, or `None` for padding.
    fn passage(self) -> Option<i64> {
        if self.is_padding() { None } else { Some(self.widen()) }
    }
}

impl Id for i64 {
    fn is_padding(self) -> bool {
        self < 0
    }

    fn widen(self) -> i64 {
        self
    }
}

impl Id for i32 {
    fn is_padding(self) -> bool {
        self < 0
    }

    fn widen(self) -> i64 {
        i64::from(self)
    }
}

impl Id for u32 {
    fn is_padding(self) -> bool {
        self == Self::MAX
    }

    fn widen(self) -> i64 {
        i64::from(self)
    }
}

impl Id for u64 {
    fn is_padding(self) -> bool {
        self > i64::MAX as Self
    }

    fn widen(self) -> i64 {
        self as i64
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

    /// Whether so many rows from `first` on hold equally many cells, so that they are a matrix.
    #[must_use]
    pub fn is_even(&self, first: usize, rows: usize) -> bool {
        match self {
            Self::Dense { .. } => true,
            Self::Ragged { offsets } => {
                let length = offsets[first + 1] - offsets[first];
                offsets[first..=first + rows].windows(2).all(|pair| pair[1] - pair[0] == length)
            }
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
    fn rows_of_one_length_are_even() {
        let layout = Layout::Ragged { offsets: &[3, 5, 7, 9, 9] };
        assert!(layout.is_even(0, 3) && layout.is_even(1, 2) && layout.is_even(3, 1));
        assert!(!layout.is_even(0, 4) && !layout.is_even(2, 2));
        assert!(Layout::Dense { rows: 4, columns: 2 }.is_even(0, 4));
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
