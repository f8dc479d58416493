/*!
The policy: the whole mining rule as one validated value.

The methods and their best settings are those of NV-Retriever (arXiv 2407.15831v2, section 3 and Table 3). Prefer `perc`
if the scale of positive scores differs between queries, `margin` if the teacher has one scale, and `abs` if its scores are
calibrated. `naive` and `shift` ignore scores; they exist for comparison.
*/

pub(crate) mod anchor;

use crate::error::Error;
pub use crate::policy::anchor::Anchor;

/// How a query's ceiling is computed from its anchor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// No ceiling.
    Naive,
    /// No ceiling; the policy's `shift` skips the best survivors instead.
    Shift,
    /// A fixed ceiling, the policy's `max_score`.
    Abs,
    /// `anchor - margin`.
    Margin(f64),
    /// `anchor - (1 - percentage) * |anchor|`.
    Perc(f64),
}

/// How negatives are drawn from the pool of survivors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sampling {
    /// The best-scored survivors, without a draw.
    Top,
    /// Equal weight for every survivor.
    Uniform,
    /// Weight `exp(score / temperature)`.
    Softmax {
        /// Positive. Small values approach [`Sampling::Top`].
        temperature: f64,
    },
    /// Weight `exp(-a * (score - anchor - b)^2)` (`SimANS`, arXiv 2210.11773).
    Simans {
        /// Sharpness of the peak, positive.
        a: f64,
        /// Offset of the peak from the anchor.
        b: f64,
    },
    /// Bins of equal width over the margin to the anchor; all non-empty bins have the same total weight
    /// (TAS-Balanced, arXiv 2104.06967).
    Bins {
        /// Number of bins, at least one.
        bins: usize,
    },
}

/// What happens to a query that gets fewer negatives than the policy asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnShort {
    /// The query keeps the negatives that it got.
    Keep,
    /// The query gets no negatives; the ones found are counted as `dropped`.
    Drop,
    /// Mining fails with an error that names the query.
    Raise,
}

/// What happens to a query without a positive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnMissing {
    /// Mining fails with an error that names the query.
    Raise,
    /// The query gets no negatives; its candidates are counted as `no_anchor`.
    Skip,
}

/// The whole rule that [`mine`](fn@crate::mine) applies. [`Policy::validate`] checks it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// How the ceiling is computed from the anchor.
    pub method: Method,
    /// Exclusive upper bound on scores, on top of the method's.
    pub max_score: Option<f64>,
    /// Inclusive lower bound on scores.
    pub min_score: Option<f64>,
    /// Jaccard similarity of word shingles, in (0, 1], from which on a survivor counts as a near-duplicate of a positive, of
    /// the query or of a better survivor, and is rejected. `None` compares no texts.
    pub near_duplicate: Option<f64>,
    /// Number of best survivors to skip.
    pub shift: usize,
    /// Number of survivors after the skipped ones that the sampler draws from; `None` for all.
    pub pool: Option<usize>,
    /// Negatives per query.
    pub n: usize,
    /// How negatives are drawn from the pool.
    pub sampling: Sampling,
    /// Number of negatives that are the best survivors of the pool, whatever the sampling; the rest are drawn.
    pub first: usize,
    /// Which positive score is the anchor.
    pub anchor: Anchor,
    /// What happens to queries that get fewer than `n` negatives.
    pub on_short: OnShort,
    /// What happens to queries without a positive.
    pub on_missing: OnMissing,
    /// Seed of the random draws.
    pub seed: u64,
}

/// Largest accepted `n`. No training run uses as many negatives, so a larger number is a mistaken argument.
const MOST_NEGATIVES: usize = 1 << 20;

impl Policy {
    /// Checks that every field is in its range and that the fields do not contradict each other.
    ///
    /// # Errors
    /// [`Error::Policy`] naming the first field that is wrong.
    pub fn validate(&self) -> Result<(), Error> {
        let finite = |field: &'static str, value: f64| {
            if value.is_finite() { Ok(()) } else { Err(refuse(field, format!("must be finite, not {value}"))) }
        };
        match self.method {
            Method::Margin(margin) => finite("margin", margin)?,
            // The paper sweeps up to 1.05. A value such as 95 is a percentage, not a share.
            Method::Perc(percentage) if !(0.0..=2.0).contains(&percentage) => {
                return Err(refuse("percentage", format!("must be a share in [0, 2] such as 0.95, not {percentage}")));
            }
            Method::Abs if self.max_score.is_none() => {
                return Err(refuse("max_score", "method \"abs\" needs it".into()));
            }
            _ => {}
        }
        match self.sampling {
            Sampling::Softmax { temperature } if !(temperature.is_finite() && temperature > 0.0) => {
                return Err(refuse("temperature", format!("must be positive and finite, not {temperature}")));
            }
            Sampling::Simans { a, .. } if !(a.is_finite() && a > 0.0) => {
                return Err(refuse("simans_a", format!("must be positive and finite, not {a}")));
            }
            Sampling::Simans { b, .. } => finite("simans_b", b)?,
            Sampling::Bins { bins } if bins == 0 || bins > MOST_NEGATIVES => {
                return Err(refuse("bins", format!("must lie in [1, {MOST_NEGATIVES}], not {bins}")));
            }
            _ => {}
        }
        if let Some(max_score) = self.max_score {
            finite("max_score", max_score)?;
        }
        if let Some(min_score) = self.min_score {
            finite("min_score", min_score)?;
            if self.max_score.is_some_and(|max_score| min_score >= max_score) {
                return Err(refuse(
                    "min_score",
                    format!("{min_score} leaves nothing below max_score {}", self.max_score.unwrap_or(f64::NAN)),
                ));
            }
        }
        if let Some(share) = self.near_duplicate
            && !(share > 0.0 && share <= 1.0)
        {
            return Err(refuse("near_duplicate", format!("must be a share in (0, 1] such as 0.8, not {share}")));
        }
        if !(1..=MOST_NEGATIVES).contains(&self.n) {
            return Err(refuse("n", format!("must lie in [1, {MOST_NEGATIVES}], not {}", self.n)));
        }
        if let Some(pool) = self.pool
            && pool < self.n
        {
            return Err(refuse("pool", format!("{pool} survivors can never give n = {} negatives", self.n)));
        }
        if self.first > self.n {
            return Err(refuse("first", format!("{} is more than n = {}", self.first, self.n)));
        }
        Ok(())
    }

    /// Returns the exclusive upper bound on the scores of negatives for a query with this anchor; infinite if the policy
    /// sets none.
    ///
    /// # Examples
    /// ```
    /// # use nvmine_core::*;
    /// # let policy = Policy { method: Method::Perc(0.95), max_score: None, min_score: None, near_duplicate: None,
    /// #     shift: 0, pool: None, n: 4, sampling: Sampling::Top, first: 0, anchor: Anchor::Min,
    /// #     on_short: OnShort::Keep, on_missing: OnMissing::Raise, seed: 0 };
    /// assert!((policy.ceiling(0.8) - 0.76).abs() < 1e-12);
    /// assert!((policy.ceiling(-0.2) - -0.21).abs() < 1e-12); // below the anchor, even if the anchor is negative
    /// ```
    #[must_use]
    pub fn ceiling(&self, anchor: f64) -> f64 {
        let of_method = match self.method {
            Method::Naive | Method::Shift | Method::Abs => f64::INFINITY,
            Method::Margin(margin) => anchor - margin,
            Method::Perc(percentage) => anchor - (1.0 - percentage) * anchor.abs(),
        };
        match self.max_score {
            Some(max_score) if max_score < of_method => max_score,
            _ => of_method,
        }
    }

    /// Returns the inclusive lower bound on the scores of negatives; negative infinity if the policy sets none.
    #[must_use]
    pub fn floor(&self) -> f64 {
        self.min_score.unwrap_or(f64::NEG_INFINITY)
    }

    /// Returns how many survivors after the skipped ones the sampler draws from; `usize::MAX` for all.
    #[must_use]
    pub fn window(&self) -> usize {
        self.pool.unwrap_or(usize::MAX)
    }

    /// Returns how many of the best survivors decide which negatives are picked; the order of later survivors is irrelevant.
    #[must_use]
    pub fn decisive(&self) -> usize {
        self.shift.saturating_add(if self.sampling == Sampling::Top { self.n } else { self.window() })
    }
}

fn refuse(field: &'static str, reason: String) -> Error {
    Error::Policy { field, reason }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const POLICY: Policy = Policy {
        method: Method::Perc(0.95),
        max_score: None,
        min_score: None,
        near_duplicate: None,
        shift: 0,
        pool: None,
        n: 4,
        sampling: Sampling::Top,
        first: 0,
        anchor: Anchor::Min,
        on_short: OnShort::Keep,
        on_missing: OnMissing::Raise,
        seed: 0,
    };

    fn field(policy: Policy) -> Option<&'static str> {
        match policy.validate() {
            Err(Error::Policy { field, .. }) => Some(field),
            _ => None,
        }
    }

    #[test]
    fn validate_names_the_field_that_is_wrong() {
        assert_eq!(field(POLICY), None);
        for percentage in [-0.1, 95.0, f64::NAN] {
            assert_eq!(field(Policy { method: Method::Perc(percentage), ..POLICY }), Some("percentage"));
        }
        assert_eq!(field(Policy { method: Method::Margin(f64::INFINITY), ..POLICY }), Some("margin"));
        assert_eq!(field(Policy { method: Method::Abs, ..POLICY }), Some("max_score"));
        assert_eq!(field(Policy { max_score: Some(f64::NAN), ..POLICY }), Some("max_score"));
        assert_eq!(field(Policy { max_score: Some(0.5), min_score: Some(0.5), ..POLICY }), Some("min_score"));
        for share in [0.0, -0.5, 1.5, f64::NAN] {
            assert_eq!(field(Policy { near_duplicate: Some(share), ..POLICY }), Some("near_duplicate"));
        }
        assert_eq!(field(Policy { n: 0, ..POLICY }), Some("n"));
        assert_eq!(field(Policy { pool: Some(3), ..POLICY }), Some("pool"));
        assert_eq!(field(Policy { first: 5, ..POLICY }), Some("first"));
        let sampling = Sampling::Softmax { temperature: 0.0 };
        assert_eq!(field(Policy { sampling, ..POLICY }), Some("temperature"));
        assert_eq!(field(Policy { sampling: Sampling::Simans { a: -1.0, b: 0.0 }, ..POLICY }), Some("simans_a"));
        assert_eq!(field(Policy { sampling: Sampling::Bins { bins: 0 }, ..POLICY }), Some("bins"));
    }

    #[test]
    fn the_lower_of_the_method_and_max_score_is_the_ceiling() {
        let policy = Policy { max_score: Some(0.7), ..POLICY };
        assert_eq!(policy.ceiling(0.9), 0.7);
        assert_eq!(policy.ceiling(0.5), 0.5 - (1.0 - 0.95) * 0.5);
        assert_eq!(Policy { method: Method::Margin(0.05), ..POLICY }.ceiling(0.5), 0.5 - 0.05);
        assert_eq!(Policy { method: Method::Naive, ..POLICY }.ceiling(0.5), f64::INFINITY);
    }
}
