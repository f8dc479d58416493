/*!
How flat arrays are divided into rows, one row per query.

A score matrix is dense: every query has the same number of candidates. Arrow lists are ragged: offsets divide one long
array.
*/

use crate::error::Error;
use std::ops::Range;

/// How a flat array is divided into rows of cells, one row per query.
#[derive(Debug, Clone, Copy)]
pub enum Layout<'a> {
    /// All rows have the same length.
    Dense {
        /// Number of rows.
        rows: usize,
        /// Cells per row.
        columns: usize,
    },
    /// Row `q` has the cells `offsets[q]..offsets[q + 1]`.
    Ragged {
        /// One more offset than rows, in non-decreasing order.
        offsets: &'a [i64],
    },
}

impl Layout<'_> {
    /// Returns the number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        match self {
            Self::Dense { rows, .. } => *rows,
            Self::Ragged { offsets } => offsets.len().saturating_sub(1),
        }
    }

    /// Returns the cells of one row. They lie inside the array once [`Layout::check`] has passed.
    #[must_use]
    pub fn cells(&self, row: usize) -> Range<usize> {
        match self {
            Self::Dense { columns, .. } => row * columns..(row + 1) * columns,
            Self::Ragged { offsets } => offsets[row] as usize..offsets[row + 1] as usize,
        }
    }

    /// Whether the `rows` rows from `first` on have equal lengths, so that their cells form a matrix.
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
    /// [`Error::Shape`] with the array's name `what` and the first row that does not fit.
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
    fn rows_of_equal_length_are_even() {
        let layout = Layout::Ragged { offsets: &[3, 5, 7, 9, 9] };
        assert!(layout.is_even(0, 3) && layout.is_even(1, 2) && layout.is_even(3, 1));
        assert!(!layout.is_even(0, 4) && !layout.is_even(2, 2));
        assert!(Layout::Dense { rows: 4, columns: 2 }.is_even(0, 4));
    }

    #[test]
    fn offsets_outside_the_array_are_refused() {
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
