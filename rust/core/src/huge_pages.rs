/*!
Room for results, in large pages where the system has them.

Results are written once, and a page that is touched for the first time costs a detour through the system: with pages of
4 KiB, results of a million queries cost as much as mining them. Linux gives pages of 2 MiB to whoever says that they are
welcome, which numpy does for its own arrays too.
*/
#![allow(unsafe_code, reason = "a hint to the operating system about memory that is ours")]

use crate::error::Error;

/// Less than this is not worth a call.
#[cfg(target_os = "linux")]
const LARGE: usize = 1 << 22;

/// Room for `len` numbers, all zero; a lack of memory is the error `room` and not the end of the process.
///
/// Pages of zeros cost nothing until they are written, which is left to the threads that write the rows.
pub(crate) fn zeroed<T: Clone + Default>(len: usize, room: &Error) -> Result<Vec<T>, Error> {
    Vec::<T>::new().try_reserve_exact(len).map_err(|_| room.clone())?;
    let zeros = vec![T::default(); len];
    #[cfg(target_os = "linux")]
    welcome_large_pages(&zeros);
    Ok(zeros)
}

#[cfg(target_os = "linux")]
fn welcome_large_pages<T>(memory: &[T]) {
    const PAGE: usize = 4096;
    let bytes = size_of_val(memory);
    if bytes < LARGE {
        return;
    }
    let start = memory.as_ptr().cast::<u8>();
    let skipped = start.align_offset(PAGE);
    // SAFETY: whole pages inside the allocation, whose contents the advice does not touch; a refusal changes nothing. On
    // a system with larger pages than these the call may be refused.
    unsafe {
        libc::madvise(start.add(skipped).cast_mut().cast(), (bytes - skipped) / PAGE * PAGE, libc::MADV_HUGEPAGE)
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_of_every_size_is_zero() {
        let room = Error::Memory { rows: 1, n: 1 };
        for len in [0, 1, 1000, 1 << 19, (1 << 19) + 1, 3_000_001] {
            let zeros = zeroed::<i64>(len, &room);
            assert!(zeros.is_ok_and(|zeros| zeros.len() == len && zeros.iter().all(|&zero| zero == 0)));
        }
        assert!(zeroed::<i64>(usize::MAX / 16, &room).is_err());
    }
}
