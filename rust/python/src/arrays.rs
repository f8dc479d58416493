//! numpy arrays as the slices the core reads.
//!
//! An array is borrowed, not copied, for as long as a call lasts, and it must not be written to meanwhile: a concurrent
//! write cannot crash the core, which checks each index it takes from an array, but it makes the result meaningless.

use crate::errors::{Failure, unexpected};
use half::slice::HalfBitsSliceExt;
use half::{bf16, f16};
use numpy::PyReadonlyArray1;
use nvmine_core::Layout;
use pyo3::prelude::*;

/// Scores of any width, contiguous.
pub(crate) enum Scores<'py> {
    F16(PyReadonlyArray1<'py, f16>),
    /// numpy has no bfloat16; its bits come as uint16.
    Bf16(PyReadonlyArray1<'py, u16>),
    F32(PyReadonlyArray1<'py, f32>),
    F64(PyReadonlyArray1<'py, f64>),
}

/// Ids of any width, contiguous, or none where they are column numbers.
pub(crate) enum PassageIds<'py> {
    Columns,
    I32(PyReadonlyArray1<'py, i32>),
    I64(PyReadonlyArray1<'py, i64>),
    U32(PyReadonlyArray1<'py, u32>),
    U64(PyReadonlyArray1<'py, u64>),
}

/// Where rows lie: (rows, columns) of a matrix, or offsets of lists.
#[derive(FromPyObject)]
pub(crate) enum RowLayout<'py> {
    Dense((usize, usize)),
    Ragged(PyReadonlyArray1<'py, i64>),
}

impl RowLayout<'_> {
    pub(crate) fn get(&self, what: &str) -> Result<Layout<'_>, Failure> {
        Ok(match self {
            &Self::Dense((rows, columns)) => Layout::Dense { rows, columns },
            Self::Ragged(offsets) => Layout::Ragged { offsets: elements(what, offsets)? },
        })
    }
}

impl<'py> Scores<'py> {
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
            Err(_) => Err(unexpected("scores", object)),
        }
    }
}

impl<'py> PassageIds<'py> {
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
            Err(_) => Err(unexpected("ids", object)),
        }
    }
}

/// The array's elements; the Python side has made it contiguous.
pub(crate) fn elements<'a, T: numpy::Element>(
    what: &str,
    array: &'a PyReadonlyArray1<'_, T>,
) -> Result<&'a [T], Failure> {
    array.as_slice().map_err(|_| unexpected(what, array.as_any()))
}

/// bfloat16 numbers from their bits.
pub(crate) fn bf16_elements<'a>(bits: &'a PyReadonlyArray1<'_, u16>) -> Result<&'a [bf16], Failure> {
    Ok(elements("scores", bits)?.reinterpret_cast())
}
