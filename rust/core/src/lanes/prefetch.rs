/*!
Memory that is asked for before it is needed.

Eight rows at a time are eight short stretches of scores and eight of ids, too short for a processor to foresee: without a
hint it waits for a good part of them.
*/
#![allow(clippy::inline_always, reason = "what is inlined is compiled for the features of its caller")]
#![allow(unsafe_code, reason = "a hint to the processor about memory that is ours")]

/// Bytes of a cache line.
const LINE: usize = 64;

/// Two stretches of memory that are asked for a little at a time, between other work: a processor takes only so many
/// requests at once, and waits with the rest.
#[derive(Debug)]
pub(crate) struct Ahead([Stretch; 2]);

#[derive(Debug)]
struct Stretch {
    next: *const u8,
    /// Lines of a step, in groups.
    groups: usize,
}

impl Ahead {
    /// All of both in so many steps.
    pub(crate) fn of<A, B>(first: &[A], second: &[B], steps: usize) -> Self {
        Self([Stretch::of(first, steps), Stretch::of(second, steps)])
    }

    /// Asks for some more; after the last step for what follows, which does no harm.
    #[inline(always)]
    pub(crate) fn more(&mut self) {
        for stretch in &mut self.0 {
            stretch.more();
        }
    }
}

impl Stretch {
    /// Lines in a group.
    const LINES: usize = 4;
    /// Groups in a step at most: eight columns of eight rows with eight bytes each.
    const MOST: usize = 2;

    fn of<T>(values: &[T], steps: usize) -> Self {
        let groups = size_of_val(values).div_ceil(LINE * Self::LINES).div_ceil(steps.max(1));
        Self { next: values.as_ptr().cast(), groups: groups.min(Self::MOST) }
    }

    #[inline(always)]
    fn more(&mut self) {
        for group in 0..Self::MOST {
            if group < self.groups {
                for line in 0..Self::LINES {
                    ask(self.next.wrapping_add((group * Self::LINES + line) * LINE));
                }
            }
        }
        self.next = self.next.wrapping_add(self.groups * Self::LINES * LINE);
    }
}

#[inline(always)]
fn ask(address: *const u8) {
    // SAFETY: an address is only hinted at, and may be any; every x86-64 processor has the instruction.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    };
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// Has the cache lines of these values fetched.
pub(crate) fn fetch<T>(values: &[T]) {
    let first = values.as_ptr().cast::<u8>();
    let lines = (first.addr() % LINE + size_of_val(values)).div_ceil(LINE);
    for line in 0..lines {
        ask(first.wrapping_add(line * LINE));
    }
}
