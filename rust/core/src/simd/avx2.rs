/*!
Eight whole numbers in a register of AVX2.

SAFETY of every block: this type is only used in functions compiled for AVX2, which are only called once the processor is
known to have it; loads and stores go to arrays of just the length they touch.
*/
#![allow(unsafe_code, reason = "intrinsics of a processor feature that the caller has found")]
#![allow(clippy::inline_always, reason = "what is inlined is compiled for the features of its caller")]

use super::vector::{LANES, Vector};
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
