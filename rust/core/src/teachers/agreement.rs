/*!
How far teachers agree: the Jaccard similarity of the passages that they give a query.

`|A ∩ B| / |A ∪ B|` of the first few passages of each (NV-Retriever, arXiv 2407.15831, Table 6). A row's passages are
sorted once for all the teachers it is compared with, and two sorted lists are merged: O(top log top) a row and teacher.
*/

use crate::error::Error;
use rayon::prelude::*;

/// Rows whose similarities one task adds up; fixed, so that the sum does not depend on threads.
const TASK_ROWS: usize = 4096;

/// One teacher's passages, a row each, as results hold them: `n` ids a row, of which the first `counts[row]` count.
#[derive(Debug, Clone, Copy)]
pub struct Lists<'a> {
    /// Ids per row.
    pub n: usize,
    /// The ids of all rows.
    pub ids: &'a [i64],
    /// How many of each row's ids are passages; the others are filling.
    pub counts: &'a [i64],
}

impl<'a> Lists<'a> {
    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.counts.len()
    }

    /// The passages of one row. [`Lists::check`] has made sure that they lie in the array.
    #[must_use]
    pub fn row(&self, row: usize) -> &'a [i64] {
        let start = row * self.n;
        &self.ids[start..start + self.counts[row] as usize]
    }

    /// Checks that the arrays hold `rows` rows of passages.
    ///
    /// # Errors
    /// [`Error::Shape`] naming `what` and the first row that does not fit.
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

    /// The distinct passages among the first `top` of one row, ascending.
    fn set(&self, row: usize, top: usize, into: &mut Vec<i64>) {
        let list = self.row(row);
        into.clear();
        into.extend_from_slice(&list[..list.len().min(top)]);
        into.sort_unstable();
        into.dedup();
    }
}

/// `|A ∩ B| / |A ∪ B|` of two ascending lists without repeats; NaN where both are empty.
#[must_use]
pub(crate) fn similarity(a: &[i64], b: &[i64]) -> f64 {
    let (mut at, mut other, mut common) = (0, 0, 0_usize);
    while at < a.len() && other < b.len() {
        // No branch on the comparison, which nobody could predict.
        let order = a[at].cmp(&b[other]);
        common += usize::from(order.is_eq());
        at += usize::from(order.is_le());
        other += usize::from(order.is_ge());
    }
    common as f64 / (a.len() + b.len() - common) as f64
}

/// The similarity of two teachers' first `top` passages, a number a row; NaN where neither has any.
///
/// # Errors
/// [`Error::Shape`] for arrays that do not fit each other.
pub fn jaccard(a: Lists<'_>, b: Lists<'_>, top: usize) -> Result<Vec<f64>, Error> {
    a.check("the first", a.rows())?;
    b.check("the second", a.rows())?;
    let scratch = || (Vec::new(), Vec::new());
    let similarities = (0..a.rows()).into_par_iter().with_min_len(TASK_ROWS).map_init(scratch, |(left, right), row| {
        a.set(row, top, left);
        b.set(row, top, right);
        similarity(left, right)
    });
    Ok(similarities.collect())
}

/// The mean similarity of every two teachers, row by row of a `teachers.len()` square; NaN where no row has any passage.
///
/// Rows in which both teachers are empty do not count. A teacher is similar to itself by 1.
///
/// # Errors
/// [`Error::Shape`] for arrays that do not fit each other.
pub fn jaccard_matrix(teachers: &[Lists<'_>], top: usize) -> Result<Vec<f64>, Error> {
    let rows = teachers.first().map_or(0, Lists::rows);
    for (number, lists) in teachers.iter().enumerate() {
        lists.check(&format!("teacher {number}"), rows)?;
    }
    let size = teachers.len();
    let tasks: Vec<Vec<(f64, u64)>> = (0..rows.div_ceil(TASK_ROWS))
        .into_par_iter()
        .map(|task| {
            let mut sums = vec![(0.0, 0); size * size];
            let mut sets = vec![Vec::new(); size];
            for row in task * TASK_ROWS..((task + 1) * TASK_ROWS).min(rows) {
                for (set, lists) in sets.iter_mut().zip(teachers) {
                    lists.set(row, top, set);
                }
                for (a, left) in sets.iter().enumerate() {
                    for (b, right) in sets.iter().enumerate().skip(a + 1) {
                        if !(left.is_empty() && right.is_empty()) {
                            let (sum, count) = &mut sums[a * size + b];
                            *sum += similarity(left, right);
                            *count += 1;
                        }
                    }
                }
            }
            sums
        })
        .collect();
    let mut means = vec![1.0; size * size];
    for a in 0..size {
        for b in a + 1..size {
            let (sum, count) = tasks.iter().fold((0.0, 0_u64), |(sum, count), task| {
                let (more, rows) = task[a * size + b];
                (sum + more, count + rows)
            });
            means[a * size + b] = sum / count as f64;
            means[b * size + a] = means[a * size + b];
        }
    }
    Ok(means)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn naive(a: &[i64], b: &[i64], top: usize) -> f64 {
        let a: HashSet<i64> = a.iter().copied().take(top).collect();
        let b: HashSet<i64> = b.iter().copied().take(top).collect();
        a.intersection(&b).count() as f64 / a.union(&b).count() as f64
    }

    /// Rows of at most `n` ids as arrays.
    fn arrays(rows: &[Vec<i64>], n: usize) -> (Vec<i64>, Vec<i64>) {
        let ids = rows.iter().flat_map(|row| (0..n).map(|place| row.get(place).copied().unwrap_or(-1))).collect();
        (ids, rows.iter().map(|row| row.len() as i64).collect())
    }

    fn same(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12 || (a.is_nan() && b.is_nan())
    }

    proptest! {
        #[test]
        fn similarities_equal_their_twin(
            rows in prop::collection::vec([0, 1].map(|_| prop::collection::vec(0_i64..8, 0..6)), 0..20),
            top in 1_usize..7,
        ) {
            let (left, right): (Vec<_>, Vec<_>) = rows.iter().map(|[a, b]| (a.clone(), b.clone())).unzip();
            let ((a_ids, a_counts), (b_ids, b_counts)) = (arrays(&left, 5), arrays(&right, 5));
            let (a, b) = (Lists { n: 5, ids: &a_ids, counts: &a_counts }, Lists { n: 5, ids: &b_ids, counts: &b_counts });
            let expected: Vec<f64> = rows.iter().map(|[a, b]| naive(a, b, top)).collect();
            let found = jaccard(a, b, top)?;
            prop_assert!(found.iter().zip(&expected).all(|(a, b)| same(*a, *b)), "{found:?} {expected:?}");
            let counted: Vec<f64> = expected.into_iter().filter(|similarity| !similarity.is_nan()).collect();
            let mean = counted.iter().sum::<f64>() / counted.len() as f64;
            let means = jaccard_matrix(&[a, b, a], top)?;
            prop_assert!(same(means[1], mean) && same(means[3], mean) && same(means[5], mean));
            prop_assert_eq!((means[0], means[4], means[8]), (1.0, 1.0, 1.0));
        }
    }

    #[test]
    fn rows_that_do_not_hold_what_they_count_are_refused() {
        let lists = |ids, counts| Lists { n: 2, ids, counts };
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
        let (a, b) = (lists(&[1, 2], &[2]), lists(&[], &[]));
        assert!(matches!(jaccard(a, b, 4), Err(Error::Shape(_))));
        assert!(matches!(jaccard_matrix(&[a, b], 4), Err(Error::Shape(_))));
    }
}
