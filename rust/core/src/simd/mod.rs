//! Eight whole numbers at once, in the vectors of whatever processor there is.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;

pub(crate) mod vector;

/// What every processor of the target has.
#[cfg(target_arch = "aarch64")]
pub(crate) type Baseline = neon::Neon;
/// What every processor of the target has.
#[cfg(not(target_arch = "aarch64"))]
pub(crate) type Baseline = [i32; vector::LANES];

pub(crate) use vector::{LANES, Vector};
