/*!
Memory that is asked for before it is needed.

Eight rows at a time are eight short stretches of scores and eight of ids, too short for a processor to foresee: without a
hint it waits for a good part of them.
*/
#![allow(unsafe_code, reason = "a hint to the processor about memory that is ours")]

/// Has the cache lines of these values fetched.
pub(crate) fn fetch<T>(values: &[T]) {
    #[cfg(target_arch = "x86_64")]
    for place in (0..values.len()).step_by(64 / size_of::<T>()) {
        let address = values.as_ptr().wrapping_add(place);
        // SAFETY: an address is only hinted at, here one inside the slice; every x86-64 processor has the instruction.
        unsafe { std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}
