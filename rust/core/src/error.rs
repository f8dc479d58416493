//! The errors of the core. The Python extension raises an exception class for each variant.

use thiserror::Error as ThisError;

/// Why a request cannot be served, with the row of the query where there is one.
#[derive(Debug, Clone, PartialEq, ThisError)]
pub enum Error {
    /// A policy field is out of range.
    #[error("{field}: {reason}")]
    Policy {
        /// Name of the field, as the user spells it.
        field: &'static str,
        /// The value given and the values allowed.
        reason: String,
    },
    /// The shapes of two arrays do not fit each other.
    #[error("{0}")]
    Shape(String),
    /// The result does not fit into memory.
    #[error("a result of {rows} rows of {n} does not fit into memory; mine fewer queries at once")]
    Memory {
        /// Number of rows of the result.
        rows: usize,
        /// Negatives per row.
        n: usize,
    },
    /// A query has no positive, so it has no anchor.
    #[error("has no positive score; give one or pass on_missing=\"skip\"")]
    NoPositive {
        /// Row of the query.
        row: usize,
    },
    /// A positive score is NaN or infinite.
    #[error("positive score {position} is {score}; scores of positives must be finite")]
    PositiveNotFinite {
        /// Row of the query.
        row: usize,
        /// Position among the query's positives.
        position: usize,
        /// The score.
        score: f64,
    },
    /// An id lies outside the table that it indexes.
    #[error("id {id} lies outside the {passages} passages")]
    IdOutOfRange {
        /// Row of the query.
        row: usize,
        /// The id.
        id: i64,
        /// Number of passages in the table.
        passages: usize,
    },
    /// A vector has a component that is NaN or infinite.
    #[error("{what} vector {row} has a component that is NaN or infinite")]
    VectorNotFinite {
        /// "query" or "passage".
        what: &'static str,
        /// Row of the vector.
        row: usize,
    },
    /// A query got fewer negatives than the policy asks for, under `OnShort::Raise`.
    #[error(
        "got {found} of {wanted} negatives from {candidates} candidates; search deeper, relax the policy, or pass \
         on_short=\"keep\""
    )]
    Short {
        /// Row of the query.
        row: usize,
        /// Negatives that the query got.
        found: usize,
        /// Negatives that the policy asks for.
        wanted: usize,
        /// Candidates of the query.
        candidates: usize,
    },
}

impl Error {
    /// Returns the row of the query or vector concerned, if there is one.
    #[must_use]
    pub fn row(&self) -> Option<usize> {
        match *self {
            Self::NoPositive { row }
            | Self::PositiveNotFinite { row, .. }
            | Self::IdOutOfRange { row, .. }
            | Self::VectorNotFinite { row, .. }
            | Self::Short { row, .. } => Some(row),
            Self::Policy { .. } | Self::Shape(_) | Self::Memory { .. } => None,
        }
    }
}
