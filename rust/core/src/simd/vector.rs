/*!
The operations on vectors that kernels are written in, and their portable implementation on arrays.

Kernels are written once over [`Vector`]. It is implemented for AVX2, for NEON and for arrays, which compilers translate to
the vectors of the target. A mask is a vector whose lanes have all bits set or all bits clear.
*/
#![allow(clippy::inline_always, reason = "inlined code is compiled for the instruction set of its caller")]

/// Number of lanes of a vector.
pub(crate) const LANES: usize = 8;

/// Code that is compiled once for each instruction set.
///
/// `run` and everything that it calls should be `#[inline(always)]`, and closures should be avoided: a function that is not
/// inlined does not use the kernel's instruction set, which is slower but never wrong.
pub(crate) trait Kernel {
    type Output;

    fn run<V: Vector>(self, token: V::Token) -> Self::Output;
}

/// Eight `i32` lanes, or a mask of eight lanes.
///
/// A vector can only be made from a token, and a token only exists on a processor that supports the vector's instructions.
/// All methods are therefore safe.
pub(crate) trait Vector: Copy {
    /// Proof that the processor supports the instructions of this vector.
    type Token: Copy;

    fn load(token: Self::Token, lanes: [i32; LANES]) -> Self;

    /// Reads the bits of a block of eight by eight scores and transposes it: `rows` are `stride` scores apart, and each of
    /// the returned vectors is a column with one lane per row.
    ///
    /// # Panics
    /// If the last row ends before its eighth score.
    fn transpose(token: Self::Token, rows: &[f32], stride: usize) -> [Self; LANES];

    /// Returns a vector with the same value in all lanes.
    #[inline(always)]
    fn splat(token: Self::Token, value: i32) -> Self {
        Self::load(token, [value; LANES])
    }

    fn store(self) -> [i32; LANES];

    /// Returns the mask of the lanes that are greater than those of `other`.
    fn greater(self, other: Self) -> Self;

    /// Returns the mask of the lanes that are equal to those of `other`.
    fn equal(self, other: Self) -> Self;

    /// Returns the mask of the negative lanes.
    fn negative(self) -> Self;

    fn and(self, other: Self) -> Self;

    /// Returns the bits of this vector that are clear in `mask`.
    fn and_not(self, mask: Self) -> Self;

    fn or(self, other: Self) -> Self;

    fn xor(self, other: Self) -> Self;

    fn max(self, other: Self) -> Self;

    fn min(self, other: Self) -> Self;

    /// Returns the lanes of this vector where `mask` is set, and those of `other` elsewhere.
    fn blend(self, mask: Self, other: Self) -> Self;

    /// Adds one to the lanes where `mask` is set.
    fn increment(self, mask: Self) -> Self;
}

impl Vector for [i32; LANES] {
    type Token = ();

    #[inline(always)]
    fn load((): (), lanes: [i32; LANES]) -> Self {
        lanes
    }

    #[inline(always)]
    fn transpose((): (), rows: &[f32], stride: usize) -> [Self; LANES] {
        std::array::from_fn(|column| std::array::from_fn(|lane| rows[lane * stride + column].to_bits() as i32))
    }

    #[inline(always)]
    fn store(self) -> [i32; LANES] {
        self
    }

    #[inline(always)]
    fn greater(self, other: Self) -> Self {
        std::array::from_fn(|lane| -i32::from(self[lane] > other[lane]))
    }

    #[inline(always)]
    fn equal(self, other: Self) -> Self {
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
    fn and_not(self, mask: Self) -> Self {
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
    fn blend(self, mask: Self, other: Self) -> Self {
        std::array::from_fn(|lane| (self[lane] & mask[lane]) | (other[lane] & !mask[lane]))
    }

    #[inline(always)]
    fn increment(self, mask: Self) -> Self {
        std::array::from_fn(|lane| self[lane].wrapping_sub(mask[lane]))
    }
}
