/*!
The dot product that all reported scores come from, and how much the score of a matrix product can differ from it.

A matrix product adds in an order that depends on the batch, the block sizes and the processor, and so do its last bits.
Here the products, which are exact in `f64`, are added in a fixed order: sixteen running sums, then a tree. The score of a
pair is therefore the same, bit for bit, wherever it is computed, whether for a candidate or for a positive. The scores of a
matrix product only tell which pairs to score this way.
*/

use crate::error::Error;
use rayon::prelude::*;

/// Number of running sums of a dot product.
const SUMS: usize = 16;

/// How two vectors are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Similarity {
    /// Their dot product.
    Dot,
    /// The cosine of their angle; 0 if one of them is zero.
    Cosine,
}

impl Similarity {
    /// Returns the score of two vectors with these norms.
    #[must_use]
    pub fn score(self, a: &[f32], b: &[f32], norm: f64, other_norm: f64) -> f64 {
        match self {
            Self::Dot => dot(a, b),
            Self::Cosine if norm == 0.0 || other_norm == 0.0 => 0.0,
            Self::Cosine => dot(a, b) / (norm * other_norm),
        }
    }
}

/// Returns the dot product of two vectors of equal length in `f64`, added in a fixed order.
///
/// Components beyond the length of the shorter vector are ignored.
#[must_use]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f64 {
    let mut sums = [0.0_f64; SUMS];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<SUMS>(), b.as_chunks::<SUMS>());
    for (a, b) in a.iter().zip(b) {
        for lane in 0..SUMS {
            sums[lane] += f64::from(a[lane]) * f64::from(b[lane]);
        }
    }
    for (lane, (a, b)) in a_rest.iter().zip(b_rest).enumerate() {
        sums[lane] += f64::from(*a) * f64::from(*b);
    }
    let mut width = SUMS / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}

/// Returns the Euclidean norm.
#[must_use]
pub(crate) fn norm(vector: &[f32]) -> f64 {
    dot(vector, vector).sqrt()
}

/// Returns a bound on the difference between the reported score of two vectors with these norms and their dot product in
/// `f32`, added in any order.
///
/// The reported score is their dot product in `f64`, or its nearest `f32`. The product in `f32` differs from the exact
/// one by at most `γ = d·u / (1 - d·u)` times the norms, with `u = 2^-24` (Higham, Accuracy and Stability of Numerical
/// Algorithms, section 3.1). The bound here uses `d + 2` instead of the dimension `d`, which also covers the rounding of
/// the reported score. `input_roundoff` is the unit roundoff of the type to which the inputs are rounded before the
/// product: 0 for float32, `2^-11` for TF32, `2^-8` for bfloat16.
///
/// The bound is infinite if the product in `f32` could overflow.
#[must_use]
pub fn score_error(dimension: usize, input_roundoff: f64, norm: f64, other_norm: f64) -> f64 {
    if norm * other_norm > f64::from(f32::MAX) / 4.0 {
        return f64::INFINITY;
    }
    let sums = (dimension + 2) as f64 * f64::from(f32::EPSILON) / 2.0;
    let gamma = sums / (1.0 - sums).max(0.5);
    let inputs = input_roundoff * (2.0 + input_roundoff);
    // One per cent more for the rounding of the bound itself, and a term for products that underflow.
    1.01 * (gamma + inputs * (1.0 + gamma)) * norm * other_norm + dimension as f64 * f64::from(f32::MIN_POSITIVE)
}

/// Returns the scores of pairs of a query and a passage: `width` passages per query, NaN for a negative id.
///
/// # Errors
/// [`Error::Shape`] if the arrays do not fit, [`Error::IdOutOfRange`] for an id that is not a passage.
pub fn score_pairs(
    queries: &[f32],
    passages: &[f32],
    dimension: usize,
    ids: &[i64],
    width: usize,
    similarity: Similarity,
) -> Result<Vec<f64>, Error> {
    let count = |vectors: &[f32]| vectors.len().checked_div(dimension).unwrap_or(0);
    let (rows, known) = (count(queries), count(passages));
    check_vectors(queries, dimension, rows)?;
    check_vectors(passages, dimension, known)?;
    if rows.checked_mul(width) != Some(ids.len()) {
        return Err(Error::Shape(format!("{} ids are not {rows} rows of {width}", ids.len())));
    }
    let score = |(cell, &id): (usize, &i64)| {
        let query = cell / width;
        match usize::try_from(id) {
            Err(_) => Ok(f64::NAN),
            Ok(passage) if passage < known => {
                let a = &queries[query * dimension..(query + 1) * dimension];
                let b = &passages[passage * dimension..(passage + 1) * dimension];
                Ok(similarity.score(a, b, norm(a), norm(b)))
            }
            Ok(_) => Err(Error::IdOutOfRange { row: query, id, passages: known }),
        }
    };
    ids.par_iter().enumerate().map(score).collect()
}

/// Checks that an array holds `rows` vectors of `dimension` components.
pub(crate) fn check_vectors(vectors: &[f32], dimension: usize, rows: usize) -> Result<(), Error> {
    if rows.checked_mul(dimension) == Some(vectors.len()) {
        Ok(())
    } else {
        Err(Error::Shape(format!("{} components are not {rows} vectors of {dimension}", vectors.len())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn products_in_f32_stay_within_the_error_bound(pairs in prop::collection::vec((-1.0_f32..1.0, -1.0_f32..1.0), 0..200)) {
            let (a, b): (Vec<f32>, Vec<f32>) = pairs.iter().copied().unzip();
            let exact: f64 = pairs.iter().map(|&(a, b)| f64::from(a) * f64::from(b)).sum();
            let narrow: f32 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
            prop_assert!((dot(&a, &b) - exact).abs() <= 1e-14 * norm(&a) * norm(&b));
            let bound = score_error(a.len(), 0.0, norm(&a), norm(&b));
            prop_assert!((f64::from(narrow) - f64::from(dot(&a, &b) as f32)).abs() <= bound);
        }
    }

    #[test]
    fn the_dot_product_is_symmetric_bit_for_bit() {
        let a: Vec<f32> = (0..37).map(|i| 1.0 / (i as f32 + 1.0)).collect();
        let b: Vec<f32> = (0..37).map(|i| f32::sin(i as f32)).collect();
        assert_eq!(dot(&a, &b), dot(&b, &a));
        assert_eq!(dot(&[], &[]), 0.0);
    }

    #[test]
    fn ids_outside_the_passages_are_refused() {
        let (queries, passages) = ([1.0, 0.0], [0.5, 0.0, 0.25, 0.0]);
        let scores = score_pairs(&queries, &passages, 2, &[1, -1, 0], 3, Similarity::Dot);
        assert!(scores.is_ok_and(|s| s[0] == 0.25 && s[1].is_nan() && s[2] == 0.5));
        let scores = score_pairs(&queries, &[0.5, 0.0, 0.0, 0.0], 2, &[0, 1], 2, Similarity::Cosine);
        assert_eq!(scores, Ok(vec![1.0, 0.0]));
        let outside = score_pairs(&queries, &passages, 2, &[2], 1, Similarity::Dot);
        assert_eq!(outside, Err(Error::IdOutOfRange { row: 0, id: 2, passages: 2 }));
    }
}
