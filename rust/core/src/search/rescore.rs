/*!
What a matrix product says of vectors, and what they score for certain.
*/

use crate::error::Error;
use crate::search::best_list::{Bounds, List, Scratch};
use crate::search::dot::{Similarity, check_vectors, norm, reach};
use rayon::prelude::*;
use std::borrow::Cow;

/// The vectors that a block of scores is from.
#[derive(Debug, Clone, Copy)]
pub struct Vectors<'a> {
    /// Row-major vectors of all queries.
    pub queries: &'a [f32],
    /// Row-major vectors of the block's passages.
    pub passages: &'a [f32],
    /// Components of one vector.
    pub dimension: usize,
    /// How they are compared. The block is the product of vectors divided by their norms if by cosine.
    pub similarity: Similarity,
    /// Whether reported scores are rounded to `f32`, and ordered and compared as such.
    pub rounded: bool,
}

/// A block's vectors with all that is known of them.
pub(crate) struct Rescored<'a> {
    vectors: Vectors<'a>,
    first: i64,
    /// Norms of the queries, and of the passages.
    norms: (Vec<f64>, Vec<f64>),
    longest: f64,
}

impl<'a> Rescored<'a> {
    /// Measures the vectors of so many queries and passages, the first of which is passage `first`.
    pub(crate) fn of(vectors: Vectors<'a>, queries: usize, width: usize, first: i64) -> Result<Self, Error> {
        check_vectors(vectors.queries, vectors.dimension, queries)?;
        check_vectors(vectors.passages, vectors.dimension, width)?;
        let of_queries = norms("query", vectors.queries, vectors.dimension, queries, 0)?;
        let of_passages = norms("passage", vectors.passages, vectors.dimension, width, first as usize)?;
        let longest = of_passages.iter().copied().fold(0.0, f64::max);
        Ok(Self { vectors, first, norms: (of_queries, of_passages), longest })
    }

    /// The queries and the passages whose product the block is.
    pub(crate) fn factors(&self) -> (Cow<'a, [f32]>, Cow<'a, [f32]>) {
        let Vectors { queries, passages, dimension, similarity, .. } = self.vectors;
        match similarity {
            Similarity::Dot => (Cow::Borrowed(queries), Cow::Borrowed(passages)),
            Similarity::Cosine => {
                let (left, right) =
                    (units(queries, dimension, &self.norms.0), units(passages, dimension, &self.norms.1));
                (Cow::Owned(left), Cow::Owned(right))
            }
        }
    }

    /// Merges a query's scores of the passages from `start` of the block on.
    #[inline]
    pub(crate) fn take(
        &self,
        query: usize,
        list: &mut List,
        bounds: Bounds<'_>,
        row: &[f32],
        start: usize,
        scratch: &mut Scratch,
    ) {
        let Vectors { queries, passages, dimension, similarity, rounded } = self.vectors;
        let (vector, length) = (&queries[query * dimension..(query + 1) * dimension], self.norms.0[query]);
        let reach = match similarity {
            Similarity::Dot => reach(dimension, 0.0, length, self.longest),
            Similarity::Cosine => reach(dimension, UNIT_ROUNDOFF, 1.0, 1.0),
        };
        list.take(bounds, row, self.first + start as i64, reach, scratch, |place| {
            let passage = start + place;
            let other = &passages[passage * dimension..(passage + 1) * dimension];
            let score = similarity.score(vector, other, length, self.norms.1[passage]);
            Some(if rounded { f64::from(score as f32) } else { score })
        });
    }
}

/// What a component may lose when its vector is divided by its norm: the quotient is rounded once, the norm before it.
const UNIT_ROUNDOFF: f64 = f32::EPSILON as f64;

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
