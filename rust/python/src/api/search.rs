//! `_core.Best`, `_core.score_pairs` and `_core.score_error`: exact search over blocks of passages.

use crate::arrays::{RowLayout, elements};
use crate::errors::Failure;
use crate::pool::{detached, pool};
use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods,
};
use nvmine_core::{Error, Layout, Scope, Shortlist, Similarity, Target, Vectors};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

type IdsAndScores<'py> = (Bound<'py, PyArray2<i64>>, Bound<'py, PyArray2<f64>>);
type Zone<'py> = Bound<'py, PyArray1<f32>>;
type ZoneArrays<'py> = (Zone<'py>, Zone<'py>, Zone<'py>, Zone<'py>, Zone<'py>, Bound<'py, PyArray1<i64>>);
type Outside<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>);

/// The best `depth` passages of each query within its bounds, collected from any number of blocks of any size.
#[pyclass(frozen, name = "Best", module = "nvmine._core")]
pub(crate) struct PyBest {
    queries: usize,
    depth: usize,
    kept: usize,
    found: Mutex<nvmine_core::Best>,
}

#[pymethods]
impl PyBest {
    /// `ceilings` holds one exclusive upper bound per query, `floor` is the inclusive lower bound of all, and
    /// `excluded` holds each query's excluded passages as (layout, ids). The best `kept` passages are collected
    /// besides, without any bounds.
    #[new]
    #[pyo3(signature = (queries, depth, *, ceilings = None, floor = f64::NEG_INFINITY, excluded = None, kept = 0))]
    fn new(
        queries: usize,
        depth: usize,
        ceilings: Option<PyReadonlyArray1<'_, f64>>,
        floor: f64,
        excluded: Option<(RowLayout<'_>, PyReadonlyArray1<'_, i64>)>,
        kept: usize,
    ) -> Result<Self, Failure> {
        let ceilings = match &ceilings {
            None => vec![f64::INFINITY; queries],
            Some(ceilings) => elements("ceilings", ceilings)?.to_vec(),
        };
        if ceilings.len() != queries {
            return Err(Error::Shape(format!("{} ceilings for {queries} queries", ceilings.len())).into());
        }
        let excluded = match &excluded {
            None => Vec::new(),
            Some((layout, ids)) => nvmine_core::excluded(layout.get("excluded")?, elements("excluded", ids)?, queries)?,
        };
        let target = Target { depth, ceilings, floor, excluded, kept };
        Ok(Self { queries, depth, kept, found: Mutex::new(nvmine_core::Best::new(target)) })
    }

    /// Returns what scores mean that differ from the reported ones by at most `score_errors`, one value per query.
    ///
    /// The six arrays have a value per query: ceiling, floor, low, `low_end`, certain, and enough. With `kept` they
    /// apply to the list without bounds.
    #[pyo3(signature = (score_errors, *, kept = false))]
    fn zones<'py>(
        &self,
        py: Python<'py>,
        score_errors: PyReadonlyArray1<'_, f64>,
        kept: bool,
    ) -> Result<ZoneArrays<'py>, Failure> {
        let score_errors = elements("score_errors", &score_errors)?;
        let zones = py.detach(|| self.lock().zones(which(kept), score_errors))?;
        let [ceiling, floor, low, low_end, certain] =
            [zones.high_above, zones.best_from, zones.low_below, zones.low_until, zones.inside_below]
                .map(|zone| zone.into_pyarray(py));
        Ok((ceiling, floor, low, low_end, certain, zones.enough.into_pyarray(py)))
    }

    /// Adds a block of passages, which starts at number `first`, after a product with limited accuracy.
    ///
    /// `places` lists the passages within the block whose scores are in doubt, with the rows of queries given by
    /// `offsets`. Of the others, `too_high` counts those at or above each query's ceiling and `too_low` those below the
    /// floor.
    #[pyo3(signature = (queries, passages, first, offsets, places, too_high, too_low, *, kept = false, cosine = false,
        rounded = false, threads = None))]
    #[expect(clippy::too_many_arguments, reason = "the arrays of one block, and how vectors are compared")]
    fn update_listed(
        &self,
        py: Python<'_>,
        queries: PyReadonlyArray2<'_, f32>,
        passages: PyReadonlyArray2<'_, f32>,
        first: i64,
        offsets: PyReadonlyArray1<'_, i64>,
        places: PyReadonlyArray1<'_, i64>,
        too_high: PyReadonlyArray1<'_, i64>,
        too_low: PyReadonlyArray1<'_, i64>,
        kept: bool,
        cosine: bool,
        rounded: bool,
        threads: Option<NonZeroUsize>,
    ) -> Result<(), Failure> {
        let vectors = vectors(&queries, &passages, cosine, rounded)?;
        let listed = Shortlist {
            layout: Layout::Ragged { offsets: elements("offsets", &offsets)? },
            places: elements("places", &places)?,
            too_high: elements("too_high", &too_high)?,
            too_low: elements("too_low", &too_low)?,
        };
        self.update(py, threads, |found| found.update_listed(which(kept), vectors, first, listed))
    }

    /// Adds a block of passages, which starts at number `first`; the core multiplies the vectors.
    #[pyo3(signature = (queries, passages, first, *, cosine = false, rounded = false, threads = None))]
    #[expect(clippy::too_many_arguments, reason = "the arrays of one block, and how vectors are compared")]
    fn search(
        &self,
        py: Python<'_>,
        queries: PyReadonlyArray2<'_, f32>,
        passages: PyReadonlyArray2<'_, f32>,
        first: i64,
        cosine: bool,
        rounded: bool,
        threads: Option<NonZeroUsize>,
    ) -> Result<(), Failure> {
        let vectors = vectors(&queries, &passages, cosine, rounded)?;
        self.update(py, threads, |found| found.search(vectors, first))
    }

    /// Adds a block of (queries, width) final scores of passages, which starts at number `first`. Passages with scores
    /// not above `above` are not candidates.
    #[pyo3(signature = (scores, first, *, above, threads = None))]
    fn update_final(
        &self,
        py: Python<'_>,
        scores: PyReadonlyArray2<'_, f32>,
        first: i64,
        above: f32,
        threads: Option<NonZeroUsize>,
    ) -> Result<(), Failure> {
        let (block, width) = self.block(&scores)?;
        self.update(py, threads, |found| found.update_final(block, width, first, above))
    }

    /// Returns ids and scores, both (queries, depth), best first. Missing ones are -1 and NaN.
    fn finish<'py>(&self, py: Python<'py>) -> Result<IdsAndScores<'py>, Failure> {
        let (ids, scores) = self.lock().finish();
        let shape = [self.queries, self.depth];
        Ok((ids.into_pyarray(py).reshape(shape)?, scores.into_pyarray(py).reshape(shape)?))
    }

    /// Returns the same for the list without bounds, both (queries, kept).
    fn finish_kept<'py>(&self, py: Python<'py>) -> Result<IdsAndScores<'py>, Failure> {
        let (ids, scores) = self.lock().finish_kept();
        let shape = [self.queries, self.kept];
        Ok((ids.into_pyarray(py).reshape(shape)?, scores.into_pyarray(py).reshape(shape)?))
    }

    /// Returns how many passages of each query score at or above its ceiling, and how many of the others below the
    /// floor.
    fn outside<'py>(&self, py: Python<'py>) -> Outside<'py> {
        let (too_high, too_low) = self.lock().outside();
        (too_high.into_pyarray(py), too_low.into_pyarray(py))
    }
}

impl PyBest {
    /// The scores of a block, and the number of passages in it.
    fn block<'a>(&self, scores: &'a PyReadonlyArray2<'_, f32>) -> Result<(&'a [f32], usize), Failure> {
        if scores.shape()[0] != self.queries {
            let (rows, queries) = (scores.shape()[0], self.queries);
            return Err(Error::Shape(format!("{rows} rows of scores for {queries} queries")).into());
        }
        Ok((matrix("scores", scores)?, scores.shape()[1]))
    }

    /// The lists collected so far.
    ///
    /// After a panic or an error within an update, the lists of some queries may contain the block and others not. The
    /// lock is given out nevertheless, so a caller must not go on with a `Best` after an update has failed.
    fn lock(&self) -> MutexGuard<'_, nvmine_core::Best> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the lists, detached from the interpreter. A pending interrupt is raised afterwards, when the block is
    /// already in the lists.
    fn update(
        &self,
        py: Python<'_>,
        threads: Option<NonZeroUsize>,
        work: impl FnOnce(&mut nvmine_core::Best) -> Result<(), Error> + Send,
    ) -> Result<(), Failure> {
        let pool = pool(threads).map_err(PyRuntimeError::new_err)?;
        py.detach(|| {
            // The lock is taken outside the pool: a thread of the pool that waits for its own tasks may meanwhile run
            // another caller's work, which would wait for the same lock.
            let mut guard = self.lock();
            let found = &mut *guard;
            pool.install(|| work(found))
        })?;
        py.check_signals()?;
        Ok(())
    }
}

fn vectors<'a>(
    queries: &'a PyReadonlyArray2<'_, f32>,
    passages: &'a PyReadonlyArray2<'_, f32>,
    cosine: bool,
    rounded: bool,
) -> Result<Vectors<'a>, Failure> {
    let (dimension, other) = (queries.shape()[1], passages.shape()[1]);
    if other != dimension {
        return Err(Error::Shape(format!("queries have {dimension} components, but passages have {other}")).into());
    }
    let (queries, passages) = (matrix("queries", queries)?, matrix("passages", passages)?);
    Ok(Vectors { queries, passages, dimension, similarity: similarity(cosine), rounded })
}

/// Returns the scores of given pairs, from (q, d) queries, (m, d) passages and (q, k) ids; NaN for a negative id.
#[pyfunction]
#[pyo3(signature = (queries, passages, ids, *, cosine = false, threads = None))]
pub(crate) fn score_pairs<'py>(
    py: Python<'py>,
    queries: PyReadonlyArray2<'py, f32>,
    passages: PyReadonlyArray2<'py, f32>,
    ids: PyReadonlyArray2<'py, i64>,
    cosine: bool,
    threads: Option<NonZeroUsize>,
) -> Result<Bound<'py, PyArray2<f64>>, Failure> {
    let (dimension, shape) = (queries.shape()[1], [ids.shape()[0], ids.shape()[1]]);
    let fits = passages.shape()[1] == dimension && queries.shape()[0] == shape[0];
    if !fits {
        let shapes = format!("{:?} queries, {:?} passages, {shape:?} ids", queries.shape(), passages.shape());
        return Err(Error::Shape(format!("arrays do not fit: {shapes}")).into());
    }
    let (queries, passages) = (matrix("queries", &queries)?, matrix("passages", &passages)?);
    let ids = matrix("ids", &ids)?;
    let similarity = similarity(cosine);
    let scores =
        detached(py, threads, || nvmine_core::score_pairs(queries, passages, dimension, ids, shape[1], similarity))??;
    Ok(scores.into_pyarray(py).reshape(shape)?)
}

/// Returns how far scores of a product can lie from the reported ones, one bound per query.
///
/// `norms` holds the norm of each query, and `longest` is the largest norm of a passage.
#[pyfunction]
pub(crate) fn score_error<'py>(
    py: Python<'py>,
    dimension: usize,
    input_roundoff: f64,
    norms: PyReadonlyArray1<'py, f64>,
    longest: f64,
) -> Result<Bound<'py, PyArray1<f64>>, Failure> {
    let bounds = elements("norms", &norms)?
        .iter()
        .map(|&norm| nvmine_core::score_error(dimension, input_roundoff, norm, longest));
    Ok(bounds.collect::<Vec<f64>>().into_pyarray(py))
}

/// The list that `kept` stands for.
fn which(kept: bool) -> Scope {
    if kept { Scope::Overall } else { Scope::Within }
}

fn similarity(cosine: bool) -> Similarity {
    if cosine { Similarity::Cosine } else { Similarity::Dot }
}

/// The elements of a C-contiguous matrix.
fn matrix<'a, T: numpy::Element>(what: &str, array: &'a PyReadonlyArray2<'_, T>) -> Result<&'a [T], Failure> {
    array.as_slice().map_err(|_| Error::Shape(format!("{what} must be C-contiguous")).into())
}
