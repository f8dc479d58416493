/*!
The vectors of a block, and the exact scores of the passages that the block's matrix product leaves in doubt.
*/

use crate::error::Error;
use crate::search::best_list::{BestList, QueryTarget, Scratch};
use crate::search::dot::{Similarity, check_vectors, norm, score_error};
use rayon::prelude::*;
use std::borrow::Cow;

/// The vectors of the queries and of one block of passages.
#[derive(Debug, Clone, Copy)]
pub struct Vectors<'a> {
    /// Row-major vectors of all queries.
    pub queries: &'a [f32],
    /// Row-major vectors of the block's passages.
    pub passages: &'a [f32],
    /// Number of components of a vector.
    pub dimension: usize,
    /// How vectors are compared. For [`Similarity::Cosine`], the block is the product of unit vectors.
    pub similarity: Similarity,
    /// Whether scores are rounded to `f32` before they are compared and reported.
    pub rounded: bool,
}

/// The vectors of a block with their norms.
pub(crate) struct Rescorer<'a> {
    vectors: Vectors<'a>,
    /// Id of the first passage.
    first: i64,
    query_norms: Vec<f64>,
    passage_norms: Vec<f64>,
    /// The largest norm of a passage.
    longest: f64,
}

impl<'a> Rescorer<'a> {
    /// Measures the vectors of `queries` queries and `width` passages, whose ids start with `first`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the arrays do not fit, [`Error::VectorNotFinite`] for a vector that cannot be scored.
    pub(crate) fn new(vectors: Vectors<'a>, queries: usize, width: usize, first: i64) -> Result<Self, Error> {
        check_vectors(vectors.queries, vectors.dimension, queries)?;
        check_vectors(vectors.passages, vectors.dimension, width)?;
        let query_norms = norms("query", vectors.queries, vectors.dimension, queries, 0)?;
        let passage_norms = norms("passage", vectors.passages, vectors.dimension, width, first as usize)?;
        let longest = passage_norms.iter().copied().fold(0.0, f64::max);
        Ok(Self { vectors, first, query_norms, passage_norms, longest })
    }

    /// Returns the two factors of the block's matrix product: the vectors, or unit vectors for the cosine.
    pub(crate) fn factors(&self) -> (Cow<'a, [f32]>, Cow<'a, [f32]>) {
        let Vectors { queries, passages, dimension, similarity, .. } = self.vectors;
        match similarity {
            Similarity::Dot => (Cow::Borrowed(queries), Cow::Borrowed(passages)),
            Similarity::Cosine => {
                let left = units(queries, dimension, &self.query_norms);
                let right = units(passages, dimension, &self.passage_norms);
                (Cow::Owned(left), Cow::Owned(right))
            }
        }
    }

    /// Merges the products of a query with the passages from place `start` of the block on into `list`.
    #[inline]
    pub(crate) fn take(
        &self,
        query: usize,
        list: &mut BestList,
        target: QueryTarget<'_>,
        row: &[f32],
        start: usize,
        scratch: &mut Scratch,
    ) {
        let Vectors { queries, passages, dimension, similarity, rounded } = self.vectors;
        let (vector, length) = (&queries[query * dimension..(query + 1) * dimension], self.query_norms[query]);
        let error = match similarity {
            Similarity::Dot => score_error(dimension, 0.0, length, self.longest),
            Similarity::Cosine => score_error(dimension, UNIT_ROUNDOFF, 1.0, 1.0),
        };
        list.take(target, row, self.first + start as i64, error, scratch, |place| {
            let passage = start + place;
            let other = &passages[passage * dimension..(passage + 1) * dimension];
            let score = similarity.score(vector, other, length, self.passage_norms[passage]);
            Some(if rounded { f64::from(score as f32) } else { score })
        });
    }
}

/// Bound on the relative error of a component of a unit vector: the norm and the quotient are each rounded once.
const UNIT_ROUNDOFF: f64 = f32::EPSILON as f64;

/// Divides every vector by its norm. A zero vector stays zero.
fn units(vectors: &[f32], dimension: usize, norms: &[f64]) -> Vec<f32> {
    let mut units = vec![0.0; vectors.len()];
    let rows = units.par_chunks_exact_mut(dimension.max(1)).zip(vectors.par_chunks_exact(dimension.max(1)));
    rows.zip(norms).for_each(|((unit, vector), &norm)| {
        if norm > 0.0 {
            for (slot, &component) in unit.iter_mut().zip(vector) {
                *slot = (f64::from(component) / norm) as f32;
            }
        }
    });
    units
}

/// Returns the norms of all vectors. `first` is added to the row in the error for a vector that is not finite.
fn norms(what: &'static str, vectors: &[f32], dimension: usize, rows: usize, first: usize) -> Result<Vec<f64>, Error> {
    if dimension == 0 {
        return Ok(vec![0.0; rows]);
    }
    let norms: Vec<f64> = vectors.par_chunks_exact(dimension).map(norm).collect();
    match norms.iter().position(|length| !length.is_finite()) {
        Some(row) => Err(Error::VectorNotFinite { what, row: first + row }),
        None => Ok(norms),
    }
}
