//! Core errors as Python exceptions, class by class.

use nvmine_core::Error;
use pyo3::exceptions::{PyMemoryError, PyTypeError};
use pyo3::import_exception;
use pyo3::prelude::*;
use pyo3::types::PyDict;

import_exception!(nvmine.errors, PolicyError);
import_exception!(nvmine.errors, DtypeError);
import_exception!(nvmine.errors, ShapeError);
import_exception!(nvmine.errors, ScoreError);
import_exception!(nvmine.errors, IdError);
import_exception!(nvmine.errors, SearchError);
import_exception!(nvmine.errors, ShortError);
import_exception!(nvmine.errors, InternalError);

/// An error of the core, or of the shell itself, on its way to Python.
pub(crate) enum Failure {
    /// Refused by the core. `query` is the key of the query concerned, where the caller gave keys.
    Core(Error),
    /// Raised by Python: a signal handler, an extraction.
    Python(PyErr),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Core(error)
    }
}

impl From<PyErr> for Failure {
    fn from(error: PyErr) -> Self {
        Self::Python(error)
    }
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Python(error) => error,
            Failure::Core(error) => Python::attach(|py| raise(py, &error).unwrap_or_else(|failed| failed)),
        }
    }
}

fn raise(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    let class = match error {
        Error::Memory { .. } => return Ok(PyMemoryError::new_err(error.to_string())),
        Error::Policy { .. } => py.get_type::<PolicyError>(),
        Error::Shape(_) => py.get_type::<ShapeError>(),
        Error::NoPositive { .. } | Error::PositiveNotFinite { .. } => py.get_type::<ScoreError>(),
        Error::IdOutOfRange { .. } => py.get_type::<IdError>(),
        Error::VectorNotFinite { .. } => py.get_type::<SearchError>(),
        Error::Short { .. } => py.get_type::<ShortError>(),
    };
    let place = PyDict::new(py);
    if let Some(row) = error.row() {
        place.set_item("row", row)?;
    }
    if let Error::Policy { field, .. } = error {
        place.set_item("argument", field)?;
    }
    let message = match error {
        Error::Policy { reason, .. } => reason.clone(),
        _ => error.to_string(),
    };
    Ok(PyErr::from_value(class.call((message,), Some(&place))?))
}

/// The class of an error, for those who can pass on nothing but text.
pub(crate) fn class_name(error: &Error) -> &'static str {
    match error {
        Error::Memory { .. } => "MemoryError",
        Error::Policy { .. } => "PolicyError",
        Error::Shape(_) => "ShapeError",
        Error::NoPositive { .. } | Error::PositiveNotFinite { .. } => "ScoreError",
        Error::IdOutOfRange { .. } => "IdError",
        Error::VectorNotFinite { .. } => "SearchError",
        Error::Short { .. } => "ShortError",
    }
}

/// An array of a type that the Python side should have converted.
pub(crate) fn unexpected(what: &str, object: &Bound<'_, PyAny>) -> Failure {
    let kind = object.get_type().to_string();
    Failure::Python(PyTypeError::new_err(format!("{what}: unexpected {kind}; call the functions of nvmine instead")))
}
