/*!
The negatives of one teacher, as results hold them.
*/

use crate::error::Error;
use rayon::prelude::*;

/// Smallest number of rows that one task checks.
const TASK_ROWS: usize = 4096;

/// The ids of one teacher's negatives: `n` per row, of which the first `counts[row]` are valid.
#[derive(Debug, Clone, Copy)]
pub struct TeacherLists<'a> {
    /// Number of ids per row.
    pub n: usize,
    /// The ids of all rows.
    pub ids: &'a [i64],
    /// Number of valid ids of each row.
    pub counts: &'a [i64],
}

impl<'a> TeacherLists<'a> {
    /// Returns the number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.counts.len()
    }

    /// Returns the valid ids of one row. They lie inside the array once [`TeacherLists::check`] has passed.
    #[must_use]
    pub fn row(&self, row: usize) -> &'a [i64] {
        let start = row * self.n;
        &self.ids[start..start + self.counts[row] as usize]
    }

    /// Checks that the arrays hold `rows` rows of valid ids.
    ///
    /// # Errors
    /// [`Error::Shape`] with the lists' name `what` and the first row that does not fit.
    pub fn check(&self, what: &str, rows: usize) -> Result<(), Error> {
        let refused = |reason: String| Err(Error::Shape(format!("{what}: {reason}")));
        if self.rows() != rows {
            return refused(format!("{} rows, expected {rows}", self.rows()));
        }
        if rows.checked_mul(self.n) != Some(self.ids.len()) {
            return refused(format!("{} ids cannot be {rows} rows of {}", self.ids.len(), self.n));
        }
        let wrong = (0..rows).into_par_iter().with_min_len(TASK_ROWS).position_first(|row| {
            usize::try_from(self.counts[row]).map_or(true, |count| count > self.n)
                || self.row(row).iter().any(|&id| id < 0)
        });
        match wrong {
            None => Ok(()),
            Some(row) => refused(format!("row {row} does not hold the {} ids it counts", self.counts[row])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_without_as_many_ids_as_they_count_are_refused() {
        let lists = |ids, counts| TeacherLists { n: 2, ids, counts };
        assert!(lists(&[1, -1, 3, 4], &[1, 2]).check("a", 2).is_ok());
        for (ids, counts) in [
            (&[1, -1, 3, 4][..], &[2, 2][..]),
            (&[1, -1, 3, 4], &[1, 3]),
            (&[1, -1, 3, 4], &[-1, 2]),
            (&[1, -1, 3, 4], &[1]),
            (&[1, -1, 3], &[1, 2]),
        ] {
            assert!(matches!(lists(ids, counts).check("a", 2), Err(Error::Shape(_))));
        }
    }
}
