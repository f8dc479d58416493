/*!
The C ABI of Polars' expression plugins, version 0.1.

Polars loads this library by its path and looks up `_polars_plugin_NAME` (the work) and `_polars_plugin_field_NAME` (the
type of the result, from the types of the inputs). Columns cross as Arrow's C data interface. Several threads call at
once, none of them holds Python's lock. What is safe is done elsewhere: [`ffi`](crate::ffi) imports and validates what
came in, [`columns`](crate::columns) reads it, [`expression`](crate::expression) mines it.
*/

#![allow(unsafe_code, reason = "a C ABI: pointers in, pointers out")]

use crate::columns::{Column, refused};
use crate::expression;
use crate::ffi::import;
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

/// Version 0.1 of the ABI, major in the upper half.
const VERSION: u32 = 1;

/// [`CallerContext::flags`]: the caller wants no other threads than its own.
const NO_THREADS: u64 = 1;

/// A column: its type, and arrays of that type.
#[repr(C)]
pub(crate) struct SeriesExport {
    schema: *mut FFI_ArrowSchema,
    chunks: *mut *mut FFI_ArrowArray,
    n_chunks: usize,
    /// Frees the schema and the memory that the arrays' headers lie in; the arrays have been moved out by then.
    release: Option<unsafe extern "C" fn(*mut SeriesExport)>,
    /// Null in a result that stands for an error.
    private_data: *mut c_void,
}

/// What the caller says about itself.
#[repr(C)]
pub(crate) struct CallerContext {
    flags: u64,
}

thread_local! {
    /// What the last failed call of this thread reported.
    static MESSAGE: RefCell<CString> = RefCell::default();
}

/// The version of the ABI that the other symbols follow.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn _polars_plugin_get_version() -> u32 {
    VERSION
}

/// The error of the last call on this thread, valid until its next call.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn _polars_plugin_get_last_error_message() -> *const c_char {
    // A thread that is ending has no message of its own any more.
    MESSAGE.try_with(|message| message.borrow().as_ptr()).unwrap_or(c"InternalError: unknown".as_ptr())
}

/// Writes the type of the result, or an empty schema after an error.
///
/// # Safety
/// `fields` points to `n` schemas and `kwargs` to `kwargs_len` bytes, which stay the caller's; `out` can be written to.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn _polars_plugin_field_mine(
    fields: *const FFI_ArrowSchema,
    n: usize,
    out: *mut FFI_ArrowSchema,
    kwargs: *const u8,
    kwargs_len: usize,
) {
    let schema = guarded(|| {
        // SAFETY: by this function's contract, for as long as the call lasts.
        let (fields, kwargs) = unsafe { (slice(fields, n), slice(kwargs, kwargs_len)) };
        let fields = fields.iter().map(Field::try_from).collect::<Result<Vec<_>, _>>().map_err(refused)?;
        let field = expression::field(&fields, kwargs)?;
        FFI_ArrowSchema::try_from(&field).map_err(refused)
    });
    // SAFETY: `out` can be written to; what it holds so far is empty and needs no release.
    unsafe { out.write(schema.unwrap_or_else(FFI_ArrowSchema::empty)) }
}

/// Mines the rows of some columns, and writes the column of results, or one without `private_data` after an error.
///
/// # Safety
/// `inputs` points to `n` columns, which become this function's (the slice itself stays the caller's), and `kwargs` to
/// `kwargs_len` bytes, which stay the caller's; `out` can be written to; `context` is null or can be read.
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
        // SAFETY: by this function's contract each input is ours, and is taken once.
        let columns = (0..n).map(|input| unsafe { take(inputs.add(input)) });
        // All are taken before any is looked at, so that an error in one does not leave the others behind.
        let columns: Vec<_> = columns.collect();
        let columns = columns.into_iter().collect::<Result<Vec<_>, _>>()?;
        // SAFETY: by this function's contract, for as long as the call lasts.
        let kwargs = unsafe { slice(kwargs, kwargs_len) };
        // SAFETY: likewise; a null pointer gives nothing.
        let alone = unsafe { context.as_ref() }.is_some_and(|context| context.flags & NO_THREADS != 0);
        let (field, chunks) = expression::mine(&columns, kwargs, alone)?;
        export(&field, &chunks)
    });
    let failed =
        SeriesExport { schema: null_mut(), chunks: null_mut(), n_chunks: 0, release: None, private_data: null_mut() };
    // SAFETY: `out` can be written to; what it holds so far is empty and needs no release.
    unsafe { out.write(export.unwrap_or(failed)) }
}

/// Runs `work`; an error or a panic becomes this thread's message.
fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Option<T> {
    let message = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => return Some(value),
        Ok(Err(message)) => message,
        Err(panic) => format!("InternalError: {}; please report this", text(panic.as_ref())),
    };
    let message: Vec<u8> = message.bytes().filter(|&byte| byte != 0).collect();
    let message = CString::new(message).unwrap_or_default();
    // A thread that is ending has no place for it; the caller then finds the stand-in.
    let _ = MESSAGE.try_with(|last| last.replace(message));
    None
}

/// What a panic said.
fn text(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "a panic",
    }
}

/// `len` values at `pointer`, which may be null where there are none.
///
/// # Safety
/// Unless `len` is 0, `pointer` points to as many values, which are neither written nor freed while the slice is in use.
unsafe fn slice<'a, T>(pointer: *const T, len: usize) -> &'a [T] {
    if len == 0 || pointer.is_null() {
        return &[];
    }
    // SAFETY: by this function's contract.
    unsafe { std::slice::from_raw_parts(pointer, len) }
}

/// Takes a column over from the caller.
///
/// # Safety
/// `export` points to a column that is ours and that nobody has taken yet.
unsafe fn take(export: *mut SeriesExport) -> Result<Column, String> {
    // SAFETY: by this function's contract nobody else reads or writes it.
    let export = unsafe { &mut *export };
    // SAFETY: a column holds `n_chunks` pointers, each to an array that is ours with the column.
    let headers = unsafe { slice(export.chunks.cast_const(), export.n_chunks) };
    // SAFETY: as above; each header is left empty, so that no array is released twice.
    let arrays: Vec<_> = headers.iter().map(|&header| unsafe { FFI_ArrowArray::from_raw(header) }).collect();
    // SAFETY: the schema lives until the column is released; a null pointer gives nothing.
    let field = unsafe { export.schema.as_ref() }.map(Field::try_from);
    if let Some(release) = export.release.take() {
        // SAFETY: the column is ours and is released once; neither headers nor schema are used hereafter.
        unsafe { release(export) };
    }
    let field = field.ok_or("InternalError: a column has no type")?.map_err(refused)?;
    // SAFETY: the arrays and their type come from one column.
    let chunks = arrays.into_iter().map(|array| unsafe { import(array, field.data_type()) });
    let chunks = chunks.collect::<Result<Vec<_>, _>>().map_err(refused)?;
    Ok(Column { field, chunks })
}

/// What a result's `private_data` holds.
struct Headers {
    schema: *mut FFI_ArrowSchema,
    chunks: Box<[*mut FFI_ArrowArray]>,
}

/// Hands a column over to the caller.
fn export(field: &Field, chunks: &[ArrayData]) -> Result<SeriesExport, String> {
    let schema = Box::into_raw(Box::new(FFI_ArrowSchema::try_from(field).map_err(refused)?));
    let chunks = chunks.iter().map(|chunk| Box::into_raw(Box::new(FFI_ArrowArray::new(chunk)))).collect();
    let headers = Box::into_raw(Box::new(Headers { schema, chunks }));
    // SAFETY: the box was made above, is not freed before `release_result`, and nobody else knows it yet.
    let chunks = unsafe { &mut (*headers).chunks };
    Ok(SeriesExport {
        schema,
        n_chunks: chunks.len(),
        chunks: chunks.as_mut_ptr(),
        release: Some(release_result),
        private_data: headers.cast(),
    })
}

/// Frees the headers of a result; its arrays have become the caller's, bit by bit.
///
/// # Safety
/// `export` points to a result of [`export`], wherever the caller has moved it, that was not released before.
unsafe extern "C" fn release_result(export: *mut SeriesExport) {
    // SAFETY: by this function's contract.
    let export = unsafe { &mut *export };
    export.release = None;
    let headers = std::mem::replace(&mut export.private_data, null_mut()).cast::<Headers>();
    if headers.is_null() {
        return;
    }
    // SAFETY: made by `export` with `Box::into_raw`, and freed here alone.
    let headers = unsafe { Box::from_raw(headers) };
    // SAFETY: likewise; the caller only borrowed the schema.
    drop(unsafe { Box::from_raw(headers.schema) });
    for &header in &headers.chunks {
        // SAFETY: likewise; `ManuallyDrop` has the layout of what it holds, and leaves the caller's array alone.
        drop(unsafe { Box::from_raw(header.cast::<ManuallyDrop<FFI_ArrowArray>>()) });
    }
}
