/*!
The near-duplicate filter: rejects survivors that are too similar to the query, to a positive or to a better survivor.

Survivors are visited best first, after the ceiling and the floor and before `shift` and `pool`. A survivor is rejected if
the Jaccard similarity of its word shingles with the query's text, with a positive or with a better survivor that was kept is
at least the policy's `near_duplicate`. Visiting in score order makes the outcome independent of the sampler. Only as many
survivors are visited as the policy needs; later ones count as survivors without being compared. A text without words is
similar to none.

The kept texts form an index from shingles to texts, so a survivor is only compared with texts that share a shingle with it.
Without common shingles the cost is O(shingles) per survivor.
*/

use crate::audit::{Counts, Reason};
use crate::error::Error;
use crate::input::request::Texts;
use crate::rule::candidate::Candidate;
use crate::texts::shingle_index::ShingleIndex;

/// The near-duplicate filter. Its memory is reused from query to query.
#[derive(Debug, Default)]
pub(crate) struct NearDuplicates {
    kept: ShingleIndex,
}

impl NearDuplicates {
    /// Reduces `survivors` to the best `wanted` that are no near-duplicates, best first, and counts the rejected ones.
    ///
    /// Returns the number of survivors that are left, including the ones that were not visited.
    ///
    /// # Errors
    /// [`Error::Policy`] without texts, [`Error::IdOutOfRange`] for a passage without shingles.
    pub(crate) fn reject(
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
        let (mut visited, mut kept, mut sorted) = (0, 0, 0);
        while visited < all && kept < wanted {
            if visited == sorted {
                // Sorts as many as are still wanted, and at least doubles the sorted part, so that there are O(log)
                // selections.
                let more = (wanted - kept).max(sorted);
                sort_best(&mut survivors[sorted..], more);
                sorted += more.min(all - sorted);
            }
            let candidate = survivors[visited];
            visited += 1;
            let shingles = texts.of_passage(candidate.id, query)?;
            if !self.kept.has_near(shingles, near) {
                self.kept.insert(shingles);
                survivors[kept] = candidate;
                kept += 1;
            }
        }
        survivors.truncate(kept);
        counts.add(Reason::NearDuplicate, visited - kept);
        Ok(all - (visited - kept))
    }
}

/// Moves the best `many` candidates to the front and sorts them, best first.
fn sort_best(candidates: &mut [Candidate], many: usize) {
    if many < candidates.len() {
        candidates.select_nth_unstable_by(many - 1, Candidate::order);
        candidates[..many].sort_unstable_by(Candidate::order);
    } else {
        candidates.sort_unstable_by(Candidate::order);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::layout::Layout;
    use crate::input::request::Exclusions;
    use crate::rule::select::tests::best_naive;
    use crate::texts::shingles::Shingles;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn similarity(a: &BTreeSet<u64>, b: &BTreeSet<u64>) -> f64 {
        a.intersection(b).count() as f64 / a.union(b).count() as f64
    }

    /// The obvious, slow implementation.
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
        fn rejects_the_same_as_the_naive_implementation(
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
            let mut filter = NearDuplicates::default();
            for _ in 0..2 {
                let (mut survivors, mut counts) = (all.clone(), Counts::default());
                let found = filter.reject(Some(&texts), near, 0, wanted, &mut survivors, &mut counts)?;
                let (kept, rejected) = naive(&sets, &[0, 1], near, wanted, &all);
                prop_assert_eq!(survivors.iter().map(|candidate| candidate.id).collect::<Vec<_>>(), kept);
                prop_assert_eq!(counts.get(Reason::NearDuplicate), rejected);
                prop_assert_eq!(found as u64, all.len() as u64 - rejected);
            }
        }
    }

    #[test]
    fn missing_texts_and_unknown_passages_are_refused() {
        let passages = Shingles { offsets: &[0, 1, 2], values: &[5, 6] };
        let texts = |positives| Texts { passages, queries: None, positives };
        let reject = |texts: Option<&Texts<'_>>, id| {
            let mut survivors = vec![Candidate { score: 0.5, id }];
            NearDuplicates::default().reject(texts, 0.5, 0, 1, &mut survivors, &mut Counts::default())
        };
        assert!(matches!(reject(None, 0), Err(Error::Policy { field: "near_duplicate", .. })));
        assert_eq!(reject(Some(&texts(None)), 1), Ok(1));
        for id in [-1, 2, i64::MAX] {
            assert_eq!(reject(Some(&texts(None)), id), Err(Error::IdOutOfRange { row: 0, id, passages: 2 }));
        }
        let outside = Exclusions { layout: Layout::Ragged { offsets: &[0, 1] }, ids: &[9] };
        let refused = reject(Some(&texts(Some(outside))), 1);
        assert_eq!(refused, Err(Error::IdOutOfRange { row: 0, id: 9, passages: 2 }));
        assert!(texts(Some(outside)).check(2).is_err());
        assert!(texts(Some(outside)).check(1).is_ok());
    }
}
