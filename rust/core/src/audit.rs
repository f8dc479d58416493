/*!
The account of every candidate: it is emitted, or rejected for exactly one reason.

`candidates = emitted + sum of rejected` holds for each query. Debug builds check it when a row is written.
*/

/// Why a candidate was not emitted. The variants follow the order of the rule; output columns have the same order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Reason {
    /// The id is padding: negative, or the maximum of an unsigned type.
    Padding,
    /// The score is NaN or infinite.
    NotFinite,
    /// The passage is a positive of the query, has the same text as one, or is the query itself.
    Positive,
    /// The row holds the passage, or one with the same text, more than once; only the best copy counts.
    Duplicate,
    /// The query has no positive and was skipped.
    NoAnchor,
    /// The score is at or above the ceiling.
    Ceiling,
    /// The score is below the floor.
    Floor,
    /// The text is too similar to a positive, to the query or to a better survivor.
    NearDuplicate,
    /// One of the best `shift` survivors, which the policy skips.
    Shifted,
    /// Below the `pool` survivors that the sampler draws from.
    BeyondPool,
    /// In the pool, but not drawn.
    NotSampled,
    /// Drawn, but the query was short and `on_short` is `drop`.
    Dropped,
}

/// Names of the reasons in every output, indexed by `Reason as usize`.
pub const REASONS: [&str; 12] = [
    "padding",
    "not_finite",
    "positive",
    "duplicate",
    "no_anchor",
    "ceiling",
    "floor",
    "near_duplicate",
    "shifted",
    "beyond_pool",
    "not_sampled",
    "dropped",
];

/// Number of rejected candidates of one query, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts([u64; REASONS.len()]);

impl Counts {
    /// Counts `many` more candidates under `reason`.
    pub fn add(&mut self, reason: Reason, many: usize) {
        self.0[reason as usize] += many as u64;
    }

    /// Returns the count of one reason.
    #[must_use]
    pub fn get(&self, reason: Reason) -> u64 {
        self.0[reason as usize]
    }

    /// Returns all counts, in the order of [`REASONS`].
    #[must_use]
    pub fn as_array(&self) -> &[u64; REASONS.len()] {
        &self.0
    }

    /// Returns the number of candidates rejected for any reason.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}
