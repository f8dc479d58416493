/*!
The best few survivors of eight rows, and what has passed them by.

So that one number passes and not two, a score becomes a whole number in the order of scores, its key, whose lowest bits give
way to the score's place in a block of columns.
*/
#![allow(clippy::inline_always, reason = "what is inlined is compiled for the features of its caller")]

use crate::lanes::scan::Bounds;
use crate::lanes::sorting::order_bitonic;
use crate::simd::{LANES, Vector};

/// The bits of an infinite score.
const INFINITE: i32 = 0x7f80_0000;
/// Below the key of every score: a level that holds none.
pub(crate) const NONE: i32 = i32::MIN;

/// The best `L` of what has passed, and how much of what.
pub(crate) struct Levels<V, const L: usize, const COUNTED: bool> {
    ceilings: V,
    floor: V,
    places: V,
    /// Keys, the largest first, or [`NONE`].
    pub(crate) held: [V; L],
    /// How many scores are finite, if counted.
    pub(crate) finite: V,
    /// How many of those lie below the ceiling.
    pub(crate) below: V,
    /// How many of those lie below the floor.
    pub(crate) low: V,
}

impl<V: Vector, const L: usize, const COUNTED: bool> Levels<V, L, COUNTED> {
    #[inline(always)]
    pub(crate) fn new(bounds: &Bounds, places: i32) -> Self {
        Self {
            ceilings: V::load(bounds.ceilings.map(bound_key)),
            floor: V::splat(bound_key(bounds.floor)),
            places: V::splat(places),
            held: [V::splat(NONE); L],
            finite: V::splat(0),
            below: V::splat(0),
            low: V::splat(0),
        }
    }

    /// Turns eight columns of bits into keys, without those not below their ceiling.
    #[inline(always)]
    pub(crate) fn keys(&mut self, columns: &mut [V; LANES], start: usize) {
        let (digits, start) = (V::splat(i32::MAX), V::splat(start as i32));
        for (number, column) in columns.iter_mut().enumerate() {
            let bits = *column;
            let key = bits.xor(bits.negative().and(digits));
            let is_below = self.ceilings.above(key);
            if COUNTED {
                let is_finite = V::splat(INFINITE).above(bits.and(digits));
                let survives = is_below.and(is_finite);
                self.finite = self.finite.count(is_finite);
                self.below = self.below.count(survives);
                self.low = self.low.count(self.floor.above(key).and(survives));
            }
            let place = start.or(V::splat(number as i32));
            *column = key.without(self.places).or(place).or_else(is_below, V::splat(NONE));
        }
    }

    /// Takes in a batch in order, largest first, or of which the first half is in order and the second in reverse.
    #[inline(always)]
    pub(crate) fn merge(&mut self, mut batch: [V; L]) {
        if L > LANES {
            order_bitonic(&mut batch);
        }
        for place in 0..L {
            self.held[place] = self.held[place].max(batch[L - 1 - place]);
        }
        order_bitonic(&mut self.held);
    }
}

/// A whole number for each bit pattern of a score, in the order of scores; `-0.0` comes just before `0.0`.
fn key_of(score: f32) -> i32 {
    let bits = score.to_bits() as i32;
    bits ^ ((bits >> 31) & i32::MAX)
}

pub(crate) fn score_of(key: i32) -> f32 {
    f32::from_bits((key ^ ((key >> 31) & i32::MAX)) as u32)
}

/// The key that a score's is below if and only if the score is below `bound`: neither zero is below the other.
fn bound_key(bound: f32) -> i32 {
    if bound == 0.0 { key_of(-0.0) } else { key_of(bound) }
}
