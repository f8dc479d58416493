/*!
Vectors of eight lanes in two NEON registers.

This file is only compiled if the build's target includes NEON (`target_feature = "neon"`), so every processor that runs it
supports the intrinsics. Its token is therefore `()`.
*/
#![allow(unsafe_code, reason = "the intrinsics are unsafe to call although the target has NEON")]
#![allow(clippy::inline_always, reason = "inlined code is compiled for the instruction set of its caller")]

use super::vector::{LANES, Vector};
#[allow(clippy::wildcard_imports, reason = "the names of intrinsics are unique")]
use std::arch::aarch64::*;

/// Number of lanes of one register.
const HALF: usize = LANES / 2;

/// Eight `i32` lanes, or a mask of eight lanes.
#[derive(Clone, Copy)]
pub(crate) struct Neon([int32x4_t; 2]);

/// Transposes a block of four by four.
#[inline(always)]
fn transpose_four(rows: [int32x4_t; HALF]) -> [int32x4_t; HALF] {
    // SAFETY: the target has NEON.
    unsafe {
        // Interleaves pairs of rows, then all four.
        let even = vreinterpretq_s64_s32(vtrn1q_s32(rows[0], rows[1]));
        let odd = vreinterpretq_s64_s32(vtrn2q_s32(rows[0], rows[1]));
        let other_even = vreinterpretq_s64_s32(vtrn1q_s32(rows[2], rows[3]));
        let other_odd = vreinterpretq_s64_s32(vtrn2q_s32(rows[2], rows[3]));
        [
            vreinterpretq_s32_s64(vtrn1q_s64(even, other_even)),
            vreinterpretq_s32_s64(vtrn1q_s64(odd, other_odd)),
            vreinterpretq_s32_s64(vtrn2q_s64(even, other_even)),
            vreinterpretq_s32_s64(vtrn2q_s64(odd, other_odd)),
        ]
    }
}

impl Vector for Neon {
    type Token = ();

    #[inline(always)]
    fn load((): (), lanes: [i32; LANES]) -> Self {
        let (low, high) = lanes.split_at(HALF);
        // SAFETY: the target has NEON. Each load reads four numbers, which is the length of each half.
        Self(unsafe { [vld1q_s32(low.as_ptr()), vld1q_s32(high.as_ptr())] })
    }

    #[inline(always)]
    fn transpose((): (), rows: &[f32], stride: usize) -> [Self; LANES] {
        let last = stride.checked_mul(LANES - 1).and_then(|last| rows.get(last..));
        assert!(last.is_some_and(|last| last.len() >= LANES));
        let four = |first: usize, column: usize| {
            // SAFETY: the target has NEON. Each load reads four scores of a row, in columns 0 to 3 or 4 to 7. Those of the last
            // row lie inside `rows`, as asserted, and the other rows start no later.
            transpose_four([0, 1, 2, 3].map(|row| unsafe {
                vreinterpretq_s32_f32(vld1q_f32(rows.as_ptr().add((first + row) * stride + column)))
            }))
        };
        let halves = [[four(0, 0), four(HALF, 0)], [four(0, HALF), four(HALF, HALF)]];
        std::array::from_fn(|column| Self(halves[column / HALF].map(|rows| rows[column % HALF])))
    }

    #[inline(always)]
    fn store(self) -> [i32; LANES] {
        let mut lanes = [0; LANES];
        let (low, high) = lanes.split_at_mut(HALF);
        // SAFETY: the target has NEON. Each store writes four numbers, which is the length of each half.
        unsafe {
            vst1q_s32(low.as_mut_ptr(), self.0[0]);
            vst1q_s32(high.as_mut_ptr(), self.0[1]);
        }
        lanes
    }

    #[inline(always)]
    fn greater(self, other: Self) -> Self {
        // SAFETY: the target has NEON.
        Self(unsafe {
            [
                vreinterpretq_s32_u32(vcgtq_s32(self.0[0], other.0[0])),
                vreinterpretq_s32_u32(vcgtq_s32(self.0[1], other.0[1])),
            ]
        })
    }

    #[inline(always)]
    fn equal(self, other: Self) -> Self {
        // SAFETY: the target has NEON.
        Self(unsafe {
            [
                vreinterpretq_s32_u32(vceqq_s32(self.0[0], other.0[0])),
                vreinterpretq_s32_u32(vceqq_s32(self.0[1], other.0[1])),
            ]
        })
    }

    #[inline(always)]
    fn negative(self) -> Self {
        // SAFETY: the target has NEON.
        Self(unsafe { [vshrq_n_s32::<31>(self.0[0]), vshrq_n_s32::<31>(self.0[1])] })
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        // SAFETY: the target has NEON.
        Self(unsafe { [vandq_s32(self.0[0], other.0[0]), vandq_s32(self.0[1], other.0[1])] })
    }

    #[inline(always)]
    fn and_not(self, mask: Self) -> Self {
        // SAFETY: the target has NEON.
        Self(unsafe { [vbicq_s32(self.0[0], mask.0[0]), vbicq_s32(self.0[1], mask.0[1])] })
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        // SAFETY: the target has NEON.
        Self(unsafe { [vorrq_s32(self.0[0], other.0[0]), vorrq_s32(self.0[1], other.0[1])] })
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: the target has NEON.
        Self(unsafe { [veorq_s32(self.0[0], other.0[0]), veorq_s32(self.0[1], other.0[1])] })
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: the target has NEON.
        Self(unsafe { [vmaxq_s32(self.0[0], other.0[0]), vmaxq_s32(self.0[1], other.0[1])] })
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        // SAFETY: the target has NEON.
        Self(unsafe { [vminq_s32(self.0[0], other.0[0]), vminq_s32(self.0[1], other.0[1])] })
    }

    #[inline(always)]
    fn blend(self, mask: Self, other: Self) -> Self {
        // SAFETY: the target has NEON.
        Self(unsafe {
            [
                vbslq_s32(vreinterpretq_u32_s32(mask.0[0]), self.0[0], other.0[0]),
                vbslq_s32(vreinterpretq_u32_s32(mask.0[1]), self.0[1], other.0[1]),
            ]
        })
    }

    #[inline(always)]
    fn increment(self, mask: Self) -> Self {
        // SAFETY: the target has NEON.
        Self(unsafe { [vsubq_s32(self.0[0], mask.0[0]), vsubq_s32(self.0[1], mask.0[1])] })
    }
}
