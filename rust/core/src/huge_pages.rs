/*!
Zeroed memory for results, in huge pages where the operating system offers them.

Results are written once, and the first write to a page traps into the kernel. With pages of 4 KiB, these traps cost as
much as mining a million queries. Linux backs memory with pages of 2 MiB if a program advises it to; numpy does the same
for its own arrays.
*/
#![allow(unsafe_code, reason = "madvise is a foreign function; it is called on memory that this file allocated")]

use crate::error::Error;

/// Smallest allocation, in bytes, for which the system call pays off.
#[cfg(target_os = "linux")]
const LARGE: usize = 1 << 22;

/// Allocates `len` zeros, or returns the error `out_of_memory` instead of aborting the process.
///
/// The kernel provides the pages on the first write, so the threads that write the rows share the cost.
pub(crate) fn zeroed<T: Clone + Default>(len: usize, out_of_memory: &Error) -> Result<Vec<T>, Error> {
    Vec::<T>::new().try_reserve_exact(len).map_err(|_| out_of_memory.clone())?;
    let zeros = vec![T::default(); len];
    #[cfg(target_os = "linux")]
    advise_huge_pages(&zeros);
    Ok(zeros)
}

/// Advises the kernel to back the whole pages of `memory` with huge pages. A refusal changes nothing.
#[cfg(target_os = "linux")]
fn advise_huge_pages<T>(memory: &[T]) {
    const PAGE: usize = 4096;
    let bytes = size_of_val(memory);
    if bytes < LARGE {
        return;
    }
    let start = memory.as_ptr().cast::<u8>();
    let skipped = start.align_offset(PAGE);
    let Some(rest) = bytes.checked_sub(skipped) else {
        return;
    };
    // SAFETY: `skipped` is at most `bytes`, so the pointer and the whole pages after it stay inside the allocation of
    // `memory`. MADV_HUGEPAGE never changes the contents of memory. Where the kernel's pages are larger than PAGE, it may
    // refuse an address that is not aligned to them, which is harmless.
    unsafe { libc::madvise(start.add(skipped).cast_mut().cast(), rest / PAGE * PAGE, libc::MADV_HUGEPAGE) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_every_size_is_zero() {
        let out_of_memory = Error::Memory { rows: 1, n: 1 };
        for len in [0, 1, 1000, 1 << 19, (1 << 19) + 1, 3_000_001] {
            let zeros = zeroed::<i64>(len, &out_of_memory);
            assert!(zeros.is_ok_and(|zeros| zeros.len() == len && zeros.iter().all(|&zero| zero == 0)));
        }
        assert!(zeroed::<i64>(usize::MAX / 16, &out_of_memory).is_err());
    }
}
