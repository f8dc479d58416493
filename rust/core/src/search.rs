/*!
The best candidates of many queries, found block by block in a score matrix that is never held whole.

A block comes from a matrix product, whose scores are near the reported ones ([`dot`](crate::dot)) but not equal to them.
Every passage that could be among the best, given how far the two can differ, is scored again; the others are provably
worse. So the outcome is exact and does not depend on the size of blocks or on who multiplied them.
*/

use crate::dot::{check_vectors, dot, norm, reach};
use crate::error::Error;
use crate::select::{Candidate, best};
use rayon::prelude::*;

/// What a block of scores is worth.
#[derive(Debug, Clone, Copy)]
pub enum Scoring<'a> {
    /// The scores are final; those that are not above `above` are no candidates.
    Final {
        /// Exclusive lower bound.
        above: f32,
    },
    /// The scores choose a shortlist, and the fixed-order dot product of these vectors is reported.
    Rescored {
        /// Row-major vectors of all queries.
        queries: &'a [f32],
        /// Row-major vectors of the block's passages.
        passages: &'a [f32],
        /// Components of one vector.
        dimension: usize,
        /// Unit roundoff of the matrix product's inputs, see [`reach`](crate::dot::reach).
        input_roundoff: f64,
    },
}

/// The best `depth` candidates of each query so far, below the query's ceiling where it has one.
#[derive(Debug, Clone)]
pub struct Best {
    depth: usize,
    lists: Vec<List>,
}

/// One query's candidates, best first, and the exclusive upper bound on their scores.
#[derive(Debug, Clone)]
struct List {
    found: Vec<Candidate>,
    ceiling: f64,
}

impl Best {
    /// Nothing yet, for `queries` queries.
    #[must_use]
    pub fn new(queries: usize, depth: usize) -> Self {
        Self { depth, lists: vec![List { found: Vec::new(), ceiling: f64::INFINITY }; queries] }
    }

    /// Nothing yet, for queries with these ceilings: a passage whose reported score is not below is no candidate.
    #[must_use]
    pub fn below(ceilings: &[f64], depth: usize) -> Self {
        let lists = ceilings.iter().map(|&ceiling| List { found: Vec::new(), ceiling }).collect();
        Self { depth, lists }
    }

    /// Takes in the scores of all queries against passages `first..first + width`, `width` a row.
    ///
    /// # Errors
    /// [`Error::Shape`] if the block is not a row of `width` scores a query, or vectors do not fit it;
    /// [`Error::VectorNotFinite`] naming a vector that cannot be scored.
    pub fn update(&mut self, scores: &[f32], width: usize, first: i64, scoring: Scoring<'_>) -> Result<(), Error> {
        if self.lists.len().checked_mul(width) != Some(scores.len()) {
            let queries = self.lists.len();
            return Err(Error::Shape(format!("{} scores are not {queries} rows of {width}", scores.len())));
        }
        if width == 0 || self.depth == 0 {
            return Ok(());
        }
        let longest = match scoring {
            Scoring::Final { .. } => 0.0,
            Scoring::Rescored { queries, passages, dimension, .. } => {
                check_vectors(queries, dimension, self.lists.len())?;
                check_vectors(passages, dimension, width)?;
                longest_norm(passages, dimension, first)?
            }
        };
        let depth = self.depth;
        self.lists
            .par_iter_mut()
            .zip(scores.par_chunks_exact(width))
            .enumerate()
            .map_init(Vec::new, |scratch, (query, (list, row))| match scoring {
                Scoring::Final { above } => {
                    take(list, depth, row, first, scratch, 0.0, |_, score| Some(score).filter(|s| *s > above));
                    Ok(())
                }
                Scoring::Rescored { queries, passages, dimension, input_roundoff } => {
                    let vector = &queries[query * dimension..(query + 1) * dimension];
                    let length = norm(vector);
                    if !length.is_finite() {
                        return Err(Error::VectorNotFinite { what: "query", row: query });
                    }
                    let reach = reach(dimension, input_roundoff, length, longest);
                    take(list, depth, row, first, scratch, reach, |passage, _| {
                        Some(dot(vector, &passages[passage * dimension..(passage + 1) * dimension]))
                    });
                    Ok(())
                }
            })
            .collect::<Vec<_>>()
            .into_iter()
            .collect()
    }

    /// Ids (-1 where there are no more) and scores (NaN there), `depth` a query, best first.
    #[must_use]
    pub fn finish(&self) -> (Vec<i64>, Vec<f32>) {
        let mut ids = vec![-1; self.lists.len() * self.depth];
        let mut scores = vec![f32::NAN; ids.len()];
        for (query, list) in self.lists.iter().enumerate() {
            for (rank, candidate) in list.found.iter().enumerate() {
                ids[query * self.depth + rank] = candidate.id;
                scores[query * self.depth + rank] = candidate.score as f32;
            }
        }
        (ids, scores)
    }
}

/// Merges one row of a block into a query's list. `reach` is how far a row's score can lie from the reported one.
fn take(
    list: &mut List,
    depth: usize,
    row: &[f32],
    first: i64,
    scratch: &mut Vec<f32>,
    reach: f64,
    report: impl Fn(usize, f32) -> Option<f32>,
) {
    // Where a row's scores may lie for their reported ones to be below the ceiling, and where they surely are.
    let (possible, certain) = (round_up(list.ceiling + reach), round_down(list.ceiling - reach));
    // Passages below the floor cannot be among the best: a full list holds `depth` better ones; failing that, the row
    // itself does if its `depth`-th score is better by twice the reach.
    let floor = if list.found.len() == depth {
        list.found[depth - 1].score - reach
    } else {
        scratch.clear();
        scratch.extend(row.iter().filter(|&&score| score < certain));
        if scratch.len() > depth {
            let (_, &mut score, _) = scratch.select_nth_unstable_by(depth - 1, |a, b| b.total_cmp(a));
            f64::from(score) - 2.0 * reach
        } else {
            f64::NEG_INFINITY
        }
    };
    // Rounded down to f32, so that the scan below compares what it reads and still passes every score at the floor.
    let floor = round_down(floor);
    let before = list.found.len();
    for (passage, &score) in row.iter().enumerate() {
        // A NaN says nothing: the reported score decides.
        if ((score >= floor && score <= possible) || score.is_nan())
            && let Some(score) = report(passage, score).map(f64::from)
            && score < list.ceiling
        {
            list.found.push(Candidate { score, id: first + passage as i64 });
        }
    }
    if list.found.len() > before {
        best(&mut list.found, depth);
    }
}

fn round_down(value: f64) -> f32 {
    let nearest = value as f32;
    if f64::from(nearest) > value { nearest.next_down() } else { nearest }
}

fn round_up(value: f64) -> f32 {
    -round_down(-value)
}

fn longest_norm(passages: &[f32], dimension: usize, first: i64) -> Result<f64, Error> {
    if dimension == 0 {
        return Ok(0.0);
    }
    let norms: Vec<f64> = passages.par_chunks_exact(dimension).map(norm).collect();
    match norms.iter().position(|length| !length.is_finite()) {
        Some(row) => Err(Error::VectorNotFinite { what: "passage", row: first as usize + row }),
        None => Ok(norms.into_iter().fold(0.0, f64::max)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All scores by the reported product, sorted.
    fn exhaustive(
        queries: &[f32],
        passages: &[f32],
        dimension: usize,
        depth: usize,
        ceiling: f64,
    ) -> (Vec<i64>, Vec<f32>) {
        let (mut ids, mut scores) = (Vec::new(), Vec::new());
        for query in queries.chunks_exact(dimension) {
            let mut all: Vec<Candidate> = passages
                .chunks_exact(dimension)
                .enumerate()
                .map(|(id, passage)| Candidate { score: f64::from(dot(query, passage)), id: id as i64 })
                .filter(|candidate| candidate.score < ceiling)
                .collect();
            all.sort_by(Candidate::order);
            for rank in 0..depth {
                ids.push(all.get(rank).map_or(-1, |c| c.id));
                scores.push(all.get(rank).map_or(f32::NAN, |c| c.score as f32));
            }
        }
        (ids, scores)
    }

    proptest! {
        /// Few distinct components make many ties and copies; the block scores are off by as much as is allowed.
        #[test]
        fn blocks_of_any_size_give_the_exact_best(
            queries in prop::collection::vec(-2_i8..3, 3 * 20),
            passages in prop::collection::vec(-2_i8..3, 3 * 40),
            depth in 1_usize..12,
            block in 1_usize..50,
            noise in prop::collection::vec(-1.0_f64..1.0, 50),
            ceiling in prop::sample::select(vec![f64::INFINITY, 0.37 * 0.37, f64::from(0.37_f32 * 0.37_f32), 0.0, -9.0]),
        ) {
            let vectors = |levels: &[i8]| levels.iter().map(|&l| f32::from(l) * 0.37).collect::<Vec<f32>>();
            let (queries, passages) = (vectors(&queries), vectors(&passages));
            let input_roundoff = 1e-3;
            let mut found = Best::below(&[ceiling; 20], depth);
            for (number, rows) in passages.chunks(3 * block).enumerate() {
                let width = rows.len() / 3;
                let longest = rows.chunks_exact(3).map(norm).fold(0.0, f64::max);
                let mut scores = Vec::new();
                for query in queries.chunks_exact(3) {
                    for (place, passage) in rows.chunks_exact(3).enumerate() {
                        let reach = reach(3, input_roundoff, norm(query), longest);
                        let exact = f64::from(dot(query, passage));
                        scores.push((exact + 0.999 * noise[(place + scores.len()) % 50] * reach) as f32);
                    }
                }
                let scoring =
                    Scoring::Rescored { queries: &queries, passages: rows, dimension: 3, input_roundoff };
                prop_assert!(found.update(&scores, width, (number * block) as i64, scoring).is_ok());
            }
            let (ids, scores) = found.finish();
            let (expected_ids, expected_scores) = exhaustive(&queries, &passages, 3, depth, ceiling);
            prop_assert_eq!(ids, expected_ids);
            prop_assert_eq!(
                scores.iter().map(|s| s.to_bits()).collect::<Vec<_>>(),
                expected_scores.iter().map(|s| s.to_bits()).collect::<Vec<_>>()
            );
        }
    }

    #[test]
    fn final_scores_are_taken_as_they_are() {
        let mut found = Best::new(1, 3);
        let scoring = Scoring::Final { above: 0.0 };
        assert_eq!(found.update(&[0.0, 2.0], 2, 0, scoring), Ok(()));
        assert_eq!(found.update(&[2.0, -1.0, 0.5], 3, 2, scoring), Ok(()));
        assert_eq!(found.finish().0, [1, 2, 4]);
    }

    #[test]
    fn vectors_that_are_not_finite_are_named() {
        let mut found = Best::new(1, 1);
        let passages = [1.0, 0.0, f32::NAN, 0.0];
        let scoring =
            Scoring::Rescored { queries: &[1.0, 0.0], passages: &passages, dimension: 2, input_roundoff: 0.0 };
        let outcome = found.update(&[1.0, 0.0], 2, 10, scoring);
        assert_eq!(outcome, Err(Error::VectorNotFinite { what: "passage", row: 11 }));
    }
}
