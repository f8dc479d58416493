//! `nvmine._core`: the shell between Python and the core.
//!
//! The shell extracts arrays, detaches from the interpreter and converts errors; the core makes every decision. There
//! are two ways in: [`api`] holds the functions that Python calls, and [`polars`] is a plugin that Polars loads by the
//! library's path and calls without an interpreter. [`arrow`] reads Arrow columns for both.

#![allow(clippy::needless_pass_by_value, reason = "PyO3 passes arguments by value")]

mod api;
mod arrays;
mod arrow;
mod errors;
mod polars;
mod policy;
mod pool;

use pyo3::prelude::*;

/// The compiled core of nvmine.
#[pymodule]
mod _core {
    #[pymodule_export]
    use crate::api::ensemble::{ensemble, jaccard, jaccard_matrix};
    #[pymodule_export]
    use crate::api::mine::mine;
    #[pymodule_export]
    use crate::api::search::{PyBest, score_error, score_pairs};
    #[pymodule_export]
    use crate::api::shingles::shingles;
    #[pymodule_export]
    use crate::arrow::read::read_arrow;
    #[pymodule_export]
    use crate::policy::PyPolicy;
    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    #[pymodule_export]
    const REASONS: [&str; nvmine_core::REASONS.len()] = nvmine_core::REASONS;
}
