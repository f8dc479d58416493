//! `_core.ensemble`, `_core.jaccard` and `_core.jaccard_matrix`: the negatives of several teachers, combined or
//! compared.

use crate::arrays::elements;
use crate::errors::{Failure, unexpected_type};
use crate::policy::choose;
use crate::pool::detached;
use numpy::{Element, IntoPyArray, PyArray1, PyArrayMethods, PyReadonlyArray1};
use nvmine_core::{Duplicates, Ensemble, How, REASONS, Stored, Teacher, TeacherLists};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::num::NonZeroUsize;

/// The negatives of one teacher as flat arrays: n, ids, counts.
type NegativeLists<'py> = (usize, PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, i64>);

/// The negatives of one teacher, then scores (float32 or float64, the same type for all teachers), ranks, and ceilings.
type TeacherArrays<'py> =
    (NegativeLists<'py>, Bound<'py, PyAny>, Option<PyReadonlyArray1<'py, i64>>, PyReadonlyArray1<'py, f64>);

/// Combines the negatives of teachers, and returns a dict of arrays with a row per query.
///
/// `nvmine.ensemble` documents the rule.
#[pyfunction]
#[pyo3(signature = (teachers, keys, *, how, duplicates, n, seed, threads))]
#[expect(clippy::too_many_arguments, reason = "the teachers and the options, which are keyword-only")]
pub(crate) fn ensemble<'py>(
    py: Python<'py>,
    teachers: Vec<TeacherArrays<'py>>,
    keys: PyReadonlyArray1<'py, u64>,
    how: &str,
    duplicates: &str,
    n: usize,
    seed: u64,
    threads: Option<NonZeroUsize>,
) -> Result<Bound<'py, PyDict>, Failure> {
    let choices = [("keep", Duplicates::Keep), ("replace", Duplicates::Replace)];
    let duplicates = choose("duplicates", duplicates, &choices)?;
    let choices = [("intra", How::Intra(duplicates)), ("cross", How::Cross { seed })];
    let how = choose("how", how, &choices)?;
    let keys = elements("query_ids", &keys)?;
    let all_f32 = teachers.iter().all(|teacher| teacher.1.extract::<PyReadonlyArray1<'_, f32>>().is_ok());
    if all_f32 {
        run::<f32>(py, &teachers, keys, how, n, threads)
    } else {
        run::<f64>(py, &teachers, keys, how, n, threads)
    }
}

fn run<'py, T: Stored + Element>(
    py: Python<'py>,
    teachers: &[TeacherArrays<'py>],
    keys: &[u64],
    how: How,
    n: usize,
    threads: Option<NonZeroUsize>,
) -> Result<Bound<'py, PyDict>, Failure> {
    let scores = teachers
        .iter()
        .map(|teacher| {
            teacher.1.extract::<PyReadonlyArray1<'_, T>>().map_err(|_| unexpected_type("scores", &teacher.1))
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    let teachers = teachers
        .iter()
        .zip(&scores)
        .map(|((lists, _, ranks, ceilings), scores)| {
            Ok(Teacher {
                lists: as_lists(lists)?,
                scores: elements("scores", scores)?,
                ranks: ranks.as_ref().map(|ranks| elements("ranks", ranks)).transpose()?,
                ceilings: elements("ceilings", ceilings)?,
            })
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    let result = detached(py, threads, || nvmine_core::ensemble(&teachers, keys, how, n))??;
    to_python(py, result, n)
}

/// Returns `|A ∩ B| / |A ∪ B|` of the first `top` ids of each query.
#[pyfunction]
#[pyo3(signature = (a, b, *, top, threads))]
pub(crate) fn jaccard<'py>(
    py: Python<'py>,
    a: NegativeLists<'py>,
    b: NegativeLists<'py>,
    top: usize,
    threads: Option<NonZeroUsize>,
) -> Result<Bound<'py, PyArray1<f64>>, Failure> {
    let (a, b) = (as_lists(&a)?, as_lists(&b)?);
    let similarities = detached(py, threads, || nvmine_core::jaccard(a, b, top))??;
    Ok(similarities.into_pyarray(py))
}

/// Returns the mean of `jaccard` over the queries for every pair of teachers, as a flattened matrix.
#[pyfunction]
#[pyo3(signature = (teachers, *, top, threads))]
pub(crate) fn jaccard_matrix<'py>(
    py: Python<'py>,
    teachers: Vec<NegativeLists<'py>>,
    top: usize,
    threads: Option<NonZeroUsize>,
) -> Result<Bound<'py, PyArray1<f64>>, Failure> {
    let lists = teachers.iter().map(as_lists).collect::<Result<Vec<_>, Failure>>()?;
    let means = detached(py, threads, || nvmine_core::jaccard_matrix(&lists, top))??;
    Ok(means.into_pyarray(py))
}

fn as_lists<'a>((n, ids, counts): &'a NegativeLists<'_>) -> Result<TeacherLists<'a>, Failure> {
    Ok(TeacherLists { n: *n, ids: elements("ids", ids)?, counts: elements("counts", counts)? })
}

fn to_python<T: Element>(py: Python<'_>, output: Ensemble<T>, n: usize) -> Result<Bound<'_, PyDict>, Failure> {
    let rows = output.counts.len();
    let result = PyDict::new(py);
    let shape = [rows, n];
    result.set_item("ids", output.ids.into_pyarray(py).reshape(shape)?)?;
    result.set_item("scores", output.scores.into_pyarray(py).reshape(shape)?)?;
    result.set_item("teachers", output.teachers.into_pyarray(py).reshape(shape)?)?;
    if let Some(ranks) = output.ranks {
        result.set_item("ranks", ranks.into_pyarray(py).reshape(shape)?)?;
    }
    result.set_item("counts", output.counts.into_pyarray(py))?;
    result.set_item("ceilings", output.ceilings.into_pyarray(py))?;
    result.set_item("candidates", output.candidates.into_pyarray(py))?;
    result.set_item("rejected", output.rejected.into_pyarray(py).reshape([rows, REASONS.len()])?)?;
    Ok(result)
}
