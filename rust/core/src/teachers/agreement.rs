/*!
How far teachers agree: the Jaccard similarity of the negatives that they give a query.

The similarity is `|A ∩ B| / |A ∪ B|` of the first `top` ids of each (NV-Retriever, arXiv 2407.15831, Table 6). Every row is
sorted once for all comparisons, and pairs of sorted rows are merged: O(top log top) per row and teacher, and O(top) per row
and pair.
*/

use crate::error::Error;
use crate::teachers::lists::TeacherLists;
use rayon::prelude::*;

/// Number of rows whose similarities one task adds up. It is fixed, so that sums do not depend on the number of threads.
const TASK_ROWS: usize = 4096;

/// Collects the distinct ids among the first `top` of one row into `set`, ascending.
fn collect_set(lists: &TeacherLists<'_>, row: usize, top: usize, set: &mut Vec<i64>) {
    let list = lists.row(row);
    set.clear();
    set.extend_from_slice(&list[..list.len().min(top)]);
    set.sort_unstable();
    set.dedup();
}

/// Returns `|A ∩ B| / |A ∪ B|` of two ascending lists of distinct ids; NaN if both are empty.
fn similarity(a: &[i64], b: &[i64]) -> f64 {
    let (mut at, mut other, mut common) = (0, 0, 0_usize);
    while at < a.len() && other < b.len() {
        // The outcome of the comparison is unpredictable, so it is not used in a branch.
        let order = a[at].cmp(&b[other]);
        common += usize::from(order.is_eq());
        at += usize::from(order.is_le());
        other += usize::from(order.is_ge());
    }
    common as f64 / (a.len() + b.len() - common) as f64
}

/// Returns the similarity of the first `top` ids of two teachers for each row; NaN where both are empty.
///
/// # Errors
/// [`Error::Shape`] for arrays that do not fit each other.
pub fn jaccard(a: TeacherLists<'_>, b: TeacherLists<'_>, top: usize) -> Result<Vec<f64>, Error> {
    a.check("the first", a.rows())?;
    b.check("the second", a.rows())?;
    let scratch = || (Vec::new(), Vec::new());
    let similarities = (0..a.rows()).into_par_iter().with_min_len(TASK_ROWS).map_init(scratch, |(left, right), row| {
        collect_set(&a, row, top, left);
        collect_set(&b, row, top, right);
        similarity(left, right)
    });
    Ok(similarities.collect())
}

/// Returns the mean similarity of every pair of teachers, as a row-major square matrix. The diagonal is 1.
///
/// Rows in which both teachers are empty are ignored; the mean is NaN if there are no others.
///
/// # Errors
/// [`Error::Shape`] for arrays that do not fit each other.
pub fn jaccard_matrix(teachers: &[TeacherLists<'_>], top: usize) -> Result<Vec<f64>, Error> {
    let rows = teachers.first().map_or(0, TeacherLists::rows);
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
                    collect_set(lists, row, top, set);
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

    /// Converts rows of at most `n` ids to ids and counts.
    fn arrays(rows: &[Vec<i64>], n: usize) -> (Vec<i64>, Vec<i64>) {
        let ids = rows.iter().flat_map(|row| (0..n).map(|place| row.get(place).copied().unwrap_or(-1))).collect();
        (ids, rows.iter().map(|row| row.len() as i64).collect())
    }

    fn same(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12 || (a.is_nan() && b.is_nan())
    }

    proptest! {
        #[test]
        fn similarities_equal_the_naive_implementation(
            rows in prop::collection::vec([0, 1].map(|_| prop::collection::vec(0_i64..8, 0..6)), 0..20),
            top in 1_usize..7,
        ) {
            let (left, right): (Vec<_>, Vec<_>) = rows.iter().map(|[a, b]| (a.clone(), b.clone())).unzip();
            let ((a_ids, a_counts), (b_ids, b_counts)) = (arrays(&left, 5), arrays(&right, 5));
            let (a, b) = (TeacherLists { n: 5, ids: &a_ids, counts: &a_counts }, TeacherLists { n: 5, ids: &b_ids, counts: &b_counts });
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
    fn lists_of_different_queries_are_refused() {
        let lists = |ids, counts| TeacherLists { n: 2, ids, counts };
        let (a, b) = (lists(&[1, 2], &[2]), lists(&[], &[]));
        assert!(matches!(jaccard(a, b, 4), Err(Error::Shape(_))));
        assert!(matches!(jaccard_matrix(&[a, b], 4), Err(Error::Shape(_))));
    }
}
