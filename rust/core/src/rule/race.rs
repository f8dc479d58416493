/*!
When racers arrive and who is first, several racers at once.

A draw takes two logarithms a racer and must not depend on a system's mathematics library; a library's own software
logarithm costs as much as everything else about a race. So it is made of plain additions and multiplications, which a
processor does for several numbers at once and every processor alike: `ln x = k ln 2 + ln m` with `m` about 1, and
`ln m = 2 (s + s^3/3 + s^5/5 + ...)` for `s = (m - 1) / (m + 1)`, which is at most 0.172: eleven terms leave less than the
last bit (Abramowitz and Stegun, 4.1.27).
*/
#![allow(unsafe_code, reason = "code for a processor feature is called once that feature has been found")]
#![allow(clippy::inline_always, reason = "what is inlined is compiled for the features of its caller")]

use std::f64::consts::{LN_2, SQRT_2};

/// Racers of whom each is compared with each.
pub(crate) const FEW: usize = 32;

/// Turns each number `u` in (0, 1) into `ln(-ln u)`.
pub(crate) fn log_times(numbers: &mut [f64]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the function differs from its portable twin by the feature it is compiled for, found just above.
        unsafe { log_times_avx2(numbers) };
        return;
    }
    log_times_portable(numbers);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn log_times_avx2(numbers: &mut [f64]) {
    log_times_portable(numbers);
}

#[inline(always)]
fn log_times_portable(numbers: &mut [f64]) {
    for number in numbers {
        *number = ln(-ln(*number));
    }
}

/// The first `places` of at most [`FEW`] racers to arrive, as bits; `None` if some arrive at once where only a part of
/// them can win.
pub(crate) fn first(arrivals: &[f64], places: usize) -> Option<u32> {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the function differs from its portable twin by the feature it is compiled for, found just above.
        return unsafe { first_avx2(arrivals, places) };
    }
    first_portable(arrivals, places)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn first_avx2(arrivals: &[f64], places: usize) -> Option<u32> {
    first_portable(arrivals, places)
}

#[inline(always)]
fn first_portable(arrivals: &[f64], places: usize) -> Option<u32> {
    const STEP: usize = 4;
    let mut padded = [f64::INFINITY; FEW];
    padded[..arrivals.len()].copy_from_slice(arrivals);
    let steps = arrivals.len().div_ceil(STEP);
    let mut winners = 0;
    // Nobody can foresee a race: counting who is ahead of each asks no question whose answer is a surprise.
    for (racer, &arrival) in arrivals.iter().enumerate() {
        let mut ahead = [0_u64; STEP];
        for others in &padded.as_chunks::<STEP>().0[..steps] {
            for (count, &other) in ahead.iter_mut().zip(others) {
                *count += u64::from(other < arrival);
            }
        }
        winners |= u32::from(ahead.iter().sum::<u64>() < places as u64) << racer;
    }
    (winners.count_ones() as usize == places).then_some(winners)
}

/// The logarithm of a positive number that is neither tiny (below `f64::MIN_POSITIVE`) nor infinite; its error is below
/// 1e-15 of its size.
#[inline(always)]
#[expect(clippy::many_single_char_names, reason = "as formulas name them")]
pub(crate) fn ln(x: f64) -> f64 {
    /// The bits of a number between which and its double `m` lies: the one about 1 whose square is a half.
    const LEAST: u64 = (SQRT_2 / 2.0).to_bits();
    const ONE: u64 = 1.0_f64.to_bits();
    // Whole powers of two that separate x from m, counted from 1023 so as not to be negative.
    let power = (x.to_bits() + (ONE - LEAST)) >> 52;
    let m = f64::from_bits(x.to_bits() + ONE - (power << 52));
    // Below 2^52 a whole number's bits are those of a float's fraction.
    let k = f64::from_bits(0x4330_0000_0000_0000 | power) - ((1_u64 << 52) as f64 + 1023.0);
    let f = m - 1.0;
    let s = f / (2.0 + f);
    let square = s * s;
    let mut sum = 1.0 / 23.0;
    for odd in [21.0, 19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0] {
        sum = sum * square + 1.0 / odd;
    }
    // 2 s is f less a small part of it, so that no bit of f is lost.
    k * LN_2 + (f - s * (f - 2.0 * square * sum))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close(x: f64) -> bool {
        let (fast, exact) = (ln(x), libm::log(x));
        (fast - exact).abs() <= 1e-15 * exact.abs()
    }

    #[test]
    fn the_ends_of_every_range() {
        for x in [1.0, 2.0, 0.5, SQRT_2, SQRT_2 / 2.0, 1e300, f64::MIN_POSITIVE, f64::MAX, 2.0_f64.powi(-53)] {
            assert!(close(x) && close(x.next_up()) && (x <= f64::MIN_POSITIVE || close(x.next_down())), "{x}");
        }
        assert_eq!(ln(1.0), 0.0);
    }

    proptest! {
        #[test]
        fn the_first_are_those_that_sorting_gives(
            arrivals in prop::collection::vec(prop::sample::select(vec![-2.5, -0.0, 0.0, 0.5, 1.0, 3.0, f64::INFINITY]), 1..=FEW),
            places in 1_usize..=FEW,
        ) {
            let mut order: Vec<usize> = (0..arrivals.len()).collect();
            order.sort_by(|&a, &b| arrivals[a].partial_cmp(&arrivals[b]).unwrap_or(std::cmp::Ordering::Equal));
            let places = places.min(arrivals.len());
            let expected = order[..places].iter().fold(0_u32, |bits, place| bits | 1 << place);
            let undecided = places < order.len() && arrivals[order[places - 1]] == arrivals[order[places]];
            for found in [first(&arrivals, places), first_portable(&arrivals, places)] {
                prop_assert_eq!(found, (!undecided).then_some(expected));
            }
        }

        #[test]
        fn times_are_the_same_for_every_processor(
            numbers in prop::collection::vec(1e-16_f64..0.999_999_999, 0..20),
        ) {
            let (mut fast, mut portable) = (numbers.clone(), numbers.clone());
            log_times(&mut fast);
            log_times_portable(&mut portable);
            prop_assert_eq!(&fast, &portable);
            for (time, number) in fast.iter().zip(numbers) {
                prop_assert!((time - libm::log(-libm::log(number))).abs() < 1e-14);
            }
        }

        #[test]
        fn is_that_of_the_library(exponent in -1020_i32..1020, fraction in 1.0_f64..2.0, near in 0.5_f64..2.0) {
            prop_assert!(close(fraction * 2.0_f64.powi(exponent)));
            prop_assert!(close(near));
        }
    }
}
