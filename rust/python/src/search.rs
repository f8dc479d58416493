//! `_core.Best` and `_core.score_pairs`: exact search from blocks of scores.

use crate::arrays::elements;
use crate::errors::Failure;
use crate::pool::detached;
use numpy::{IntoPyArray, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use nvmine_core::Error;
use nvmine_core::dot;
use nvmine_core::search::{self, Scoring};
use pyo3::prelude::*;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

type IdsAndScores<'py> = (Bound<'py, PyArray2<i64>>, Bound<'py, PyArray2<f32>>);

/// The best `depth` passages of each query, strictly below its ceiling, from blocks of scores in any number and size.
#[pyclass(frozen, module = "nvmine._core")]
pub(crate) struct Best {
    queries: usize,
    depth: usize,
    found: Mutex<search::Best>,
}

#[pymethods]
impl Best {
    #[new]
    #[pyo3(signature = (queries, depth, *, ceilings = None))]
    fn new(queries: usize, depth: usize, ceilings: Option<PyReadonlyArray1<'_, f64>>) -> Result<Self, Failure> {
        let found = match &ceilings {
            None => search::Best::new(queries, depth),
            Some(ceilings) if ceilings.len() == queries => search::Best::below(elements("ceilings", ceilings)?, depth),
            Some(ceilings) => {
                return Err(Error::Shape(format!("{} ceilings for {queries} queries", ceilings.len())).into());
            }
        };
        Ok(Self { queries, depth, found: Mutex::new(found) })
    }

    /// Takes in a (queries, width) product of `queries` and `passages`, whose first row is passage number `first`.
    ///
    /// Reported scores are computed anew; `input_roundoff` says how coarsely the product rounded its inputs.
    #[pyo3(signature = (scores, queries, passages, first, *, input_roundoff = 0.0, threads = None))]
    #[expect(clippy::too_many_arguments, reason = "the arrays of one block")]
    fn update(
        &self,
        py: Python<'_>,
        scores: PyReadonlyArray2<'_, f32>,
        queries: PyReadonlyArray2<'_, f32>,
        passages: PyReadonlyArray2<'_, f32>,
        first: i64,
        input_roundoff: f64,
        threads: Option<NonZeroUsize>,
    ) -> Result<(), Failure> {
        let dimension = queries.shape()[1];
        if passages.shape()[1] != dimension {
            let other = passages.shape()[1];
            return Err(Error::Shape(format!("queries have {dimension} components, passages {other}")).into());
        }
        let scoring = Scoring::Rescored {
            queries: matrix("queries", &queries)?,
            passages: matrix("passages", &passages)?,
            dimension,
            input_roundoff,
        };
        self.take(py, &scores, first, scoring, threads)
    }

    /// Takes in (queries, width) final scores; those not above `above` are no candidates.
    #[pyo3(signature = (scores, first, *, above, threads = None))]
    fn update_final(
        &self,
        py: Python<'_>,
        scores: PyReadonlyArray2<'_, f32>,
        first: i64,
        above: f32,
        threads: Option<NonZeroUsize>,
    ) -> Result<(), Failure> {
        self.take(py, &scores, first, Scoring::Final { above }, threads)
    }

    /// Ids (-1 where there are no more) and scores (NaN there), both (queries, depth), best first.
    fn finish<'py>(&self, py: Python<'py>) -> Result<IdsAndScores<'py>, Failure> {
        let (ids, scores) = self.found.lock().unwrap_or_else(PoisonError::into_inner).finish();
        let shape = [self.queries, self.depth];
        Ok((ids.into_pyarray(py).reshape(shape)?, scores.into_pyarray(py).reshape(shape)?))
    }
}

impl Best {
    fn take(
        &self,
        py: Python<'_>,
        scores: &PyReadonlyArray2<'_, f32>,
        first: i64,
        scoring: Scoring<'_>,
        threads: Option<NonZeroUsize>,
    ) -> Result<(), Failure> {
        if scores.shape()[0] != self.queries {
            let (rows, queries) = (scores.shape()[0], self.queries);
            return Err(Error::Shape(format!("{rows} rows of scores for {queries} queries")).into());
        }
        let (block, width) = (matrix("scores", scores)?, scores.shape()[1]);
        let found = &self.found;
        detached(py, threads, || {
            found.lock().unwrap_or_else(PoisonError::into_inner).update(block, width, first, scoring)
        })??;
        py.check_signals()?;
        Ok(())
    }
}

/// Fixed-order dot products of given pairs: (q, d) queries, (m, d) passages, (q, k) ids; NaN for a negative id.
#[pyfunction]
#[pyo3(signature = (queries, passages, ids, *, threads = None))]
pub(crate) fn score_pairs<'py>(
    py: Python<'py>,
    queries: PyReadonlyArray2<'py, f32>,
    passages: PyReadonlyArray2<'py, f32>,
    ids: PyReadonlyArray2<'py, i64>,
    threads: Option<NonZeroUsize>,
) -> Result<Bound<'py, PyArray2<f32>>, Failure> {
    let (dimension, shape) = (queries.shape()[1], [ids.shape()[0], ids.shape()[1]]);
    let fits = passages.shape()[1] == dimension && queries.shape()[0] == shape[0];
    if !fits {
        let shapes = format!("{:?} queries, {:?} passages, {shape:?} ids", queries.shape(), passages.shape());
        return Err(Error::Shape(format!("arrays do not fit: {shapes}")).into());
    }
    let (queries, passages) = (matrix("queries", &queries)?, matrix("passages", &passages)?);
    let ids = matrix("ids", &ids)?;
    let scores = detached(py, threads, || dot::score_pairs(queries, passages, dimension, ids, shape[1]))??;
    Ok(scores.into_pyarray(py).reshape(shape)?)
}

/// The elements of a C-contiguous matrix.
fn matrix<'a, T: numpy::Element>(what: &str, array: &'a PyReadonlyArray2<'_, T>) -> Result<&'a [T], Failure> {
    array.as_slice().map_err(|_| Error::Shape(format!("{what} must be C-contiguous")).into())
}
