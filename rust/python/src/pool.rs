//! The shell's own thread pools, one for each number of threads, started on first use.
//!
//! rayon's global pool has one fixed size, and its threads do not exist in a forked child. Pools are therefore also
//! keyed by process id, so that a child starts its own.
//!
//! Two cases are not handled. A child that is forked while another thread of the parent holds the lock of `POOLS`
//! blocks forever in its first call. A process that is given the id of an exited ancestor finds the ancestor's pool,
//! whose threads it does not have, and blocks as well.

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

/// Runs `work` on `threads` threads, detached from the interpreter; `None` means all that the process may use.
pub(crate) fn detached<T: Send>(
    py: Python<'_>,
    threads: Option<NonZeroUsize>,
    work: impl FnOnce() -> T + Send,
) -> PyResult<T> {
    let pool = pool(threads).map_err(PyRuntimeError::new_err)?;
    Ok(py.detach(|| pool.install(work)))
}

/// The pool with this number of threads, or a message that says why it cannot be started.
pub(crate) fn pool(threads: Option<NonZeroUsize>) -> Result<Arc<ThreadPool>, String> {
    let threads = threads.or_else(|| available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    // The lock is held while threads start. After a panic there, the map lacks the new pool and is otherwise intact.
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
