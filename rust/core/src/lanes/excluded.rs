/*!
The excluded passages of eight queries, for rows that are searched for each of them.
*/

use crate::input::layout::Layout;
use crate::input::request::Request;
use crate::simd::LANES;

/// Largest number of excluded passages per query. Queries with more are mined on their own.
const MAX_EXCLUDED: usize = 4;

/// The distinct excluded passages of each of eight queries.
#[derive(Debug)]
pub(crate) struct Excluded {
    /// Excluded passages, one per level and query, or -1.
    passages: [[i64; LANES]; MAX_EXCLUDED],
    /// Number of excluded passages of each query. Only [`MAX_EXCLUDED`] of them are held.
    counts: [usize; LANES],
    /// Number of levels in use.
    levels: usize,
}

impl Excluded {
    /// Collects the excluded passages of [`LANES`] queries from `first` on.
    #[inline]
    pub(crate) fn new<S, I>(request: &Request<'_, S, I>, first: usize) -> Self {
        let mut excluded = Self { passages: [[-1; LANES]; MAX_EXCLUDED], counts: [0; LANES], levels: 0 };
        for (number, list) in request.exclusions.iter().enumerate() {
            let cells = list.layout.cells(first).start..list.layout.cells(first + LANES - 1).end;
            if number == 0
                && let Layout::Dense { columns: 1, .. } = list.layout
                && let Ok(passages) = list.ids[cells].try_into()
            {
                // The most common case: one positive per query.
                let passages: [i64; LANES] = passages;
                excluded.passages[0] = passages.map(|passage| passage.max(-1));
                excluded.counts = passages.map(|passage| usize::from(passage >= 0));
                excluded.levels = 1;
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
        let count = self.counts[lane];
        let known = self.passages[..count.min(MAX_EXCLUDED)].iter().any(|passages| passages[lane] == passage);
        if passage < 0 || known {
            return;
        }
        if let Some(passages) = self.passages.get_mut(count) {
            passages[lane] = passage;
        }
        self.counts[lane] += 1;
        self.levels = self.levels.max(count + 1).min(MAX_EXCLUDED);
    }

    /// Returns the levels in use: one excluded passage of each query, or -1.
    #[inline]
    pub(crate) fn levels(&self) -> &[[i64; LANES]] {
        &self.passages[..self.levels]
    }

    /// Returns the excluded passages of one query, of which the second number are valid; `None` if there are too many.
    #[inline]
    pub(crate) fn of_query(&self, lane: usize) -> Option<([i64; MAX_EXCLUDED], usize)> {
        let passages = self.passages.map(|passages| passages[lane]);
        (self.counts[lane] <= MAX_EXCLUDED).then_some((passages, self.counts[lane]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::id::Ids;
    use crate::input::request::Exclusions;

    #[test]
    fn excluded_passages_are_distinct_and_limited() {
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
        let excluded = Excluded::new(&request, 0);
        let of_query = |lane| excluded.of_query(lane).map(|(passages, count)| passages[..count].to_vec());
        let expected =
            [Some(vec![7, 3]), Some(vec![9]), None, Some(vec![6]), Some(vec![]), Some(vec![2]), Some(vec![2])];
        for (lane, expected) in expected.into_iter().enumerate() {
            // The third query has six excluded passages, which is too many.
            assert_eq!(of_query(lane), expected);
        }
        assert_eq!(excluded.levels().len(), MAX_EXCLUDED);
    }
}
