//! numpy arrays as the slices that the core reads.
//!
//! An array is borrowed, not copied, while a call runs. Nothing stops another thread from writing to it meanwhile: the
//! interpreter is detached, and the borrow flags of the numpy crate bind Rust code only. Such a write is a data race,
//! which the caller must prevent. The core checks every index that it takes from an array, so a changed value is not
//! used as an unchecked index, but the result is meaningless.

use crate::errors::{Failure, unexpected_type};
use half::slice::HalfBitsSliceExt;
use half::{bf16, f16};
use numpy::PyReadonlyArray1;
use nvmine_core::Layout;
use pyo3::prelude::*;

/// A contiguous array of scores of any supported width.
pub(crate) enum ScoreArray<'py> {
    F16(PyReadonlyArray1<'py, f16>),
    /// The bits of bfloat16 numbers: numpy has no such type, so they come as uint16.
    Bf16(PyReadonlyArray1<'py, u16>),
    F32(PyReadonlyArray1<'py, f32>),
    F64(PyReadonlyArray1<'py, f64>),
}

/// A contiguous array of passage ids of any supported width.
pub(crate) enum IdArray<'py> {
    /// No array: the id of a score is its column number.
    Columns,
    I32(PyReadonlyArray1<'py, i32>),
    I64(PyReadonlyArray1<'py, i64>),
    U32(PyReadonlyArray1<'py, u32>),
    U64(PyReadonlyArray1<'py, u64>),
}

/// Where the rows of a flat array lie: (rows, columns) of a matrix, or the offsets of lists.
#[derive(FromPyObject)]
pub(crate) enum RowLayout<'py> {
    Dense((usize, usize)),
    Ragged(PyReadonlyArray1<'py, i64>),
}

impl RowLayout<'_> {
    pub(crate) fn get(&self, name: &str) -> Result<Layout<'_>, Failure> {
        Ok(match self {
            &Self::Dense((rows, columns)) => Layout::Dense { rows, columns },
            Self::Ragged(offsets) => Layout::Ragged { offsets: elements(name, offsets)? },
        })
    }
}

impl<'py> ScoreArray<'py> {
    pub(crate) fn extract(object: &Bound<'py, PyAny>) -> Result<Self, Failure> {
        if let Ok(array) = object.extract() {
            return Ok(Self::F32(array));
        }
        if let Ok(array) = object.extract() {
            return Ok(Self::F64(array));
        }
        if let Ok(array) = object.extract() {
            return Ok(Self::F16(array));
        }
        match object.extract() {
            Ok(array) => Ok(Self::Bf16(array)),
            Err(_) => Err(unexpected_type("scores", object)),
        }
    }
}

impl<'py> IdArray<'py> {
    pub(crate) fn extract(object: Option<&Bound<'py, PyAny>>) -> Result<Self, Failure> {
        let Some(object) = object else {
            return Ok(Self::Columns);
        };
        if let Ok(array) = object.extract() {
            return Ok(Self::I64(array));
        }
        if let Ok(array) = object.extract() {
            return Ok(Self::I32(array));
        }
        if let Ok(array) = object.extract() {
            return Ok(Self::U32(array));
        }
        match object.extract() {
            Ok(array) => Ok(Self::U64(array)),
            Err(_) => Err(unexpected_type("ids", object)),
        }
    }
}

/// The elements of an array, which the Python side has made contiguous.
pub(crate) fn elements<'a, T: numpy::Element>(
    name: &str,
    array: &'a PyReadonlyArray1<'_, T>,
) -> Result<&'a [T], Failure> {
    array.as_slice().map_err(|_| unexpected_type(name, array.as_any()))
}

/// The bfloat16 numbers of an array of their bits.
pub(crate) fn bf16_elements<'a>(bits: &'a PyReadonlyArray1<'_, u16>) -> Result<&'a [bf16], Failure> {
    Ok(elements("scores", bits)?.reinterpret_cast())
}
