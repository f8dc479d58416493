//! Thread pools of our own: one for each number of threads, made when first asked for.
//!
//! rayon's global pool cannot be sized twice and does not survive a fork. A child process finds no pool of its own under
//! its process id and makes one.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;

/// Pools by process id and number of threads.
type Pools = HashMap<(u32, usize), Arc<ThreadPool>>;

static POOLS: Mutex<Option<Pools>> = Mutex::new(None);

/// Runs `work` on `threads` threads (all that the process may use where `None`), detached from the interpreter.
pub(crate) fn detached<T: Send>(
    py: Python<'_>,
    threads: Option<NonZeroUsize>,
    work: impl FnOnce() -> T + Send,
) -> PyResult<T> {
    let pool = shared(threads).map_err(PyRuntimeError::new_err)?;
    Ok(py.detach(|| pool.install(work)))
}

/// The pool of so many threads; what keeps it from starting is said in words.
pub(crate) fn shared(threads: Option<NonZeroUsize>) -> Result<Arc<ThreadPool>, String> {
    let threads = threads.or_else(|| available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    // A poisoned lock means a panic between two insertions, which leaves the map whole.
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    let pools = pools.get_or_insert_default();
    let key = (std::process::id(), threads);
    if let Some(pool) = pools.get(&key) {
        return Ok(Arc::clone(pool));
    }
    let pool = ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|number| format!("nvmine-{number}"))
        .build()
        .map_err(|error| format!("cannot start {threads} threads: {error}"))?;
    let pool = Arc::new(pool);
    pools.insert(key, Arc::clone(&pool));
    Ok(pool)
}
