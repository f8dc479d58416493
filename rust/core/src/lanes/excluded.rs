/*!
The few passages that each of eight queries must never be given.
*/

use crate::input::layout::Layout;
use crate::mine::Request;
use crate::simd::LANES;

/// Excluded passages that a row is searched for one by one.
const MOST_EXCLUDED: usize = 4;

/// Each query's excluded passages, every one once.
#[derive(Debug)]
pub(crate) struct Excluded {
    /// -1 where there is none.
    passages: [[i64; LANES]; MOST_EXCLUDED],
    held: [usize; LANES],
    /// How many the query with the most has.
    most: usize,
}

impl Excluded {
    /// Those of [`LANES`] queries from `first` on.
    #[inline]
    pub(crate) fn of<S, I>(request: &Request<'_, S, I>, first: usize) -> Self {
        let mut excluded = Self { passages: [[-1; LANES]; MOST_EXCLUDED], held: [0; LANES], most: 0 };
        for (number, list) in request.exclusions.iter().enumerate() {
            let cells = list.layout.cells(first).start..list.layout.cells(first + LANES - 1).end;
            if number == 0
                && let Layout::Dense { columns: 1, .. } = list.layout
                && let Ok(passages) = list.ids[cells].try_into()
            {
                // The most common case: a positive for every query.
                let passages: [i64; LANES] = passages;
                excluded.passages[0] = passages.map(|passage| passage.max(-1));
                excluded.held = passages.map(|passage| usize::from(passage >= 0));
                excluded.most = 1;
                continue;
            }
            for lane in 0..LANES {
                for &passage in &list.ids[list.layout.cells(first + lane)] {
                    excluded.add(lane, passage);
                }
            }
        }
        excluded
    }

    #[inline]
    fn add(&mut self, lane: usize, passage: i64) {
        let held = self.held[lane];
        let known = self.passages[..held.min(MOST_EXCLUDED)].iter().any(|passages| passages[lane] == passage);
        if passage < 0 || known {
            return;
        }
        if let Some(passages) = self.passages.get_mut(held) {
            passages[lane] = passage;
        }
        self.held[lane] += 1;
        self.most = self.most.max(held + 1).min(MOST_EXCLUDED);
    }

    /// A level each, as far as any query has so many.
    #[inline]
    pub(crate) fn passages(&self) -> &[[i64; LANES]] {
        &self.passages[..self.most]
    }

    /// Those of one query, and how many they are; `None` if it has more than a few.
    #[inline]
    pub(crate) fn of_query(&self, lane: usize) -> Option<([i64; MOST_EXCLUDED], usize)> {
        let passages = self.passages.map(|passages| passages[lane]);
        (self.held[lane] <= MOST_EXCLUDED).then_some((passages, self.held[lane]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::layout::Ids;
    use crate::mine::Exclusions;

    #[test]
    fn every_passage_is_held_once_and_a_few_at_most() {
        let lists = [7_i64, 7, -1, 3, 7, 1, 2, 4, 5, 6, 6];
        let offsets = [0, 4, 4, 9, 11, 11, 11, 11, 11];
        let own = [3, 9, 8, -1, -1, 2, 2, 2];
        let exclusions = [
            Exclusions { layout: Layout::Ragged { offsets: &offsets }, ids: &lists },
            Exclusions { layout: Layout::Dense { rows: LANES, columns: 1 }, ids: &own },
        ];
        let request = Request::<f32, i64> {
            scores: &[],
            layout: Layout::Dense { rows: LANES, columns: 0 },
            ids: Ids::Columns,
            positive_scores: &[],
            positive_layout: Layout::Dense { rows: LANES, columns: 0 },
            exclusions: &exclusions,
            classes: None,
            keys: None,
            texts: None,
        };
        let excluded = Excluded::of(&request, 0);
        let held = |lane| excluded.of_query(lane).map(|(passages, held)| passages[..held].to_vec());
        let expected =
            [Some(vec![7, 3]), Some(vec![9]), None, Some(vec![6]), Some(vec![]), Some(vec![2]), Some(vec![2])];
        for (lane, expected) in expected.into_iter().enumerate() {
            // The third has six.
            assert_eq!(held(lane), expected);
        }
        assert_eq!(excluded.passages().len(), MOST_EXCLUDED);
    }
}
