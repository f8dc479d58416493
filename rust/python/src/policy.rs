//! The policy at the boundary: strings become enums here and nowhere else.

use crate::errors::{Failure, PolicyError};
use nvmine_core::{Anchor, Method, OnMissing, OnShort, Policy, Sampling};
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyDict};

/// A validated policy of the core. Built by `nvmine.Policy`, which documents the fields.
#[pyclass(frozen, name = "Policy", module = "nvmine._core")]
pub(crate) struct CorePolicy(pub(crate) Policy);

#[pymethods]
impl CorePolicy {
    #[new]
    #[pyo3(signature = (*, method, percentage, margin, max_score, min_score, shift, pool, n, sampling, first,
        temperature, simans_a, simans_b, bins, anchor, on_short, on_missing, seed))]
    #[expect(clippy::too_many_arguments, reason = "the fields of a policy, all named by the caller")]
    fn new(
        py: Python<'_>,
        method: &str,
        percentage: f64,
        margin: f64,
        max_score: Option<f64>,
        min_score: Option<f64>,
        shift: usize,
        pool: Option<usize>,
        n: usize,
        sampling: &str,
        first: usize,
        temperature: f64,
        simans_a: f64,
        simans_b: f64,
        bins: usize,
        anchor: &str,
        on_short: &str,
        on_missing: &str,
        seed: u64,
    ) -> Result<Self, Failure> {
        let methods = [
            ("naive", Method::Naive),
            ("shift", Method::Shift),
            ("abs", Method::Abs),
            ("margin", Method::Margin(margin)),
            ("perc", Method::Perc(percentage)),
        ];
        let samplings = [
            ("top", Sampling::Top),
            ("uniform", Sampling::Uniform),
            ("softmax", Sampling::Softmax { temperature }),
            ("simans", Sampling::Simans { a: simans_a, b: simans_b }),
            ("bins", Sampling::Bins { bins }),
        ];
        let anchors = [("min", Anchor::Min), ("max", Anchor::Max), ("mean", Anchor::Mean), ("each", Anchor::Each)];
        let shorts = [("keep", OnShort::Keep), ("drop", OnShort::Drop), ("raise", OnShort::Raise)];
        let missings = [("raise", OnMissing::Raise), ("skip", OnMissing::Skip)];
        let policy = Policy {
            method: choose(py, "method", method, &methods)?,
            max_score,
            min_score,
            shift,
            pool,
            n,
            sampling: choose(py, "sampling", sampling, &samplings)?,
            first,
            anchor: choose(py, "anchor", anchor, &anchors)?,
            on_short: choose(py, "on_short", on_short, &shorts)?,
            on_missing: choose(py, "on_missing", on_missing, &missings)?,
            seed,
        };
        policy.validate()?;
        // Also the fields that this method and sampler have no use for: policies are stored, and varied.
        for (_, method) in methods.into_iter().filter(|(_, method)| *method != Method::Abs) {
            Policy { method, ..policy }.validate()?;
        }
        for (_, sampling) in samplings {
            Policy { sampling, ..policy }.validate()?;
        }
        Ok(Self(policy))
    }

    /// Exclusive upper bound on a negative's score for a query with this anchor.
    fn ceiling(&self, anchor: f64) -> f64 {
        self.0.ceiling(anchor)
    }
}

/// The value that `name` spells, or a `PolicyError` listing what may be spelled.
pub(crate) fn choose<T: Copy>(py: Python<'_>, field: &str, name: &str, choices: &[(&str, T)]) -> PyResult<T> {
    if let Some((_, value)) = choices.iter().find(|(choice, _)| *choice == name) {
        return Ok(*value);
    }
    let known: Vec<String> = choices.iter().map(|(choice, _)| format!("{choice:?}")).collect();
    let message = format!("{name:?} is unknown; choose from {}", known.join(", "));
    let place: Bound<'_, PyDict> = [("column", field)].into_py_dict(py)?;
    Err(PyErr::from_value(py.get_type::<PolicyError>().call((message,), Some(&place))?))
}
