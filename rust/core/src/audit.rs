/*!
The account of every candidate: emitted, or rejected for exactly one reason.

`candidates = emitted + sum of rejected` holds for each query and so for their sum; it is checked where it is made.
*/

/// Why a candidate was not emitted. The order is the order of the rule, and of the columns in every output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Reason {
    /// The id is a sentinel: negative, or the maximum of an unsigned type.
    Padding,
    /// The score is NaN or infinite.
    NotFinite,
    /// A positive of the query, one with the same text, or the query itself.
    Positive,
    /// The same passage, or one with the same text, again in this row.
    Duplicate,
    /// The query has no positive and was skipped.
    NoAnchor,
    /// At or above the ceiling.
    Ceiling,
    /// Below the floor.
    Floor,
    /// Too similar to a positive, the query or a better survivor.
    NearDuplicate,
    /// One of the first `shift` survivors.
    Shifted,
    /// Past the `pool` survivors that are considered.
    BeyondPool,
    /// A survivor that was not picked.
    NotSampled,
    /// Picked, but the query was short and `on_short` is `drop`.
    Dropped,
}

/// Names of the reasons, as every output spells them, indexed by `Reason as usize`.
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

/// How many candidates of one query were rejected, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts([u64; REASONS.len()]);

impl Counts {
    /// Counts `many` more candidates under `reason`.
    pub fn add(&mut self, reason: Reason, many: usize) {
        self.0[reason as usize] += many as u64;
    }

    /// The count of one reason.
    #[must_use]
    pub fn get(&self, reason: Reason) -> u64 {
        self.0[reason as usize]
    }

    /// All counts, in the order of [`REASONS`].
    #[must_use]
    pub fn as_array(&self) -> &[u64; REASONS.len()] {
        &self.0
    }

    /// Candidates rejected for any reason.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}
