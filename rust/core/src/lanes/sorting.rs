/*!
Sorting networks: comparisons that do not depend on the outcome of those before, so that they are made for eight rows at
once and no processor has to guess.

Written over a small [`vector`](crate::simd) type; what is sorted is sorted in every lane.
*/
#![allow(clippy::inline_always, reason = "what is inlined is compiled for the features of its caller")]

use crate::simd::{LANES, Vector};

/// Puts eight in order, largest first, with as few comparisons as can be.
#[inline(always)]
pub(crate) fn sort<V: Vector>(eight: &mut [V; LANES]) {
    exchange(eight, [(0, 2), (1, 3), (4, 6), (5, 7)]);
    exchange(eight, [(0, 4), (1, 5), (2, 6), (3, 7)]);
    exchange(eight, [(0, 1), (2, 3), (4, 5), (6, 7)]);
    exchange(eight, [(2, 4), (3, 5)]);
    exchange(eight, [(1, 4), (3, 6)]);
    exchange(eight, [(1, 2), (3, 4), (5, 6)]);
}

/// Puts in order, largest first, what first falls and then rises, or the other way round.
#[inline(always)]
pub(crate) fn order_bitonic<V: Vector, const L: usize>(values: &mut [V; L]) {
    if L > LANES {
        exchange_at::<V, L, 8>(values);
    }
    exchange_at::<V, L, 4>(values);
    exchange_at::<V, L, 2>(values);
    exchange_at::<V, L, 1>(values);
}

/// Exchanges every two that stand so far apart, in runs of twice that.
#[inline(always)]
fn exchange_at<V: Vector, const L: usize, const DISTANCE: usize>(values: &mut [V; L]) {
    for place in 0..L {
        if place & DISTANCE == 0 {
            exchange(values, [(place, place + DISTANCE)]);
        }
    }
}

/// Puts the larger of each two in the first place.
#[inline(always)]
fn exchange<V: Vector, const L: usize, const N: usize>(values: &mut [V; L], pairs: [(usize, usize); N]) {
    for (first, second) in pairs {
        (values[first], values[second]) = (values[first].max(values[second]), values[first].min(values[second]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST_LEVELS: usize = 2 * LANES;

    /// A network orders everything if it orders zeros and ones (Knuth, volume 3, section 5.3.4, theorem Z).
    #[test]
    fn networks_order_all_zeros_and_ones() {
        for bits in 0_u32..1 << 16 {
            let ones: [[i32; LANES]; MOST_LEVELS] = std::array::from_fn(|place| [(bits >> place & 1) as i32; LANES]);
            let mut eight: [[i32; LANES]; LANES] = std::array::from_fn(|place| ones[place]);
            sort(&mut eight);
            assert!(eight.is_sorted_by(|a, b| a >= b), "{bits:b}");
            let [first, second] = [0, 8].map(|shift| (bits >> shift & 0xff).count_ones() as usize);
            let mut bitonic: [[i32; LANES]; MOST_LEVELS] = std::array::from_fn(|place| {
                [i32::from(if place < LANES { place < first } else { place >= MOST_LEVELS - second }); LANES]
            });
            order_bitonic(&mut bitonic);
            assert!(bitonic.is_sorted_by(|a, b| a >= b), "{bits:b}");
        }
    }
}
