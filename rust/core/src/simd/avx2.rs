/*!
Vectors of eight lanes in one AVX2 register.

The type system proves that the instructions exist: [`Avx2Token::detect`] is the only source of tokens, every constructor of
[`Avx2`] takes a token, and no other code can reach the private fields. So wherever a token or a vector exists, the processor
supports AVX2.
*/
#![allow(unsafe_code, reason = "the intrinsics are unsafe to call in code that is not compiled for AVX2")]
#![allow(clippy::inline_always, reason = "inlined code is compiled for the instruction set of its caller")]

use super::vector::{Kernel, LANES, Vector};
#[allow(clippy::wildcard_imports, reason = "the names of intrinsics are unique")]
use std::arch::x86_64::*;

/// Proof that the processor supports AVX2.
#[derive(Clone, Copy)]
pub(crate) struct Avx2Token(());

impl Avx2Token {
    /// Returns a token if the processor supports AVX2.
    #[inline(always)]
    pub(crate) fn detect() -> Option<Self> {
        std::arch::is_x86_feature_detected!("avx2").then_some(Self(()))
    }

    /// Runs a kernel that is compiled for AVX2.
    #[inline(always)]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        // SAFETY: the token proves that the processor supports AVX2, the only feature that the function is compiled for.
        unsafe { run_with_avx2(self, kernel) }
    }
}

#[target_feature(enable = "avx2")]
fn run_with_avx2<K: Kernel>(token: Avx2Token, kernel: K) -> K::Output {
    kernel.run::<Avx2>(token)
}

/// Eight `i32` lanes, or a mask of eight lanes. Its existence proves that the processor supports AVX2.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(__m256i);

impl Vector for Avx2 {
    type Token = Avx2Token;

    #[inline(always)]
    fn load(_: Avx2Token, lanes: [i32; LANES]) -> Self {
        // SAFETY: the token proves AVX2. The load is unaligned and reads 32 bytes, which is the size of `lanes`.
        Self(unsafe { _mm256_loadu_si256(lanes.as_ptr().cast()) })
    }

    #[inline(always)]
    fn transpose(_: Avx2Token, rows: &[f32], stride: usize) -> [Self; LANES] {
        let last = stride.checked_mul(LANES - 1).and_then(|last| rows.get(last..));
        assert!(last.is_some_and(|last| last.len() >= LANES));
        // SAFETY: the token proves AVX2. Each load is unaligned and reads the eight scores from `lane * stride` on. Those of
        // the last row lie inside `rows`, as asserted, and the other rows start no later.
        unsafe {
            let row = |lane: usize| _mm256_loadu_ps(rows.as_ptr().add(lane * stride));
            let r = [row(0), row(1), row(2), row(3), row(4), row(5), row(6), row(7)];
            // Interleaves pairs of rows, then fours, then all eight.
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
    fn store(self) -> [i32; LANES] {
        let mut lanes = [0; LANES];
        // SAFETY: `self` exists, so the processor supports AVX2. The store is unaligned and writes 32 bytes, which is the
        // size of `lanes`.
        unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), self.0) };
        lanes
    }

    #[inline(always)]
    fn greater(self, other: Self) -> Self {
        // SAFETY: `self` exists, so the processor supports AVX2.
        Self(unsafe { _mm256_cmpgt_epi32(self.0, other.0) })
    }

    #[inline(always)]
    fn equal(self, other: Self) -> Self {
        // SAFETY: `self` exists, so the processor supports AVX2.
        Self(unsafe { _mm256_cmpeq_epi32(self.0, other.0) })
    }

    #[inline(always)]
    fn negative(self) -> Self {
        // SAFETY: `self` exists, so the processor supports AVX2.
        Self(unsafe { _mm256_srai_epi32::<31>(self.0) })
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        // SAFETY: `self` exists, so the processor supports AVX2.
        Self(unsafe { _mm256_and_si256(self.0, other.0) })
    }

    #[inline(always)]
    fn and_not(self, mask: Self) -> Self {
        // SAFETY: `self` exists, so the processor supports AVX2.
        Self(unsafe { _mm256_andnot_si256(mask.0, self.0) })
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        // SAFETY: `self` exists, so the processor supports AVX2.
        Self(unsafe { _mm256_or_si256(self.0, other.0) })
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: `self` exists, so the processor supports AVX2.
        Self(unsafe { _mm256_xor_si256(self.0, other.0) })
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: `self` exists, so the processor supports AVX2.
        Self(unsafe { _mm256_max_epi32(self.0, other.0) })
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        // SAFETY: `self` exists, so the processor supports AVX2.
        Self(unsafe { _mm256_min_epi32(self.0, other.0) })
    }

    #[inline(always)]
    fn blend(self, mask: Self, other: Self) -> Self {
        // SAFETY: `self` exists, so the processor supports AVX2.
        Self(unsafe { _mm256_blendv_epi8(other.0, self.0, mask.0) })
    }

    #[inline(always)]
    fn increment(self, mask: Self) -> Self {
        // SAFETY: `self` exists, so the processor supports AVX2.
        Self(unsafe { _mm256_sub_epi32(self.0, mask.0) })
    }
}
