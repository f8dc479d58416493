/*!
Eight whole numbers in two registers of NEON.

SAFETY of every block: every 64-bit ARM processor has NEON; loads and stores go to arrays of just the length they touch.
*/
#![allow(unsafe_code, reason = "intrinsics of a processor feature that the target has")]
#![allow(clippy::inline_always, reason = "what is inlined is compiled for the features of its caller")]

use super::vector::{LANES, Vector};
#[allow(clippy::wildcard_imports, reason = "all of them have names of their own")]
use std::arch::aarch64::*;

/// Lanes of a register.
const HALF: usize = LANES / 2;

#[derive(Clone, Copy)]
pub(crate) struct Neon([int32x4_t; 2]);

/// Four columns of four rows.
#[inline(always)]
fn turn(rows: [int32x4_t; HALF]) -> [int32x4_t; HALF] {
    // SAFETY: see the module.
    unsafe {
        // Pairs of rows, then fours.
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
    #[inline(always)]
    fn load(lanes: [i32; LANES]) -> Self {
        // SAFETY: see the module.
        Self(unsafe { [vld1q_s32(lanes.as_ptr()), vld1q_s32(lanes[HALF..].as_ptr())] })
    }

    #[inline(always)]
    fn store(self) -> [i32; LANES] {
        let mut lanes = [0; LANES];
        let (low, high) = lanes.split_at_mut(HALF);
        // SAFETY: see the module.
        unsafe {
            vst1q_s32(low.as_mut_ptr(), self.0[0]);
            vst1q_s32(high.as_mut_ptr(), self.0[1]);
        }
        lanes
    }

    #[inline(always)]
    fn columns(rows: &[f32], stride: usize) -> [Self; LANES] {
        let last = stride.checked_mul(LANES - 1).and_then(|last| rows.get(last..));
        assert!(last.is_some_and(|last| last.len() >= LANES));
        let four = |first: usize, column: usize| {
            // SAFETY: the last row holds eight scores, as was checked, and no other ends later.
            turn([0, 1, 2, 3].map(|row| unsafe {
                vreinterpretq_s32_f32(vld1q_f32(rows.as_ptr().add((first + row) * stride + column)))
            }))
        };
        let halves = [[four(0, 0), four(HALF, 0)], [four(0, HALF), four(HALF, HALF)]];
        std::array::from_fn(|column| Self(halves[column / HALF].map(|rows| rows[column % HALF])))
    }

    #[inline(always)]
    fn above(self, other: Self) -> Self {
        // SAFETY: see the module.
        Self(unsafe {
            [
                vreinterpretq_s32_u32(vcgtq_s32(self.0[0], other.0[0])),
                vreinterpretq_s32_u32(vcgtq_s32(self.0[1], other.0[1])),
            ]
        })
    }

    #[inline(always)]
    fn equals(self, other: Self) -> Self {
        // SAFETY: see the module.
        Self(unsafe {
            [
                vreinterpretq_s32_u32(vceqq_s32(self.0[0], other.0[0])),
                vreinterpretq_s32_u32(vceqq_s32(self.0[1], other.0[1])),
            ]
        })
    }

    #[inline(always)]
    fn negative(self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { [vshrq_n_s32::<31>(self.0[0]), vshrq_n_s32::<31>(self.0[1])] })
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { [vandq_s32(self.0[0], other.0[0]), vandq_s32(self.0[1], other.0[1])] })
    }

    #[inline(always)]
    fn without(self, mask: Self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { [vbicq_s32(self.0[0], mask.0[0]), vbicq_s32(self.0[1], mask.0[1])] })
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { [vorrq_s32(self.0[0], other.0[0]), vorrq_s32(self.0[1], other.0[1])] })
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { [veorq_s32(self.0[0], other.0[0]), veorq_s32(self.0[1], other.0[1])] })
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { [vmaxq_s32(self.0[0], other.0[0]), vmaxq_s32(self.0[1], other.0[1])] })
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { [vminq_s32(self.0[0], other.0[0]), vminq_s32(self.0[1], other.0[1])] })
    }

    #[inline(always)]
    fn or_else(self, mask: Self, other: Self) -> Self {
        // SAFETY: see the module.
        Self(unsafe {
            [
                vbslq_s32(vreinterpretq_u32_s32(mask.0[0]), self.0[0], other.0[0]),
                vbslq_s32(vreinterpretq_u32_s32(mask.0[1]), self.0[1], other.0[1]),
            ]
        })
    }

    #[inline(always)]
    fn count(self, mask: Self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { [vsubq_s32(self.0[0], mask.0[0]), vsubq_s32(self.0[1], mask.0[1])] })
    }
}
