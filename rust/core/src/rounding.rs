/*!
Rounding of `f64` bounds to `f32` such that comparisons with `f32` scores come out the same.

Rounding to the nearest `f32` would not do: it could move a bound across a score.
*/

/// Rounds up: returns the smallest `f32` that is not below `bound`.
///
/// An `f32` score is below the result exactly if it is below `bound`.
pub(crate) fn round_up(bound: f64) -> f32 {
    let nearest = bound as f32;
    if f64::from(nearest) < bound { nearest.next_up() } else { nearest }
}

/// Rounds down: returns the largest `f32` that is not above `bound`.
///
/// An `f32` score is above the result exactly if it is above `bound`.
pub(crate) fn round_down(bound: f64) -> f32 {
    -round_up(-bound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn comparisons_with_a_rounded_bound_come_out_the_same(score: f32, bound: f64, near in -2_i32..3) {
            prop_assume!(!score.is_nan() && !bound.is_nan());
            let close = f64::from(score) + f64::from(near) * f64::from(score).abs() * 1e-9;
            for bound in [bound, close, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN] {
                prop_assert_eq!(f64::from(score) < bound, score < round_up(bound), "{} {}", score, bound);
                prop_assert_eq!(f64::from(score) > bound, score > round_down(bound), "{} {}", score, bound);
            }
        }
    }
}
