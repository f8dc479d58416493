/*!
The arithmetic of the races that draw negatives: arrival times, and who arrives first.

A weighted draw takes two logarithms per racer. Draws must not depend on the system's mathematics library, and a software
logarithm would cost as much as the rest of the race, so [`ln`] is built from additions, multiplications and divisions alone.
These round identically on every processor and run on several racers at once.
*/
#![allow(clippy::inline_always, reason = "inlined code is compiled for the instruction set of its caller")]

use crate::simd::{Kernel, Vector, dispatch};
use std::f64::consts::{LN_2, SQRT_2};

/// Largest number of racers that [`winners`] compares pairwise.
pub(crate) const FEW: usize = 32;

/// Replaces each number `u` in (0, 1) with `ln(-ln u)`.
pub(crate) fn log_times(numbers: &mut [f64]) {
    dispatch(LogTimes(numbers));
}

struct LogTimes<'a>(&'a mut [f64]);

impl Kernel for LogTimes<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self, _: V::Token) {
        for number in self.0 {
            *number = ln(-ln(*number));
        }
    }
}

/// Returns the first `places` of at most [`FEW`] racers to arrive as a bit mask, or `None` if a tie decides who is among
/// them.
pub(crate) fn winners(arrivals: &[f64], places: usize) -> Option<u32> {
    dispatch(Winners { arrivals, places })
}

struct Winners<'a> {
    arrivals: &'a [f64],
    places: usize,
}

impl Kernel for Winners<'_> {
    type Output = Option<u32>;

    #[inline(always)]
    fn run<V: Vector>(self, _: V::Token) -> Option<u32> {
        const STEP: usize = 4;
        let mut padded = [f64::INFINITY; FEW];
        padded[..self.arrivals.len()].copy_from_slice(self.arrivals);
        let steps = self.arrivals.len().div_ceil(STEP);
        let mut winners = 0;
        // The outcome of a race is unpredictable, so a sort would mispredict its branches. Counting who is ahead of each
        // racer has none that depend on the outcome.
        for (racer, &arrival) in self.arrivals.iter().enumerate() {
            let mut ahead = [0_u64; STEP];
            for others in &padded.as_chunks::<STEP>().0[..steps] {
                for (count, &other) in ahead.iter_mut().zip(others) {
                    *count += u64::from(other < arrival);
                }
            }
            winners |= u32::from(ahead.iter().sum::<u64>() < self.places as u64) << racer;
        }
        (winners.count_ones() as usize == self.places).then_some(winners)
    }
}

/// Returns the natural logarithm of a finite number of at least `f64::MIN_POSITIVE`, with a relative error below 1e-15.
///
/// Writes `x = 2^k * m` with `m` in [√½, √2), so that `ln x = k ln 2 + ln m`. With `s = (m - 1) / (m + 1)`,
///
/// ```text
/// ln m = 2 (s + s^3/3 + s^5/5 + ... + s^23/23 + ...)        (Abramowitz and Stegun, 4.1.27)
/// ```
///
/// where `|s| <= 0.172`, so the terms after `s^23/23` are below the last bit.
#[inline(always)]
#[expect(clippy::many_single_char_names, reason = "the names of the formula")]
pub(crate) fn ln(x: f64) -> f64 {
    /// The bits of √½, the smallest `m`.
    const LEAST: u64 = (SQRT_2 / 2.0).to_bits();
    const ONE: u64 = 1.0_f64.to_bits();
    // k + 1023, which is never negative. Adding the distance from √½ to 1 carries into the exponent where the fraction of
    // x is at least that of √½.
    let power = (x.to_bits() + (ONE - LEAST)) >> 52;
    let m = f64::from_bits(x.to_bits() + ONE - (power << 52));
    // Converts `power` to a float: its bits are the low bits of the fraction of 2^52 + power.
    let k = f64::from_bits(0x4330_0000_0000_0000 | power) - ((1_u64 << 52) as f64 + 1023.0);
    let f = m - 1.0;
    let s = f / (2.0 + f);
    let square = s * s;
    let mut sum = 1.0 / 23.0;
    for odd in [21.0, 19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0] {
        sum = sum * square + 1.0 / odd;
    }
    // 2 (s + s^3 sum) = 2s + 2s^3 sum, and 2s = f - s f. Starting from f, which is exact, keeps its last bits.
    k * LN_2 + (f - s * (f - 2.0 * square * sum))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::LANES;
    use proptest::prelude::*;

    fn close(x: f64) -> bool {
        let (fast, exact) = (ln(x), libm::log(x));
        (fast - exact).abs() <= 1e-15 * exact.abs()
    }

    #[test]
    fn logarithms_are_accurate_at_the_ends_of_every_range() {
        for x in [1.0, 2.0, 0.5, SQRT_2, SQRT_2 / 2.0, 1e300, f64::MIN_POSITIVE, f64::MAX, 2.0_f64.powi(-53)] {
            assert!(close(x) && close(x.next_up()) && (x <= f64::MIN_POSITIVE || close(x.next_down())), "{x}");
        }
        assert_eq!(ln(1.0), 0.0);
    }

    proptest! {
        #[test]
        fn winners_are_the_first_in_sorted_order(
            arrivals in prop::collection::vec(prop::sample::select(vec![-2.5, -0.0, 0.0, 0.5, 1.0, 3.0, f64::INFINITY]), 1..=FEW),
            places in 1_usize..=FEW,
        ) {
            let mut order: Vec<usize> = (0..arrivals.len()).collect();
            order.sort_by(|&a, &b| arrivals[a].partial_cmp(&arrivals[b]).unwrap_or(std::cmp::Ordering::Equal));
            let places = places.min(arrivals.len());
            let expected = order[..places].iter().fold(0_u32, |bits, place| bits | 1 << place);
            let undecided = places < order.len() && arrivals[order[places - 1]] == arrivals[order[places]];
            let portable = Winners { arrivals: &arrivals, places }.run::<[i32; LANES]>(());
            for found in [winners(&arrivals, places), portable] {
                prop_assert_eq!(found, (!undecided).then_some(expected));
            }
        }

        #[test]
        fn times_are_the_same_with_and_without_vectors(
            numbers in prop::collection::vec(1e-16_f64..0.999_999_999, 0..20),
        ) {
            let (mut fast, mut portable) = (numbers.clone(), numbers.clone());
            log_times(&mut fast);
            LogTimes(&mut portable).run::<[i32; LANES]>(());
            prop_assert_eq!(&fast, &portable);
            for (time, number) in fast.iter().zip(numbers) {
                prop_assert!((time - libm::log(-libm::log(number))).abs() < 1e-14);
            }
        }

        #[test]
        fn logarithms_agree_with_libm(exponent in -1020_i32..1020, fraction in 1.0_f64..2.0, near in 0.5_f64..2.0) {
            prop_assert!(close(fraction * 2.0_f64.powi(exponent)));
            prop_assert!(close(near));
        }
    }
}
