//! `_core.read_arrow`: a column of any library that exports Arrow, as numpy arrays.

use crate::arrow::columns::{Column, RaggedColumn, value_type};
use crate::arrow::ffi::{Incoming, read_only_array};
use crate::errors::DtypeError;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, NullArray, new_empty_array};
use arrow_schema::{ArrowError, DataType};
use numpy::{IntoPyArray, PyArray1};
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use std::sync::Arc;

/// How many values each row of a column of lists has.
#[derive(IntoPyObject)]
pub(crate) enum ColumnLayout<'py> {
    /// The number of rows and of columns.
    Dense((usize, usize)),
    /// The offset of each row, and the number of values.
    Ragged(Bound<'py, PyArray1<i64>>),
}

/// Values, which of them are null, layout, and type.
type ReadColumn<'py> = (Py<PyAny>, Option<Bound<'py, PyArray1<bool>>>, Option<ColumnLayout<'py>>, String);

/// Reads a column of numbers, of lists of numbers, or of texts.
///
/// Returns the values, as an array of numbers or a list of texts; which of them are null, or `None` if none is; the
/// layout of lists, or `None`; and the column's type, for messages. Numbers are not copied if they lie in one chunk and
/// no null list hides values. `name` is the argument's name in messages.
#[pyfunction]
pub(crate) fn read_arrow<'py>(py: Python<'py>, name: &str, data: &Bound<'py, PyAny>) -> PyResult<ReadColumn<'py>> {
    let incoming = Incoming::take(data).map_err(|error| dtype_error(py, name, error))?;
    if let DataType::Struct(_) = incoming.field.data_type() {
        return Err(DtypeError::new_err(format!("{name} is a table; pass one of its columns")));
    }
    let column = incoming.fetch(py).and_then(|column| Ok((py.detach(|| concatenated(&column))?, column)));
    let (rows, Column { field, chunks }) =
        column.map_err(|error| DtypeError::new_err(format!("{name} cannot be read as a column: {error}")))?;
    let (column, RaggedColumn { values, offsets }) = (field.data_type(), rows);
    let (kind, listed) = value_type(column);
    if !(values.is_empty() || kind.is_null() || is_supported(kind, listed)) {
        let wanted = if listed { "lists of numbers" } else { "numbers or lists of numbers" };
        return Err(DtypeError::new_err(format!("{name} is a column of {column}, expected {wanted}")));
    }
    let layout = match column {
        DataType::FixedSizeList(_, width) if *width >= 0 && chunks.iter().all(|chunk| chunk.null_count() == 0) => {
            Some(ColumnLayout::Dense((offsets.len() - 1, *width as usize)))
        }
        _ => listed.then(|| ColumnLayout::Ragged(offsets.into_pyarray(py))),
    };
    let nulls = values.logical_nulls().filter(|nulls| nulls.null_count() > 0);
    let nulls = nulls.map(|nulls| nulls.iter().map(|valid| !valid).collect::<Vec<_>>().into_pyarray(py));
    let values = match (numbers(py, &values)?, texts(&values)) {
        (Some(numbers), _) => numbers,
        (None, Some(texts)) => into_any(texts.into_pyobject(py)?),
        // An empty column may have any type.
        (None, None) if values.is_empty() => into_any(Vec::<f32>::new().into_pyarray(py)),
        // Every value is null.
        (None, None) => into_any(vec![0_i8; values.len()].into_pyarray(py)),
    };
    Ok((values, nulls, layout, column.to_string()))
}

fn into_any<T>(object: Bound<'_, T>) -> Py<PyAny> {
    object.into_any().unbind()
}

/// An exception of a producer as a [`DtypeError`] with the exception as its cause. `KeyboardInterrupt` and the like
/// pass.
fn dtype_error(py: Python<'_>, name: &str, error: PyErr) -> PyErr {
    if !error.is_instance_of::<PyException>(py) {
        return error;
    }
    let ours = DtypeError::new_err(format!("{name} cannot be read as a column: {}", error.value(py)));
    ours.set_cause(py, Some(error));
    ours
}

/// All chunks as one. Values of a type that is not supported are replaced by as many nulls, because only their number
/// matters.
fn concatenated(column: &Column) -> Result<RaggedColumn, ArrowError> {
    let (kind, listed) = value_type(column.field.data_type());
    let supported = is_supported(kind, listed);
    let part = |chunk| {
        let RaggedColumn { values, offsets } = RaggedColumn::of(chunk)?;
        let values = if supported { values } else { Arc::new(NullArray::new(values.len())) };
        Ok(RaggedColumn { values, offsets })
    };
    let chunks = column.chunks.iter().filter(|chunk| !chunk.is_empty());
    let rows = RaggedColumn::concatenated(chunks.map(part).collect::<Result<_, ArrowError>>()?)?;
    let empty_type = if supported { kind } else { &DataType::Null };
    Ok(rows.unwrap_or_else(|| RaggedColumn { values: new_empty_array(empty_type), offsets: vec![0] }))
}

/// Whether values of this type can be read; texts are read as one per row only.
fn is_supported(kind: &DataType, listed: bool) -> bool {
    kind.is_integer() || kind.is_floating() || (!listed && is_text(kind))
}

fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, categories) => is_text(categories),
        _ => false,
    }
}

/// The values as a numpy array; `None` unless they are numbers.
fn numbers(py: Python<'_>, values: &ArrayRef) -> PyResult<Option<Py<PyAny>>> {
    let array = match values.data_type() {
        DataType::Float16 => read_only_array(py, values.as_primitive::<Float16Type>().values()),
        DataType::Float32 => read_only_array(py, values.as_primitive::<Float32Type>().values()),
        DataType::Float64 => read_only_array(py, values.as_primitive::<Float64Type>().values()),
        DataType::Int8 => read_only_array(py, values.as_primitive::<Int8Type>().values()),
        DataType::Int16 => read_only_array(py, values.as_primitive::<Int16Type>().values()),
        DataType::Int32 => read_only_array(py, values.as_primitive::<Int32Type>().values()),
        DataType::Int64 => read_only_array(py, values.as_primitive::<Int64Type>().values()),
        DataType::UInt8 => read_only_array(py, values.as_primitive::<UInt8Type>().values()),
        DataType::UInt16 => read_only_array(py, values.as_primitive::<UInt16Type>().values()),
        DataType::UInt32 => read_only_array(py, values.as_primitive::<UInt32Type>().values()),
        DataType::UInt64 => read_only_array(py, values.as_primitive::<UInt64Type>().values()),
        _ => return Ok(None),
    };
    array.map(Some)
}

/// The values as texts, or the texts that categories stand for; `None` unless they are either.
fn texts(values: &ArrayRef) -> Option<Vec<Option<&str>>> {
    Some(match values.data_type() {
        DataType::Utf8 => values.as_string::<i32>().iter().collect(),
        DataType::LargeUtf8 => values.as_string::<i64>().iter().collect(),
        DataType::Utf8View => values.as_string_view().iter().collect(),
        DataType::Dictionary(_, _) => {
            let dictionary = values.as_any_dictionary();
            let categories = texts(dictionary.values())?;
            if categories.is_empty() {
                return Some(vec![None; dictionary.len()]);
            }
            let text_of = |(row, key): (usize, usize)| if dictionary.is_valid(row) { categories[key] } else { None };
            dictionary.normalized_keys().into_iter().enumerate().map(text_of).collect()
        }
        _ => return None,
    })
}
