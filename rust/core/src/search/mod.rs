/*!
Exact search: the best candidates of many queries, found block by block in a score matrix that is never held whole.

A block is a matrix product, whose scores are close to the reported ones ([`dot`]) but not equal to them. Every passage that
could be among the best, given how much the two can differ, is scored exactly ([`best_list`]); all others are provably worse.
So the result is exact and depends neither on the block size nor on how the product is computed ([`external`]). Passages at
or above the ceiling and below the floor are counted exactly too.
*/

pub(crate) mod best_list;
pub(crate) mod dot;
pub(crate) mod doubt;
pub(crate) mod external;
pub(crate) mod product;
pub(crate) mod rescore;
pub(crate) mod target;

use crate::error::Error;
use crate::rule::select::best;
use crate::search::best_list::{BestList, Scratch};
use crate::search::product::product;
use crate::search::rescore::{Rescorer, Vectors};
use crate::search::target::{QueryBest, Target};
use rayon::prelude::*;

/// Number of passages, and largest number of queries, of a tile. Its scores (1 MiB) stay in the nearer caches.
const TILE: usize = 512;
/// Smallest number of queries of a task. Fewer would make poor use of a tile of passages.
const MIN_QUERIES: usize = 32;

/// The best passages of each query so far.
#[derive(Debug, Clone)]
pub struct Best {
    pub(crate) target: Target,
    pub(crate) lists: Vec<QueryBest>,
}

impl Best {
    /// Starts a search without any passages.
    #[must_use]
    pub fn new(target: Target) -> Self {
        let lists = vec![QueryBest::default(); target.ceilings.len()];
        Self { target, lists }
    }

    /// Merges final scores, `width` per query, of passages whose ids start with `first`. Passages whose score is not above
    /// `above` are not candidates.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there are `width` scores per query.
    pub fn update_final(&mut self, scores: &[f32], width: usize, first: i64, above: f32) -> Result<(), Error> {
        if self.lists.len().checked_mul(width) != Some(scores.len()) {
            let queries = self.lists.len();
            return Err(Error::Shape(format!("{} scores are not {queries} rows of {width}", scores.len())));
        }
        if width == 0 {
            return Ok(());
        }
        let target = &self.target;
        self.lists.par_iter_mut().zip(scores.par_chunks_exact(width)).enumerate().for_each_init(
            Scratch::default,
            |scratch, (query, (lists, row))| {
                let score = |passage: usize| Some(row[passage]).filter(|&score| score > above).map(f64::from);
                target.offer(query, lists, |list, target| list.take(target, row, first, 0.0, scratch, score));
            },
        );
        Ok(())
    }

    /// Merges the passages of `vectors`, whose ids start with `first`. The matrix product is computed here, tile by tile.
    ///
    /// # Errors
    /// [`Error::Shape`] if the vectors do not fit, [`Error::VectorNotFinite`] for a vector that cannot be scored.
    pub fn search(&mut self, vectors: Vectors<'_>, first: i64) -> Result<(), Error> {
        let (queries, dimension) = (self.lists.len(), vectors.dimension);
        let width = vectors.passages.len().checked_div(dimension).unwrap_or(0);
        let rescorer = Rescorer::new(vectors, queries, width, first)?;
        if width == 0 {
            return Ok(());
        }
        let (target, (left, right)) = (&self.target, rescorer.factors());
        let threads = rayon::current_num_threads();
        // Tasks of equal size, the same number for each thread.
        let parts = queries.div_ceil(TILE * threads) * threads;
        let rows = queries.div_ceil(parts.max(1)).max(MIN_QUERIES);
        self.lists.par_chunks_mut(rows).enumerate().for_each_init(
            || (Scratch::default(), Vec::new()),
            |(scratch, scores), (number, lists)| {
                let queries = number * rows..number * rows + lists.len();
                for start in (0..width).step_by(TILE) {
                    let passages = start..(start + TILE).min(width);
                    product(
                        &left[queries.start * dimension..queries.end * dimension],
                        &right[passages.start * dimension..passages.end * dimension],
                        dimension,
                        scores,
                    );
                    for ((query, lists), row) in
                        queries.clone().zip(lists.iter_mut()).zip(scores.chunks_exact(passages.len()))
                    {
                        target.offer(query, lists, |list, target| {
                            rescorer.take(query, list, target, row, start, scratch);
                        });
                    }
                }
            },
        );
        Ok(())
    }

    /// Returns the ids and scores of the best passages within the bounds, `depth` per query and best first; -1 and NaN
    /// after the last.
    #[must_use]
    pub fn finish(&mut self) -> (Vec<i64>, Vec<f64>) {
        let depth = self.target.depth;
        table(self.lists.iter_mut().map(|lists| &mut lists.within), depth)
    }

    /// Returns the ids and scores of the best of all passages, `kept` per query, in the same form.
    #[must_use]
    pub fn finish_kept(&mut self) -> (Vec<i64>, Vec<f64>) {
        let kept = self.target.kept;
        table(self.lists.iter_mut().map(|lists| &mut lists.overall), kept)
    }

    /// Returns how many passages of each query score at or above its ceiling, and how many of the others below the floor.
    /// Both numbers include excluded passages.
    #[must_use]
    pub fn outside(&self) -> (Vec<i64>, Vec<i64>) {
        let outside = self.lists.iter().map(|lists| lists.within.outside);
        outside.map(|outside| (outside.too_high as i64, outside.too_low as i64)).unzip()
    }
}

/// Sorts the lists and copies them into arrays of `depth` ids and scores per query.
fn table<'a>(lists: impl ExactSizeIterator<Item = &'a mut BestList>, depth: usize) -> (Vec<i64>, Vec<f64>) {
    let mut ids = vec![-1; lists.len() * depth];
    let mut scores = vec![f64::NAN; ids.len()];
    for (query, list) in lists.enumerate() {
        best(&mut list.found, depth);
        for (rank, candidate) in list.found.iter().enumerate() {
            ids[query * depth + rank] = candidate.id;
            scores[query * depth + rank] = candidate.score;
        }
    }
    (ids, scores)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::dot::{Similarity, norm};
    use proptest::prelude::*;

    fn target(queries: usize, depth: usize) -> Target {
        Target {
            depth,
            ceilings: vec![f64::INFINITY; queries],
            floor: f64::NEG_INFINITY,
            excluded: Vec::new(),
            kept: 0,
        }
    }

    /// Scores every passage. Returns ids and scores, best first, and how many scores are too high and too low.
    fn exhaustive(vectors: &Vectors<'_>, target: &Target, query: usize) -> (Vec<(i64, f64)>, (i64, i64)) {
        let Vectors { queries, passages, dimension, similarity, rounded, .. } = *vectors;
        let vector = &queries[query * dimension..][..dimension];
        let (mut found, mut outside) = (Vec::new(), (0, 0));
        for (id, passage) in passages.chunks_exact(dimension).enumerate() {
            let score = similarity.score(vector, passage, norm(vector), norm(passage));
            let score = if rounded { f64::from(score as f32) } else { score };
            if score >= target.ceilings[query] {
                outside.0 += 1;
            } else if score < target.floor {
                outside.1 += 1;
            } else if target.excluded.get(query).is_none_or(|excluded| !excluded.contains(&(id as i64))) {
                found.push((id as i64, score));
            }
        }
        found.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        found.truncate(target.depth);
        (found, outside)
    }

    proptest! {
        /// With few distinct components there are many ties and copies.
        #[test]
        fn blocks_of_any_size_give_the_exact_best_passages(
            queries in prop::collection::vec(-2_i8..3, 3 * 20),
            passages in prop::collection::vec(-2_i8..3, 3 * 80),
            depth in 1_usize..12,
            block in 1_usize..90,
            ceiling in prop::sample::select(vec![f64::INFINITY, 0.37 * 0.37, f64::from(0.37_f32).powi(2), 0.0, -9.0]),
            floor in prop::sample::select(vec![f64::NEG_INFINITY, f64::from(0.37_f32).powi(2), 0.0, 0.5]),
            excluded in prop::collection::vec(prop::collection::btree_set(0_i64..80, 0..30), 20),
            cosine: bool,
            rounded: bool,
        ) {
            let vectors = |levels: &[i8]| levels.iter().map(|&l| f32::from(l) * 0.37).collect::<Vec<f32>>();
            let (queries, passages) = (vectors(&queries), vectors(&passages));
            let similarity = if cosine { Similarity::Cosine } else { Similarity::Dot };
            let all = Vectors { queries: &queries, passages: &passages, dimension: 3, similarity, rounded };
            let excluded = excluded.into_iter().map(|ids| ids.into_iter().collect()).collect();
            let target = Target { depth, ceilings: vec![ceiling; 20], floor, excluded, kept: 7 };
            let unbounded = Target {
                depth: 7,
                ceilings: vec![f64::INFINITY; 20],
                floor: f64::NEG_INFINITY,
                excluded: Vec::new(),
                kept: 0,
            };
            let mut found = Best::new(target.clone());
            for (number, rows) in passages.chunks(3 * block).enumerate() {
                let (part, first) = (Vectors { passages: rows, ..all }, (number * block) as i64);
                prop_assert!(found.search(part, first).is_ok());
            }
            let kept = found.finish_kept().0;
            let ((ids, scores), outside) = (found.finish(), found.outside());
            for query in 0..20 {
                let of_all: Vec<i64> = exhaustive(&all, &unbounded, query).0.iter().map(|&(id, _)| id).collect();
                prop_assert_eq!(&kept[query * 7..][..of_all.len()], &of_all);
                let (expected, (too_high, too_low)) = exhaustive(&all, &target, query);
                prop_assert_eq!((outside.0[query], outside.1[query]), (too_high, too_low));
                for place in 0..depth {
                    let cell = query * depth + place;
                    let (id, score) = expected.get(place).copied().unwrap_or((-1, f64::NAN));
                    prop_assert_eq!((ids[cell], scores[cell].to_bits()), (id, score.to_bits()));
                }
            }
        }
    }

    #[test]
    fn final_scores_are_not_rescored() {
        let mut found = Best::new(target(1, 3));
        assert_eq!(found.update_final(&[0.0, 2.0], 2, 0, 0.0), Ok(()));
        assert_eq!(found.update_final(&[2.0, -1.0, 0.5], 3, 2, 0.0), Ok(()));
        assert_eq!(found.finish().0, [1, 2, 4]);
    }

    const PAIR: Vectors<'_> =
        Vectors { queries: &[1.0, 0.0], passages: &[], dimension: 2, similarity: Similarity::Dot, rounded: false };

    #[test]
    fn the_error_names_a_vector_that_is_not_finite() {
        let mut found = Best::new(target(1, 1));
        let vectors = Vectors { passages: &[1.0, 0.0, f32::NAN, 0.0], ..PAIR };
        let outcome = found.search(vectors, 10);
        assert_eq!(outcome, Err(Error::VectorNotFinite { what: "passage", row: 11 }));
    }

    /// Products beyond the range of `f32` are infinite or NaN, but in `f64` they have an order.
    #[test]
    fn passages_whose_product_overflows_are_scored_exactly() {
        let mut found = Best::new(Target { ceilings: vec![4e76], ..target(1, 4) });
        let passages = [2e38, 1.0, 3e38, 0.0, -2e38, 0.0, 1e38, 1e38];
        let vectors = Vectors { queries: &[2e38, -2e38], passages: &passages, ..PAIR };
        assert_eq!(found.search(vectors, 0), Ok(()));
        assert_eq!(found.finish().0, [0, 3, 2, -1]);
        assert_eq!(found.outside(), (vec![1], vec![0]));
    }
}
