/*!
The filters of the rule: padding, non-finite scores, positives, duplicates, ceiling and floor, in this order.

The first four do not depend on the anchor, so a query that is mined against each of its positives passes them only once.
A hash table finds duplicates in O(1) per candidate. Column numbers cannot repeat, so they need no table.
*/

use crate::audit::{Counts, Reason};
use crate::error::Error;
use crate::hash::mix;
use crate::input::id::{Id, Ids};
use crate::input::score::Score;
use crate::rule::candidate::Candidate;
use std::cmp::Ordering;
use std::ops::Range;

/// Which passages count as the same: those of equal class, or, without classes, those of equal id.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity<'a> {
    /// The class of each passage.
    pub classes: Option<&'a [i64]>,
}

impl Identity<'_> {
    #[inline]
    fn of(&self, passage: i64, row: usize) -> Result<i64, Error> {
        match self.classes {
            None => Ok(passage),
            Some(classes) => usize::try_from(passage)
                .ok()
                .and_then(|passage| classes.get(passage).copied())
                .ok_or(Error::IdOutOfRange { row, id: passage, passages: classes.len() }),
        }
    }
}

/// The filters before the ceiling. Their memory is reused from query to query.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    excluded: Vec<i64>,
    seen: Seen,
}

impl Filter {
    /// Sets the passages that the next query must not get. Negative ids are padding.
    ///
    /// # Errors
    /// [`Error::IdOutOfRange`] for an id outside the table of classes.
    #[inline]
    pub(crate) fn exclude<'a>(
        &mut self,
        lists: impl Iterator<Item = &'a [i64]>,
        identity: Identity<'_>,
        row: usize,
    ) -> Result<(), Error> {
        self.excluded.clear();
        for list in lists {
            for &passage in list {
                if passage >= 0 {
                    self.excluded.push(identity.of(passage, row)?);
                }
            }
        }
        if self.excluded.len() > 1 {
            self.excluded.sort_unstable();
            self.excluded.dedup();
        }
        Ok(())
    }

    /// Collects the distinct candidates of a query that are finite and not excluded into `valid`, and counts the others.
    ///
    /// # Errors
    /// [`Error::IdOutOfRange`] for an id outside the table of classes.
    #[expect(clippy::too_many_arguments, reason = "the parts of one row; a struct of them would have to be copied")]
    pub(crate) fn gather<S: Score, I: Id>(
        &mut self,
        scores: &[S],
        ids: Ids<'_, I>,
        cells: Range<usize>,
        identity: Identity<'_>,
        row: usize,
        counts: &mut Counts,
        valid: &mut Vec<Candidate>,
    ) -> Result<(), Error> {
        valid.clear();
        // Column numbers are distinct; only a table of classes can make two of them the same passage.
        let can_repeat = matches!(ids, Ids::Given(_)) || identity.classes.is_some();
        if can_repeat {
            self.seen.reset(cells.len());
        }
        let first = cells.start;
        for cell in cells {
            let passage = match ids {
                Ids::Columns => Some((cell - first) as i64),
                Ids::Given(ids) => ids[cell].passage(),
            };
            let Some(id) = passage else {
                counts.add(Reason::Padding, 1);
                continue;
            };
            // Turns -0.0 into 0.0. The two are equal scores, so the output must not show which of two copies was kept.
            let score = scores[cell].widen() + 0.0;
            if !score.is_finite() {
                counts.add(Reason::NotFinite, 1);
                continue;
            }
            let class = identity.of(id, row)?;
            if !self.excluded.is_empty() && self.excluded.binary_search(&class).is_ok() {
                counts.add(Reason::Positive, 1);
                continue;
            }
            let candidate = Candidate { score, id };
            if can_repeat && let Some(earlier) = self.seen.place(class, valid.len()) {
                counts.add(Reason::Duplicate, 1);
                if candidate.order(&valid[earlier]) == Ordering::Less {
                    valid[earlier] = candidate;
                }
                continue;
            }
            valid.push(candidate);
        }
        Ok(())
    }
}

/// Collects the candidates with `floor <= score < ceiling` into `survivors`, and counts the others.
pub(crate) fn keep_within(
    valid: &[Candidate],
    ceiling: f64,
    floor: f64,
    counts: &mut Counts,
    survivors: &mut Vec<Candidate>,
) {
    survivors.clear();
    let mut too_high = 0;
    for candidate in valid {
        if candidate.score >= ceiling {
            too_high += 1;
        } else if candidate.score >= floor {
            survivors.push(*candidate);
        }
    }
    counts.add(Reason::Ceiling, too_high);
    counts.add(Reason::Floor, valid.len() - too_high - survivors.len());
}

/// The classes seen in a row so far, each with its position: a hash table with open addressing and linear probing.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    slots: Vec<Slot>,
    /// Number of the row. A slot with the stamp of an earlier row counts as empty, so no slot has to be cleared.
    stamp: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    class: i64,
    stamp: u64,
    position: usize,
}

impl Seen {
    /// Forgets all classes, and makes room for `cells` others.
    pub(crate) fn reset(&mut self, cells: usize) {
        let wanted = (2 * cells).next_power_of_two().max(16);
        if self.slots.len() < wanted {
            self.slots = vec![Slot::default(); wanted];
            self.stamp = 0;
        }
        self.stamp += 1;
    }

    /// Records that `class` is at `position`, or returns the position of an earlier one.
    pub(crate) fn place(&mut self, class: i64, position: usize) -> Option<usize> {
        let mask = self.slots.len() - 1;
        let mut at = mix(class as u64) as usize & mask;
        loop {
            let slot = &mut self.slots[at];
            if slot.stamp != self.stamp {
                *slot = Slot { class, stamp: self.stamp, position };
                return None;
            }
            if slot.class == class {
                return Some(slot.position);
            }
            at = (at + 1) & mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gather(scores: &[f64], ids: &[i64], excluded: &[i64], classes: Option<&[i64]>) -> (Vec<Candidate>, Counts) {
        let (mut filter, mut counts, mut valid) = (Filter::default(), Counts::default(), Vec::new());
        let identity = Identity { classes };
        filter.exclude([excluded].into_iter(), identity, 0).unwrap_or_default();
        let cells = 0..scores.len();
        let gathered = filter.gather(scores, Ids::Given(ids), cells, identity, 0, &mut counts, &mut valid);
        assert_eq!(gathered, Ok(()));
        (valid, counts)
    }

    #[test]
    fn a_candidate_is_counted_under_the_first_reason_that_applies() {
        let scores = [f64::NAN, f64::NAN, 0.9, 0.3, 0.5, 0.1];
        let (valid, counts) = gather(&scores, &[-1, 4, 2, 3, 3, 0], &[2, -1], None);
        assert_eq!(valid, [Candidate { score: 0.5, id: 3 }, Candidate { score: 0.1, id: 0 }]);
        for reason in [Reason::Padding, Reason::NotFinite, Reason::Positive, Reason::Duplicate] {
            assert_eq!(counts.get(reason), 1);
        }
        assert_eq!(counts.total(), 4);
    }

    #[test]
    fn passages_of_one_class_count_as_the_same() {
        let classes = [0, 1, 0, 3];
        let (valid, counts) = gather(&[0.5, 0.5, 0.7], &[2, 0, 3], &[], Some(&classes));
        assert_eq!(valid, [Candidate { score: 0.5, id: 0 }, Candidate { score: 0.7, id: 3 }]);
        assert_eq!(counts.get(Reason::Duplicate), 1);
        let (valid, counts) = gather(&[0.5, 0.7], &[2, 3], &[0], Some(&classes));
        assert_eq!((valid.len(), counts.get(Reason::Positive)), (1, 1));
    }

    #[test]
    fn the_ceiling_is_exclusive_and_the_floor_inclusive() {
        let valid = [0.5, 0.4, 0.2, 0.1].map(|score| Candidate { score, id: 0 });
        let (mut counts, mut survivors) = (Counts::default(), Vec::new());
        keep_within(&valid, 0.5, 0.2, &mut counts, &mut survivors);
        assert_eq!(survivors, valid[1..3]);
        assert_eq!((counts.get(Reason::Ceiling), counts.get(Reason::Floor)), (1, 1));
    }
}
