/*!
Prefetching of memory before it is needed.

Eight rows are eight short runs of scores and eight of ids. They are too short for the hardware prefetcher to recognise, so
without explicit prefetching the processor waits for a good part of them.
*/
#![allow(clippy::inline_always, reason = "inlined code is compiled for the instruction set of its caller")]
#![allow(unsafe_code, reason = "the prefetch intrinsic takes a raw pointer")]

/// Bytes of a cache line.
const LINE: usize = 64;

/// Prefetches two arrays in small steps, between other work: a processor has room for only a few requests at once.
#[derive(Debug)]
pub(crate) struct Prefetch([Stream; 2]);

#[derive(Debug)]
struct Stream {
    next: *const u8,
    /// Groups of lines per step.
    groups: usize,
}

impl Prefetch {
    /// Divides the prefetching of both arrays into this many steps.
    pub(crate) fn new<A, B>(first: &[A], second: &[B], steps: usize) -> Self {
        Self([Stream::new(first, steps), Stream::new(second, steps)])
    }

    /// Prefetches the next lines. Steps beyond the last one prefetch the memory after the arrays, which is harmless.
    #[inline(always)]
    pub(crate) fn step(&mut self) {
        for stream in &mut self.0 {
            stream.step();
        }
    }
}

impl Stream {
    /// Lines per group.
    const LINES: usize = 4;
    /// Largest number of groups per step: eight columns of eight rows of eight bytes each.
    const MAX_GROUPS: usize = 2;

    fn new<T>(values: &[T], steps: usize) -> Self {
        let groups = size_of_val(values).div_ceil(LINE * Self::LINES).div_ceil(steps.max(1));
        Self { next: values.as_ptr().cast(), groups: groups.min(Self::MAX_GROUPS) }
    }

    #[inline(always)]
    fn step(&mut self) {
        for group in 0..Self::MAX_GROUPS {
            if group < self.groups {
                for line in 0..Self::LINES {
                    prefetch_line(self.next.wrapping_add((group * Self::LINES + line) * LINE));
                }
            }
        }
        self.next = self.next.wrapping_add(self.groups * Self::LINES * LINE);
    }
}

/// Prefetches one cache line on x86-64, and does nothing elsewhere.
#[inline(always)]
fn prefetch_line(address: *const u8) {
    // SAFETY: every x86-64 processor has SSE, and prefetching never faults, whatever the address.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    };
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// Prefetches all cache lines of an array.
pub(crate) fn prefetch<T>(values: &[T]) {
    let first = values.as_ptr().cast::<u8>();
    let lines = (first.addr() % LINE + size_of_val(values)).div_ceil(LINE);
    for line in 0..lines {
        prefetch_line(first.wrapping_add(line * LINE));
    }
}
