/*!
The matrix product of a search, computed by the `gemm` crate.

Of the implementations compared in `docs/benchmarks.md` it was the fastest, and it needs no library besides the extension. It
runs on one thread, so every thread selects from the tile that it has just computed, while the tile is in its cache.
*/
#![allow(unsafe_code, reason = "gemm takes pointers and strides")]

/// Computes the dot products of every vector of `left` with every vector of `right`, one row per vector of `left`.
///
/// Both are row-major vectors of `dimension` components; an incomplete last vector is ignored. The order of additions is
/// unspecified.
pub(crate) fn product(left: &[f32], right: &[f32], dimension: usize, scores: &mut Vec<f32>) {
    let rows = |vectors: &[f32]| vectors.len().checked_div(dimension).unwrap_or(0);
    let (m, n) = (rows(left), rows(right));
    // The product overwrites whatever `scores` holds.
    scores.resize(m * n, 0.0);
    if scores.is_empty() {
        return;
    }
    // SAFETY: the strides describe row-major matrices, the second one transposed. `left` holds at least m * dimension
    // elements, `right` at least n * dimension and `scores` exactly m * n, so every access is inside its slice. `scores` is
    // borrowed mutably, so it overlaps neither of the others.
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
    use crate::search::dot::{dot, norm, score_error};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_product_is_within_the_error_bound(
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
                    prop_assert!(distance <= score_error(dimension, 0.0, norm(a), norm(b)));
                }
            }
        }
    }
}
