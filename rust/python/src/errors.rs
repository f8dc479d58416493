//! Errors of the core as Python exceptions.
//!
//! [`ErrorClass::of`] alone decides which error becomes which class. Functions called from Python raise the class, and
//! the Polars plugin, which can pass on text only, puts the name of the class in front of the message.

use nvmine_core::Error;
use pyo3::exceptions::{PyMemoryError, PyTypeError};
use pyo3::import_exception;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

import_exception!(nvmine.errors, PolicyError);
import_exception!(nvmine.errors, DtypeError);
import_exception!(nvmine.errors, ShapeError);
import_exception!(nvmine.errors, ScoreError);
import_exception!(nvmine.errors, IdError);
import_exception!(nvmine.errors, SearchError);
import_exception!(nvmine.errors, ShortError);

/// An error of the core or of the shell on its way to Python.
pub(crate) enum Failure {
    /// Returned by the core.
    Core(Error),
    /// Raised in Python, such as by a signal handler or an extraction.
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
            Failure::Core(error) => Python::attach(|py| exception(py, &error).unwrap_or_else(|failed| failed)),
        }
    }
}

/// The exception for an error of the core, with the place of the error in its attributes `row` and `argument`.
fn exception(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    let class = ErrorClass::of(error);
    if class == ErrorClass::Memory {
        return Ok(PyMemoryError::new_err(error.to_string()));
    }
    let place = PyDict::new(py);
    if let Some(row) = error.row() {
        place.set_item("row", row)?;
    }
    if let Error::Policy { field, .. } = error {
        place.set_item("argument", field)?;
    }
    let message = match error {
        // `argument` names the field, so the message does not repeat it.
        Error::Policy { reason, .. } => reason.clone(),
        _ => error.to_string(),
    };
    Ok(PyErr::from_value(class.python_type(py).call((message,), Some(&place))?))
}

/// The Python class of an error of the core.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorClass {
    Memory,
    Policy,
    Shape,
    Score,
    Id,
    Search,
    Short,
}

impl ErrorClass {
    pub(crate) fn of(error: &Error) -> Self {
        match error {
            Error::Memory { .. } => Self::Memory,
            Error::Policy { .. } => Self::Policy,
            Error::Shape(_) => Self::Shape,
            Error::NoPositive { .. } | Error::PositiveNotFinite { .. } => Self::Score,
            Error::IdOutOfRange { .. } => Self::Id,
            Error::VectorNotFinite { .. } => Self::Search,
            Error::Short { .. } => Self::Short,
        }
    }

    /// The name of the class in Python.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Memory => "MemoryError",
            Self::Policy => "PolicyError",
            Self::Shape => "ShapeError",
            Self::Score => "ScoreError",
            Self::Id => "IdError",
            Self::Search => "SearchError",
            Self::Short => "ShortError",
        }
    }

    fn python_type(self, py: Python<'_>) -> Bound<'_, PyType> {
        match self {
            Self::Memory => py.get_type::<PyMemoryError>(),
            Self::Policy => py.get_type::<PolicyError>(),
            Self::Shape => py.get_type::<ShapeError>(),
            Self::Score => py.get_type::<ScoreError>(),
            Self::Id => py.get_type::<IdError>(),
            Self::Search => py.get_type::<SearchError>(),
            Self::Short => py.get_type::<ShortError>(),
        }
    }
}

/// The error for an array of a type that the Python side should have converted.
pub(crate) fn unexpected_type(name: &str, object: &Bound<'_, PyAny>) -> Failure {
    let class = object.get_type();
    Failure::Python(PyTypeError::new_err(format!(
        "{name}: unexpected type {class}; call the public functions of nvmine instead"
    )))
}
