//! Everything the core refuses; the shell turns each into the Python class of the same kind.

use thiserror::Error as ThisError;

/// What cannot be mined, with the row where it was found.
#[derive(Debug, Clone, PartialEq, ThisError)]
pub enum Error {
    /// A policy field is out of range.
    #[error("{field}: {reason}")]
    Policy {
        /// The field as the user spells it.
        field: &'static str,
        /// What was given and what is allowed.
        reason: String,
    },
    /// Arrays do not fit each other.
    #[error("{0}")]
    Shape(String),
    /// The result does not fit into memory.
    #[error("a result of {rows} rows of {n} does not fit into memory; mine fewer queries at once")]
    Memory {
        /// Rows of the result.
        rows: usize,
        /// Negatives of each.
        n: usize,
    },
    /// A query has no positive, so nothing can be relative to it.
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
        /// Place among the query's positives.
        position: usize,
        /// The score.
        score: f64,
    },
    /// An id names no passage of the table it indexes.
    #[error("id {id} lies outside the {passages} passages")]
    IdOutOfRange {
        /// Row of the query.
        row: usize,
        /// The id.
        id: i64,
        /// How many passages there are.
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
    /// A query got fewer negatives than asked, under `OnShort::Raise`.
    #[error(
        "got {found} of {wanted} negatives from {candidates} candidates; search deeper, relax the policy, or pass \
         on_short=\"keep\""
    )]
    Short {
        /// Row of the query.
        row: usize,
        /// Negatives found.
        found: usize,
        /// Negatives asked.
        wanted: usize,
        /// Candidates the query had.
        candidates: usize,
    },
}

impl Error {
    /// Row of the query concerned, where there is one.
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
