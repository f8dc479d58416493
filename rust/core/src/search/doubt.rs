/*!
Which passages of a row of a block must be scored exactly.

The row's scores come from a matrix product. The reported score of a passage is within a known error of its product, which
divides the products into zones:

```text
            floor - error     floor + error         worst           ceiling - error   ceiling + error
 ─────────────────┼─────────────────┼─────────────────┼─────────────────┼─────────────────┼──────────────►
  certainly below │    in doubt     │  certainly not  │  may be among   │    in doubt     │ certainly at or
    the floor     │                 │ among the best  │    the best     │                 │above the ceiling
 ─────────────────┼─────────────────┼─────────────────┼─────────────────┴─────────────────┼──────────────►
      counted     │     scored      │     ignored     │              scored               │     counted
              low_below         low_until         best_from                           high_above
```

`worst` is the lowest product that a passage among the best can have. It may also lie in the other zones. Nearly all passages
of a row are in the zone that is ignored. Since many scores are compared at once, such a row costs little more than reading
it.
*/
#![allow(clippy::inline_always, reason = "inlined code is compiled for the instruction set of its caller")]

use crate::simd::{Kernel, Vector, dispatch};

/// Scores compared without a branch.
const STEP: usize = 32;

/// What the products of one row mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Zones {
    /// A passage whose product is below this is certainly below the floor.
    pub(crate) low_below: f32,
    /// A passage whose product is between `low_below` and this may be below the floor.
    pub(crate) low_until: f32,
    /// A passage whose product is between this and `high_above` may be among the best.
    pub(crate) best_from: f32,
    /// A passage whose product is above this is certainly at or above the ceiling.
    pub(crate) high_above: f32,
}

/// Number of passages outside the bounds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Outside {
    /// Passages at or above the ceiling.
    pub(crate) too_high: usize,
    /// Passages below the floor.
    pub(crate) too_low: usize,
}

/// Appends the places of the passages that must be scored to `places`, and counts those that are certainly outside.
pub(crate) fn find_in_doubt(row: &[f32], zones: &Zones, places: &mut Vec<usize>) -> Outside {
    dispatch(FindInDoubt { row, zones, places })
}

struct FindInDoubt<'a> {
    row: &'a [f32],
    zones: &'a Zones,
    places: &'a mut Vec<usize>,
}

impl Kernel for FindInDoubt<'_> {
    type Output = Outside;

    #[inline(always)]
    fn run<V: Vector>(self, _: V::Token) -> Outside {
        let Self { row, zones, places } = self;
        let mut outside = Outside::default();
        let (steps, rest) = row.as_chunks::<STEP>();
        for (number, step) in steps.iter().enumerate() {
            let (mut in_doubt, mut too_high, mut too_low) = (0_u32, 0_u32, 0_u32);
            for &score in step {
                in_doubt += u32::from(zones.leave_in_doubt(score));
                too_high += u32::from(score > zones.high_above);
                too_low += u32::from(score < zones.low_below);
            }
            outside.too_high += too_high as usize;
            outside.too_low += too_low as usize;
            if in_doubt > 0 {
                zones.append(step, number * STEP, places);
            }
        }
        outside.too_high += rest.iter().filter(|&&score| score > zones.high_above).count();
        outside.too_low += rest.iter().filter(|&&score| score < zones.low_below).count();
        zones.append(rest, row.len() - rest.len(), places);
        outside
    }
}

impl Zones {
    /// Whether a passage with this product must be scored exactly. NaN, from an overflow, says nothing, so it is in doubt.
    #[inline(always)]
    #[allow(clippy::needless_bitwise_bool, reason = "many scores are compared at once, without branches")]
    fn leave_in_doubt(&self, score: f32) -> bool {
        let not_among_best = (score < self.best_from) | (score > self.high_above);
        let sure_of_floor = (score < self.low_below) | (score > self.low_until);
        !(not_among_best & sure_of_floor)
    }

    /// Appends the places of the scores in doubt, the first of which is place `first`.
    fn append(&self, scores: &[f32], first: usize, places: &mut Vec<usize>) {
        let in_doubt = scores.iter().enumerate().filter(|&(_, &score)| self.leave_in_doubt(score));
        places.extend(in_doubt.map(|(place, _)| first + place));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::LANES;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_zones_of_every_score_are_those_of_the_naive_implementation(
            row in prop::collection::vec(prop::sample::select(vec![-1.0_f32, 0.0, 0.5, 0.75, 2.0, f32::NAN, f32::INFINITY]), 0..100),
            ceiling in prop::sample::select(vec![0.5_f32, 0.6, 2.0, f32::INFINITY]),
            floor in prop::sample::select(vec![f32::NEG_INFINITY, 0.0, 0.5]),
            low in prop::sample::select(vec![(f32::NEG_INFINITY, f32::NEG_INFINITY), (-1.0, 0.0), (0.0, 0.0)]),
        ) {
            let zones = Zones { low_below: low.0, low_until: low.1, best_from: floor, high_above: ceiling };
            let (mut places, mut expected) = (vec![7], vec![7]);
            let mut outside = Outside::default();
            for (place, &score) in row.iter().enumerate() {
                outside.too_high += usize::from(score > ceiling);
                outside.too_low += usize::from(score < low.0);
                let among = (floor..=ceiling).contains(&score) || (low.0..=low.1).contains(&score);
                if among || score.is_nan() {
                    expected.push(place);
                }
            }
            prop_assert_eq!(find_in_doubt(&row, &zones, &mut places), outside);
            prop_assert_eq!(&places, &expected);
            let mut portable = vec![7];
            let found = FindInDoubt { row: &row, zones: &zones, places: &mut portable }.run::<[i32; LANES]>(());
            prop_assert_eq!(found, outside);
            prop_assert_eq!(portable, expected);
        }
    }
}
