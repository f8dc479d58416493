//! `_core.shingles`: texts in, the hashes of their shingles out.

use crate::errors::Failure;
use crate::pool::detached;
use numpy::{IntoPyArray, PyArray1};
use nvmine_core::hash_shingles;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use std::num::NonZeroUsize;

type CountsAndHashes<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<u64>>);

/// Returns the number of distinct shingles of `words` words of each text, and their hashes, ascending within a text.
///
/// The words of a text are separated by single spaces; `nvmine.Shingles` documents what counts as a word.
#[pyfunction]
#[pyo3(signature = (texts, words, *, threads))]
pub(crate) fn shingles(
    py: Python<'_>,
    texts: Vec<PyBackedStr>,
    words: NonZeroUsize,
    threads: Option<NonZeroUsize>,
) -> Result<CountsAndHashes<'_>, Failure> {
    let (counts, values) = detached(py, threads, || hash_shingles(&texts, words.get()))?;
    py.check_signals()?;
    Ok((counts.into_pyarray(py), values.into_pyarray(py)))
}
