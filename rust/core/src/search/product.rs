/*!
The product of two matrices of vectors, by the `gemm` crate: the one call that this house makes of it.

It was the fastest of those tried (`docs/benchmarks.md`), runs on one thread, so that every thread selects from the tile
that it has just made, and needs no library beside the extension.
*/
#![allow(unsafe_code, reason = "a call that takes pointers")]

/// Scores of all of `left` with all of `right`, a row each of `left`, in some order of additions.
///
/// Both are row-major vectors of `dimension` components; what of them is no whole vector is left out.
pub(crate) fn product(left: &[f32], right: &[f32], dimension: usize, scores: &mut Vec<f32>) {
    let rows = |vectors: &[f32]| vectors.len().checked_div(dimension).unwrap_or(0);
    let (m, n) = (rows(left), rows(right));
    // What is there already is written over.
    scores.resize(m * n, 0.0);
    if scores.is_empty() {
        return;
    }
    // SAFETY: the strides say that the three matrices are row-major (the second one transposed), of m x dimension,
    // dimension x n and m x n elements, and that many there are; `scores` is written to and overlaps neither of the others.
    unsafe {
        gemm::gemm(
            m,
            n,
            dimension,
            scores.as_mut_ptr(),
            1,
            n as isize,
            false,
            left.as_ptr(),
            1,
            dimension as isize,
            right.as_ptr(),
            dimension as isize,
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::dot::{dot, norm, reach};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_score_is_within_reach(
            m in 0_usize..40, n in 0_usize..40, dimension in 1_usize..40, seed in prop::collection::vec(-1.0_f32..1.0, 97),
        ) {
            let vectors = |rows: usize, skip: usize| -> Vec<f32> {
                seed.iter().cycle().skip(skip).take(rows * dimension).copied().collect()
            };
            let (left, right, mut scores) = (vectors(m, 0), vectors(n, 31), vec![f32::NAN; 3]);
            product(&left, &right, dimension, &mut scores);
            prop_assert_eq!(scores.len(), m * n);
            for (row, a) in left.chunks(dimension).enumerate() {
                for (column, b) in right.chunks(dimension).enumerate() {
                    let distance = (f64::from(scores[row * n + column]) - dot(a, b)).abs();
                    prop_assert!(distance <= reach(dimension, 0.0, norm(a), norm(b)));
                }
            }
        }
    }
}
