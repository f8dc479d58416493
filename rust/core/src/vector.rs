/*!
Eight floats at once: the few operations that the sorting [`network`](crate::network) is written in.

Written once over this trait, compiled for arrays (which compilers turn into whatever vectors the target has, NEON among
them) and for AVX2. A mask is a vector of bits, all set or all clear in each lane.
*/
#![allow(unsafe_code, reason = "intrinsics of a processor feature that the caller has found")]
#![allow(clippy::inline_always, reason = "what is inlined is compiled for the features of its caller")]

/// Lanes of a vector.
pub(crate) const LANES: usize = 8;

/// Eight `f32`, or eight masks, or eight `u32` in the same bits.
pub(crate) trait Vector: Copy {
    fn load(lanes: [f32; LANES]) -> Self;
    fn store(self) -> [f32; LANES];
    /// Eight rows of eight as their eight columns.
    fn columns(rows: [&[f32; LANES]; LANES]) -> [Self; LANES];
    /// Where a lane is smaller than the other's. False for NaN.
    fn below(self, other: Self) -> Self;
    fn abs(self) -> Self;
    fn and(self, other: Self) -> Self;
    /// The larger; the other's lane where they are equal.
    fn max(self, other: Self) -> Self;
    /// The smaller; the other's lane where they are equal.
    fn min(self, other: Self) -> Self;
    /// This vector's lanes where the mask is set, the other's elsewhere.
    fn or_else(self, mask: Self, other: Self) -> Self;
    /// Counters with one more where the mask is set.
    fn count(self, mask: Self) -> Self;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self::load([value; LANES])
    }

    /// The lanes as the counters they are.
    #[inline(always)]
    fn counters(self) -> [u32; LANES] {
        self.store().map(f32::to_bits)
    }
}

impl Vector for [f32; LANES] {
    #[inline(always)]
    fn load(lanes: [f32; LANES]) -> Self {
        lanes
    }

    #[inline(always)]
    fn store(self) -> [f32; LANES] {
        self
    }

    #[inline(always)]
    fn columns(rows: [&[f32; LANES]; LANES]) -> [Self; LANES] {
        std::array::from_fn(|column| rows.map(|row| row[column]))
    }

    #[inline(always)]
    fn below(self, other: Self) -> Self {
        std::array::from_fn(|lane| f32::from_bits(if self[lane] < other[lane] { u32::MAX } else { 0 }))
    }

    #[inline(always)]
    fn abs(self) -> Self {
        self.map(f32::abs)
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        std::array::from_fn(|lane| f32::from_bits(self[lane].to_bits() & other[lane].to_bits()))
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        std::array::from_fn(|lane| if self[lane] > other[lane] { self[lane] } else { other[lane] })
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        std::array::from_fn(|lane| if self[lane] < other[lane] { self[lane] } else { other[lane] })
    }

    #[inline(always)]
    fn or_else(self, mask: Self, other: Self) -> Self {
        std::array::from_fn(|lane| {
            let bits = mask[lane].to_bits();
            f32::from_bits((self[lane].to_bits() & bits) | (other[lane].to_bits() & !bits))
        })
    }

    #[inline(always)]
    fn count(self, mask: Self) -> Self {
        std::array::from_fn(|lane| f32::from_bits(self[lane].to_bits().wrapping_sub(mask[lane].to_bits())))
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2 {
    //! The same in AVX2. SAFETY of every block: this type is only used in functions compiled for AVX2, which are only
    //! called once the processor is known to have it; loads and stores go to arrays of just the length they touch.
    use super::{LANES, Vector};
    #[allow(clippy::wildcard_imports, reason = "all of them have names of their own")]
    use std::arch::x86_64::*;

    #[derive(Clone, Copy)]
    pub(crate) struct Avx2(__m256);

    impl Vector for Avx2 {
        #[inline(always)]
        fn load(lanes: [f32; LANES]) -> Self {
            // SAFETY: see the module.
            Self(unsafe { _mm256_loadu_ps(lanes.as_ptr()) })
        }

        #[inline(always)]
        fn store(self) -> [f32; LANES] {
            let mut lanes = [0.0; LANES];
            // SAFETY: see the module.
            unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), self.0) };
            lanes
        }

        #[inline(always)]
        fn columns(rows: [&[f32; LANES]; LANES]) -> [Self; LANES] {
            // SAFETY: see the module.
            unsafe {
                let r = rows.map(|row| _mm256_loadu_ps(row.as_ptr()));
                // Pairs of rows, then fours, then eights.
                let a = [
                    _mm256_unpacklo_ps(r[0], r[1]),
                    _mm256_unpackhi_ps(r[0], r[1]),
                    _mm256_unpacklo_ps(r[2], r[3]),
                    _mm256_unpackhi_ps(r[2], r[3]),
                    _mm256_unpacklo_ps(r[4], r[5]),
                    _mm256_unpackhi_ps(r[4], r[5]),
                    _mm256_unpacklo_ps(r[6], r[7]),
                    _mm256_unpackhi_ps(r[6], r[7]),
                ];
                let b = [
                    _mm256_shuffle_ps::<0x44>(a[0], a[2]),
                    _mm256_shuffle_ps::<0xee>(a[0], a[2]),
                    _mm256_shuffle_ps::<0x44>(a[1], a[3]),
                    _mm256_shuffle_ps::<0xee>(a[1], a[3]),
                    _mm256_shuffle_ps::<0x44>(a[4], a[6]),
                    _mm256_shuffle_ps::<0xee>(a[4], a[6]),
                    _mm256_shuffle_ps::<0x44>(a[5], a[7]),
                    _mm256_shuffle_ps::<0xee>(a[5], a[7]),
                ];
                [
                    Self(_mm256_permute2f128_ps::<0x20>(b[0], b[4])),
                    Self(_mm256_permute2f128_ps::<0x20>(b[1], b[5])),
                    Self(_mm256_permute2f128_ps::<0x20>(b[2], b[6])),
                    Self(_mm256_permute2f128_ps::<0x20>(b[3], b[7])),
                    Self(_mm256_permute2f128_ps::<0x31>(b[0], b[4])),
                    Self(_mm256_permute2f128_ps::<0x31>(b[1], b[5])),
                    Self(_mm256_permute2f128_ps::<0x31>(b[2], b[6])),
                    Self(_mm256_permute2f128_ps::<0x31>(b[3], b[7])),
                ]
            }
        }

        #[inline(always)]
        fn below(self, other: Self) -> Self {
            // SAFETY: see the module.
            Self(unsafe { _mm256_cmp_ps::<_CMP_LT_OQ>(self.0, other.0) })
        }

        #[inline(always)]
        fn abs(self) -> Self {
            // SAFETY: see the module.
            Self(unsafe { _mm256_andnot_ps(_mm256_set1_ps(-0.0), self.0) })
        }

        #[inline(always)]
        fn and(self, other: Self) -> Self {
            // SAFETY: see the module.
            Self(unsafe { _mm256_and_ps(self.0, other.0) })
        }

        #[inline(always)]
        fn max(self, other: Self) -> Self {
            // SAFETY: see the module.
            Self(unsafe { _mm256_max_ps(self.0, other.0) })
        }

        #[inline(always)]
        fn min(self, other: Self) -> Self {
            // SAFETY: see the module.
            Self(unsafe { _mm256_min_ps(self.0, other.0) })
        }

        #[inline(always)]
        fn or_else(self, mask: Self, other: Self) -> Self {
            // SAFETY: see the module.
            Self(unsafe { _mm256_blendv_ps(other.0, self.0, mask.0) })
        }

        #[inline(always)]
        fn count(self, mask: Self) -> Self {
            // SAFETY: see the module.
            let counted = unsafe { _mm256_sub_epi32(_mm256_castps_si256(self.0), _mm256_castps_si256(mask.0)) };
            // SAFETY: see the module.
            Self(unsafe { _mm256_castsi256_ps(counted) })
        }
    }
}
