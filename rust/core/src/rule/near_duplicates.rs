/*!
The near-duplicate guard: survivors that are too similar to the query, a positive or a better survivor are rejected.

Survivors are gone through best first, after the bounds and before `shift` and `pool`. One whose Jaccard similarity of
word shingles with a positive of the query, the query's own text or a better survivor that was kept reaches the policy's
`near_duplicate` is rejected. Going in score order makes the outcome independent of the sampler, and what a sampler draws
from holds distinct passages. Only as many survivors are looked at as the window needs; later ones are counted as if there
were no guard, without being compared. A text without words is near nothing.

Texts are compared through an index from shingle to the texts that hold it, so a survivor meets only texts that share a
shingle with it: O(shingles) a survivor but for what texts have in common.
*/

use crate::audit::{Counts, Reason};
use crate::error::Error;
use crate::mine::Exclusions;
use crate::rule::select::Candidate;
use crate::texts::shingle_index::Overlaps;
use crate::texts::shingles::Shingles;

/// What the guard compares.
#[derive(Debug, Clone, Copy)]
pub struct Texts<'a> {
    /// The shingles of every passage, by id.
    pub passages: Shingles<'a>,
    /// The shingles of every query's own text, by row.
    pub queries: Option<Shingles<'a>>,
    /// The positives of every query; negative ids are padding, and a positive without an id is not compared.
    pub positives: Option<Exclusions<'a>>,
}

impl<'a> Texts<'a> {
    /// Checks that there is a row for each of the `rows` queries.
    pub(crate) fn check(&self, rows: usize) -> Result<(), Error> {
        let mut given = self.queries.map(|queries| ("query_texts", queries.rows())).into_iter().collect::<Vec<_>>();
        if let Some(positives) = self.positives {
            positives.layout.check("pos_ids", positives.ids.len())?;
            given.push(("pos_ids", positives.layout.rows()));
        }
        match given.into_iter().find(|&(_, found)| found != rows) {
            Some((what, found)) => Err(Error::Shape(format!("{what}: {found} rows for {rows} queries"))),
            None => Ok(()),
        }
    }

    fn of_passage(&self, id: i64, row: usize) -> Result<&'a [u64], Error> {
        self.passages.row(id).ok_or(Error::IdOutOfRange { row, id, passages: self.passages.rows() })
    }
}

/// The guard of one thread: its memory is reused from query to query.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    kept: Overlaps,
}

impl Guard {
    /// Leaves the best `wanted` survivors that are near nothing, in order, or all there are; counts the rejected.
    ///
    /// Returns how many survivors there are, those included that were not looked at.
    pub(crate) fn prune(
        &mut self,
        texts: Option<&Texts<'_>>,
        near: f64,
        query: usize,
        wanted: usize,
        survivors: &mut Vec<Candidate>,
        counts: &mut Counts,
    ) -> Result<usize, Error> {
        let Some(texts) = texts else {
            return Err(Error::Policy {
                field: "near_duplicate",
                reason: "needs the texts: give passage_texts".into(),
            });
        };
        self.kept.reset();
        if let Some(queries) = texts.queries {
            self.kept.insert(queries.row(query as i64).unwrap_or(&[]));
        }
        if let Some(positives) = texts.positives {
            for &id in positives.ids[positives.layout.cells(query)].iter().filter(|&&id| id >= 0) {
                self.kept.insert(texts.of_passage(id, query)?);
            }
        }
        let all = survivors.len();
        let (mut at, mut kept, mut ordered) = (0, 0, 0);
        while at < all && kept < wanted {
            if at == ordered {
                // As many as are still wanted, and at least as many as there were: O(log) selections of what is left.
                order_more(&mut survivors[ordered..], (wanted - kept).max(ordered));
                ordered += (wanted - kept).max(ordered).min(all - ordered);
            }
            let candidate = survivors[at];
            at += 1;
            let shingles = texts.of_passage(candidate.id, query)?;
            if !self.kept.near(shingles, near) {
                self.kept.insert(shingles);
                survivors[kept] = candidate;
                kept += 1;
            }
        }
        survivors.truncate(kept);
        counts.add(Reason::NearDuplicate, at - kept);
        Ok(all - (at - kept))
    }
}

/// Puts the best `more` first and in order.
fn order_more(rest: &mut [Candidate], more: usize) {
    if more < rest.len() {
        rest.select_nth_unstable_by(more - 1, Candidate::order);
        rest[..more].sort_unstable_by(Candidate::order);
    } else {
        rest.sort_unstable_by(Candidate::order);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::layout::Layout;
    use crate::rule::select::tests::best_naive;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn similarity(a: &BTreeSet<u64>, b: &BTreeSet<u64>) -> f64 {
        a.intersection(b).count() as f64 / a.union(b).count() as f64
    }

    /// The slow, obvious twin.
    fn naive(sets: &[BTreeSet<u64>], never: &[usize], near: f64, wanted: usize, all: &[Candidate]) -> (Vec<i64>, u64) {
        let (mut kept, mut rejected) = (Vec::new(), 0);
        for candidate in best_naive(all, all.len()) {
            if kept.len() == wanted {
                break;
            }
            let set = &sets[candidate.id as usize];
            let others = never.iter().copied().chain(kept.iter().map(|&id: &i64| id as usize));
            if others.into_iter().any(|other| similarity(set, &sets[other]) >= near) {
                rejected += 1;
            } else {
                kept.push(candidate.id);
            }
        }
        (kept, rejected)
    }

    proptest! {
        #[test]
        fn equals_its_twin(
            sets in prop::collection::vec(prop::collection::btree_set(0_u64..6, 0..5), 3..40),
            scores in prop::collection::vec(-2_i8..2, 40),
            near in prop::sample::select(vec![0.01, 0.25, 0.5, 2.0 / 3.0, 1.0]),
            wanted in prop::sample::select(vec![0, 1, 3, 8, usize::MAX]),
        ) {
            let mut offsets = vec![0];
            let values: Vec<u64> = sets.iter().flatten().copied().collect();
            offsets.extend(sets.iter().scan(0, |end, set| { *end += set.len() as i64; Some(*end) }));
            let passages = Shingles { offsets: &offsets, values: &values };
            let positives = Exclusions { layout: Layout::Ragged { offsets: &[0, 2] }, ids: &[1, -1] };
            let queries = Shingles { offsets: &offsets[..2], values: &values };
            let texts = Texts { passages, queries: Some(queries), positives: Some(positives) };
            let all: Vec<Candidate> = (2..sets.len())
                .map(|id| Candidate { score: f64::from(scores[id]), id: id as i64 })
                .collect();
            let mut guard = Guard::default();
            for _ in 0..2 {
                let (mut survivors, mut counts) = (all.clone(), Counts::default());
                let found = guard.prune(Some(&texts), near, 0, wanted, &mut survivors, &mut counts)?;
                let (kept, rejected) = naive(&sets, &[0, 1], near, wanted, &all);
                prop_assert_eq!(survivors.iter().map(|candidate| candidate.id).collect::<Vec<_>>(), kept);
                prop_assert_eq!(counts.get(Reason::NearDuplicate), rejected);
                prop_assert_eq!(found as u64, all.len() as u64 - rejected);
            }
        }
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let passages = Shingles { offsets: &[0, 1, 2], values: &[5, 6] };
        let texts = |positives| Texts { passages, queries: None, positives };
        let prune = |texts: Option<&Texts<'_>>, id| {
            let mut survivors = vec![Candidate { score: 0.5, id }];
            Guard::default().prune(texts, 0.5, 0, 1, &mut survivors, &mut Counts::default())
        };
        assert!(matches!(prune(None, 0), Err(Error::Policy { field: "near_duplicate", .. })));
        assert_eq!(prune(Some(&texts(None)), 1), Ok(1));
        for id in [-1, 2, i64::MAX] {
            assert_eq!(prune(Some(&texts(None)), id), Err(Error::IdOutOfRange { row: 0, id, passages: 2 }));
        }
        let outside = Exclusions { layout: Layout::Ragged { offsets: &[0, 1] }, ids: &[9] };
        let refused = prune(Some(&texts(Some(outside))), 1);
        assert_eq!(refused, Err(Error::IdOutOfRange { row: 0, id: 9, passages: 2 }));
        assert!(texts(Some(outside)).check(2).is_err());
        assert!(texts(Some(outside)).check(1).is_ok());
    }
}
