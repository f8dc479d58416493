/*!
Which passages of one row of a block must be scored for certain, and how many need not be.

Nearly every passage of a row is neither: it lies below the worst of those that are held already. Looked at many at a time,
such a row costs what reading it costs.
*/
#![allow(unsafe_code, reason = "code for a processor feature is called once that feature has been found")]
#![allow(clippy::inline_always, reason = "what is inlined is compiled for the features of its caller")]

/// Scores that are looked at together.
const STEP: usize = 32;

/// What the scores of a row say, each of them off by as much as the matrix product may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Zones {
    /// What is above lies at its ceiling or higher for certain.
    pub(crate) ceiling: f32,
    /// What is not below, nor above the ceiling, may be among the best.
    pub(crate) floor: f32,
    /// What is below the first lies below the policy's floor for certain; what is not, nor above the second, may.
    pub(crate) low: (f32, f32),
}

/// Passages that need no score.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Outside {
    pub(crate) too_high: usize,
    pub(crate) too_low: usize,
}

/// Adds the places of what must be scored to `places`, and counts what lies outside.
pub(crate) fn shortlist(row: &[f32], zones: Zones, places: &mut Vec<usize>) -> Outside {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the function differs from its portable twin by the feature it is compiled for, found just above.
        return unsafe { shortlist_avx2(row, zones, places) };
    }
    shortlist_portable(row, zones, places)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn shortlist_avx2(row: &[f32], zones: Zones, places: &mut Vec<usize>) -> Outside {
    shortlist_portable(row, zones, places)
}

#[inline(always)]
fn shortlist_portable(row: &[f32], zones: Zones, places: &mut Vec<usize>) -> Outside {
    let mut outside = Outside::default();
    let (steps, rest) = row.as_chunks::<STEP>();
    for (number, step) in steps.iter().enumerate() {
        let (mut wanted, mut too_high, mut too_low) = (0_u32, 0_u32, 0_u32);
        for &score in step {
            wanted += u32::from(zones.holds(score));
            too_high += u32::from(score > zones.ceiling);
            too_low += u32::from(score < zones.low.0);
        }
        outside.too_high += too_high as usize;
        outside.too_low += too_low as usize;
        if wanted > 0 {
            zones.add(step, number * STEP, places);
        }
    }
    outside.too_high += rest.iter().filter(|&&score| score > zones.ceiling).count();
    outside.too_low += rest.iter().filter(|&&score| score < zones.low.0).count();
    zones.add(rest, row.len() - rest.len(), places);
    outside
}

impl Zones {
    /// Whether a score must be known for certain. A NaN says nothing.
    #[inline(always)]
    #[allow(clippy::needless_bitwise_bool, reason = "asked of many at a time, without branches")]
    fn holds(self, score: f32) -> bool {
        let decided = (score < self.floor) | (score > self.ceiling);
        let sure_of_floor = (score < self.low.0) | (score > self.low.1);
        !(decided & sure_of_floor)
    }

    fn add(self, scores: &[f32], first: usize, places: &mut Vec<usize>) {
        places
            .extend(scores.iter().enumerate().filter(|&(_, &score)| self.holds(score)).map(|(place, _)| first + place));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equals_its_twin(
            row in prop::collection::vec(prop::sample::select(vec![-1.0_f32, 0.0, 0.5, 0.75, 2.0, f32::NAN, f32::INFINITY]), 0..100),
            ceiling in prop::sample::select(vec![0.5_f32, 0.6, 2.0, f32::INFINITY]),
            floor in prop::sample::select(vec![f32::NEG_INFINITY, 0.0, 0.5]),
            low in prop::sample::select(vec![(f32::NEG_INFINITY, f32::NEG_INFINITY), (-1.0, 0.0), (0.0, 0.0)]),
        ) {
            let zones = Zones { ceiling, floor, low };
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
            prop_assert_eq!(shortlist(&row, zones, &mut places), outside);
            prop_assert_eq!(&places, &expected);
            let mut portable = vec![7];
            prop_assert_eq!(shortlist_portable(&row, zones, &mut portable), outside);
            prop_assert_eq!(portable, expected);
        }
    }
}
