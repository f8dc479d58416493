/*!
Eight whole numbers at once: the few operations that the sorting [`network`](crate::lanes::network) is written in.

Written once over this trait, compiled for AVX2, for NEON, and for arrays, which compilers turn into whatever vectors a
target has. A mask is a vector of bits, all set or all clear in each lane.
*/
#![allow(clippy::inline_always, reason = "what is inlined is compiled for the features of its caller")]

/// Lanes of a vector.
pub(crate) const LANES: usize = 8;

/// Eight `i32`, or eight masks.
pub(crate) trait Vector: Copy {
    fn load(lanes: [i32; LANES]) -> Self;
    fn store(self) -> [i32; LANES];
    /// The bits of eight columns of eight rows that begin `stride` scores apart.
    ///
    /// # Panics
    /// If the last row ends before its eighth score.
    fn columns(rows: &[f32], stride: usize) -> [Self; LANES];
    /// Where a lane is larger than the other's.
    fn above(self, other: Self) -> Self;
    /// Where a lane is the same as the other's.
    fn equals(self, other: Self) -> Self;
    /// A mask of the negative lanes.
    fn negative(self) -> Self;
    fn and(self, other: Self) -> Self;
    /// This vector's bits that are not in the mask.
    fn without(self, mask: Self) -> Self;
    fn or(self, other: Self) -> Self;
    fn xor(self, other: Self) -> Self;
    fn max(self, other: Self) -> Self;
    fn min(self, other: Self) -> Self;
    /// This vector's lanes where the mask is set, the other's elsewhere.
    fn or_else(self, mask: Self, other: Self) -> Self;
    /// Counters with one more where the mask is set.
    fn count(self, mask: Self) -> Self;

    #[inline(always)]
    fn splat(value: i32) -> Self {
        Self::load([value; LANES])
    }
}

impl Vector for [i32; LANES] {
    #[inline(always)]
    fn load(lanes: [i32; LANES]) -> Self {
        lanes
    }

    #[inline(always)]
    fn store(self) -> [i32; LANES] {
        self
    }

    #[inline(always)]
    fn columns(rows: &[f32], stride: usize) -> [Self; LANES] {
        std::array::from_fn(|column| std::array::from_fn(|lane| rows[lane * stride + column].to_bits() as i32))
    }

    #[inline(always)]
    fn above(self, other: Self) -> Self {
        std::array::from_fn(|lane| -i32::from(self[lane] > other[lane]))
    }

    #[inline(always)]
    fn equals(self, other: Self) -> Self {
        std::array::from_fn(|lane| -i32::from(self[lane] == other[lane]))
    }

    #[inline(always)]
    fn negative(self) -> Self {
        self.map(|lane| lane >> 31)
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        std::array::from_fn(|lane| self[lane] & other[lane])
    }

    #[inline(always)]
    fn without(self, mask: Self) -> Self {
        std::array::from_fn(|lane| self[lane] & !mask[lane])
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        std::array::from_fn(|lane| self[lane] | other[lane])
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        std::array::from_fn(|lane| self[lane] ^ other[lane])
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        std::array::from_fn(|lane| self[lane].max(other[lane]))
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        std::array::from_fn(|lane| self[lane].min(other[lane]))
    }

    #[inline(always)]
    fn or_else(self, mask: Self, other: Self) -> Self {
        std::array::from_fn(|lane| (self[lane] & mask[lane]) | (other[lane] & !mask[lane]))
    }

    #[inline(always)]
    fn count(self, mask: Self) -> Self {
        std::array::from_fn(|lane| self[lane].wrapping_sub(mask[lane]))
    }
}
