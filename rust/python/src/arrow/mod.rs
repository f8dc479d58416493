//! Arrow columns: [`ffi`] imports and validates them, [`columns`] turns them into flat arrays, and [`read`] returns
//! those to Python.

pub(crate) mod columns;
pub(crate) mod ffi;
pub(crate) mod read;
