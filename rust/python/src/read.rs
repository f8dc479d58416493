//! `_core.read_arrow`: a column of any library that speaks Arrow, as numpy arrays.

use crate::columns::{Column, Lists, value_type};
use crate::errors::DtypeError;
use crate::ffi::{Incoming, lent};
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

/// How many values a row has.
#[derive(IntoPyObject)]
pub(crate) enum Layout<'py> {
    /// Number of rows and columns.
    Dense((usize, usize)),
    Ragged(Bound<'py, PyArray1<i64>>),
}

type Read<'py> = (Py<PyAny>, Option<Bound<'py, PyArray1<bool>>>, Option<Layout<'py>>, String);

/// Reads a column of numbers, of lists of numbers, or of texts.
///
/// Gives the values, numbers without a copy where they lie in one chunk and no null list hides some, texts as a list;
/// which of them are null, if any is; the layout of lists; and the column's type, for messages.
#[pyfunction]
pub(crate) fn read_arrow<'py>(py: Python<'py>, name: &str, data: &Bound<'py, PyAny>) -> PyResult<Read<'py>> {
    let incoming = Incoming::take(data).map_err(|error| unreadable(py, name, error))?;
    if let DataType::Struct(_) = incoming.field.data_type() {
        return Err(DtypeError::new_err(format!("{name} is a table; pass one of its columns")));
    }
    let column = incoming.fetch(py).and_then(|column| Ok((py.detach(|| whole(&column))?, column)));
    let (lists, Column { field, chunks }) =
        column.map_err(|error| DtypeError::new_err(format!("{name} cannot be read as a column: {error}")))?;
    let (column, Lists { values, offsets }) = (field.data_type(), lists);
    let (kind, listed) = value_type(column);
    if !(values.is_empty() || kind.is_null() || is_read(kind, listed)) {
        let wanted = if listed { "lists of numbers" } else { "numbers or lists of them" };
        return Err(DtypeError::new_err(format!("{name} is a column of {column}, expected {wanted}")));
    }
    let layout = match column {
        DataType::FixedSizeList(_, width) if *width >= 0 && chunks.iter().all(|chunk| chunk.null_count() == 0) => {
            Some(Layout::Dense((offsets.len() - 1, *width as usize)))
        }
        _ => listed.then(|| Layout::Ragged(offsets.into_pyarray(py))),
    };
    let nulls = values.logical_nulls().filter(|nulls| nulls.null_count() > 0);
    let nulls = nulls.map(|nulls| nulls.iter().map(|valid| !valid).collect::<Vec<_>>().into_pyarray(py));
    let values = match (numbers(py, &values)?, texts(&values)) {
        (Some(numbers), _) => numbers,
        (None, Some(texts)) => any(texts.into_pyobject(py)?),
        // Without a value in it, a column is of any type.
        (None, None) if values.is_empty() => any(Vec::<f32>::new().into_pyarray(py)),
        (None, None) => any(vec![0_i8; values.len()].into_pyarray(py)),
    };
    Ok((values, nulls, layout, column.to_string()))
}

fn any<T>(object: Bound<'_, T>) -> Py<PyAny> {
    object.into_any().unbind()
}

/// What a producer raises, as an error of ours.
fn unreadable(py: Python<'_>, name: &str, error: PyErr) -> PyErr {
    if !error.is_instance_of::<PyException>(py) {
        return error;
    }
    let ours = DtypeError::new_err(format!("{name} cannot be read as a column: {}", error.value(py)));
    ours.set_cause(py, Some(error));
    ours
}

/// All chunks in one. Of values that are not read, there is no more than how many they are.
fn whole(column: &Column) -> Result<Lists, ArrowError> {
    let (kind, listed) = value_type(column.field.data_type());
    let known = is_read(kind, listed);
    let part = |chunk| {
        let Lists { values, offsets } = Lists::of(chunk)?;
        let counted = || Arc::new(NullArray::new(values.len())) as ArrayRef;
        Ok(Lists { values: if known { values } else { counted() }, offsets })
    };
    let chunks = column.chunks.iter().filter(|chunk| !chunk.is_empty());
    let whole = Lists::joined(chunks.map(part).collect::<Result<_, ArrowError>>()?)?;
    let none = if known { kind } else { &DataType::Null };
    Ok(whole.unwrap_or_else(|| Lists { values: new_empty_array(none), offsets: vec![0] }))
}

fn is_read(kind: &DataType, listed: bool) -> bool {
    kind.is_integer() || kind.is_floating() || !listed && is_text(kind)
}

fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, names) => is_text(names),
        _ => false,
    }
}

/// A column of numbers as a numpy array.
fn numbers(py: Python<'_>, values: &ArrayRef) -> PyResult<Option<Py<PyAny>>> {
    let array = match values.data_type() {
        DataType::Float16 => lent(py, values.as_primitive::<Float16Type>().values()),
        DataType::Float32 => lent(py, values.as_primitive::<Float32Type>().values()),
        DataType::Float64 => lent(py, values.as_primitive::<Float64Type>().values()),
        DataType::Int8 => lent(py, values.as_primitive::<Int8Type>().values()),
        DataType::Int16 => lent(py, values.as_primitive::<Int16Type>().values()),
        DataType::Int32 => lent(py, values.as_primitive::<Int32Type>().values()),
        DataType::Int64 => lent(py, values.as_primitive::<Int64Type>().values()),
        DataType::UInt8 => lent(py, values.as_primitive::<UInt8Type>().values()),
        DataType::UInt16 => lent(py, values.as_primitive::<UInt16Type>().values()),
        DataType::UInt32 => lent(py, values.as_primitive::<UInt32Type>().values()),
        DataType::UInt64 => lent(py, values.as_primitive::<UInt64Type>().values()),
        _ => return Ok(None),
    };
    array.map(Some)
}

/// A column of texts, or of categories named by texts.
fn texts(values: &ArrayRef) -> Option<Vec<Option<&str>>> {
    Some(match values.data_type() {
        DataType::Utf8 => values.as_string::<i32>().iter().collect(),
        DataType::LargeUtf8 => values.as_string::<i64>().iter().collect(),
        DataType::Utf8View => values.as_string_view().iter().collect(),
        DataType::Dictionary(_, _) => {
            let dictionary = values.as_any_dictionary();
            let names = texts(dictionary.values())?;
            if names.is_empty() {
                return Some(vec![None; dictionary.len()]);
            }
            let name_of = |(row, key): (usize, usize)| if dictionary.is_valid(row) { names[key] } else { None };
            dictionary.normalized_keys().into_iter().enumerate().map(name_of).collect()
        }
        _ => return None,
    })
}
