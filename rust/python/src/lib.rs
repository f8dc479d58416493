//! `nvmine._core`: the shell between Python and the core.
//!
//! Extracts arrays, detaches from the interpreter, maps errors; every decision is the core's. The same library is a plugin
//! of Polars, which finds the symbols of `plugin` by name and needs no interpreter.

#![allow(clippy::needless_pass_by_value, reason = "PyO3 hands arguments over by value")]

mod arrays;
mod call;
mod columns;
mod ensemble;
mod errors;
mod expression;
mod ffi;
mod mine;
mod plugin;
mod policy;
mod pool;
mod read;
mod search;
mod shingles;

use pyo3::prelude::*;

/// The compiled core of nvmine.
#[pymodule]
mod _core {
    #[pymodule_export]
    use crate::ensemble::{ensemble, jaccard, jaccard_matrix};
    #[pymodule_export]
    use crate::mine::mine;
    #[pymodule_export]
    use crate::policy::CorePolicy;
    #[pymodule_export]
    use crate::read::read_arrow;
    #[pymodule_export]
    use crate::search::{Best, reach, score_pairs};
    #[pymodule_export]
    use crate::shingles::shingles;
    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    #[pymodule_export]
    const REASONS: [&str; nvmine_core::REASONS.len()] = nvmine_core::REASONS;
}
