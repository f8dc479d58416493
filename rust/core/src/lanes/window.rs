/*!
The windows of eight rows: the best survivors of each row, in order, as far as they decide which negatives are picked.

For nearly every row, the levels of a scan already are its window: they are sorted, no two scores are equal, and no passage
is excluded. One pass checks that for eight rows at once. The other rows are sorted one by one, and if the scan does not hold
enough of their survivors, their window stays undecided.
*/
#![allow(clippy::inline_always, reason = "inlined code is compiled for the instruction set of its caller")]

use crate::input::id::Id;
use crate::lanes::excluded::Excluded;
use crate::lanes::scan::{Found, MAX_LEVELS, NO_SCORE};
use crate::rule::candidate::Candidate;
use crate::simd::{Kernel, LANES, Vector, dispatch};
use std::ops::Range;

/// What is known about the window of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Window {
    /// The window holds all survivors that decide which negatives are picked.
    Decided(Survivors),
    /// The scan does not hold enough; the row must be mined on its own.
    Undecided,
}

/// Number of survivors of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Survivors {
    /// Exactly this many.
    Exact(usize),
    /// At least this many, which is all that matters if survivors are not counted.
    AtLeast(usize),
}

impl Survivors {
    /// Returns the largest number of survivors known to exist.
    pub(crate) fn known(self) -> usize {
        let (Self::Exact(known) | Self::AtLeast(known)) = self;
        known
    }
}

/// The scan of eight rows of equal length.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scanned<'a, I> {
    pub(crate) found: &'a Found,
    /// Ids of all eight rows; `None` if they are column numbers.
    pub(crate) ids: Option<&'a [I]>,
    /// Number of best survivors that the scan holds per row.
    pub(crate) depth: usize,
    /// Number of best survivors that decide which negatives are picked.
    pub(crate) decisive: usize,
}

/// The windows of [`LANES`] rows.
#[derive(Debug, Default)]
pub(crate) struct Windows {
    /// Number of survivors in each window.
    pub(crate) held: [usize; LANES],
    /// Scores of the survivors, one level per place in the order.
    pub(crate) scores: [[f32; LANES]; MAX_LEVELS],
    /// Ids of the survivors.
    pub(crate) ids: [[i64; LANES]; MAX_LEVELS],
    /// Working memory of [`Windows::sort_row`].
    row: Vec<Candidate>,
}

impl Windows {
    /// Returns the survivors at some places of one row's window.
    pub(crate) fn candidates(&self, lane: usize, places: Range<usize>) -> impl ExactSizeIterator<Item = Candidate> {
        let levels = self.scores[places.clone()].iter().zip(&self.ids[places]);
        levels.map(move |(scores, ids)| Candidate { score: f64::from(scores[lane]), id: ids[lane] })
    }

    /// Fills the windows with the first `decisive` levels of the scan.
    ///
    /// Returns for each row whether that is its window. If not, [`Windows::sort_row`] may find it.
    pub(crate) fn fill<I: Id>(&mut self, scanned: &Scanned<'_, I>, excluded: &Excluded) -> [bool; LANES] {
        dispatch(Fill { windows: self, scanned, excluded })
    }

    /// Sorts the survivors of one row that are not excluded, and keeps the decisive ones as its window.
    ///
    /// `exact` is the number of survivors of the row, if they were counted.
    #[inline(never)]
    pub(crate) fn sort_row<I: Id>(
        &mut self,
        scanned: &Scanned<'_, I>,
        lane: usize,
        excluded: &[i64],
        exact: Option<usize>,
    ) -> Window {
        let Scanned { found, ids, depth, decisive } = *scanned;
        self.row.clear();
        for (column, score) in found.held(lane, depth) {
            let id = match ids {
                None => i64::from(column),
                Some(ids) => match ids[lane * (ids.len() / LANES)..][column as usize].passage() {
                    Some(id) => id,
                    None => return Window::Undecided,
                },
            };
            if !excluded.contains(&id) {
                self.row.push(Candidate { score: f64::from(score) + 0.0, id });
            }
        }
        self.row.sort_unstable_by(Candidate::order);
        let size = decisive.min(exact.unwrap_or(self.row.len()));
        let best_dropped = found.best_dropped[lane];
        // The last survivor of the window must be better than every survivor that the scan dropped: a tie would be decided
        // by ids that the scan did not look at.
        if size > self.row.len() || (size > 0 && self.row[size - 1].score <= f64::from(best_dropped)) {
            return Window::Undecided;
        }
        self.row.truncate(size);
        self.held[lane] = size;
        for (place, candidate) in self.row.iter().enumerate() {
            (self.scores[place][lane], self.ids[place][lane]) = (candidate.score as f32, candidate.id);
        }
        match exact {
            Some(exact) => Window::Decided(Survivors::Exact(exact)),
            None if size == decisive => Window::Decided(Survivors::AtLeast(decisive)),
            None if best_dropped == NO_SCORE => Window::Decided(Survivors::Exact(size)),
            None => Window::Undecided,
        }
    }

    /// Returns for each row whether every id of its window is unique among the first `prefix_len` ids of the row, to which
    /// the window belongs.
    ///
    /// Only compares the lower 32 bits of ids: where those of two ids are equal, the answer is no.
    pub(crate) fn appear_once<I: Id>(&self, ids: &[I], prefix_len: usize) -> [bool; LANES] {
        dispatch(AppearOnce { windows: self, ids, prefix_len })
    }
}

struct Fill<'a, I> {
    windows: &'a mut Windows,
    scanned: &'a Scanned<'a, I>,
    excluded: &'a Excluded,
}

impl<I: Id> Kernel for Fill<'_, I> {
    type Output = [bool; LANES];

    #[inline(always)]
    fn run<V: Vector>(self, _: V::Token) -> [bool; LANES] {
        let Self { windows, scanned, excluded } = self;
        let Scanned { found, ids, depth, decisive } = *scanned;
        // Negative where an id is padding or excluded.
        let mut forbidden = [0_i64; LANES];
        let mut out_of_order = [0_u32; LANES];
        for place in 0..decisive {
            let next = if place + 1 < depth { &found.scores[place + 1] } else { &found.best_dropped };
            for lane in 0..LANES {
                let score = found.scores[place][lane];
                // Also set for a tie, and for a missing score.
                out_of_order[lane] |= u32::from(score <= next[lane]);
                // Turns -0.0 into 0.0.
                windows.scores[place][lane] = score + 0.0;
            }
            let of_place = ids_of(&found.columns[place], ids);
            for lane in 0..LANES {
                forbidden[lane] |= of_place[lane];
            }
            for others in excluded.levels() {
                for lane in 0..LANES {
                    forbidden[lane] |= -i64::from(of_place[lane] == others[lane]);
                }
            }
            windows.ids[place] = of_place;
        }
        windows.held = [decisive; LANES];
        let worst = if decisive > 0 { found.scores[decisive - 1] } else { [f32::INFINITY; LANES] };
        std::array::from_fn(|lane| {
            forbidden[lane] >= 0 && out_of_order[lane] == 0 && worst[lane] > found.best_dropped[lane]
        })
    }
}

/// Returns the passage in one column of each row; a negative number for padding and for a column outside the row.
#[inline(always)]
fn ids_of<I: Id>(columns: &[u32; LANES], ids: Option<&[I]>) -> [i64; LANES] {
    let Some(ids) = ids else {
        return columns.map(i64::from);
    };
    let width = ids.len() / LANES;
    let mut passages = [-1; LANES];
    for lane in 0..LANES {
        if let Some(id) = ids.get(lane * width + columns[lane] as usize) {
            passages[lane] = if id.is_padding() { -1 } else { id.widen() };
        }
    }
    passages
}

struct AppearOnce<'a, I> {
    windows: &'a Windows,
    ids: &'a [I],
    prefix_len: usize,
}

impl<I: Id> Kernel for AppearOnce<'_, I> {
    type Output = [bool; LANES];

    #[inline(always)]
    fn run<V: Vector>(self, token: V::Token) -> [bool; LANES] {
        let Self { windows, ids, prefix_len } = self;
        let columns = ids.len() / LANES;
        let mut once = [true; LANES];
        for lane in 0..LANES {
            let row = &ids[lane * columns..][..prefix_len.min(columns)];
            let window = &windows.ids[..windows.held[lane]];
            for few in window.chunks(FOUR) {
                // Slots without an id repeat the first one. Each of the four slots must then match exactly once.
                let mut slots = [few[0][lane] as i32; FOUR];
                for (slot, ids) in slots.iter_mut().zip(few) {
                    *slot = ids[lane] as i32;
                }
                once[lane] &= count_matches::<V, I>(token, row, slots) == FOUR as i32;
            }
        }
        once
    }
}

/// Number of ids that are compared with a row at once.
const FOUR: usize = 4;

/// Returns the number of pairs of an id and a slot with equal lower 32 bits.
#[inline(always)]
fn count_matches<V: Vector, I: Id>(token: V::Token, ids: &[I], slots: [i32; FOUR]) -> i32 {
    let [a, b, c, d] = slots;
    let vectors = [V::splat(token, a), V::splat(token, b), V::splat(token, c), V::splat(token, d)];
    let mut counts = [V::splat(token, 0); 2];
    let (eights, rest) = ids.as_chunks::<LANES>();
    for eight in eights {
        add_matches(token, &mut counts, eight.map(|id| id.widen() as i32), &vectors);
    }
    if !rest.is_empty() {
        // Missing ids are filled with a number that is not in any slot: one of five numbers is in none of four slots.
        let filler = (0..=FOUR as i32).find(|number| !slots.contains(number)).unwrap_or_default();
        let mut last = [filler; LANES];
        for (slot, id) in last.iter_mut().zip(rest) {
            *slot = id.widen() as i32;
        }
        add_matches(token, &mut counts, last, &vectors);
    }
    let [a, b] = counts.map(V::store);
    (0..LANES).map(|lane| a[lane] + b[lane]).sum()
}

/// Adds the matches of eight ids to the counts. Two vectors of counts make two independent chains of additions.
#[inline(always)]
fn add_matches<V: Vector>(token: V::Token, counts: &mut [V; 2], ids: [i32; LANES], slots: &[V; FOUR]) {
    let ids = V::load(token, ids);
    for (place, &slot) in slots.iter().enumerate() {
        counts[place % 2] = counts[place % 2].increment(ids.equal(slot));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ids_appear_once_if_a_count_says_so(
            columns in 1_usize..40,
            ids in prop::collection::vec(0_i64..300, LANES * 40),
            sizes in prop::array::uniform8(0_usize..10),
            places in Just((0..40).collect::<Vec<usize>>()).prop_shuffle(),
            prefix_len in 1_usize..50,
        ) {
            let (ids, prefix_len) = (&ids[..LANES * columns], prefix_len.min(columns));
            let held = sizes.map(|size| size.min(prefix_len));
            let mut windows = Windows { held, ..Windows::default() };
            for (of_place, place) in windows.ids.iter_mut().zip(places.into_iter().filter(|&place| place < prefix_len)) {
                *of_place = std::array::from_fn(|lane| ids[lane * columns + place]);
            }
            let expected: [bool; LANES] = std::array::from_fn(|lane| {
                let row = &ids[lane * columns..][..prefix_len];
                let chosen = windows.ids[..windows.held[lane]].iter().map(|ids| ids[lane]);
                chosen.into_iter().all(|chosen| row.iter().filter(|&&id| id == chosen).count() == 1)
            });
            prop_assert_eq!(windows.appear_once(ids, prefix_len), expected);
            let portable = AppearOnce { windows: &windows, ids, prefix_len }.run::<[i32; LANES]>(());
            prop_assert_eq!(portable, expected);
        }
    }
}
