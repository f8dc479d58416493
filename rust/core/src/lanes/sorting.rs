/*!
Sorting networks: fixed sequences of comparators, which need no branches and sort every lane at once.

A comparator puts the larger of two vectors first, lane by lane.
*/
#![allow(clippy::inline_always, reason = "inlined code is compiled for the instruction set of its caller")]

use crate::simd::{LANES, Vector};

/// Sorts eight vectors, the largest first, with 19 comparators, which is optimal.
#[inline(always)]
pub(crate) fn sort<V: Vector>(eight: &mut [V; LANES]) {
    compare(eight, [(0, 2), (1, 3), (4, 6), (5, 7)]);
    compare(eight, [(0, 4), (1, 5), (2, 6), (3, 7)]);
    compare(eight, [(0, 1), (2, 3), (4, 5), (6, 7)]);
    compare(eight, [(2, 4), (3, 5)]);
    compare(eight, [(1, 4), (3, 6)]);
    compare(eight, [(1, 2), (3, 4), (5, 6)]);
}

/// Sorts a bitonic sequence of 8 or 16 vectors, the largest first.
///
/// A sequence is bitonic if it falls and then rises, or rises and then falls. Comparing the elements of its first half with
/// those of its second half leaves two bitonic halves, with every element of the first at least as large as every element of
/// the second:
///
/// ```text
/// 9 7 3 1 | 2 5 6 8  ->  9 7 6 8 | 2 5 3 1  ->  9 8 | 6 7 ... ->  9 8 7 6 5 3 2 1
/// ```
#[inline(always)]
pub(crate) fn sort_bitonic<V: Vector, const L: usize>(values: &mut [V; L]) {
    if L > LANES {
        compare_at::<V, L, 8>(values);
    }
    compare_at::<V, L, 4>(values);
    compare_at::<V, L, 2>(values);
    compare_at::<V, L, 1>(values);
}

/// Compares every two elements at this distance, in runs of twice the distance.
#[inline(always)]
fn compare_at<V: Vector, const L: usize, const DISTANCE: usize>(values: &mut [V; L]) {
    for place in 0..L {
        if place & DISTANCE == 0 {
            compare(values, [(place, place + DISTANCE)]);
        }
    }
}

/// Puts the larger of each pair first.
#[inline(always)]
fn compare<V: Vector, const L: usize, const N: usize>(values: &mut [V; L], pairs: [(usize, usize); N]) {
    for (first, second) in pairs {
        (values[first], values[second]) = (values[first].max(values[second]), values[first].min(values[second]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_LEVELS: usize = 2 * LANES;

    /// A network sorts every input if it sorts all zeros and ones (Knuth, volume 3, section 5.3.4, theorem Z).
    #[test]
    fn networks_sort_all_sequences_of_zeros_and_ones() {
        for bits in 0_u32..1 << 16 {
            let ones: [[i32; LANES]; MAX_LEVELS] = std::array::from_fn(|place| [(bits >> place & 1) as i32; LANES]);
            let mut eight: [[i32; LANES]; LANES] = std::array::from_fn(|place| ones[place]);
            sort(&mut eight);
            assert!(eight.is_sorted_by(|a, b| a >= b), "{bits:b}");
            let [first, second] = [0, 8].map(|shift| (bits >> shift & 0xff).count_ones() as usize);
            let mut bitonic: [[i32; LANES]; MAX_LEVELS] = std::array::from_fn(|place| {
                [i32::from(if place < LANES { place < first } else { place >= MAX_LEVELS - second }); LANES]
            });
            sort_bitonic(&mut bitonic);
            assert!(bitonic.is_sorted_by(|a, b| a >= b), "{bits:b}");
        }
    }
}
