//! The policy at the boundary to Python: strings become enums here and nowhere else.

use crate::errors::Failure;
use nvmine_core::{Anchor, Error, Method, OnMissing, OnShort, Policy, Sampling};
use pyo3::prelude::*;

/// A validated policy. `nvmine.Policy` builds it and documents the fields.
#[pyclass(frozen, name = "Policy", module = "nvmine._core")]
pub(crate) struct PyPolicy(pub(crate) Policy);

#[pymethods]
impl PyPolicy {
    #[new]
    #[pyo3(signature = (*, method, percentage, margin, max_score, min_score, near_duplicate, shift, pool, n, sampling,
        first, temperature, simans_a, simans_b, bins, anchor, on_short, on_missing, seed))]
    #[expect(clippy::too_many_arguments, reason = "the fields of a policy, all keyword-only")]
    fn new(
        method: &str,
        percentage: f64,
        margin: f64,
        max_score: Option<f64>,
        min_score: Option<f64>,
        near_duplicate: Option<f64>,
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
        let fields = PolicyFields {
            method,
            percentage,
            margin,
            max_score,
            min_score,
            near_duplicate,
            shift,
            pool,
            n,
            sampling,
            first,
            temperature,
            simans_a,
            simans_b,
            bins,
            anchor,
            on_short,
            on_missing,
            seed,
        };
        Ok(Self(fields.validated()?))
    }

    /// Returns the exclusive upper bound on the scores of negatives for this anchor.
    fn ceiling(&self, anchor: f64) -> f64 {
        self.0.ceiling(anchor)
    }
}

/// The fields of a policy as Python passes them, with names instead of enums.
#[derive(Clone, Copy)]
pub(crate) struct PolicyFields<'a> {
    pub(crate) method: &'a str,
    pub(crate) percentage: f64,
    pub(crate) margin: f64,
    pub(crate) max_score: Option<f64>,
    pub(crate) min_score: Option<f64>,
    pub(crate) near_duplicate: Option<f64>,
    pub(crate) shift: usize,
    pub(crate) pool: Option<usize>,
    pub(crate) n: usize,
    pub(crate) sampling: &'a str,
    pub(crate) first: usize,
    pub(crate) temperature: f64,
    pub(crate) simans_a: f64,
    pub(crate) simans_b: f64,
    pub(crate) bins: usize,
    pub(crate) anchor: &'a str,
    pub(crate) on_short: &'a str,
    pub(crate) on_missing: &'a str,
    pub(crate) seed: u64,
}

impl PolicyFields<'_> {
    /// The policy that the fields describe.
    ///
    /// # Errors
    /// [`Error::Policy`] names the first field that is unknown or out of range.
    pub(crate) fn validated(self) -> Result<Policy, Error> {
        let methods = [
            ("naive", Method::Naive),
            ("shift", Method::Shift),
            ("abs", Method::Abs),
            ("margin", Method::Margin(self.margin)),
            ("perc", Method::Perc(self.percentage)),
        ];
        let samplings = [
            ("top", Sampling::Top),
            ("uniform", Sampling::Uniform),
            ("softmax", Sampling::Softmax { temperature: self.temperature }),
            ("simans", Sampling::Simans { a: self.simans_a, b: self.simans_b }),
            ("bins", Sampling::Bins { bins: self.bins }),
        ];
        let anchors = [("min", Anchor::Min), ("max", Anchor::Max), ("mean", Anchor::Mean), ("each", Anchor::Each)];
        let shorts = [("keep", OnShort::Keep), ("drop", OnShort::Drop), ("raise", OnShort::Raise)];
        let missings = [("raise", OnMissing::Raise), ("skip", OnMissing::Skip)];
        let policy = Policy {
            method: choose("method", self.method, &methods)?,
            max_score: self.max_score,
            min_score: self.min_score,
            near_duplicate: self.near_duplicate,
            shift: self.shift,
            pool: self.pool,
            n: self.n,
            sampling: choose("sampling", self.sampling, &samplings)?,
            first: self.first,
            anchor: choose("anchor", self.anchor, &anchors)?,
            on_short: choose("on_short", self.on_short, &shorts)?,
            on_missing: choose("on_missing", self.on_missing, &missings)?,
            seed: self.seed,
        };
        policy.validate()?;
        // Fields that this method and this sampling ignore are validated too, because policies are stored and later
        // used with another method or sampling.
        for (_, method) in methods.into_iter().filter(|(_, method)| *method != Method::Abs) {
            Policy { method, ..policy }.validate()?;
        }
        for (_, sampling) in samplings {
            Policy { sampling, ..policy }.validate()?;
        }
        Ok(policy)
    }
}

/// The value with this name, or an error that lists the known names.
pub(crate) fn choose<T: Copy>(field: &'static str, name: &str, choices: &[(&str, T)]) -> Result<T, Error> {
    if let Some((_, value)) = choices.iter().find(|(choice, _)| *choice == name) {
        return Ok(*value);
    }
    let known: Vec<String> = choices.iter().map(|(choice, _)| format!("{choice:?}")).collect();
    Err(Error::Policy { field, reason: format!("{name:?} is unknown; choose from {}", known.join(", ")) })
}
