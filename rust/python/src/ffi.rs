/*!
Arrow's C data interface: columns of other libraries come in, and their memory goes on to numpy, without a copy.

Arrow's crates own and release what crosses, and keep it for as long as anybody reads it. Imported arrays are validated
in full, offsets included, before they are read. That costs a look at each offset and each bit of a null map; numbers
need none, so hundreds of millions of them are free. That the buffers are as long as the arrays say is the one thing
that the interface cannot show, and the one promise of a producer's that has to be believed.
*/

#![allow(unsafe_code, reason = "a C ABI: pointers in, and memory lent to numpy")]

use crate::columns::Column;
use arrow_array::ffi::from_ffi_and_data_type;
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{ArrayRef, make_array};
use arrow_buffer::{ArrowNativeType, Buffer, ScalarBuffer};
use arrow_data::ArrayData;
use arrow_data::ffi::FFI_ArrowArray;
use arrow_schema::ffi::FFI_ArrowSchema;
use arrow_schema::{ArrowError, DataType, Field, Fields};
use numpy::ndarray::ArrayView1;
use numpy::{Element, PyArray1, PyArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use std::ffi::{CStr, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// A column that a Python object hands out: its type is known, its values are still to be fetched.
pub(crate) struct Incoming {
    pub(crate) field: Field,
    source: Source,
}

enum Source {
    Array(FFI_ArrowArray),
    Stream(FFI_ArrowArrayStream),
}

impl Incoming {
    /// Takes a column over from an object with `__arrow_c_stream__` or else `__arrow_c_array__`, by capsules.
    ///
    /// A stream is asked for first: what has several chunks may have both, and refuse to be one array.
    pub(crate) fn take(data: &Bound<'_, PyAny>) -> PyResult<Self> {
        let invalid = |error: ArrowError| PyValueError::new_err(error.to_string());
        if data.hasattr("__arrow_c_stream__")? {
            let capsule = data.call_method0("__arrow_c_stream__")?;
            let stream = pointer::<FFI_ArrowArrayStream>(&capsule, c"arrow_array_stream")?;
            // SAFETY: a capsule of this name holds a stream, which nobody else touches while we hold the interpreter,
            // and which is marked as moved, so that the capsule does not release it too.
            let mut stream = unsafe { FFI_ArrowArrayStream::from_raw(stream) };
            let field = stream_field(&mut stream).map_err(invalid)?;
            return Ok(Self { field, source: Source::Stream(stream) });
        }
        let pair: (Bound<'_, PyAny>, Bound<'_, PyAny>) = data.call_method0("__arrow_c_array__")?.extract()?;
        let schema = pointer::<FFI_ArrowSchema>(&pair.0, c"arrow_schema")?;
        let array = pointer::<FFI_ArrowArray>(&pair.1, c"arrow_array")?;
        // SAFETY: a capsule of this name holds a schema, and lives until the end of this function.
        let field = field(unsafe { &*schema }).map_err(invalid)?;
        // SAFETY: as for the stream above.
        Ok(Self { field, source: Source::Array(unsafe { FFI_ArrowArray::from_raw(array) }) })
    }

    /// Fetches the values. The producer may compute them now, or wait for threads of its own, so the interpreter is
    /// left free.
    pub(crate) fn fetch(self, py: Python<'_>) -> Result<Column, ArrowError> {
        let Self { field, source } = self;
        py.detach(|| {
            let mut chunks = Vec::new();
            match source {
                // SAFETY: array and type were handed out together.
                Source::Array(array) => chunks.push(unsafe { import(array, field.data_type()) }?),
                Source::Stream(mut stream) => {
                    while let Some(array) = next_array(&mut stream)? {
                        // SAFETY: all arrays of a stream are of the stream's type.
                        chunks.push(unsafe { import(array, field.data_type()) }?);
                    }
                }
            }
            Ok(Column { field, chunks })
        })
    }
}

/// What a capsule of this name holds.
fn pointer<T>(capsule: &Bound<'_, PyAny>, name: &CStr) -> PyResult<*mut T> {
    Ok(capsule.cast::<PyCapsule>()?.pointer_checked(Some(name))?.cast().as_ptr())
}

fn field(schema: &FFI_ArrowSchema) -> Result<Field, ArrowError> {
    if schema.release().is_none() {
        return Err(invalid("the type was taken by somebody else before"));
    }
    guarded(|| Field::try_from(schema))
}

fn stream_field(stream: &mut FFI_ArrowArrayStream) -> Result<Field, ArrowError> {
    if stream.release().is_none() {
        return Err(invalid("the stream was read by somebody else before"));
    }
    let get_schema = stream.get_schema().ok_or_else(|| invalid("the stream has no get_schema"))?;
    let mut schema = FFI_ArrowSchema::empty();
    // SAFETY: the stream's own callback, on the stream, which is not released; `schema` is empty and can be written to.
    let code = unsafe { get_schema(stream, &raw mut schema) };
    if code == 0 { field(&schema) } else { Err(failed(stream, code)) }
}

/// The next array of a stream, if there is one.
fn next_array(stream: &mut FFI_ArrowArrayStream) -> Result<Option<FFI_ArrowArray>, ArrowError> {
    let get_next = stream.get_next().ok_or_else(|| invalid("the stream has no get_next"))?;
    let mut array = FFI_ArrowArray::empty();
    // SAFETY: the stream's own callback, on the stream, which is not released; `array` is empty and can be written to.
    match unsafe { get_next(stream, &raw mut array) } {
        0 => Ok((!array.is_released()).then_some(array)),
        code => Err(failed(stream, code)),
    }
}

/// What a stream says about its last call, which failed.
fn failed(stream: &mut FFI_ArrowArrayStream, code: c_int) -> ArrowError {
    // SAFETY: the stream's own callback, on the stream, which is not released, right after a call that failed.
    let text = stream.get_last_error().map(|get_last_error| unsafe { get_last_error(stream) });
    match text.filter(|text| !text.is_null()) {
        // SAFETY: such a text is the stream's, ends in NUL, and is valid until the next call on the stream.
        Some(text) => invalid(&unsafe { CStr::from_ptr(text) }.to_string_lossy()),
        None => invalid(&format!("the stream failed with code {code}")),
    }
}

/// An array from outside, validated.
///
/// # Safety
/// The array follows Arrow's C data interface, and its buffers are as long as it and its type say.
pub(crate) unsafe fn import(array: FFI_ArrowArray, kind: &DataType) -> Result<ArrayRef, ArrowError> {
    guarded(|| {
        if array.is_released() || !counts_fit(&array) {
            return Err(invalid(
                "an array was released before, or its length, offset or number of buffers is negative",
            ));
        }
        // SAFETY: by this function's contract.
        let data = mended(unsafe { from_ffi_and_data_type(array, readable(kind)) }?)?;
        // Offsets, lengths and text: what follows would read out of bounds on faith.
        data.validate_full()?;
        Ok(make_array(data))
    })
}

/// Whether the counts of an array and of all below it are none of them negative; Arrow's crates take that for granted.
fn counts_fit(array: &FFI_ArrowArray) -> bool {
    let counts = [array.len(), array.offset(), array.num_buffers(), array.num_children()];
    counts.iter().all(|&count| isize::try_from(count).is_ok())
        && array.len().checked_add(array.offset()).is_some_and(|end| isize::try_from(end).is_ok())
        && (0..array.num_children()).all(|child| counts_fit(array.child(child)))
}

/// The type to import a column as: Polars gives arrays of the type Null a buffer, which the interface does not and
/// Arrow's crates refuse. As a struct without fields they can be read.
fn readable(column: &DataType) -> DataType {
    let inner = |values: &Field| Arc::new(values.clone().with_data_type(readable(values.data_type())));
    match column {
        DataType::Null => DataType::Struct(Fields::empty()),
        DataType::List(values) => DataType::List(inner(values)),
        DataType::LargeList(values) => DataType::LargeList(inner(values)),
        DataType::FixedSizeList(values, width) => DataType::FixedSizeList(inner(values), *width),
        other => other.clone(),
    }
}

/// Polars before 1.44 exports a slice of an Array column with the slice's offset, which the null map needs, over values
/// that start at the slice already. As soon as the null map is read, the offset has no meaning any more.
fn mended(data: ArrayData) -> Result<ArrayData, ArrowError> {
    let DataType::FixedSizeList(_, width) = *data.data_type() else { return Ok(data) };
    let whole = usize::try_from(width).ok().and_then(|width| data.len().checked_mul(width));
    let sliced = data.offset() > 0 && whole.is_some_and(|whole| data.child_data()[0].len() == whole);
    if sliced { data.into_builder().offset(0).build() } else { Ok(data) }
}

/// Arrow's crates refuse some of what does not follow the interface by a panic, which is an error like the others.
fn guarded<T>(work: impl FnOnce() -> Result<T, ArrowError>) -> Result<T, ArrowError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(invalid("the array contradicts its type")))
}

fn invalid(message: &str) -> ArrowError {
    ArrowError::CDataInterface(message.into())
}

/// What keeps the memory of a lent array alive.
#[pyclass(frozen)]
struct Lender(#[expect(dead_code, reason = "held, not read")] Buffer);

/// Values of a column as a numpy array that cannot be written to: they may be everybody's.
pub(crate) fn lent<T>(py: Python<'_>, values: &ScalarBuffer<T>) -> PyResult<Py<PyAny>>
where
    T: ArrowNativeType + Element,
{
    let lender = Bound::new(py, Lender(values.inner().clone()))?;
    // SAFETY: the array holds on to the lender, and the lender to the buffer, whose memory neither moves nor goes away
    // before. Nobody has seen the array yet when it is made read-only, which Python cannot undo as it does not own its
    // memory.
    let array = unsafe { PyArray1::borrow_from_array(&ArrayView1::from(&values[..]), lender.into_any()) };
    Ok(array.readwrite().make_nonwriteable().as_any().clone().unbind())
}
