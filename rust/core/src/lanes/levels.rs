/*!
The best few survivors of eight rows, as sorted levels of keys.

A key packs a score and its column into one `i32`, so that the networks move one number instead of two:

```text
bit  31                          b            0
     |  high bits of the score   |   column   |      2^b columns per block, b <= 10
```

The score's bits are mapped to an integer in the order of scores first: for negative floats, all bits but the sign are
flipped. The column then replaces the low bits. Two scores that differ only in those bits compare by their columns; their
exact order is restored later, or their row is mined on its own.
*/
#![allow(clippy::inline_always, reason = "inlined code is compiled for the instruction set of its caller")]

use crate::lanes::scan::LaneBounds;
use crate::lanes::sorting::sort_bitonic;
use crate::simd::{LANES, Vector};

/// The bits of an infinite score.
const INFINITE: i32 = 0x7f80_0000;
/// The key of an empty level, below the key of every score.
pub(crate) const NO_KEY: i32 = i32::MIN;

/// The best `L` keys of each row so far, and counts of the scores seen so far.
pub(crate) struct Levels<V: Vector, const L: usize, const COUNTED: bool> {
    pub(crate) token: V::Token,
    ceilings: V,
    floor: V,
    column_bits: V,
    /// Keys, the largest first, or [`NO_KEY`].
    pub(crate) held: [V; L],
    /// Number of finite scores, if counted.
    pub(crate) finite: V,
    /// Number of finite scores below the ceiling, if counted.
    pub(crate) below: V,
    /// Number of finite scores below the ceiling and the floor, if counted.
    pub(crate) low: V,
}

impl<V: Vector, const L: usize, const COUNTED: bool> Levels<V, L, COUNTED> {
    #[inline(always)]
    pub(crate) fn new(token: V::Token, bounds: &LaneBounds, column_bits: i32) -> Self {
        Self {
            token,
            ceilings: V::load(token, bounds.ceilings.map(bound_key)),
            floor: V::splat(token, bound_key(bounds.floor)),
            column_bits: V::splat(token, column_bits),
            held: [V::splat(token, NO_KEY); L],
            finite: V::splat(token, 0),
            below: V::splat(token, 0),
            low: V::splat(token, 0),
        }
    }

    /// Turns the bits of scores in eight columns into keys, or [`NO_KEY`] for scores that are not below their ceiling.
    ///
    /// `start` is the number of the first column within the block.
    #[inline(always)]
    pub(crate) fn make_keys(&mut self, columns: &mut [V; LANES], start: usize) {
        let (all_but_sign, start) = (V::splat(self.token, i32::MAX), V::splat(self.token, start as i32));
        for (number, column) in columns.iter_mut().enumerate() {
            let bits = *column;
            let key = bits.xor(bits.negative().and(all_but_sign));
            let is_below = self.ceilings.greater(key);
            if COUNTED {
                let is_finite = V::splat(self.token, INFINITE).greater(bits.and(all_but_sign));
                let survives = is_below.and(is_finite);
                self.finite = self.finite.increment(is_finite);
                self.below = self.below.increment(survives);
                self.low = self.low.increment(self.floor.greater(key).and(survives));
            }
            let place = start.or(V::splat(self.token, number as i32));
            *column = key.and_not(self.column_bits).or(place).blend(is_below, V::splat(self.token, NO_KEY));
        }
    }

    /// Merges a batch into the levels. For eight levels it is sorted, the largest first; for sixteen it is bitonic.
    ///
    /// The larger of level `i` and element `L - 1 - i` of the sorted batch, for all `i`, are the best `L` of both
    /// together, and they form a bitonic sequence:
    ///
    /// ```text
    /// levels          9 7 4 1
    /// batch reversed  2 3 6 8
    /// larger          9 7 6 8      sorted once more: 9 8 7 6
    /// ```
    #[inline(always)]
    pub(crate) fn merge(&mut self, mut batch: [V; L]) {
        if L > LANES {
            sort_bitonic(&mut batch);
        }
        for place in 0..L {
            self.held[place] = self.held[place].max(batch[L - 1 - place]);
        }
        sort_bitonic(&mut self.held);
    }
}

/// Maps a score to an integer in the order of scores. `-0.0` comes directly before `0.0`.
fn key_of(score: f32) -> i32 {
    let bits = score.to_bits() as i32;
    bits ^ ((bits >> 31) & i32::MAX)
}

/// Maps a key back to its score.
pub(crate) fn score_of(key: i32) -> f32 {
    f32::from_bits((key ^ ((key >> 31) & i32::MAX)) as u32)
}

/// Returns the key such that a score is below `bound` exactly if the score's key is below it. Neither zero is below the
/// other, so both get the key of `-0.0`.
fn bound_key(bound: f32) -> i32 {
    if bound == 0.0 { key_of(-0.0) } else { key_of(bound) }
}
