/*!
Vectors of eight lanes, and the choice of the instruction set at run time.

A [`Kernel`] is written once over the trait [`Vector`]. [`dispatch`] runs it with the widest vectors that the processor
supports, compiled for exactly that instruction set. This folder holds all the `unsafe` code that this takes.
*/
#![allow(clippy::inline_always, reason = "inlined code is compiled for the instruction set of its caller")]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
mod neon;
mod vector;

pub(crate) use self::vector::{Kernel, LANES, Vector};

/// The vectors that every processor of the target supports.
#[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
type Baseline = self::neon::Neon;
/// The vectors that every processor of the target supports.
#[cfg(not(all(target_arch = "aarch64", target_feature = "neon")))]
type Baseline = [i32; LANES];

/// Runs a kernel with the widest vectors that this processor supports.
#[inline(always)]
pub(crate) fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    if let Some(token) = self::avx2::Avx2Token::detect() {
        return token.run(kernel);
    }
    kernel.run::<Baseline>(())
}
