/*!
The windows of eight rows: the survivors that decide about a row's picks, in order.

Of nearly every row a scan holds just these, in order, no two with one score and none of them excluded. That is found out
for eight rows at once; the others are put in order one by one.
*/
#![allow(unsafe_code, reason = "code for a processor feature is called once that feature has been found")]
#![allow(clippy::inline_always, reason = "what is inlined is compiled for the features of its caller")]

use crate::input::layout::Id;
use crate::lanes::excluded::Excluded;
use crate::lanes::scan::{Found, MOST_LEVELS, NO_SCORE};
use crate::rule::select::Candidate;
use crate::simd::LANES;
use std::ops::Range;

/// Eight scanned rows of one length.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scanned<'a, I> {
    pub(crate) found: &'a Found,
    /// None where they are column numbers.
    pub(crate) ids: Option<&'a [I]>,
    /// How many of the best the scan was to hold.
    pub(crate) wanted: usize,
    /// How many of them decide about the picks.
    pub(crate) reach: usize,
}

/// The best survivors of each row.
#[derive(Debug, Default)]
pub(crate) struct Windows {
    /// How many there are.
    pub(crate) held: [usize; LANES],
    pub(crate) scores: [[f32; LANES]; MOST_LEVELS],
    pub(crate) ids: [[i64; LANES]; MOST_LEVELS],
    /// The row that is put in order.
    row: Vec<Candidate>,
}

impl Windows {
    /// Some survivors of a row.
    pub(crate) fn candidates(&self, lane: usize, places: Range<usize>) -> impl ExactSizeIterator<Item = Candidate> {
        let levels = self.scores[places.clone()].iter().zip(&self.ids[places]);
        levels.map(move |(scores, ids)| Candidate { score: f64::from(scores[lane]), id: ids[lane] })
    }

    /// Takes the best `reach` survivors of each row as they are found, and says of which rows they are the window.
    pub(crate) fn take<I: Id>(&mut self, scanned: &Scanned<'_, I>, excluded: &Excluded) -> [bool; LANES] {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the function differs from its portable twin by the feature it is compiled for, found just above.
            return unsafe { self.take_avx2(scanned, excluded) };
        }
        self.take_portable(scanned, excluded)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn take_avx2<I: Id>(&mut self, scanned: &Scanned<'_, I>, excluded: &Excluded) -> [bool; LANES] {
        self.take_portable(scanned, excluded)
    }

    #[inline(always)]
    fn take_portable<I: Id>(&mut self, scanned: &Scanned<'_, I>, excluded: &Excluded) -> [bool; LANES] {
        let Scanned { found, ids, wanted, reach } = *scanned;
        // Sign bits of what must not be.
        let mut special = [0_i64; LANES];
        let mut undecided = [0_u32; LANES];
        for place in 0..reach {
            let next = if place + 1 < wanted { &found.scores[place + 1] } else { &found.let_go };
            for lane in 0..LANES {
                let score = found.scores[place][lane];
                // A tie, out of order, or no score at all.
                undecided[lane] |= u32::from(score <= next[lane]);
                // -0.0 is 0.0.
                self.scores[place][lane] = score + 0.0;
            }
            let of_place = ids_of(&found.columns[place], ids);
            for lane in 0..LANES {
                special[lane] |= of_place[lane];
            }
            for others in excluded.passages() {
                for lane in 0..LANES {
                    special[lane] |= -i64::from(of_place[lane] == others[lane]);
                }
            }
            self.ids[place] = of_place;
        }
        self.held = [reach; LANES];
        let worst = if reach > 0 { found.scores[reach - 1] } else { [f32::INFINITY; LANES] };
        std::array::from_fn(|lane| special[lane] >= 0 && undecided[lane] == 0 && worst[lane] > found.let_go[lane])
    }

    /// Puts one row's survivors in order, the best `reach`, and gives how many there are in all (or, where that is not
    /// `known`, of those that matter); `None` if what was found does not decide.
    #[inline(never)]
    pub(crate) fn settle<I: Id>(
        &mut self,
        scanned: &Scanned<'_, I>,
        lane: usize,
        excluded: &[i64],
        known: Option<usize>,
    ) -> Option<usize> {
        let Scanned { found, ids, wanted, reach } = *scanned;
        self.row.clear();
        for (column, score) in found.held(lane, wanted) {
            let id = match ids {
                None => i64::from(column),
                Some(ids) => ids[lane * (ids.len() / LANES)..][column as usize].passage()?,
            };
            if !excluded.contains(&id) {
                self.row.push(Candidate { score: f64::from(score) + 0.0, id });
            }
        }
        self.row.sort_unstable_by(Candidate::order);
        let decide = reach.min(known.unwrap_or(self.row.len()));
        let let_go = found.let_go[lane];
        // None of the survivors that were let go may tie with the last one that decides.
        if decide > self.row.len() || (decide > 0 && self.row[decide - 1].score <= f64::from(let_go)) {
            return None;
        }
        self.row.truncate(decide);
        self.held[lane] = decide;
        for (place, candidate) in self.row.iter().enumerate() {
            (self.scores[place][lane], self.ids[place][lane]) = (candidate.score as f32, candidate.id);
        }
        if known.is_some() {
            return known;
        }
        // The number of survivors must suffice, or be that of the row.
        (decide == reach || let_go == NO_SCORE).then_some(decide)
    }
}

/// The passage in one column of each row; negative for padding, and for a column that is not there.
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
