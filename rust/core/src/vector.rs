/*!
Eight whole numbers at once: the few operations that the sorting [`network`](crate::network) is written in.

Written once over this trait, compiled for arrays (which compilers turn into whatever vectors the target has, NEON among
them) and for AVX2. A mask is a vector of bits, all set or all clear in each lane.
*/
#![allow(unsafe_code, reason = "intrinsics of a processor feature that the caller has found")]
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

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2 {
    //! The same in AVX2. SAFETY of every block: this type is only used in functions compiled for AVX2, which are only
    //! called once the processor is known to have it; loads and stores go to arrays of just the length they touch.
    use super::{LANES, Vector};
    #[allow(clippy::wildcard_imports, reason = "all of them have names of their own")]
    use std::arch::x86_64::*;

    #[derive(Clone, Copy)]
    pub(crate) struct Avx2(__m256i);

    impl Vector for Avx2 {
        #[inline(always)]
        fn load(lanes: [i32; LANES]) -> Self {
            // SAFETY: see the module.
            Self(unsafe { _mm256_loadu_si256(lanes.as_ptr().cast()) })
        }

        #[inline(always)]
        fn store(self) -> [i32; LANES] {
            let mut lanes = [0; LANES];
            // SAFETY: see the module.
            unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), self.0) };
            lanes
        }

        #[inline(always)]
        fn columns(rows: &[f32], stride: usize) -> [Self; LANES] {
            let last = stride.checked_mul(LANES - 1).and_then(|last| rows.get(last..));
            assert!(last.is_some_and(|last| last.len() >= LANES));
            // SAFETY: see the module; the last row holds eight scores, as was checked, and no other ends later.
            unsafe {
                let row = |lane: usize| _mm256_loadu_ps(rows.as_ptr().add(lane * stride));
                let r = [row(0), row(1), row(2), row(3), row(4), row(5), row(6), row(7)];
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
                    Self(_mm256_castps_si256(_mm256_permute2f128_ps::<0x20>(b[0], b[4]))),
                    Self(_mm256_castps_si256(_mm256_permute2f128_ps::<0x20>(b[1], b[5]))),
                    Self(_mm256_castps_si256(_mm256_permute2f128_ps::<0x20>(b[2], b[6]))),
                    Self(_mm256_castps_si256(_mm256_permute2f128_ps::<0x20>(b[3], b[7]))),
                    Self(_mm256_castps_si256(_mm256_permute2f128_ps::<0x31>(b[0], b[4]))),
                    Self(_mm256_castps_si256(_mm256_permute2f128_ps::<0x31>(b[1], b[5]))),
                    Self(_mm256_castps_si256(_mm256_permute2f128_ps::<0x31>(b[2], b[6]))),
                    Self(_mm256_castps_si256(_mm256_permute2f128_ps::<0x31>(b[3], b[7]))),
                ]
            }
        }

        #[inline(always)]
        fn above(self, other: Self) -> Self {
            // SAFETY: see the module.
            Self(unsafe { _mm256_cmpgt_epi32(self.0, other.0) })
        }

        #[inline(always)]
        fn equals(self, other: Self) -> Self {
            // SAFETY: see the module.
            Self(unsafe { _mm256_cmpeq_epi32(self.0, other.0) })
        }

        #[inline(always)]
        fn negative(self) -> Self {
            // SAFETY: see the module.
            Self(unsafe { _mm256_srai_epi32::<31>(self.0) })
        }

        #[inline(always)]
        fn and(self, other: Self) -> Self {
            // SAFETY: see the module.
            Self(unsafe { _mm256_and_si256(self.0, other.0) })
        }

        #[inline(always)]
        fn without(self, mask: Self) -> Self {
            // SAFETY: see the module.
            Self(unsafe { _mm256_andnot_si256(mask.0, self.0) })
        }

        #[inline(always)]
        fn or(self, other: Self) -> Self {
            // SAFETY: see the module.
            Self(unsafe { _mm256_or_si256(self.0, other.0) })
        }

        #[inline(always)]
        fn xor(self, other: Self) -> Self {
            // SAFETY: see the module.
            Self(unsafe { _mm256_xor_si256(self.0, other.0) })
        }

        #[inline(always)]
        fn max(self, other: Self) -> Self {
            // SAFETY: see the module.
            Self(unsafe { _mm256_max_epi32(self.0, other.0) })
        }

        #[inline(always)]
        fn min(self, other: Self) -> Self {
            // SAFETY: see the module.
            Self(unsafe { _mm256_min_epi32(self.0, other.0) })
        }

        #[inline(always)]
        fn or_else(self, mask: Self, other: Self) -> Self {
            // SAFETY: see the module.
            Self(unsafe { _mm256_blendv_epi8(other.0, self.0, mask.0) })
        }

        #[inline(always)]
        fn count(self, mask: Self) -> Self {
            // SAFETY: see the module.
            Self(unsafe { _mm256_sub_epi32(self.0, mask.0) })
        }
    }
}
