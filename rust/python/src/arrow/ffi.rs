/*!
Arrow's C data interface: columns of other libraries come in, and their memory goes on to numpy, both without a copy.

Arrow's crates own the imported arrays and release them after the last use. Every array is validated in full before it
is read: offsets, null counts, and text. Validation reads offsets, null maps and text but not numbers, so it costs next
to nothing for hundreds of millions of scores. The interface does not tell how long a buffer is. That the buffers are as
long as the array says is the producer's promise, and nothing can check it.
*/

#![allow(unsafe_code, reason = "a C ABI: pointers in, and memory shared with numpy")]

use crate::arrow::columns::Column;
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

/// A column of a Python object: its type is known, its values have not been fetched yet.
pub(crate) struct Incoming {
    pub(crate) field: Field,
    source: Source,
}

enum Source {
    Array(FFI_ArrowArray),
    Stream(FFI_ArrowArrayStream),
}

impl Incoming {
    /// Takes ownership of a column through `__arrow_c_stream__` or, without that method, `__arrow_c_array__`.
    ///
    /// The stream comes first because a column of several chunks may have both methods and refuse to export one array.
    ///
    /// The capsule's content is moved out without a lock of its own. The interpreter lock is held from the check of the
    /// capsule to the move, so two threads cannot move the same content. A free-threaded interpreter has no such lock:
    /// there, two concurrent calls with the same capsule are a data race.
    pub(crate) fn take(data: &Bound<'_, PyAny>) -> PyResult<Self> {
        let invalid = |error: ArrowError| PyValueError::new_err(error.to_string());
        if data.hasattr("__arrow_c_stream__")? {
            let capsule = data.call_method0("__arrow_c_stream__")?;
            let stream = pointer::<FFI_ArrowArrayStream>(&capsule, c"arrow_array_stream")?;
            // SAFETY: `pointer` checked the capsule's name, and by the PyCapsule interface a capsule of this name
            // points to an initialized, aligned stream for as long as it lives, which is until the end of this block.
            // The move leaves an empty stream behind, so the capsule does not release it again. No other Python thread
            // accesses the stream at the same time as long as the interpreter lock exists; without one this is not
            // guaranteed (see above).
            let mut stream = unsafe { FFI_ArrowArrayStream::from_raw(stream) };
            let field = stream_field(&mut stream).map_err(invalid)?;
            return Ok(Self { field, source: Source::Stream(stream) });
        }
        let pair: (Bound<'_, PyAny>, Bound<'_, PyAny>) = data.call_method0("__arrow_c_array__")?.extract()?;
        let schema = pointer::<FFI_ArrowSchema>(&pair.0, c"arrow_schema")?;
        let array = pointer::<FFI_ArrowArray>(&pair.1, c"arrow_array")?;
        // SAFETY: `pointer` checked the capsule's name, and by the PyCapsule interface a capsule of this name points to
        // an initialized, aligned schema that follows Arrow's C data interface for as long as it lives, which is until
        // the end of this function. `field` runs no Python code, so no other Python thread changes the schema meanwhile
        // as long as the interpreter lock exists; without one this is not guaranteed (see above).
        let field = field(unsafe { &*schema }).map_err(invalid)?;
        // SAFETY: as for the stream above, with an array in place of the stream.
        Ok(Self { field, source: Source::Array(unsafe { FFI_ArrowArray::from_raw(array) }) })
    }

    /// Fetches the values, detached from the interpreter, because the producer may compute them now or wait for its own
    /// threads.
    pub(crate) fn fetch(self, py: Python<'_>) -> Result<Column, ArrowError> {
        let Self { field, source } = self;
        py.detach(|| {
            let mut chunks = Vec::new();
            match source {
                // SAFETY: the producer exported the array together with this type, and by exporting it promises what
                // `import` cannot check.
                Source::Array(array) => chunks.push(unsafe { import(array, field.data_type()) }?),
                Source::Stream(mut stream) => {
                    while let Some(array) = next_array(&mut stream)? {
                        // SAFETY: by the interface all arrays of a stream have the stream's type, and by exporting them
                        // the producer promises what `import` cannot check.
                        chunks.push(unsafe { import(array, field.data_type()) }?);
                    }
                }
            }
            Ok(Column { field, chunks })
        })
    }
}

/// The pointer in a capsule, which must have this name; it is not null.
fn pointer<T>(capsule: &Bound<'_, PyAny>, name: &CStr) -> PyResult<*mut T> {
    Ok(capsule.cast::<PyCapsule>()?.pointer_checked(Some(name))?.cast().as_ptr())
}

fn field(schema: &FFI_ArrowSchema) -> Result<Field, ArrowError> {
    if schema.release().is_none() {
        return Err(invalid("the schema was already released"));
    }
    guarded(|| Field::try_from(schema))
}

fn stream_field(stream: &mut FFI_ArrowArrayStream) -> Result<Field, ArrowError> {
    if stream.release().is_none() {
        return Err(invalid("the stream was already released"));
    }
    let get_schema = stream.get_schema().ok_or_else(|| invalid("the stream has no get_schema"))?;
    let mut schema = FFI_ArrowSchema::empty();
    // SAFETY: the callback belongs to this stream, which is not released (checked above), and `schema` can be written
    // to; it is empty, so nothing leaks.
    let code = unsafe { get_schema(stream, &raw mut schema) };
    if code == 0 { field(&schema) } else { Err(failed(stream, code)) }
}

/// The next array of a stream, or `None` at its end.
fn next_array(stream: &mut FFI_ArrowArrayStream) -> Result<Option<FFI_ArrowArray>, ArrowError> {
    let get_next = stream.get_next().ok_or_else(|| invalid("the stream has no get_next"))?;
    let mut array = FFI_ArrowArray::empty();
    // SAFETY: the callback belongs to this stream. `stream_field` checked that the stream is not released, and only
    // dropping it releases it. `array` can be written to; it is empty, so nothing leaks.
    match unsafe { get_next(stream, &raw mut array) } {
        0 => Ok((!array.is_released()).then_some(array)),
        code => Err(failed(stream, code)),
    }
}

/// The error of a stream's last call, which returned `code`.
fn failed(stream: &mut FFI_ArrowArrayStream, code: c_int) -> ArrowError {
    // SAFETY: the callback belongs to this stream, which is not released (checked in `stream_field`), and the last call
    // on the stream failed, as the interface requires.
    let text = stream.get_last_error().map(|get_last_error| unsafe { get_last_error(stream) });
    match text.filter(|text| !text.is_null()) {
        // SAFETY: by the interface the text ends in NUL and is valid until the next call on the stream, and it is
        // copied before that.
        Some(text) => invalid(&unsafe { CStr::from_ptr(text) }.to_string_lossy()),
        None => invalid(&format!("the stream failed with code {code}")),
    }
}

/// Imports and validates an array.
///
/// Negative counts and wrong offsets, null counts or text are found and returned as errors.
///
/// # Safety
/// The array is released, or it follows Arrow's C data interface for this type in what is not checked: its pointers are
/// valid, there are as many of them as it counts, it has the number of buffers that the type requires, and each buffer
/// is as long as the length, the offset, the type and, for text, the last offset require. An array of type Null may
/// have one buffer, which is a null pointer or a null map.
pub(crate) unsafe fn import(array: FFI_ArrowArray, kind: &DataType) -> Result<ArrayRef, ArrowError> {
    guarded(|| {
        if array.is_released() || !counts_are_valid(&array) {
            return Err(invalid(
                "an array was already released, or has a negative length, offset or number of buffers or children",
            ));
        }
        // SAFETY: the counts are valid, and this function's contract covers the rest. An array of type Null is imported
        // as a struct without fields, whose only buffer is a null map.
        let data = without_stale_offset(unsafe { from_ffi_and_data_type(array, importable(kind)) }?)?;
        // Code after this point trusts offsets, lengths and text.
        data.validate_full()?;
        Ok(make_array(data))
    })
}

/// Whether no count of an array, of its children and of its dictionary is negative, which Arrow's crates do not check.
fn counts_are_valid(array: &FFI_ArrowArray) -> bool {
    let counts = [array.len(), array.offset(), array.num_buffers(), array.num_children()];
    counts.iter().all(|&count| isize::try_from(count).is_ok())
        && array.len().checked_add(array.offset()).is_some_and(|end| isize::try_from(end).is_ok())
        && (0..array.num_children()).all(|child| counts_are_valid(array.child(child)))
        && array.dictionary().is_none_or(counts_are_valid)
}

/// The type to import a column as.
///
/// Polars gives arrays of type Null a buffer, which the interface does not allow and Arrow's crates refuse. Imported as
/// structs without fields, such arrays are accepted.
fn importable(column: &DataType) -> DataType {
    let inner = |values: &Field| Arc::new(values.clone().with_data_type(importable(values.data_type())));
    match column {
        DataType::Null => DataType::Struct(Fields::empty()),
        DataType::List(values) => DataType::List(inner(values)),
        DataType::LargeList(values) => DataType::LargeList(inner(values)),
        DataType::FixedSizeList(values, width) => DataType::FixedSizeList(inner(values), *width),
        other => other.clone(),
    }
}

/// Removes an offset that applies to the null map but not to the values.
///
/// Polars before 1.44 exports a slice of an Array column with the offset of the slice, but with values that already
/// start at the slice. Only the null map needs the offset, and it has been read at this point.
fn without_stale_offset(data: ArrayData) -> Result<ArrayData, ArrowError> {
    let DataType::FixedSizeList(_, width) = *data.data_type() else { return Ok(data) };
    let whole = usize::try_from(width).ok().and_then(|width| data.len().checked_mul(width));
    let sliced = data.offset() > 0 && whole.is_some_and(|whole| data.child_data()[0].len() == whole);
    if sliced { data.into_builder().offset(0).build() } else { Ok(data) }
}

/// Turns a panic into an error: Arrow's crates panic on some arrays that do not follow the interface.
fn guarded<T>(work: impl FnOnce() -> Result<T, ArrowError>) -> Result<T, ArrowError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(invalid("the array does not match its type")))
}

fn invalid(message: &str) -> ArrowError {
    ArrowError::CDataInterface(message.into())
}

/// The base object of an array over Arrow memory; keeps the memory alive.
#[pyclass(frozen)]
struct BufferOwner(#[expect(dead_code, reason = "held, not read")] Buffer);

/// The values of a column as a read-only numpy array: other libraries may use the same memory.
pub(crate) fn read_only_array<T>(py: Python<'_>, values: &ScalarBuffer<T>) -> PyResult<Py<PyAny>>
where
    T: ArrowNativeType + Element,
{
    let owner = Bound::new(py, BufferOwner(values.inner().clone()))?;
    // SAFETY: the array's base object is the owner, which holds the buffer. While a buffer lives, its memory neither
    // moves nor is freed; for memory of another library, that is the producer's promise. Nothing else refers to the
    // array before the next line makes it read-only. numpy refuses to undo that, because the base object is not a
    // writable buffer.
    let array = unsafe { PyArray1::borrow_from_array(&ArrayView1::from(&values[..]), owner.into_any()) };
    Ok(array.readwrite().make_nonwriteable().as_any().clone().unbind())
}
