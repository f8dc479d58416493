/*!
The C ABI of Polars' expression plugins, version 0.1.

Polars loads this library by its path and looks up `_polars_plugin_NAME`, which computes the result, and
`_polars_plugin_field_NAME`, which computes the result's type from the inputs' types. Columns cross through Arrow's C
data interface. Several threads may call at once, and none of them needs to hold the interpreter lock. Only what needs
`unsafe` is here: [`ffi`](crate::arrow::ffi) imports and validates arrays, and [`expression`] mines them.
*/

#![allow(unsafe_code, reason = "a C ABI: pointers in, pointers out")]

use super::expression;
use crate::arrow::columns::{Column, dtype_message};
use crate::arrow::ffi::import;
use arrow_data::ArrayData;
use arrow_data::ffi::FFI_ArrowArray;
use arrow_schema::Field;
use arrow_schema::ffi::FFI_ArrowSchema;
use std::any::Any;
use std::cell::RefCell;
use std::ffi::{CString, c_char, c_void};
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null_mut;

/// Version 0.1 of the ABI: the major version in the upper 16 bits, the minor version in the lower ones.
const VERSION: u32 = 1;

/// The flag of [`CallerContext`] by which the caller asks for no threads other than its own.
const NO_THREADS: u64 = 1;

/// A column as it crosses the ABI: its type, and arrays of that type.
#[repr(C)]
pub(crate) struct SeriesExport {
    schema: *mut FFI_ArrowSchema,
    chunks: *mut *mut FFI_ArrowArray,
    n_chunks: usize,
    /// Frees the schema and the headers of the arrays. The receiver has moved the arrays out of their headers before.
    release: Option<unsafe extern "C" fn(*mut SeriesExport)>,
    /// Null in a result means that the call failed.
    private_data: *mut c_void,
}

/// What Polars tells about the call.
#[repr(C)]
pub(crate) struct CallerContext {
    flags: u64,
}

thread_local! {
    /// The error of the last failed call on this thread.
    static MESSAGE: RefCell<CString> = RefCell::default();
}

/// Returns the version of the ABI that the other symbols follow.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn _polars_plugin_get_version() -> u32 {
    VERSION
}

/// Returns the error of the last failed call on this thread, valid until the thread's next call.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn _polars_plugin_get_last_error_message() -> *const c_char {
    // The message of a thread that is ending may already be gone.
    MESSAGE.try_with(|message| message.borrow().as_ptr()).unwrap_or(c"InternalError: unknown".as_ptr())
}

/// Writes the type of the result, or an empty schema after an error.
///
/// # Safety
/// `fields` points to `n` valid schemas and `kwargs` to `kwargs_len` bytes. Both stay the caller's, which does not
/// change or free them during the call; a pointer may be null if its count is 0. `out` can be written to.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn _polars_plugin_field_mine(
    fields: *const FFI_ArrowSchema,
    n: usize,
    out: *mut FFI_ArrowSchema,
    kwargs: *const u8,
    kwargs_len: usize,
) {
    let schema = guarded(|| {
        // SAFETY: this function's contract covers both, and the slices are not used after the call.
        let (fields, kwargs) = unsafe { (slice(fields, n), slice(kwargs, kwargs_len)) };
        let fields = fields.iter().map(Field::try_from).collect::<Result<Vec<_>, _>>().map_err(dtype_message)?;
        let field = expression::field(&fields, kwargs)?;
        FFI_ArrowSchema::try_from(&field).map_err(dtype_message)
    });
    // SAFETY: by this function's contract `out` can be written to. Its old content is not dropped; the ABI leaves it
    // undefined.
    unsafe { out.write(schema.unwrap_or_else(FFI_ArrowSchema::empty)) }
}

/// Mines the rows of columns and writes the column of results, or one without `private_data` after an error.
///
/// # Safety
/// `inputs` points to `n` columns that follow the ABI, with valid schemas and with arrays as [`import`] requires them.
/// The columns become this function's, the slice stays the caller's. `kwargs` points to `kwargs_len` bytes, which stay
/// the caller's and which it does not change or free during the call. A pointer may be null if its count is 0. `out`
/// can be written to, and `context` is null or can be read.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn _polars_plugin_mine(
    inputs: *mut SeriesExport,
    n: usize,
    kwargs: *const u8,
    kwargs_len: usize,
    out: *mut SeriesExport,
    context: *const CallerContext,
) {
    let export = guarded(|| {
        // SAFETY: by this function's contract `inputs` points to `n` columns that are this function's; each is taken
        // once.
        let columns = (0..n).map(|input| unsafe { take(inputs.add(input)) });
        // Every column is taken before an error is returned, so that an error in one does not leak the others.
        let columns: Vec<_> = columns.collect();
        let columns = columns.into_iter().collect::<Result<Vec<_>, _>>()?;
        // SAFETY: this function's contract covers it, and the slice is not used after the call.
        let kwargs = unsafe { slice(kwargs, kwargs_len) };
        // SAFETY: by this function's contract `context` is null, which `as_ref` checks, or can be read.
        let single_threaded = unsafe { context.as_ref() }.is_some_and(|context| context.flags & NO_THREADS != 0);
        let (field, chunks) = expression::mine(&columns, kwargs, single_threaded)?;
        export(&field, &chunks)
    });
    let failed =
        SeriesExport { schema: null_mut(), chunks: null_mut(), n_chunks: 0, release: None, private_data: null_mut() };
    // SAFETY: by this function's contract `out` can be written to. Its old content is not dropped; the ABI leaves it
    // undefined.
    unsafe { out.write(export.unwrap_or(failed)) }
}

/// Runs `work`. An error or a panic becomes this thread's message.
fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Option<T> {
    let message = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => return Some(value),
        Ok(Err(message)) => message,
        Err(panic) => format!("InternalError: {}; please report this", panic_message(panic.as_ref())),
    };
    // A C string cannot contain a NUL.
    let message: Vec<u8> = message.bytes().filter(|&byte| byte != 0).collect();
    let message = CString::new(message).unwrap_or_default();
    // A thread that is ending may not be able to store a message; the caller then gets a fixed one.
    let _ = MESSAGE.try_with(|last| last.replace(message));
    None
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "a panic",
    }
}

/// The `len` values at `pointer`, or none if it is null.
///
/// # Safety
/// Unless `len` is 0 or `pointer` is null, `pointer` is aligned and points to `len` initialized values, which are
/// neither written to nor freed during `'a`.
unsafe fn slice<'a, T>(pointer: *const T, len: usize) -> &'a [T] {
    if len == 0 || pointer.is_null() {
        return &[];
    }
    // SAFETY: neither `len` is 0 nor `pointer` null, so this function's contract covers it.
    unsafe { std::slice::from_raw_parts(pointer, len) }
}

/// Takes ownership of a column of the caller.
///
/// # Safety
/// `export` points to a column that follows the ABI, that the caller gives up and that has not been taken yet. Its
/// schema is valid and its arrays are as [`import`] requires them.
unsafe fn take(export: *mut SeriesExport) -> Result<Column, String> {
    // SAFETY: by this function's contract the pointer is valid, and nobody else uses the column.
    let export = unsafe { &mut *export };
    // SAFETY: by the ABI `chunks` points to `n_chunks` pointers, which are not freed before the column is released
    // below.
    let headers = unsafe { slice(export.chunks.cast_const(), export.n_chunks) };
    // SAFETY: by the ABI each pointer is to the header of an array, which comes with the column. Moving the array out
    // leaves an empty header behind, so no array is released twice.
    let arrays: Vec<_> = headers.iter().map(|&header| unsafe { FFI_ArrowArray::from_raw(header) }).collect();
    // SAFETY: by the ABI the pointer is null, which `as_ref` checks, or to a schema, which lives until the column is
    // released below; the field is a copy.
    let field = unsafe { export.schema.as_ref() }.map(Field::try_from);
    if let Some(release) = export.release.take() {
        // SAFETY: the column is this function's. `take` makes sure that it is released once, and neither the headers
        // nor the schema are used after this.
        unsafe { release(export) };
    }
    let field = field.ok_or("InternalError: a column has no type")?.map_err(dtype_message)?;
    // SAFETY: the arrays and their type come from one column, and by this function's contract the arrays are as
    // `import` requires them.
    let chunks = arrays.into_iter().map(|array| unsafe { import(array, field.data_type()) });
    let chunks = chunks.collect::<Result<Vec<_>, _>>().map_err(dtype_message)?;
    Ok(Column { field, chunks })
}

/// The private data of a result.
struct Headers {
    schema: *mut FFI_ArrowSchema,
    chunks: Box<[*mut FFI_ArrowArray]>,
}

/// Gives a column to the caller.
fn export(field: &Field, chunks: &[ArrayData]) -> Result<SeriesExport, String> {
    let schema = Box::into_raw(Box::new(FFI_ArrowSchema::try_from(field).map_err(dtype_message)?));
    let chunks = chunks.iter().map(|chunk| Box::into_raw(Box::new(FFI_ArrowArray::new(chunk)))).collect();
    let headers = Box::into_raw(Box::new(Headers { schema, chunks }));
    // SAFETY: the pointer comes from `Box::into_raw` above, only `release_result` frees it, and no other reference
    // exists yet.
    let chunks = unsafe { &mut (*headers).chunks };
    Ok(SeriesExport {
        schema,
        n_chunks: chunks.len(),
        chunks: chunks.as_mut_ptr(),
        release: Some(release_result),
        private_data: headers.cast(),
    })
}

/// Frees the headers and the schema of a result. The arrays are the caller's, which has copied them out of their
/// headers.
///
/// # Safety
/// `export` points to a result of [`export`], possibly moved to another address, whose headers and schema the caller no
/// longer uses. Nobody else uses the result meanwhile.
unsafe extern "C" fn release_result(export: *mut SeriesExport) {
    // SAFETY: by this function's contract the pointer is valid, and nobody else uses the result.
    let export = unsafe { &mut *export };
    export.release = None;
    let headers = std::mem::replace(&mut export.private_data, null_mut()).cast::<Headers>();
    if headers.is_null() {
        return;
    }
    // SAFETY: `export` got the pointer from `Box::into_raw`. It is freed only here, and only once, as `private_data` is
    // null from now on.
    let headers = unsafe { Box::from_raw(headers) };
    // SAFETY: `export` got the pointer from `Box::into_raw`, and it is freed only here. The caller borrows the schema
    // and does not release it itself.
    drop(unsafe { Box::from_raw(headers.schema) });
    for &header in &headers.chunks {
        // SAFETY: `export` got the pointer from `Box::into_raw`, and it is freed only here. `ManuallyDrop` has the
        // layout of the array and does not release it, because the array is the caller's.
        drop(unsafe { Box::from_raw(header.cast::<ManuallyDrop<FFI_ArrowArray>>()) });
    }
}
